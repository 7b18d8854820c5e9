"""The line: one exchange from its first byte to its record."""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable

from trunkline.engine.deciding import decide
from trunkline.engine.exchange import Exchange
from trunkline.engine.faults import cancelled, internal, stopped
from trunkline.engine.flight import Flight
from trunkline.engine.outcome import close
from trunkline.engine.queueing import delay, stand_in_line
from trunkline.engine.race import prepare, race
from trunkline.engine.rescue import remembers, rescue
from trunkline.engine.shadow import shadow_of
from trunkline.routing.course import Course
from trunkline.types.failure import Failure, Kind, refused
from trunkline.types.plan import Queue, Try, Wait

Serving = Callable[[Exchange], Awaitable[Failure | None]]


async def run(x: Exchange, serving: Serving | None = None) -> None:
    """Every exchange passes here once, and leaves exactly one record on every path. `serving` takes the place of `serve`
    for what is no chat."""
    x.house.live.add(x)
    failure: Failure | None
    try:
        failure = await (serve if serving is None else serving)(x)
    except Exception:
        x.house.log("internal_error", {"request_id": x.id, "trace": traceback.format_exc(limit=20)})
        failure = internal()
        x.stop("error")
    try:
        close(x, failure)
    finally:
        x.house.live.discard(x)
        x.house.shadows -= x.shadow is not None
        if x.house.drained is not None and not x.house.live:
            x.house.drained()


def launch(x: Exchange, serving: Serving | None = None) -> None:
    """Start the line at the end of this turn. A known key never awaits anything but its own signals; an unknown one
    asks the store, and so does what is no chat."""
    if serving is not None:
        x.task = x.house.loop.create_task(run(x, serving))
    elif x.decision is not None:
        x.light = True
        x.house.turn.work(Flight(run(x)).step)
    else:
        x.task = x.house.loop.create_task(run(x))


def refuse_at_head(x: Exchange, failure: Failure) -> None:
    """The head alone decides: answered before the body is read."""
    close(x, failure)


def abandon(x: Exchange) -> None:
    """The client left while it was still sending its body."""
    x.gone = True
    close(x, cancelled("client"))


async def serve(x: Exchange) -> Failure | None:
    """None: an attempt served (perhaps it broke after commitment; the attempt says so). A failure: nothing did."""
    house = x.house
    facts = x.chat.peek(x.target, x.call.body)
    if isinstance(facts, Failure):
        return facts
    x.facts = facts
    decision = x.decision if x.decision is not None else await house.gate.admit(x.presented)
    if isinstance(decision, Failure):
        return decision
    x.principal = decision
    route = x.shadow or x.snapshot.routes.get(facts.model)
    if route is None:
        return unknown_model(x, facts.model)
    refusal = decide(x, route)
    route = x.route or route
    if refusal is not None:
        return refusal
    assert x.plan is not None
    copy = shadow_of(x)
    if copy is not None:
        house.turn.work(Flight(run(copy)).step)
    x.deadline = x.call.head_at + route.timeouts.total
    if "deadline_s" in x.labels:  # validated by the front door
        x.deadline = min(x.deadline, x.call.head_at + float(x.labels["deadline_s"]))
    if route.stream.keepalive_after is not None and (facts.stream or route.stream.keepalive_answer):
        x.keepalive_at = x.call.head_at + route.stream.keepalive_after
    course = Course(route, x.plan, house.fleet, x.deadline, house.rand, facts.needs, facts.dialect)
    x.planned_at = house.loop.time()
    if remembers(x):
        x.delivered = []
    while not x.cut_by:
        step = course.next(house.loop.time())
        if isinstance(step, Try):
            attempt = prepare(x, course, step)
            if attempt is not None and await race(x, course, attempt):
                if x.delivered is not None:
                    await rescue(x, course)
                return None
        elif isinstance(step, Wait):
            await delay(x, course, step)
        elif isinstance(step, Queue):
            await stand_in_line(x, course, step)
        else:
            return step.failure
    return stopped(x.cut_by)


def unknown_model(x: Exchange, model: str) -> Failure:
    """404 that says what there is."""
    known = ", ".join(sorted(x.snapshot.routes)[:8])
    return refused(
        Kind.UNKNOWN_MODEL,
        f"the model '{model[:128]}' does not exist here; the models of this gateway are: {known or 'none'}",
        code="model_not_found",
        param="model",
    )
