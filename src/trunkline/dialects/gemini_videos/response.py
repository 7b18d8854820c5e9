"""Veo's operations as the provider tells them, in both of their forms. Source: wire-formats.md C.6."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from trunkline.dialects.jobs import unusable
from trunkline.types.failure import Failure
from trunkline.types.video import Task

_STATUSES = {3: "INVALID_ARGUMENT", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED", 13: "INTERNAL", 14: "UNAVAILABLE"}


def read_task(body: bytes) -> Task | Failure:
    try:
        fields = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is not JSON")
    name = fields.get("name") if isinstance(fields, dict) else None
    if not isinstance(name, str) or not name:
        return unusable("the provider's answer names no operation")
    if not fields.get("done"):
        return Task(id=name, state="running")
    error = fields.get("error")
    if isinstance(error, dict):
        code = error.get("status") or _STATUSES.get(error.get("code") or 0, "UNKNOWN")
        return Task(id=name, state="failed", error_code=str(code)[:100], error_message=_text(error.get("message")))
    return _made(name, _inner(fields.get("response")))


def _made(name: str, response: dict[str, Any]) -> Task | Failure:
    developer = _inner(response.get("generateVideoResponse"))
    for video in _list(response.get("videos")) + [s.get("video") for s in _samples(developer)]:
        found = _video(name, _inner(video))
        if found is not None:
            return found
    filtered = response.get("raiMediaFilteredCount") or developer.get("raiMediaFilteredCount")
    if filtered:
        reasons = _list(response.get("raiMediaFilteredReasons")) + _list(developer.get("raiMediaFilteredReasons"))
        said = "; ".join(str(reason) for reason in reasons)[:500]
        return Task(
            id=name,
            state="failed",
            error_code="content_filtered",
            error_message=said or "the video was filtered by the provider's content policy",
        )
    return unusable("the provider's operation is done and has no video")


def _video(name: str, video: dict[str, Any]) -> Task | None:
    mime = _text(video.get("mimeType")) or "video/mp4"
    data = video.get("bytesBase64Encoded") or video.get("encodedVideo")
    if isinstance(data, str):
        try:
            return Task(id=name, state="succeeded", inline=base64.b64decode(data, validate=True), content_type=mime)
        except (binascii.Error, ValueError):
            return None
    url = _text(video.get("uri")) or _text(video.get("gcsUri"))
    return Task(id=name, state="succeeded", video_url=url, content_type=mime) if url else None


def _samples(developer: dict[str, Any]) -> list[dict[str, Any]]:
    return [_inner(sample) for sample in _list(developer.get("generatedSamples"))]


def _inner(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
