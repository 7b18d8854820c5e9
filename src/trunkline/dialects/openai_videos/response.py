"""Videos: as an OpenAI-style server tells them, and as jobs are told in its words. Source: wire-formats.md A.8, E.13."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.jobs import Listing, unusable
from trunkline.dialects.openai_videos.request import size_of
from trunkline.types.failure import Failure
from trunkline.types.job import Job, Links
from trunkline.types.video import MODEL_DECIDES, JobState, Task, VideoFacts

_encode = msgspec.json.Encoder().encode
_STATES: dict[str, JobState] = {
    "queued": "queued",
    "in_progress": "running",
    "completed": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
    "expired": "expired",
}
#: How a job's state reads here: there are four words.
SHOWN: dict[JobState, str] = {
    "submitting": "queued",
    "queued": "queued",
    "running": "in_progress",
    "unknown": "in_progress",
    "succeeded": "completed",
    "failed": "failed",
    "expired": "failed",
    "cancelled": "failed",
}


class _Listed(msgspec.Struct):
    data: list[msgspec.Raw] | None = None


_LISTED = msgspec.json.Decoder(_Listed)


# --- from the provider -----------------------------------------------------------------------------------------------------
def read_task(body: bytes) -> Task | Failure:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is not JSON")
    if not isinstance(fields, dict):
        return unusable("the provider's answer is no video")
    shown, state = fields.get("id"), _STATES.get(str(fields.get("status")))
    if not isinstance(shown, str) or not shown or state is None:
        return unusable("the provider's answer is no video")
    error = fields.get("error")
    error = error if isinstance(error, dict) else {}
    return Task(
        id=shown,
        state=state,
        model=_text(fields.get("model")),
        prompt=_text(fields.get("prompt")),
        created_at=_whole(fields.get("created_at")),
        updated_at=_whole(fields.get("completed_at")),
        expires_at=_whole(fields.get("expires_at")),
        progress=_percent(fields.get("progress")),
        error_code=_text(error.get("code")),
        error_message=_text(error.get("message")),
        content_type="video/mp4",
        facts=VideoFacts(seconds=_whole(fields.get("seconds"))),
        native=bytes(body),
    )


def read_tasks(body: bytes) -> tuple[Task, ...] | Failure:
    try:
        listed = _LISTED.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is no list of videos")
    found = [read_task(bytes(raw)) for raw in listed.data or []]
    return tuple(task for task in found if isinstance(task, Task))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _whole(value: object) -> int | None:
    """`seconds` is a string here."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 2**53:
        return None
    return int(value)


def _percent(value: object) -> int | None:
    found = _whole(value)
    return None if found is None else min(100, found)


# --- to the caller ---------------------------------------------------------------------------------------------------------
def shown_id(job_id: str) -> str:
    return f"video_{job_id}"


def encode_created(job: Job) -> bytes:
    """Only what never changes: a repeated request gets the same bytes."""
    return _encode(_told(job, "queued", job.alias, _seconds(job.seconds)))


def encode_job(job: Job, links: Links) -> bytes:
    return _encode(told(job, links))


def encode_list(listing: Listing) -> bytes:
    shown = [told(job, links) for job, links in listing.jobs]
    return _encode(
        {
            "object": "list",
            "data": shown,
            "first_id": shown[0]["id"] if shown else None,
            "last_id": shown[-1]["id"] if shown else None,
            "has_more": listing.more,
        }
    )


def encode_deleted(job: Job) -> bytes:
    return _encode({"id": shown_id(job.id), "object": "video.deleted", "deleted": True})


def encode_event(job: Job, event_id: str, now: float) -> bytes:
    word = "completed" if job.state == "succeeded" else "failed"
    return _encode(
        {
            "object": "event",
            "id": event_id,
            "type": f"video.{word}",
            "created_at": int(now),
            "data": {"id": shown_id(job.id)},
        }
    )


def told(job: Job, links: Links) -> dict[str, Any]:
    seconds = job.facts.seconds if job.facts.seconds is not None else job.seconds
    made = _told(job, SHOWN[job.state], job.model or job.alias, _seconds(seconds))
    made["progress"] = 100 if job.state == "succeeded" else min(99, job.progress) if job.state != "queued" else 0
    made["completed_at"] = job.finished_at // 1_000_000 if job.finished_at and job.final else None
    made["expires_at"] = links.expires_at
    if made["status"] == "failed":
        code = job.error_code or job.state
        made["error"] = {"code": code, "message": job.error_message or f"the video is {job.state}"}
    if job.facts.tokens is not None:
        made["usage"] = {"completion_tokens": job.facts.tokens, "total_tokens": job.facts.tokens}
    return made


def _told(job: Job, status: str, model: str, seconds: str) -> dict[str, Any]:
    return {
        "id": shown_id(job.id),
        "object": "video",
        "created_at": job.created_at // 1_000_000,
        "completed_at": None,
        "expires_at": None,
        "status": status,
        "model": model,
        "progress": 0,
        "prompt": job.prompt or None,
        "remixed_from_video_id": shown_id(job.remix_of) if job.remix_of else None,
        "seconds": seconds,
        "size": job.size or _size(job),
        "error": None,
    }


def _seconds(seconds: int | None) -> str:
    """A string, always: what the model decides is not known before it has."""
    return "" if seconds is None or seconds == MODEL_DECIDES else str(seconds)


def _size(job: Job) -> str:
    return size_of(job.resolution, job.ratio)
