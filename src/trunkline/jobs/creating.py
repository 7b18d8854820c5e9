"""A create request, from its body to the answer that the provider has it."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial

import msgspec

from trunkline.dialects.jobs import JobDialect
from trunkline.engine.deciding import ruled
from trunkline.engine.exchange import Exchange, Note
from trunkline.engine.line import unknown_model
from trunkline.jobs.house import JobHouse
from trunkline.jobs.money import fitted
from trunkline.jobs.results import links_of
from trunkline.jobs.settle import cost_field
from trunkline.jobs.submit import Outcome, Submission, course_of, unknown
from trunkline.routing.plan import plan
from trunkline.types.envelope import NEED, Envelope
from trunkline.types.failure import Failure, FaultClass, Kind, invalid, refused
from trunkline.types.fleet import Candidate, Route
from trunkline.types.job import Job
from trunkline.types.plan import Asked
from trunkline.types.principal import Principal
from trunkline.types.record import Intent
from trunkline.types.video import Medium, VideoRequest
from trunkline.types.wire import header

KEY_CAP = 255  # length of an Idempotency-Key
JSON = (b"content-type", b"application/json")
#: Between two looks at a job that another request with the same key is submitting, seconds.
FIRST_PAUSE, LAST_PAUSE = 0.02, 0.5


class Creation:
    """One create exchange."""

    def __init__(self, house: JobHouse, x: Exchange, principal: Principal, dialect: JobDialect) -> None:
        assert x.note is not None
        self.house = house
        self.x = x
        self.note: Note = x.note
        self.principal = principal
        self.dialect = dialect

    async def run(self) -> Failure | None:
        declared = header(self.x.call.headers, b"content-type")
        request = self.dialect.decode_create(self.x.call.body, (declared or b"").decode("latin-1"))
        return request if isinstance(request, Failure) else await self._made(request)

    async def remix(self, source: Job, prompt: str) -> Failure | None:
        """A new job with the old video as its reference (wire-formats.md E.13)."""
        url = links_of(self.house.ground, source).video_url
        request = VideoRequest(
            dialect=self.dialect.name,
            model=source.alias,
            prompt=prompt,
            seconds=source.seconds,
            size=source.size,
            resolution=source.resolution,
            ratio=source.ratio,
            media=(Medium(kind="video", role="reference", url=url),),
            remix_of=source.id,
        )
        return await self._made(request)

    async def _made(self, request: VideoRequest) -> Failure | None:
        x, house = self.x, self.house
        self.note.alias = request.model
        key = idempotency_key(x)
        if isinstance(key, Failure):
            return key
        if request.callback:
            found = house.read_url(request.callback)
            if isinstance(found, str):
                return invalid(f"callback_url: {found}", param="callback_url", code="callback_refused")
        route = x.snapshot.routes.get(request.model)
        if route is None:
            return unknown_model(x, request.model)
        route, more, refusal = ruled(x, route, _envelope(x, request), self.principal)
        x.route = route
        if refusal is not None:
            return refusal
        able = capable(house, route, request)
        if isinstance(able, Failure):
            return able
        now = house.ground.loop.time()
        x.asked = Asked(wall=x.wall)
        x.plan = plan(able, house.fleet, now, house.ground.rand, x.asked, more)
        if x.plan.refusal is not None:
            return x.plan.refusal
        x.planned_at = now
        digest = digest_of(request)
        while True:
            job = self._job(request, route, key, digest)
            deadline = x.call.head_at + route.timeouts.total
            if "deadline_s" in x.labels:  # validated by the front door
                deadline = min(deadline, x.call.head_at + float(x.labels["deadline_s"]))
            submission = Submission(house, job, request, course_of(house, able, x.plan, deadline), x.call.head_at)
            x.house.books.intent(x.id, partial(self._intent, submission))
            outcome = await submission.run()
            self._noted(submission)
            if isinstance(outcome, Failure):
                return outcome
            if outcome is Outcome.ACCEPTED:
                self._answer(job)
                return None
            assert submission.standing is not None
            standing = await self._settled(submission.standing, digest)
            if isinstance(standing, Failure):
                return standing
            if standing is not None:
                self.note.job = standing.id
                self._answer(standing)
                return None
            # What stood there came to nothing and has given the key back.

    def _job(self, request: VideoRequest, route: Route, key: str, digest: str) -> Job:
        x, who = self.x, self.principal
        return Job(
            id=x.id.replace("-", "") if not self.note.attempts else _next_id(x.id, len(self.note.attempts)),
            key_id=who.key_id,
            organisation=who.organisation,
            team=who.team,
            user=who.user or x.labels.get("user", ""),
            feature=who.feature or x.labels.get("feature", ""),
            dialect=self.dialect.name,
            surface=x.surface,
            alias=request.model,
            idempotency_key=key,
            digest=digest,
            prompt=request.prompt,
            seconds=request.seconds,
            size=request.size,
            resolution=request.resolution,
            ratio=request.ratio,
            remix_of=request.remix_of,
            video_input=request.count("video") > 0,
            tier=request.tier,
            callback=request.callback,
            created_at=int(x.wall * 1e6),
            changed_at=int(x.wall * 1e6),
            request_id=x.id,
            route=route.name,
            snapshot=x.snapshot.number,
            resubmits=route.resubmit,
            rule=route.rule,
            constraints=x.plan.constraints if x.plan is not None else (),
        )

    async def _settled(self, standing: Job, digest: str) -> Job | Failure | None:
        """What another request with the same key has come to. None: to nothing, the key is free again."""
        house = self.house
        if standing.digest != digest:
            return invalid(
                "this Idempotency-Key was used for another request; use a new key for a new video",
                status=422,
                param="idempotency-key",
                code="idempotency_key_reused",
            )
        settings = house.ground.settings
        until = house.ground.loop.time() + settings.create_timeout + settings.settle_wait + 5.0
        pause = FIRST_PAUSE
        job: Job | None = standing
        while job is not None and job.state == "submitting":
            if house.ground.loop.time() >= until:
                return refused(
                    Kind.NO_CANDIDATE,
                    "a request with this Idempotency-Key is still being submitted; try again",
                    code="submission_pending",
                    delay=2.0,
                )
            await asyncio.sleep(pause)
            pause = min(LAST_PAUSE, pause * 1.6)
            job = await house.rows.find(standing.id)
        if job is None or not job.idempotency_key:
            return None
        if job.state == "unknown":
            return unknown(job, self.dialect.shown_id(job.id))
        return job

    def _intent(self, submission: Submission) -> Intent:
        """Should this worker die, the exchange leaves an `unknown` record; what it has made is the job's affair."""
        job, x = submission.job, self.x
        return Intent(
            id=x.id,
            started_at=int(x.wall * 1e6),
            worker=x.house.worker,
            snapshot=x.snapshot.number,
            key_id=job.key_id,
            user=job.user,
            team=job.team,
            organisation=job.organisation,
            feature=job.feature,
            dialect=job.dialect,
            operation="video_create",
            alias=job.alias,
            stream=False,
            route=job.route,
            deployment=job.deployment,
            provider=job.provider,
            model=job.model,
            credential_id=job.secret,
            body_bytes=len(x.call.body),
            input_tokens=0,
        )

    # --- telling -------------------------------------------------------------------------------------------------------
    def _noted(self, submission: Submission) -> None:
        """For the record, whatever came of it."""
        job, note = submission.job, self.note
        if submission.opened:
            note.job = job.id
        note.attempts = [*note.attempts, *job.attempts]
        note.losses = list(job.losses)
        note.evidence = list(job.evidence)
        note.cost = cost_field(job) if job.estimate is not None else None
        note.candidate = submission.candidate

    def _answer(self, job: Job) -> None:
        candidate = self.note.candidate
        if candidate is not None and candidate.deployment.name != job.deployment:
            self.note.candidate = None
        self.note.answer = (200, [JSON], self.dialect.encode_created(job))


def _envelope(x: Exchange, request: VideoRequest) -> Envelope:
    """A job as rules see it."""
    size = len(x.call.body)
    return Envelope(
        dialect=request.dialect,
        operation="video_create",
        model=request.model,
        stream=False,
        body_bytes=size,
        input_tokens=max(1, len(request.prompt) // 4),
        needs=NEED["image"] if request.media else 0,
    )


def capable(house: JobHouse, route: Route, request: VideoRequest) -> Route | Failure:
    """The route as far as its candidates can do what is asked; nothing left is refused before anything is sent, with every
    reason (reliability.md 1, rule 9)."""
    reasons: dict[str, Failure] = {}

    def able(candidate: Candidate) -> bool:
        if candidate.deployment.provider.kind not in house.tasks:
            reasons[candidate.deployment.name] = _no_video(candidate)
            return False
        found = fitted(candidate, request)
        if isinstance(found, Failure):
            reasons[candidate.deployment.name] = found
            return False
        return True

    use = tuple(c for c in route.use if able(c))
    fallback = tuple(c for c in route.fallback if able(c))
    if use or fallback:
        if len(use) == len(route.use) and len(fallback) == len(route.fallback):
            return route
        return msgspec.structs.replace(route, use=use or fallback, fallback=fallback if use else ())
    said = "; ".join(f"{name}: {failure.message}" for name, failure in reasons.items())
    first = next(iter(reasons.values()))
    return msgspec.structs.replace(first, message=f"no deployment of '{route.name}' can make this video: {said}")


def _no_video(candidate: Candidate) -> Failure:
    return Failure(
        kind=Kind.CAPABILITY,
        fault=FaultClass.CAPABILITY,
        source="gateway",
        message=f"{candidate.deployment.provider.kind} makes no videos",
        param="model",
        code="unsupported_value",
    )


def idempotency_key(x: Exchange) -> str | Failure:
    found = header(x.call.headers, b"idempotency-key")
    if found is None:
        return ""
    text = found.decode("latin-1").strip()
    if not text or len(text) > KEY_CAP or not (text.isascii() and text.isprintable()):
        return invalid(f"Idempotency-Key must be 1 to {KEY_CAP} printable ASCII characters", param="idempotency-key")
    return text


def digest_of(request: VideoRequest) -> str:
    """Two requests that ask for the same have the same digest, however they were framed: a multipart boundary is new in each
    try of an SDK."""
    native = b"" if request.native_type.startswith("multipart/") else request.native
    plain = msgspec.structs.replace(request, native=native, native_type="")
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()


def _next_id(exchange_id: str, tries: int) -> str:
    """Another job of the same exchange: the first came to nothing."""
    value = int(exchange_id.replace("-", ""), 16) ^ tries
    return f"{value:032x}"
