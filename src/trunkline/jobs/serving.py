"""Jobs as callers meet them: create, read, list, call off, delete. One exchange each, on the engine's line.

Reading is answered from the row, with its age; no client's question becomes a question to the provider, so that a thousand
impatient clients cost it nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trunkline.dialects.jobs import JobDialect, ListAsk, Listing
from trunkline.engine.exchange import Exchange, Note
from trunkline.jobs.calls import ask
from trunkline.jobs.content import Contents
from trunkline.jobs.creating import Creation
from trunkline.jobs.hints import job_of
from trunkline.jobs.house import JobHouse, candidate_of
from trunkline.jobs.refusals import no_video, unreadable
from trunkline.jobs.results import links_of
from trunkline.jobs.settle import settle
from trunkline.policy.admit import Unanswered
from trunkline.providers.tasks import TaskOutgoing
from trunkline.storage.contract import JobMatch
from trunkline.types.failure import Failure, FaultClass, invalid
from trunkline.types.job import Job, Links
from trunkline.types.principal import Principal
from trunkline.types.wire import Headers, Operation

CANCEL_PATIENCE = 15.0
SIFTED = 10_000  # jobs looked through for what the store cannot sift
POLL_AFTER_MS = 1000  # what the OpenAI SDK's poll helper is told at least
JSON = (b"content-type", b"application/json")


class JobAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What a matched path asks for. `shown` is a job's id as the caller wrote it, or a callback's token."""

    operation: Operation
    shown: str = ""
    query: bytes = b""


class JobFront:
    """One per worker. `serve` is what the line runs."""

    def __init__(self, house: JobHouse, contents: Contents) -> None:
        self.house = house
        self.contents = contents

    async def serve(self, x: Exchange, ask: JobAsk) -> Failure | None:
        x.note = Note(operation=ask.operation)
        if ask.operation == "video_callback":
            return await self._hinted(x, ask)
        decision = x.decision if x.decision is not None else await x.house.gate.admit(x.presented)
        if isinstance(decision, Failure):
            return decision
        x.principal = decision
        try:
            return await self._served(x, ask, decision)
        except Unanswered:
            return unreadable()

    async def _served(self, x: Exchange, ask: JobAsk, principal: Principal) -> Failure | None:
        dialect = self.house.dialects[x.dialect.name]
        match ask.operation:
            case "video_create":
                return await Creation(self.house, x, principal, dialect).run()
            case "video_remix":
                job = await self._found(dialect, ask.shown, principal)
                return job if isinstance(job, Failure) else await self._remixed(x, job, principal, dialect)
            case "video_list":
                return await self._listed(x, ask, principal, dialect)
            case "video_content":
                return await self._content(x, ask, principal, dialect)
            case _:
                job = await self._found(dialect, ask.shown, principal)
                if isinstance(job, Failure):
                    return job
                if ask.operation == "video_delete":
                    return await self._deleted(x, job, dialect)
                self._shown(x, job, dialect)
                return None

    # --- reading -------------------------------------------------------------------------------------------------------
    async def _found(self, dialect: JobDialect, shown: str, principal: Principal) -> Job | Failure:
        """Another key's job is not there (J12)."""
        job_id = dialect.job_id(shown)
        if job_id is None:
            return no_video(shown)
        job = await self.house.rows.find(job_id)
        if job is None or job.key_id != principal.key_id or job.deleted_at is not None:
            return no_video(shown)
        return job

    def _shown(self, x: Exchange, job: Job, dialect: JobDialect) -> None:
        assert x.note is not None
        note_job(x.note, self.house, job)
        headers: Headers = [JSON, *self._age(job)]
        body = dialect.encode_job(job, links_of(self.house.ground, job), self.house.ground.wall())
        x.note.answer = (200, headers, body)

    def _age(self, job: Job) -> Headers:
        """How old the state is that the caller is shown (RFC 9111 `age`), and when asking again makes sense."""
        now = self.house.now_us
        seen = now if job.final else job.checked_at or job.accepted_at or job.created_at
        headers: Headers = [(b"age", b"%d" % (max(0, now - seen) // 1_000_000)), (b"cache-control", b"no-store")]
        if not job.final:
            wait = max(0, (job.next_at or now) - now) // 1000 + 250
            headers.append((b"openai-poll-after-ms", b"%d" % max(POLL_AFTER_MS, min(wait, 15_000))))
        return headers

    async def _listed(self, x: Exchange, ask: JobAsk, principal: Principal, dialect: JobDialect) -> Failure | None:
        assert x.note is not None
        wanted = dialect.decode_list(ask.query)
        if isinstance(wanted, Failure):
            return wanted
        found, total = await self._matching(wanted, principal)
        page: list[tuple[Job, Links]] = [(job, links_of(self.house.ground, job)) for job in found[: wanted.limit]]
        listing = Listing(jobs=page, total=total, more=len(found) > wanted.limit)
        x.note.answer = (200, [JSON], dialect.encode_list(listing, self.house.ground.wall()))
        return None

    async def _matching(self, wanted: ListAsk, principal: Principal) -> tuple[Sequence[Job], int]:
        """One job more than is wanted, if there is one, and how many match."""
        match = JobMatch(key_id=principal.key_id, states=frozenset(wanted.states), ids=wanted.ids)
        offset = (wanted.page - 1) * wanted.limit
        rows, newest = self.house.rows, wanted.newest_first
        if not wanted.model and not wanted.tier:
            return await rows.page(
                match, limit=wanted.limit + 1, after=wanted.after, offset=offset, newest_first=newest
            )
        # What the store has no column for: callers name a model as they sent it or as they were shown it.
        every, _ = await rows.page(match, limit=SIFTED, after=wanted.after, offset=0, newest_first=newest)
        fits = [
            job
            for job in every
            if wanted.model in ("", job.alias, job.model)
            and wanted.tier in ("", job.facts.tier or job.tier or "default")
        ]
        return fits[offset : offset + wanted.limit + 1], len(fits)

    async def _content(self, x: Exchange, ask: JobAsk, principal: Principal, dialect: JobDialect) -> Failure | None:
        job = await self.contents.asked(ask.shown, ask.query, principal, dialect)
        if isinstance(job, Failure):
            return job
        assert x.note is not None
        note_job(x.note, self.house, job)
        if not principal.key_id:  # a signed link speaks for the key that it was given to
            x.principal = Principal(
                key_id=job.key_id, user=job.user, team=job.team, organisation=job.organisation, feature=job.feature
            )
        return await self.contents.serve(x, job, ask.query)

    # --- remix ---------------------------------------------------------------------------------------------------------
    async def _remixed(self, x: Exchange, job: Job, principal: Principal, dialect: JobDialect) -> Failure | None:
        prompt = dialect.decode_remix(x.call.body, content_type(x))
        if isinstance(prompt, Failure):
            return prompt
        if job.state != "succeeded":
            return invalid("only a video that is complete can be remixed", param="video_id", code="video_not_ready")
        return await Creation(self.house, x, principal, dialect).remix(job, prompt)

    # --- calling off and deleting --------------------------------------------------------------------------------------
    async def _deleted(self, x: Exchange, job: Job, dialect: JobDialect) -> Failure | None:
        """What waits is called off; what runs is finished and paid for all the same (wire-formats.md D.4, E.13)."""
        assert x.note is not None
        note_job(x.note, self.house, job)
        if not job.final:
            refusal = await self._called_off(job, dialect)
            if refusal is not None:
                return refusal
            if dialect.name == "ark_tasks":  # a task that was just called off can still be seen (D.4)
                x.note.answer = _gone(dialect.encode_deleted(job))
                return None
        for _ in range(5):
            job.deleted_at, job.prompt = self.house.now_us, ""
            if await self.house.rows.change(job):
                x.note.answer = _gone(dialect.encode_deleted(job))
                return None
            fresh = await self.house.rows.find(job.id)
            if fresh is None:
                return no_video(job.id)
            job = fresh
        return unreadable()

    async def _called_off(self, job: Job, dialect: JobDialect) -> Failure | None:
        """None: it will make nothing more, or the caller no longer cares."""
        cancelled = await cancel(self.house, job)
        if cancelled is None or dialect.name != "ark_tasks":
            return None
        return cancelled

    # --- hints ---------------------------------------------------------------------------------------------------------
    async def _hinted(self, x: Exchange, ask: JobAsk) -> Failure | None:
        """A provider's callback: whatever it says, the task is looked at (J9)."""
        assert x.note is not None
        job_id = job_of(self.house.ground.pepper, ask.shown)
        if job_id is None:
            return no_video()
        try:
            job = await self.house.rows.find(job_id)
            now = self.house.now_us
            if job is not None and job.state in ("queued", "running"):
                x.note.job = job.id
                recent = job.checked_at is not None and now - job.checked_at < 1_000_000
                if not recent and (job.next_at is None or job.next_at > now):
                    job.next_at = now
                    await self.house.rows.change(job)
        except Unanswered:
            return unreadable()
        x.note.answer = (200, [JSON], b"{}")
        return None


def _gone(body: bytes) -> tuple[int, Headers, bytes]:
    return (200, [JSON] if body else [], body)


#: The provider's refusals of a cancellation; the caller is told in our words.
_HIS = frozenset({FaultClass.CLIENT, FaultClass.ENDPOINT, FaultClass.CREDENTIAL})


async def cancel(house: JobHouse, job: Job) -> Failure | None:
    """Asks the provider to drop a task that waits, with the credential that made it. None: cancelled and settled."""
    candidate = candidate_of(house, job)
    running = invalid(
        "the task is running and cannot be cancelled any more", code="InvalidParameter.TaskRunning", param="id"
    )
    if candidate is None or job.state not in ("queued", "running") or not house.tasks[job.kind].cancels:
        return running
    # What has ended there would be deleted, result and bill: look before.
    seen = await ask(house, TaskOutgoing(candidate=candidate, operation="get", task=job.upstream_id), CANCEL_PATIENCE)
    task = house.dialects[job.upstream_dialect].read_task(seen.body) if seen.failure is None else seen.failure
    if isinstance(task, Failure):
        return task if task.fault not in _HIS else running
    if task.state != "queued":
        return running
    asked = await ask(
        house, TaskOutgoing(candidate=candidate, operation="delete", task=job.upstream_id), CANCEL_PATIENCE
    )
    if asked.failure is not None:
        return running if asked.failure.fault in _HIS else asked.failure
    for _ in range(5):
        job.state, job.cancel_asked = "cancelled", True
        job.finished_at = job.changed_at = house.now_us
        job.error_code, job.error_message = "cancelled", "cancelled by the caller"
        job.next_at = None
        if await settle(house, job):
            return None
        fresh = await house.rows.find(job.id)
        if fresh is None or fresh.final:
            return None
        for name in fresh.__struct_fields__:
            setattr(job, name, getattr(fresh, name))
    return unreadable()


def note_job(note: Note, house: JobHouse, job: Job) -> None:
    """What the record and the answer's head say of the job."""
    note.job, note.alias = job.id, job.alias
    candidate = candidate_of(house, job) if job.deployment else None
    if candidate is not None:
        note.candidate = candidate


def content_type(x: Exchange) -> str:
    for name, value in x.call.headers:
        if name == b"content-type":
            return value.decode("latin-1")
    return ""
