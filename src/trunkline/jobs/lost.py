"""A submission whose answer was lost: is the task there? Providers take no idempotency key (wire-formats.md D.4), so their
list is searched, and nothing is sent again unless it is proven that nothing was made (reliability.md J3)."""

from __future__ import annotations

from typing import Literal

from trunkline.dialects.jobs import JobDialect
from trunkline.jobs.calls import ask
from trunkline.jobs.house import JobHouse, candidate_of
from trunkline.providers.tasks import PAGE, TaskOutgoing
from trunkline.types.failure import Failure
from trunkline.types.job import Job
from trunkline.types.video import Task

#: The provider's clock and ours may differ by this much, seconds.
SKEW = 120.0
PAGES = 20
PATIENCE = 10.0  # seconds for one page

#: `absent`: the whole of the time was looked through, and it is not there. `unsure`: nothing is proven.
Search = Task | Literal["absent", "unsure"]


async def look(house: JobHouse, job: Job, identifier: str) -> Search:
    """`identifier` is the caller's own `safety_identifier`, which took the place of our mark. Raises Unanswered when the
    store cannot say which tasks belong to other jobs."""
    candidate = candidate_of(house, job)
    if candidate is None or job.dispatched_at is None:
        return "unsure" if job.dispatched_at is not None else "absent"
    provider = house.tasks[job.kind]
    if not provider.lists:
        return "unsure"
    dialect = house.dialects[provider.dialect]
    since = job.dispatched_at / 1e6 - SKEW
    matching: list[Task] = []
    after = ""
    for page in range(1, PAGES + 1):
        asking = TaskOutgoing(candidate=candidate, operation="list", page=page, after=after)
        asked = await ask(house, asking, PATIENCE)
        tasks = _tasks(dialect, asked.body) if asked.failure is None else None
        if tasks is None:
            return "unsure"
        matching += [task for task in tasks if _matches(job, task, since, identifier)]
        done = len(tasks) < PAGE or min((t.created_at or 0) for t in tasks) < since
        if done or (matching and job.marker):
            return await _unclaimed(house, job, matching)
        after = tasks[-1].id
    return "unsure"


def _tasks(dialect: JobDialect, body: bytes) -> tuple[Task, ...] | None:
    tasks = dialect.read_tasks(body)
    return None if isinstance(tasks, Failure) else tasks


def _matches(job: Job, task: Task, since: float, identifier: str) -> bool:
    if job.marker:
        return task.marker == job.marker
    if task.created_at is not None and task.created_at < since:
        return False
    if identifier and task.marker != identifier:
        return False
    if task.model and task.model != job.model:
        return False
    if task.prompt and task.prompt != job.prompt:
        return False
    return job.seconds is None or task.facts.seconds is None or task.facts.seconds == job.seconds


async def _unclaimed(house: JobHouse, job: Job, matching: list[Task]) -> Search:
    if not matching:
        return "absent"
    ids = [task.id for task in matching]
    claimed = await house.rows.claimed(job.secret, ids)
    free = [task for task in matching if task.id not in claimed]
    if not free:
        return "absent"
    return free[0] if len(free) == 1 else "unsure"
