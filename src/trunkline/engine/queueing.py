"""An exchange waits: for a permit of a deployment that is at its limit, or for a provider's stated delay. Both are bounded."""

from __future__ import annotations

from trunkline.engine.exchange import Exchange
from trunkline.routing.course import Course
from trunkline.routing.queues import Waiter
from trunkline.types.plan import Queue, Wait


async def stand_in_line(x: Exchange, course: Course, step: Queue) -> None:
    """Ends with a permit held for the course, or with none; a permit that comes too late is handed on."""
    fleet, deployment = x.house.fleet, step.candidate.deployment
    principal = x.principal
    assert principal is not None
    due = x.deadline if "deadline_s" in x.labels else None
    waiter = Waiter(principal.key_id, principal.priority, due, x.wake)
    if fleet.queues.join(deployment.name, waiter, deployment.limits.queue):
        started = x.house.loop.time()
        try:
            await x.wait(step.seconds)
        finally:
            waited = x.house.loop.time() - started
            x.backoff_s -= waited
            x.queue_s += waited
            fleet.queues.leave(deployment.name, waiter)
            if waiter.granted and x.cut_by:
                fleet.give_back(deployment.name)
    if not x.cut_by:
        course.queued(step.candidate, granted=waiter.granted)


async def delay(x: Exchange, course: Course, step: Wait) -> None:
    """Backoff, or a provider's stated delay. Of the latter only so many may be waited for at once."""
    if not step.behind:
        await x.wait(step.seconds)
        return
    delayed = x.house.fleet.queues.delayed
    if delayed.get(step.behind, 0) >= step.bound:
        course.turned_away()
        return
    delayed[step.behind] = delayed.get(step.behind, 0) + 1
    try:
        await x.wait(step.seconds)
    finally:
        delayed[step.behind] -= 1
        if not delayed[step.behind]:
            del delayed[step.behind]
