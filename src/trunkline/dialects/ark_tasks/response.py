"""Tasks: as Ark tells them, and as jobs are told in its words. Source: wire-formats.md D.3, D.4."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.jobs import Listing, unusable
from trunkline.types.failure import Failure
from trunkline.types.job import Job, Links
from trunkline.types.video import JobState, Task, VideoFacts

_encode = msgspec.json.Encoder().encode
_STATES: dict[str, JobState] = {
    "queued": "queued",
    "running": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
#: How a job's state reads here; Ark has no word for a submission that is under way, or lost.
SHOWN: dict[JobState, str] = {
    "submitting": "queued",
    "queued": "queued",
    "running": "running",
    "unknown": "running",
    "succeeded": "succeeded",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


_LISTED = msgspec.json.Decoder(_Listed)


# --- from the provider -----------------------------------------------------------------------------------------------------
def read_created(body: bytes) -> Task | Failure:
    fields = _object(body)
    shown = fields.get("id")
    if not isinstance(shown, str) or not shown:
        return unusable("the provider's answer names no task")
    return Task(id=shown, state="queued")


def read_task(body: bytes) -> Task | Failure:
    fields = _object(body)
    shown, state = fields.get("id"), _STATES.get(_text(fields.get("status")))
    if not isinstance(shown, str) or not shown or state is None:
        return unusable("the provider's answer is no task")
    usage, content, error = (_inner(fields.get(name)) for name in ("usage", "content", "error"))
    return Task(
        id=shown,
        state=state,
        model=_text(fields.get("model")),
        marker=_text(fields.get("safety_identifier")),
        created_at=_whole(fields.get("created_at")),
        updated_at=_whole(fields.get("updated_at")),
        error_code=_text(error.get("code")),
        error_message=_text(error.get("message")),
        video_url=_text(content.get("video_url")),
        last_frame_url=_text(content.get("last_frame_url")),
        content_type="video/mp4",
        facts=VideoFacts(
            tokens=_whole(usage.get("completion_tokens")),
            seconds=_whole(fields.get("duration")),
            frames=_whole(fields.get("frames")),
            resolution=_text(fields.get("resolution")),
            ratio=_text(fields.get("ratio")),
            fps=_whole(fields.get("framespersecond")),
            seed=_whole(fields.get("seed"), -1),
            audio=fields["generate_audio"] if isinstance(fields.get("generate_audio"), bool) else None,
            tier=_text(fields.get("service_tier")),
        ),
        native=bytes(body),
    )


def read_tasks(body: bytes) -> tuple[Task, ...] | Failure:
    try:
        listed = _LISTED.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is no list of tasks")
    found = [read_task(bytes(raw)) for raw in listed.items or []]
    return tuple(task for task in found if isinstance(task, Task))


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _inner(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object, least: int = 0) -> int | None:
    """A count; what is none, or negative, is not said."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= 2**53:
        return None
    return int(value)


# --- to the caller ---------------------------------------------------------------------------------------------------------
def shown_id(job_id: str) -> str:
    return f"cgt-{job_id}"


def encode_created(job: Job) -> bytes:
    return _encode({"id": shown_id(job.id)})


def encode_job(job: Job, links: Links) -> bytes:
    return _encode(told(job, links))


def encode_list(listing: Listing) -> bytes:
    return _encode({"total": listing.total, "items": [told(job, links) for job, links in listing.jobs]})


def told(job: Job, links: Links) -> dict[str, Any]:
    """The provider's own object where it is Ark's; what the row knows better stands over it."""
    native = _object(job.native) if job.upstream_dialect == "ark_tasks" else {}
    native.pop("callback_url", None)
    if job.marker and native.get("safety_identifier") == job.marker:
        del native["safety_identifier"]
    made = {**_built(job), **{name: value for name, value in native.items() if value is not None}}
    made["id"] = shown_id(job.id)
    made["model"] = job.model or job.alias
    made["status"] = SHOWN[job.state]
    made["created_at"] = job.created_at // 1_000_000
    made["error"] = _error(job)
    content = _inner(native.get("content"))
    if job.state == "succeeded":
        content = {**content, "video_url": links.video_url or content.get("video_url", "")}
        if links.last_frame_url:
            content["last_frame_url"] = links.last_frame_url
        made["content"] = content
    return made


def _error(job: Job) -> dict[str, str] | None:
    if job.state not in ("failed", "expired"):
        return None
    return {"code": job.error_code or job.state, "message": job.error_message or f"the task has {job.state}"}


def _built(job: Job) -> dict[str, Any]:
    facts = job.facts
    made: dict[str, Any] = {
        "id": "",
        "model": "",
        "status": "",
        "error": None,
        "created_at": 0,
        "updated_at": (job.changed_at or job.created_at) // 1_000_000,
    }
    if facts.tokens is not None:
        made["usage"] = {"completion_tokens": facts.tokens, "total_tokens": facts.tokens}
    for name, value in (
        ("seed", facts.seed),
        ("resolution", facts.resolution or job.resolution or None),
        ("ratio", facts.ratio or job.ratio or None),
        ("duration", facts.seconds if facts.seconds is not None else job.seconds),
        ("framespersecond", facts.fps),
        ("generate_audio", facts.audio),
        ("service_tier", facts.tier or None),
    ):
        if value is not None:
            made[name] = value
    return made
