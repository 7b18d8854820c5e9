"""Submitting a job: at most once at a time, and never again unless it is proven that nothing was made.

The row says who is about to be asked before they are asked; it says what came of it before the caller hears of it. So
whoever finds the row after a crash knows where to look (`lost.py`).
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

from trunkline.dialects.jobs import EncodedJob, Marks
from trunkline.jobs.calls import Asked, ask, attempt_record, mark_of
from trunkline.jobs.hints import hint_url
from trunkline.jobs.house import JobHouse
from trunkline.jobs.lost import look
from trunkline.jobs.money import estimate, fitted
from trunkline.jobs.refusals import unavailable
from trunkline.jobs.settle import deliveries_of, drop_unsent
from trunkline.policy.admit import Unanswered
from trunkline.providers.tasks import TaskOutgoing
from trunkline.routing.course import Course
from trunkline.routing.queues import Waiter
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Candidate, Route
from trunkline.types.job import Job
from trunkline.types.plan import Plan, Queue, Try, Wait
from trunkline.types.principal import Principal
from trunkline.types.video import Task, VideoRequest

if TYPE_CHECKING:
    from trunkline.routing.fleet import Way

#: When a lost submission is looked for, as shares of `settle_wait`.
_LOOKS = (0.05, 0.2, 0.5, 1.0)

_encode = msgspec.msgpack.Encoder().encode
_REQUEST = msgspec.msgpack.Decoder(VideoRequest)


def stored(request: VideoRequest) -> bytes:
    """A request as the store keeps it until the job has ended."""
    return _encode(request)


def restored(data: bytes) -> VideoRequest:
    return _REQUEST.decode(data)


class Outcome(Enum):
    ACCEPTED = "accepted"
    STANDING = "another job has this idempotency key"


class Submission:
    """One run through a plan. `opened`: the row is in the store already (a job that is made again)."""

    def __init__(
        self, house: JobHouse, job: Job, request: VideoRequest, course: Course, began: float, *, opened: bool = False
    ) -> None:
        self.house = house
        self.job = job
        self.request = request
        self.course = course
        self.began = began
        self.opened = opened
        self.standing: Job | None = None
        self.candidate: Candidate | None = None
        self.keep_row = False  # somebody holds the job's id: the row does not end with a refusal
        self.principal = Principal(
            key_id=job.key_id, user=job.user, team=job.team, organisation=job.organisation, feature=job.feature
        )

    async def run(self) -> Outcome | Failure:
        """ACCEPTED: the provider has it and the row says so. STANDING: nothing was sent, `standing` is the other job. A
        Failure: nothing was made, but for kind `timed_out` with code `submission_unknown`, where that is not known."""
        loop = self.house.ground.loop
        while True:
            step = self.course.next(loop.time())
            if isinstance(step, Try):
                outcome = await self._try(step)
                if outcome is not None:
                    return outcome
            elif isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
            elif isinstance(step, Queue):
                await self._stand_in_line(step)
            else:
                return await self._refused(step.failure)

    async def _stand_in_line(self, step: Queue) -> None:
        """Until a permit of the deployment is free, or in vain."""
        fleet, deployment = self.house.fleet, step.candidate.deployment
        free = asyncio.Event()
        waiter = Waiter(self.principal.key_id, self.principal.priority, None, free.set)
        if fleet.queues.join(deployment.name, waiter, deployment.limits.queue):
            try:
                async with asyncio.timeout(step.seconds):
                    await free.wait()
            except TimeoutError:
                pass
            except asyncio.CancelledError:
                if waiter.granted:
                    fleet.give_back(deployment.name)
                raise
            finally:
                fleet.queues.leave(deployment.name, waiter)
        self.course.queued(step.candidate, granted=waiter.granted)

    # --- one candidate -----------------------------------------------------------------------------------------------
    async def _try(self, step: Try) -> Outcome | Failure | None:
        """None: the course decides what is next."""
        house, candidate = self.house, step.candidate
        encoded = await self._prepared(candidate)
        if isinstance(encoded, Failure):
            if encoded.kind is Kind.OVER_BUDGET and not self.opened:
                return await self._refused(encoded)
            self.course.skipped(candidate, encoded)
            return None
        stopped = await self._dispatch(candidate)
        if stopped is not None:
            return stopped
        way = house.fleet.began(candidate, house.ground.loop.time())
        asking = TaskOutgoing(
            candidate=candidate, operation="create", body=encoded.body, content_type=encoded.content_type
        )
        asked = await ask(house, asking, self._patience())
        task = self._created(candidate, asked)
        self._noted(step, asked, len(encoded.body), way)
        if isinstance(task, Task):
            return await self._accepted(candidate, task)
        if not asked.lost:
            self.course.failed(candidate, task, house.ground.loop.time())
            return None
        return await self._lost(candidate, task, closed=not asked.fetched.timed_out)

    def _patience(self) -> float:
        left = self.course.deadline - self.house.ground.loop.time()
        return max(0.05, min(self.house.ground.settings.create_timeout, self.course.route.timeouts.answer, left))

    async def _prepared(self, candidate: Candidate) -> EncodedJob | Failure:
        """The request as this candidate gets it, with the money for it held."""
        house, job = self.house, self.job
        request = fitted(candidate, self.request)
        if isinstance(request, Failure):
            return request
        number = len(job.attempts) + 1
        marker = mark_of(job.id, number)
        dialect = house.dialects[house.tasks[candidate.deployment.provider.kind].dialect]
        marks = Marks(marker=marker, callback=hint_url(house.ground, job.id))
        encoded = dialect.encode_create(request, candidate.deployment.model, marks)
        if isinstance(encoded, Failure):
            return encoded
        money = estimate(candidate, request, house.ground)
        held = job.estimate.nanos if job.estimate is not None and self.opened else 0
        if money.nanos > held:
            refusal = await house.purse.hold(self.principal, job.id, money.nanos)
            if refusal is not None:
                return refusal
        job.estimate = money
        job.losses = [*request.losses, *encoded.losses]
        # Where the caller has named its own user to the provider, that takes the place of our mark.
        job.marker = "" if dialect.name != "ark_tasks" or request.user else marker
        return encoded

    async def _dispatch(self, candidate: Candidate) -> Outcome | Failure | None:
        """The row says who is asked, before they are. None: go."""
        house, job, deployment = self.house, self.job, candidate.deployment
        self.candidate = candidate
        job.owner = house.worker
        job.state = "submitting"
        job.deployment, job.provider, job.kind = deployment.name, deployment.provider.name, deployment.provider.kind
        job.credential, job.base_url, job.model = candidate.credential, deployment.base_url, deployment.model
        job.base_model, job.region = deployment.base_model, deployment.labels.get("region", "")
        job.upstream_dialect = house.tasks[deployment.provider.kind].dialect
        job.dispatched_at = job.changed_at = house.now_us
        job.next_at = job.dispatched_at + round(self._abandoned_after() * 1e6)
        if deployment.name not in job.tried:
            job.tried.append(deployment.name)
        try:
            if self.opened:
                return None if await house.rows.change(job) else _taken()
            data = stored(self.request)
            self.standing = await house.rows.open(job, data)
        except Unanswered:
            return _no_store()
        if self.standing is not None:
            await house.purse.settle(job.id, 0)
            return Outcome.STANDING
        self.opened = True
        return None

    def _abandoned_after(self) -> float:
        """Seconds after which the recorder takes a submission for abandoned, even if its worker lives."""
        settings = self.house.ground.settings
        return settings.create_timeout + settings.settle_wait + 30.0

    def _created(self, candidate: Candidate, asked: Asked) -> Task | Failure:
        if asked.failure is not None:
            dialect = self.house.dialects[self.job.upstream_dialect]
            if self.job.dialect == dialect.name and asked.body:
                return msgspec.structs.replace(asked.failure, body=asked.body)
            return asked.failure
        task = self.house.dialects[self.job.upstream_dialect].read_created(asked.body)
        if isinstance(task, Failure):
            asked.lost, asked.failure = True, task
        return task

    def _noted(self, step: Try, asked: Asked, sent_bytes: int, way: Way) -> None:
        """The attempt is written down, and routing learns of it."""
        house, candidate, failure = self.house, step.candidate, asked.failure
        number = len(self.job.attempts) + 1
        self.job.attempts.append(attempt_record(number, candidate, step.reason, asked, self.began, sent_bytes))
        if self.job.constraints:
            labels = dict(candidate.deployment.labels)
            self.job.evidence.append({"attempt": number, "deployment": candidate.deployment.name, "labels": labels})
        now = house.ground.loop.time()
        if failure is None:
            served = house.fleet.served(candidate, now, way=way)
            changes = [] if served is None else [served]
        elif failure.penalty == "nothing":
            house.fleet.released(candidate, way=way)
            changes = []
        else:
            key = self.job.key_id
            changes = house.fleet.failed(candidate, failure, now, house.ground.rand(), key=key, way=way)
        for change in changes:
            house.ground.log("fleet", {"subject": change.subject, "state": change.state, "reason": change.reason})

    # --- what came of it ---------------------------------------------------------------------------------------------
    async def _accepted(self, candidate: Candidate, task: Task) -> Outcome | Failure:
        self.candidate = candidate
        accept(self.house, self.job, task)
        return await self._write(Outcome.ACCEPTED)

    async def _lost(self, candidate: Candidate, failure: Failure, *, closed: bool) -> Outcome | Failure | None:
        """`closed`: the other side ended the connection, so what the list does not show now was never made. A request
        that we gave up waiting for may still be carried out, whatever the list says."""
        house = self.house
        wait, waited = house.ground.settings.settle_wait, 0.0
        found: object = "unsure"
        for share in _LOOKS:
            await asyncio.sleep(share * wait - waited)
            waited = share * wait
            try:
                found = await look(house, self.job, self.request.user)
            except Unanswered:
                found = "unsure"
            if isinstance(found, Task):
                house.ground.log("submission_found", {"job": self.job.id, "deployment": self.job.deployment})
                return await self._accepted(candidate, found)
        if found == "absent" and closed:
            self.course.failed(candidate, failure, house.ground.loop.time())
            return None
        return await self._unknown()

    async def _unknown(self) -> Outcome | Failure:
        job = self.job
        job.state, job.owner = "unknown", ""
        job.changed_at = self.house.now_us
        job.next_at = job.changed_at + 5_000_000
        job.error_code = "submission_unknown"
        job.error_message = "the provider's answer was lost, and whether it made the video is not known"
        self.house.ground.log("submission_unknown", {"job": job.id, "deployment": job.deployment})
        failure = unknown(job, self.house.dialects[job.dialect].shown_id(job.id))
        written = await self._write(Outcome.ACCEPTED)
        return failure if written is Outcome.ACCEPTED else written

    async def _refused(self, failure: Failure) -> Failure:
        """Nothing was made. The row, if there is one, ends here: nobody was told of it."""
        job = self.job
        if self.keep_row:
            return failure
        if self.opened:
            await drop_unsent(self.house, job, failure.code or failure.kind.value, failure.message)
        else:
            await self.house.purse.settle(job.id, 0)
        return failure

    async def _write(self, done: Outcome) -> Outcome | Failure:
        """What is true by now has to get into the row. If the store stays away, the recorder finds it out again."""
        job, rows = self.job, self.house.rows
        for pause in (0.1, 0.5, 1.0, 2.0, 0.0):
            try:
                if await rows.change(job, deliveries=deliveries_of(self.house, job)):
                    return done
                current = await rows.find(job.id)
            except Unanswered:
                await asyncio.sleep(pause)
                continue
            # The write before this one was late and not lost, or the recorder has taken the job over.
            if current is not None and current.upstream_id == job.upstream_id and current.state != "submitting":
                job.version = current.version
                return done
            if current is None or (current.owner and current.owner != self.house.worker):
                return _taken()
            job.version = current.version
        return _no_store()


def accept(house: JobHouse, job: Job, task: Task) -> None:
    """The provider has it."""
    now = house.now_us
    job.upstream_id = task.id
    job.state = "queued" if task.state in ("submitting", "queued") else "running"
    job.owner = ""
    job.accepted_at = job.changed_at = job.checked_at = now
    job.error_code = job.error_message = ""
    job.next_at = now + round(house.ground.settings.poll_first * 1e6)


def course_of(house: JobHouse, route: Route, plan: Plan, deadline: float) -> Course:
    return Course(route, plan, house.fleet, deadline, house.ground.rand)


def unknown(job: Job, shown: str) -> Failure:
    """J3: no blind repeat."""
    return Failure(
        kind=Kind.TIMED_OUT,
        fault=FaultClass.SILENT,
        source="upstream",
        message=(
            f"the provider's answer was lost and it is not known whether it is making this video. It is being looked for "
            f"and was not submitted again; ask for {shown} before you do"
        ),
        code="submission_unknown",
    )


def _no_store() -> Failure:
    return unavailable("jobs cannot be written down at the moment; try again with the same Idempotency-Key")


def _taken() -> Failure:
    return unavailable(
        "this submission was taken over after it had been silent for too long; ask for the job again",
        "submission_taken_over",
    )
