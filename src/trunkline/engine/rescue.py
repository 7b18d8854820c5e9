"""After a break in the middle of a stream, where the route says `on_break: splice`: the whole request once more on another
deployment, whose answer has to repeat what the client has got before it may go on (reliability.md 2.8)."""

from __future__ import annotations

import math

from trunkline.dialects.rejoin import DIFFERENT, Rejoin
from trunkline.engine.attempt import Attempt
from trunkline.engine.exchange import Exchange
from trunkline.engine.leg import build, options_for
from trunkline.engine.race import race
from trunkline.routing.course import Course
from trunkline.types.canonical import Event, Finish
from trunkline.types.failure import Failure
from trunkline.types.plan import Try

#: Bytes of an answer that are remembered for comparison; a longer one cannot be spliced.
DELIVERED = 1 << 20


def remembers(x: Exchange) -> bool:
    """What this exchange shows is to be kept, in case it breaks."""
    facts, route = x.facts, x.route
    assert facts is not None and route is not None
    return route.stream.on_break == "splice" and facts.stream and facts.sse and facts.choices == 1


async def rescue(x: Exchange, course: Course) -> None:
    """The exchange has ended badly after its client saw content. Afterwards it has gone on to its end, or not."""
    loop, route = x.house.loop, x.route
    assert route is not None
    while not x.cut_by and not x.gone and x.winner is not None and x.winner.failure is not None:
        broken = x.winner
        if x.delivered is None or not broken.committed or not broken.streaming:
            return
        events = delivered(x)
        if events is None:
            return
        model = _model(broken) if route.stream.splice_to == "same_model" else ""
        step = course.splice(loop.time(), model)
        if step is None:
            return
        x.deadline = x.call.head_at + float(x.labels["deadline_s"]) if "deadline_s" in x.labels else math.inf
        x.splicing = True
        x.keepalive_at = loop.time() + route.stream.keepalive_every if route.stream.keepalive_after is not None else 0.0
        attempt = _attempt(x, course, step, events)
        if attempt is None:
            continue
        await race(x, course, attempt)
        if attempt.relay is not None and attempt.relay.broken == DIFFERENT:
            return


def _attempt(x: Exchange, course: Course, step: Try, events: list[Event]) -> Attempt | None:
    leg = build(x, step.candidate)
    if isinstance(leg, Failure):
        course.skipped(step.candidate, leg)
        return None
    options = options_for(x, leg, step.candidate)
    relay = Rejoin(leg.upstream.reader(options), x.chat.writer(options), events)
    return Attempt.of(x, step, leg, relay)


def delivered(x: Exchange) -> list[Event] | None:
    """What the client has, as events; None if that cannot be told, or is too much, or is finished."""
    assert x.delivered is not None and x.winner is not None
    if sum(map(len, x.delivered)) > DELIVERED:
        return None
    options = options_for(x, x.winner.leg, x.winner.candidate)
    reader = x.chat.reader(options)
    events = reader.feed(b"".join(x.delivered))
    if reader.broken or reader.error is not None or any(isinstance(event, Finish) for event in events):
        return None
    return events


def _model(attempt: Attempt) -> str:
    deployment = attempt.candidate.deployment
    return deployment.base_model or deployment.model
