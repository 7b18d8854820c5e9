"""The bytes of a result, to whoever may have them: our copy if there is one, the provider's file otherwise."""

from __future__ import annotations

from urllib.parse import parse_qs

from trunkline.dialects.jobs import JobDialect
from trunkline.engine.exchange import Exchange
from trunkline.jobs.house import JobHouse
from trunkline.jobs.links import check_link
from trunkline.jobs.media import Copier
from trunkline.jobs.refusals import no_video
from trunkline.jobs.relay import Relayed, relay
from trunkline.jobs.source import source_of
from trunkline.types.failure import Failure, FaultClass, Kind, invalid, refused
from trunkline.types.job import Copy, Job
from trunkline.types.principal import Principal
from trunkline.types.wire import Headers, header

VARIANTS = {"video": "video", "last_frame": "last_frame"}
#: What a client may ask of the provider's file server through us.
_ASKED = (b"range", b"if-range")


class Contents:
    """One per worker."""

    def __init__(self, house: JobHouse, copier: Copier) -> None:
        self.house = house
        self.copier = copier

    async def asked(self, shown: str, query: bytes, principal: Principal, dialect: JobDialect) -> Job | Failure:
        """The job, if it is the caller's own, or if the caller has a link that we have signed."""
        job_id = dialect.job_id(shown)
        if job_id is None:
            return no_video()
        if not principal.key_id:
            wrong = check_link(self.house.ground.pepper, job_id, variant_of(query), query, self.house.ground.wall())
            if wrong:
                return refused(Kind.FORBIDDEN, f"this link is not valid: {wrong}", code="invalid_link")
        job = await self.house.rows.find(job_id)
        if job is None or job.deleted_at is not None or principal.key_id not in ("", job.key_id):
            return no_video()
        return job

    async def serve(self, x: Exchange, job: Job, query: bytes) -> Failure | None:
        """Streams; a Failure while nothing has left."""
        which = variant_of(query)
        if which not in VARIANTS:
            return invalid(
                "variant must be video or last_frame: there is no thumbnail and no spritesheet",
                param="variant",
                code="unsupported_value",
            )
        if job.state != "succeeded":
            return _not_ready(job)
        copy = job.copy if which == "video" else job.frame_copy
        headers = x.served_headers(x.note.candidate, ()) if x.note and x.note.candidate else x.early_headers()
        if copy is not None:
            return await self._copied(x, copy, headers)
        now = self.house.now_us
        if job.url_expires_at is not None and now >= job.url_expires_at:
            return expired()
        return await self._provided(x, job, which, headers)

    async def _copied(self, x: Exchange, copy: Copy, headers: Headers) -> Failure | None:
        if self.house.now_us >= copy.until:
            return expired()
        done = await self.copier.serve(copy, x.call, header(x.call.headers, b"range"), headers)
        return _told(x, done)

    async def _provided(self, x: Exchange, job: Job, which: str, headers: Headers) -> Failure | None:
        asked = [pair for pair in x.call.headers if pair[0] in _ASKED]
        source = source_of(self.house, job, which, asked)
        if isinstance(source, str):
            return _unavailable(source)
        done = await relay(self.house.ground.upstreams, x.call, source, headers)
        return _told(x, done)


def variant_of(query: bytes) -> str:
    found = parse_qs(query.decode("latin-1")).get("variant", ["video"])
    return found[0]


def _told(x: Exchange, done: Relayed) -> Failure | None:
    x.gone = x.gone or x.call.gone
    if done.started:
        x.status = done.status
        return None
    return expired() if done.gone else _unavailable(done.problem)


def expired() -> Failure:
    return invalid(
        "this video has expired: it is no longer kept by its provider and there is no copy of it",
        status=410,
        param="video_id",
        code="video_expired",
    )


def _not_ready(job: Job) -> Failure:
    if job.final:
        return invalid(
            f"this video was not made: it is {job.state}", status=404, param="video_id", code=f"video_{job.state}"
        )
    return invalid(
        "this video is not ready yet; ask for it until its status is completed",
        param="video_id",
        code="video_not_ready",
    )


def _unavailable(problem: str) -> Failure:
    return Failure(
        kind=Kind.UNREACHABLE,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=f"the video cannot be fetched from its provider now: {problem[:200]}",
        code="content_unavailable",
    )
