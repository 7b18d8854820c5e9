"""When an attempt has to be looked at next. Reads it and decides nothing; what is due is found by `Attempt.on_deadline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from trunkline.routing.speed import size_class
from trunkline.types.fleet import Candidate, Timeouts

if TYPE_CHECKING:
    from trunkline.engine.attempt import Attempt
    from trunkline.engine.exchange import Exchange

FINISH_GRACE = 1.0  # a finished stream waits this long for usage and the end of the transfer


#: Between these and the default a learned time to first content may lie, seconds (reliability.md 2.5).
LEARNED_LEAST = 2.0
LEARNED_SHARE = 0.999
#: Where nobody has said anything else, a model that thinks in silence may take this long to its first content, seconds.
THINKING = 120.0


def timeouts_of(x: Exchange, candidate: Candidate) -> Timeouts:
    """The deployment's own go before the route's; a model that thinks in silence is given the time for it; `learned` looks
    at what the deployment has shown."""
    assert x.route is not None
    timeouts = candidate.deployment.timeouts or x.route.timeouts
    if candidate.deployment.silent and x.asked.stream and not timeouts.stated and not (x.facts and x.facts.unthinking):
        timeouts = replace(timeouts, first_token=THINKING)
    if not timeouts.learned or not x.asked.stream:
        return timeouts
    speed = x.house.fleet.speeds.of(candidate.deployment.name, size_class(x.asked.input_tokens, stream=True))
    seen = speed.percentile(LEARNED_SHARE) if speed is not None else None
    if seen is None:
        return timeouts
    return replace(timeouts, first_token=min(max(LEARNED_LEAST, seen), timeouts.first_token))


def next_look(a: Attempt, now: float) -> float:
    """Loop seconds, after `now`."""
    x = a.x
    if a.stage == "waiting" and not a.first_at and not a.finish_at:
        # Where every attempt begins: nothing of the answer has come.
        wait = a.timeouts.answer if a.relay is None else a.timeouts.first_token
        at = min(x.deadline, a.started_at + wait)
        if x.keepalive_at and x.keepalive_at < at:
            at = x.keepalive_at
        return at if at > now else now + 0.001
    due: list[float] = []
    if a.stage == "waiting":
        due.append(x.deadline)
        if x.keepalive_at:
            due.append(x.keepalive_at)
    if a.relay is None:
        if a.stage == "waiting":
            due.append(a.started_at + a.timeouts.answer)
        else:
            due.append(max(a.last_byte, now) + a.timeouts.idle if a.paused else a.last_byte + a.timeouts.idle)
    elif a.finish_at:
        due.append(a.finish_at + FINISH_GRACE)
    elif not a.first_at:
        due.append(a.started_at + a.timeouts.first_token)
    else:
        due.append((now if a.paused else a.last_byte) + a.timeouts.idle)
        if not a.paused:
            due.append(a.last_progress + 3 * a.timeouts.idle)
        rule = x.route.stream if x.route is not None else None
        if a.stage == "waiting" and rule is not None and rule.hold is not None:
            due.append(a.first_at + rule.hold)
    return max(now + 0.001, min(due))
