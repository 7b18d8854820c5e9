"""The job rows, asked from an event loop. Every method raises `policy.admit.Unanswered` when the store cannot be reached in
time; what it was asked may still be done then."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trunkline.jobs.contract import StoreAccess, T
from trunkline.storage.contract import Delivery, JobMatch, RecordRow, Store
from trunkline.types.job import Job

PATIENCE = 5.0  # seconds


class Rows:
    def __init__(self, store: StoreAccess) -> None:
        self._store = store

    async def ask(self, question: Callable[[Store], T]) -> T:
        return await self._store.ask(question, PATIENCE)

    async def open(self, job: Job, request: bytes) -> Job | None:
        return await self.ask(lambda s: s.open_job(job, request))

    async def find(self, job_id: str) -> Job | None:
        return await self.ask(lambda s: s.find_job(job_id))

    async def request(self, job_id: str) -> bytes | None:
        return await self.ask(lambda s: s.job_request(job_id))

    async def change(self, job: Job, *, drop_request: bool = False, deliveries: Sequence[Delivery] = ()) -> bool:
        return await self.ask(lambda s: s.change_job(job, drop_request=drop_request, deliveries=deliveries))

    async def settle(self, job: Job, record: RecordRow, deliveries: Sequence[Delivery]) -> bool:
        return await self.ask(lambda s: s.settle_job(job, record, deliveries))

    async def due(self, now: int, limit: int, avoid: Sequence[str]) -> tuple[Job, ...]:
        return await self.ask(lambda s: s.due_jobs(now, limit, avoid))

    async def owned(self) -> tuple[Job, ...]:
        return await self.ask(lambda s: s.owned_jobs())

    async def claimed(self, secret: str, upstream_ids: Sequence[str]) -> frozenset[str]:
        return await self.ask(lambda s: s.claimed_tasks(secret, upstream_ids))

    async def page(
        self, match: JobMatch, *, limit: int, after: str, offset: int, newest_first: bool
    ) -> tuple[tuple[Job, ...], int]:
        return await self.ask(
            lambda s: s.list_jobs(match, limit=limit, after=after, offset=offset, newest_first=newest_first)
        )
