"""Attempts of an exchange from dispatch to their end: usually one at a time, two where the first is hedged.

The rules of hedging: reliability.md 3.12.
"""

from __future__ import annotations

from trunkline.engine.attempt import Attempt
from trunkline.engine.exchange import Exchange
from trunkline.engine.faults import LOST
from trunkline.engine.flight import Signal
from trunkline.engine.intent import intent
from trunkline.engine.leg import build, relay_for
from trunkline.routing.course import Course
from trunkline.routing.speed import size_class
from trunkline.types.failure import Failure
from trunkline.types.plan import Try


def prepare(x: Exchange, course: Course, step: Try) -> Attempt | None:
    """The attempt of a step; None if this candidate cannot serve the request after all, which the course is told."""
    leg = build(x, step.candidate)
    if isinstance(leg, Failure):
        course.skipped(step.candidate, leg)
        return None
    return Attempt.of(x, step, leg, relay_for(x, leg, step.candidate))


async def race(x: Exchange, course: Course, first: Attempt) -> bool:
    """True when an attempt served, or broke after the client had seen content of it; else the course knows what failed."""
    loop = x.house.loop
    begin(x, first)
    racing = [first]
    hedge_at = _hedge_at(x, first)
    while True:
        for attempt in tuple(racing):
            if attempt.stage != "closed":
                continue
            racing.remove(attempt)
            if _decided(x, course, attempt):
                for other in racing:
                    x.leads(attempt)
                    observe(x, other)
                return True
        if not racing:
            return False
        if hedge_at and loop.time() >= hedge_at:
            hedge_at = 0.0
            second = _hedge(x, course, first)
            if second is not None:
                begin(x, second)
                racing.append(second)
                continue
        await _woken(x, hedge_at)


async def _woken(x: Exchange, at: float) -> None:
    """Until an attempt ends, the exchange is stopped, or `at` (loop seconds; 0: never)."""
    house = x.house
    x.signal = signal = Signal(house.loop, house.turn, x.light)
    timer = house.loop.call_at(at, x.wake) if at else None
    try:
        await signal
    finally:
        x.signal = None
        if timer is not None:
            timer.cancel()


def _decided(x: Exchange, course: Course, attempt: Attempt) -> bool:
    """An attempt has ended. True: with it the exchange is over."""
    observe(x, attempt)
    if attempt.failure is None or attempt.committed:
        x.winner = attempt
        return True
    if attempt.failure.code != LOST:
        course.failed(attempt.candidate, attempt.failure, x.house.loop.time())
    return False


def begin(x: Exchange, attempt: Attempt) -> None:
    x.attempts.append(attempt)
    if not x.intended:
        x.intended = True
        x.house.books.intent(x.id, lambda: intent(x, attempt))
    x.call.watcher = x
    attempt.begin()


# --- hedging --------------------------------------------------------------------------------------------------------------
def _hedge_at(x: Exchange, first: Attempt) -> float:
    """When a second attempt would start; 0: never. A route that hedges earns a share of a hedge with every request."""
    route, house = x.route, x.house
    assert route is not None
    rule = route.hedge
    if rule is None:
        return 0.0
    if len(x.attempts) > 1:  # one hedge per exchange, and only of its first attempt
        return 0.0
    house.fleet.hedges.earn(route.name, rule.max_extra)
    after = rule.after
    if rule.percentile is not None:
        speed = house.fleet.speeds.of(first.candidate.deployment.name, size_class(x.asked.input_tokens, x.asked.stream))
        after = speed.percentile(rule.percentile) if speed is not None else None
    return 0.0 if after is None else first.started_at + after


def _hedge(x: Exchange, course: Course, first: Attempt) -> Attempt | None:
    """The second attempt, if the first has shown nothing and everything that a hedge needs is there."""
    route = x.route
    assert route is not None
    if x.gone or x.cut_by or first.stage != "waiting" or (first.relay is not None and first.first_at):
        return None
    step = course.hedge(x.house.loop.time())
    return None if step is None else prepare(x, course, step)


# --- what is learned ------------------------------------------------------------------------------------------------------
def observe(x: Exchange, attempt: Attempt) -> None:
    """routing.observe: health, permits, budgets, speed; a change of state is one log line."""
    house, now = x.house, x.house.loop.time()
    fleet, failure = house.fleet, attempt.failure
    if failure is None:
        _learn(x, attempt, now)
        change = fleet.served(attempt.candidate, now, way=attempt.way)
        if change is None:
            return
        changes = [change]
    elif failure.penalty == "nothing":
        fleet.released(attempt.candidate, way=attempt.way)
        changes = []
    else:
        key = x.principal.key_id if x.principal is not None else ""
        changes = fleet.failed(attempt.candidate, failure, now, house.rand(), key=key, way=attempt.way)
    for change in changes:
        house.log("fleet", {"subject": change.subject, "state": change.state, "reason": change.reason})


def _learn(x: Exchange, attempt: Attempt, now: float) -> None:
    """Speed and length of a good answer, and where its conversation lives."""
    route, asked, fleet = x.route, x.asked, x.house.fleet
    assert route is not None
    if asked.affinity:
        fleet.affinity.served(asked.affinity, attempt.candidate, now)
    if not route.learns:
        return
    usage = attempt.answer.usage if attempt.answer is not None else None
    output = usage.output if usage is not None else 0
    first = (attempt.first_at or attempt.ended_at) if attempt.relay is not None else attempt.ended_at
    per_token = (attempt.last_at - first) / output if output > 1 and attempt.relay is not None else None
    name = attempt.candidate.deployment.name
    fleet.speeds.observe(name, size_class(asked.input_tokens, asked.stream), first - attempt.started_at, per_token, now)
    if output:
        fleet.speeds.answered(route.name, output)
