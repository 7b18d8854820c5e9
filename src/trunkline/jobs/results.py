"""Where the result of a job is, and for how long."""

from __future__ import annotations

from trunkline.jobs.contract import Ground
from trunkline.jobs.links import sign_link
from trunkline.types.job import Job, Links

#: Providers keep results this long unless they say otherwise (wire-formats.md D.3), seconds.
URL_VALID = 86_400
CONTENT = "/v1/videos/video_{id}/content"


def links_of(ground: Ground, job: Job) -> Links:
    """What the caller is told. With copies on, or where the provider gives no URL, it is one of ours: signed, expiring, and
    good without a key; otherwise the provider's own."""
    if job.state != "succeeded":
        return Links()
    until = expiry_of(ground, job)
    if ground.settings.copy_media == "off" and job.video_url and not ours(job):
        return Links(
            video_url=job.video_url, last_frame_url=job.last_frame_url, expires_at=until // 1_000_000 if until else None
        )
    seconds = (until or job.finished_at or 0) // 1_000_000
    frame = job.last_frame_url or job.frame_copy is not None
    return Links(
        video_url=_own(ground, job, "video", seconds),
        last_frame_url=_own(ground, job, "last_frame", seconds) if frame else "",
        expires_at=seconds,
    )


def ours(job: Job) -> bool:
    """The result can only be had through this gateway: there is a copy, or the provider wants its credential to be shown.
    Only Ark's URLs are signed and public (wire-formats.md D.3)."""
    return job.copy is not None or job.upstream_dialect != "ark_tasks" or not job.video_url


def expiry_of(ground: Ground, job: Job) -> int | None:
    """Microseconds since the epoch; None: there is no result."""
    if job.state != "succeeded":
        return None
    if job.copy is not None:
        return job.copy.until
    if ground.settings.copy_media != "off" and job.finished_at is not None and job.copy_tries >= 0:
        return job.finished_at + round(ground.settings.retention * 1e6)
    return job.url_expires_at


def _own(ground: Ground, job: Job, which: str, until: int) -> str:
    path = CONTENT.format(id=job.id)
    return f"{ground.settings.public_url or ground.settings.local_url}{path}?{sign_link(ground.pepper, job.id, which, until)}"
