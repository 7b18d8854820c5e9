"""The latency partition: where an exchange's time went. Complete, disjoint, sums to the total (observability.md 1)."""

from __future__ import annotations

from trunkline.engine.attempt import Attempt
from trunkline.engine.exchange import Exchange
from trunkline.types.record import Partition


def micros(seconds: float) -> int:
    """Whole microseconds, never negative."""
    return int(seconds * 1e6 + 0.5) if seconds > 0.0 else 0


def partition(x: Exchange) -> Partition:
    """Instants are loop seconds. Each is turned into microseconds since arrival once, so that parts between neighbours add
    up exactly; what no part claims is `other`."""
    serving = x.serving
    if (
        serving is not None
        and len(x.attempts) == 1
        and serving.connected_at
        and serving.last_at
        and not (x.client_s or x.queue_s)
    ):
        return _straight(x, serving)
    start = x.call.head_at
    total = micros(x.ended_at - start)
    body = micros(x.call.body_at - start) if x.call.body_at else 0
    planned = micros((x.planned_at or x.ended_at) - start)
    p = Partition(total=total, body=body, admit=planned - body if planned > body else 0)
    p.queue = micros(x.queue_s)
    tried = 0
    if len(x.attempts) > 1 or serving is None:
        tried = sum(micros(a.ended_at - a.started_at) for a in x.attempts if a is not serving)
        p.failed, p.backoff = tried, micros(x.backoff_s)
    if serving is not None:
        began = micros(serving.started_at - start)
        connected = micros((serving.connected_at or serving.ended_at) - start)
        first = micros((serving.first_at or serving.last_at or serving.ended_at) - start)
        last = micros((serving.last_at or serving.ended_at) - start)
        shown = micros(x.shown_at - start) if x.shown_at else first
        shown = first if shown < first else last if shown > last else shown
        p.connect, p.first_token, p.hold = connected - began, first - connected, shown - first
        p.client = min(micros(x.client_s), last - shown) if x.client_s else 0
        p.generate, p.finish = last - shown - p.client, total - last
    return _balanced(p)


def _straight(x: Exchange, a: Attempt) -> Partition:
    """What nearly every exchange is: one attempt, which connected and answered, and a client that kept up. Its instants
    stand in their order, so there is nothing to balance."""
    start = x.call.head_at - 0.5e-6  # rounds instead of cutting off
    total = int((x.ended_at - start) * 1e6)
    body = int((x.call.body_at - start) * 1e6)
    planned = int((x.planned_at - start) * 1e6)
    began = int((a.started_at - start) * 1e6)
    connected = int((a.connected_at - start) * 1e6)
    first = int(((a.first_at or a.last_at) - start) * 1e6)
    last = int((a.last_at - start) * 1e6)
    shown = int((x.shown_at - start) * 1e6) if x.shown_at > a.first_at else first
    if shown > last:
        shown = last
    return Partition(
        total=total,
        body=body,
        admit=planned - body,
        other=began - planned,
        connect=connected - began,
        first_token=first - connected,
        hold=shown - first,
        generate=last - shown,
        finish=total - last,
    )


_ORDER = (
    "finish", "generate", "first_token", "failed", "backoff", "queue", "admit", "hold", "client", "connect", "body",
)  # fmt: skip


def _balanced(p: Partition) -> Partition:
    """The remainder is `other`; should parts overlap (an attempt cut while it was being set up), the excess is taken back."""
    parts = [getattr(p, name) for name in _ORDER]
    known = sum(parts)
    if known <= p.total and min(parts) >= 0:
        p.other = p.total - known
        return p
    for name in _ORDER:
        setattr(p, name, max(0, getattr(p, name)))
    excess = sum(getattr(p, name) for name in _ORDER) - p.total
    for name in _ORDER:
        taken = min(getattr(p, name), max(0, excess))
        setattr(p, name, getattr(p, name) - taken)
        excess -= taken
    p.other = max(0, -excess)
    return p
