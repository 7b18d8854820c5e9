"""Looks after results: copies them before the provider's address expires, and lets copies go when their time is over."""

from __future__ import annotations

import asyncio

from trunkline.jobs.house import JobHouse
from trunkline.jobs.media import Copier
from trunkline.jobs.source import source_of
from trunkline.types.job import Copy, Job
from trunkline.types.video import Task

AT_ONCE = 4  # copies at once
#: Between tries of a copy: it has to be there within ten minutes of success (reliability.md J7).
FIRST_PAUSE, LAST_PAUSE = 5.0, 120.0


class Keeper:
    """One per recorder."""

    def __init__(self, house: JobHouse, copier: Copier) -> None:
        self.house = house
        self.copier = copier
        self.copies_total = 0
        self._slots = asyncio.Semaphore(AT_ONCE)

    def first_look(self, job: Job) -> int | None:
        """When a job that has just ended needs care, microseconds; None: never."""
        if job.state != "succeeded":
            return None
        if self._wanted(job):
            return self.house.now_us
        return job.copy.until if job.copy is not None else None

    async def take_inline(self, job: Job, task: Task) -> str:
        """A result that came inside the answer has no other place to be. "" or what went wrong."""
        if not task.inline or job.copy is not None:
            return ""
        kept = await self.copier.put_inline(job, task.inline, task.content_type or "video/mp4")
        if isinstance(kept, str):
            return kept
        job.copy = kept
        return ""

    async def care(self, job: Job) -> None:
        """`job` has ended and is due."""
        house = self.house
        if job.copy is not None and house.now_us >= job.copy.until:
            await self._let_go(job)
        elif self._wanted(job):
            async with self._slots:
                await self._copy(job)
        else:
            job.next_at = job.copy.until if job.copy is not None else None
            await house.rows.change(job)

    def _wanted(self, job: Job) -> bool:
        if self.house.ground.settings.copy_media == "off" or job.state != "succeeded" or job.copy_tries < 0:
            return False
        return job.copy is None or (bool(job.last_frame_url) and job.frame_copy is None)

    async def _copy(self, job: Job) -> None:
        house = self.house
        problem = ""
        if job.copy is None:
            made = await self._copied(job, "video")
            job.copy, problem = (made, "") if isinstance(made, Copy) else (None, made)
        if not problem and job.last_frame_url and job.frame_copy is None:
            made = await self._copied(job, "last_frame")
            job.frame_copy, problem = (made, "") if isinstance(made, Copy) else (None, made)
        if not problem and job.copy is not None:
            self.copies_total += 1
            job.next_at = job.copy.until
            house.ground.log("result_copied", {"job": job.id, "bytes": job.copy.size, "place": job.copy.place})
        else:
            job.copy_tries += 1
            wait = min(LAST_PAUSE, FIRST_PAUSE * 2.0 ** (job.copy_tries - 1)) * (0.75 + house.ground.rand() / 2)
            job.next_at = house.now_us + round(wait * 1e6)
            if job.url_expires_at is not None and job.next_at >= job.url_expires_at:
                job.copy_tries, job.next_at = -1, None
            house.ground.log(
                "result_not_copied", {"job": job.id, "problem": problem[:200], "given_up": job.copy_tries < 0}
            )
        if not await house.rows.change(job):
            return  # somebody else has changed it: it is due again, and finds the copy by its name

    async def _copied(self, job: Job, which: str) -> Copy | str:
        source = source_of(self.house, job, which)
        if isinstance(source, str):
            return source
        return await self.copier.copy(job, which, source)

    async def _let_go(self, job: Job) -> None:
        copies = [copy for copy in (job.copy, job.frame_copy) if copy is not None]
        job.copy = job.frame_copy = None
        job.copy_tries, job.next_at = -1, None
        if await self.house.rows.change(job):
            for copy in copies:
                await self.copier.drop(copy)
            self.house.ground.log("result_dropped", {"job": job.id})
