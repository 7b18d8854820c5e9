"""The latency partition: where an exchange's time went. Complete, disjoint, sums to the total (observability.md 1)."""

from __future__ import annotations

from trunkline.engine.exchange import Exchange
from trunkline.types.record import Partition


def micros(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


def partition(x: Exchange) -> Partition:
    """Instants are loop seconds; the parts are filled in the order of precedence, the remainder is `other`."""
    call, serving = x.call, x.serving
    end = x.ended_at
    p = Partition(total=micros(end - call.head_at))
    body_at = call.body_at or call.head_at
    p.body = micros(body_at - call.head_at)
    planned = x.planned_at or end
    p.admit = micros(planned - body_at)
    p.failed = sum(micros(a.ended_at - a.started_at) for a in x.attempts if a is not serving)
    p.backoff = micros(x.backoff_s)
    if serving is not None:
        started = serving.started_at
        connected = serving.connected_at or serving.ended_at
        first = serving.first_at or serving.last_at or serving.ended_at
        last = serving.last_at or serving.ended_at
        shown = min(max(x.shown_at or first, first), last)
        p.connect = micros(connected - started)
        p.first_token = micros(first - connected)
        p.hold = micros(shown - first)
        p.client = min(micros(x.client_s), micros(last - shown))
        p.generate = micros(last - shown) - p.client
        p.finish = micros(end - last)
    return _balanced(p)


def _balanced(p: Partition) -> Partition:
    """Rounding may exceed the total by a few microseconds; the remainder goes to `other`, an excess is taken back."""
    known = (
        p.admit
        + p.body
        + p.queue
        + p.failed
        + p.backoff
        + p.connect
        + p.first_token
        + p.hold
        + p.generate
        + p.client
        + p.finish
    )
    if known <= p.total:
        p.other = p.total - known
        return p
    excess = known - p.total
    for name in (
        "finish",
        "generate",
        "first_token",
        "failed",
        "backoff",
        "admit",
        "hold",
        "client",
        "connect",
        "body",
    ):
        part = getattr(p, name)
        taken = min(part, excess)
        setattr(p, name, part - taken)
        excess -= taken
        if excess == 0:
            break
    return p
