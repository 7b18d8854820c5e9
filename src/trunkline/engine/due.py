"""When an attempt has to be looked at next. Reads it and decides nothing; what is due is found by `Attempt.on_deadline`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trunkline.engine.attempt import Attempt

FINISH_GRACE = 1.0  # a finished stream waits this long for usage and the end of the transfer


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
