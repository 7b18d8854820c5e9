"""What becomes of a job when its provider has spoken: states, results, a second submission, the end. Every write compares
the version that was read, and what loses the race reads again."""

from __future__ import annotations

import msgspec

from trunkline.jobs.house import JobHouse
from trunkline.jobs.keeper import Keeper
from trunkline.jobs.lost import look
from trunkline.jobs.money import expected_seconds
from trunkline.jobs.results import URL_VALID
from trunkline.jobs.settle import deliveries_of, refused_content, settle
from trunkline.jobs.submit import Outcome, Submission, accept, course_of, restored
from trunkline.routing.plan import plan
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Route
from trunkline.types.job import Job
from trunkline.types.plan import Asked
from trunkline.types.video import Task, VideoFacts

#: An abandoned submission may still be on its way at the provider; seconds.
SETTLE = 8.0
#: Between two searches for a submission whose fate is not known: 5 s, growing to this.
SEARCH_CAP = 300.0
#: What the provider's list has not shown this long after it was sent was never made; seconds.
NEVER_AFTER = 900.0
RESUBMIT_WITHIN = 120.0  # seconds for one more submission
BUG_PAUSE = 10.0


class Follower:
    """`keeper` looks after results."""

    def __init__(self, house: JobHouse, keeper: Keeper) -> None:
        self.house = house
        self.keeper = keeper

    # --- the provider has spoken ---------------------------------------------------------------------------------------
    async def seen(self, job: Job, task: Task) -> None:
        """The task as its provider describes it now."""
        house, before = self.house, job.state
        now = house.now_us
        job.checked_at, job.failures = now, 0
        job.polls += 1
        _facts(job, task)
        if task.state == "succeeded":
            problem = await self.keeper.take_inline(job, task)
            if problem:
                await self.missed(job, problem, house.ground.settings.poll_cap)
                return
        if task.state in ("succeeded", "failed", "expired", "cancelled"):
            job.state, job.finished_at = task.state, now
            job.changed_at = now
            job.error_code, job.error_message = task.error_code, task.error_message
            if task.state == "succeeded":
                job.progress = 100
                valid = round((task.expires_at or house.ground.wall() + URL_VALID) * 1e6)
                job.url_expires_at = valid
            await self._ended(job)
            return
        job.state = "running" if task.state == "running" or before == "running" else "queued"
        if job.state != before:
            job.changed_at = now
        job.progress = self._progress(job, task)
        job.next_at = now + round(self._interval(job) * 1e6)
        deliveries = deliveries_of(house, job) if job.state != before else []
        await house.rows.change(job, deliveries=deliveries)

    async def missed(self, job: Job, problem: str, wait: float) -> None:
        """Nothing was learned; the row keeps what it says, and the time it was last true."""
        job.failures += 1
        job.next_at = self.house.now_us + round(wait * 1e6)
        if job.failures == 1:
            self.house.ground.log("job_unseen", {"job": job.id, "problem": problem[:200]})
        await self.house.rows.change(job)

    async def unknown_to_provider(self, job: Job, patience: int) -> None:
        """404 for a task that was accepted: its record has been deleted or has aged out there."""
        if job.failures + 1 < patience:
            await self.missed(job, "the provider does not know this task", self.house.ground.settings.poll_cap)
            return
        job.state, job.finished_at = "failed", self.house.now_us
        job.changed_at = job.finished_at
        job.error_code = "task_gone"
        job.error_message = "the provider no longer knows this task"
        await self._ended(job)

    # --- everything that is due and is no poll -------------------------------------------------------------------------
    async def care(self, job: Job) -> None:
        if job.state == "submitting":
            await self._abandoned(job)
        elif job.state == "unknown":
            await self._search(job)
        elif job.final:
            await self.keeper.care(job)

    async def _abandoned(self, job: Job) -> None:
        """The worker that submitted it is gone (or has been silent for too long)."""
        house = self.house
        if job.dispatched_at is not None:
            age = house.ground.wall() - job.dispatched_at / 1e6
            if age < SETTLE:
                job.next_at = job.dispatched_at + round(SETTLE * 1e6)
                await house.rows.change(job)
                return
        found = await look(house, job, await self._identifier(job))
        if isinstance(found, Task):
            await self._adopt(job, found)
        elif found == "absent":
            if not await self._again(job, "it was never submitted"):
                await self._never(job)
        else:
            job.state, job.owner = "unknown", ""
            job.changed_at = house.now_us
            job.error_code = "submission_unknown"
            job.error_message = "the provider's answer was lost, and whether it made the video is not known"
            job.next_at = house.now_us + 5_000_000
            house.ground.log("submission_unknown", {"job": job.id, "deployment": job.deployment})
            await house.rows.change(job)

    async def _search(self, job: Job) -> None:
        """Never sent again; but should it turn up, it is ours."""
        house = self.house
        found = await look(house, job, await self._identifier(job))
        if isinstance(found, Task):
            await self._adopt(job, found)
            return
        age = house.ground.wall() - (job.dispatched_at or job.created_at) / 1e6
        if found == "absent" and age >= NEVER_AFTER:
            await self._never(job)
            return
        if age < house.ground.settings.unknown_for:
            wait = min(SEARCH_CAP, max(5.0, age / 2))
            job.next_at = house.now_us + round(wait * 1e6)
            await house.rows.change(job)
            return
        # Nobody can say. It counts as made: the estimate is what it may have cost.
        job.finished_at = house.now_us
        job.next_at = None
        await settle(house, job)

    async def _adopt(self, job: Job, task: Task) -> None:
        accept(self.house, job, task)
        self.house.ground.log("submission_found", {"job": job.id, "deployment": job.deployment})
        await self.house.rows.change(job, deliveries=deliveries_of(self.house, job))

    async def _never(self, job: Job) -> None:
        """Proven: nothing was made."""
        job.state, job.finished_at = "failed", self.house.now_us
        job.changed_at = job.finished_at
        job.error_code = "not_submitted"
        job.error_message = "the gateway was interrupted before the provider had the request; nothing was made"
        job.idempotency_key = ""  # whoever asks again with it gets a new job
        job.next_at = None
        await settle(self.house, job)

    async def _identifier(self, job: Job) -> str:
        """The caller's own `safety_identifier`, where it took the place of our mark."""
        if job.marker:
            return ""
        data = await self.house.rows.request(job.id)
        return restored(data).user if data is not None else ""

    # --- the end -------------------------------------------------------------------------------------------------------
    async def _ended(self, job: Job) -> None:
        house = self.house
        again = job.state in ("failed", "expired") and not refused_content(house, job)
        if again and await self._again(job, job.error_code):
            return
        job.next_at = self.keeper.first_look(job)
        await settle(house, job)

    async def _again(self, job: Job, reason: str) -> bool:
        """`resubmit` of the route: made again by a candidate that has not had it. True: it is under way, or the provider may
        have it."""
        house = self.house
        route = house.snapshot().routes.get(job.route)
        if route is None or job.resubmitted >= job.resubmits or job.cancel_asked:
            return False
        if 0 < job.rule <= len(route.rules):
            route = route.rules[job.rule - 1].route
        left = _without(route, job.tried)
        data = await house.rows.request(job.id)
        if left is None or data is None:
            return False
        now = house.ground.loop.time()
        course = course_of(
            house,
            left,
            plan(left, house.fleet, now, house.ground.rand, Asked(wall=house.now_us / 1e6), job.constraints),
            now + min(RESUBMIT_WITHIN, left.timeouts.total),
        )
        again = msgspec.structs.replace(
            job, upstream_id="", native=b"", facts=VideoFacts(), progress=0, finished_at=None
        )
        again.resubmitted += 1
        submission = Submission(house, again, restored(data), course, now, opened=True)
        submission.keep_row = True
        house.ground.log("job_resubmitted", {"job": job.id, "from": job.deployment, "reason": reason})
        outcome = await submission.run()
        job.version = again.version
        job.attempts = again.attempts
        job.resubmitted = again.resubmitted
        if outcome is Outcome.ACCEPTED:
            return True
        return isinstance(outcome, Failure) and outcome.code in ("submission_unknown", "submission_taken_over")

    # --- numbers -------------------------------------------------------------------------------------------------------
    def _interval(self, job: Job) -> float:
        """Grows with each look that found nothing new; spread, so that tasks made together drift apart."""
        settings = self.house.ground.settings
        wait = min(settings.poll_cap, settings.poll_first * 1.3 ** min(job.polls, 40))
        return wait * (0.9 + 0.2 * self.house.ground.rand())

    def _progress(self, job: Job, task: Task) -> int:
        """Ark says none (wire-formats.md D.3): an estimate from how long such a video takes, that never claims the end."""
        if task.progress is not None:
            return max(job.progress, min(99, task.progress))
        if job.state != "running" or job.accepted_at is None:
            return job.progress
        ran = (self.house.now_us - job.changed_at) / 1e6
        return max(job.progress, 1, min(95, round(100.0 * ran / (ran + expected_seconds(job)))))


def _facts(job: Job, task: Task) -> None:
    job.native = task.native
    job.facts = task.facts
    job.video_url, job.last_frame_url = task.video_url, task.last_frame_url
    if task.content_type:
        job.content_type = task.content_type


def _without(route: Route, tried: list[str]) -> Route | None:
    """The route as far as it has not been tried."""

    def left(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        return tuple(c for c in candidates if c.deployment.name not in tried)

    use, fallback = left(route.use), left(route.fallback)
    if not use and not fallback:
        return None
    return msgspec.structs.replace(route, use=use or fallback, fallback=fallback if use else ())
