"""How a twin makes videos, as the control endpoint sets it."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from trunkline.twins.mp4 import SMALLEST

#: Largest result, bytes.
LARGEST = 1 << 40


class Failing(msgspec.Struct, frozen=True, kw_only=True):
    """How tasks fail, and which share of them."""

    code: str
    message: str = "The service encountered an unexpected internal error."
    share: float = 1.0


class VideoPace(msgspec.Struct, frozen=True, kw_only=True):
    """How long a task waits at least and how long it runs (seconds), how many of one account and model run at once and
    wait, how long a result can be fetched (seconds; None: as long as the provider says), which tasks fail, how large a
    result is (bytes; None: as small as it comes), and what the provider suggests as time between two looks."""

    queued_s: float = 0.5
    running_s: float = 2.0
    concurrency: int = 10
    queue: int = 100
    url_valid_s: float | None = None
    fail: Failing | None = None
    bytes: int | None = None
    poll_after_ms: int = 1000


_KNOWN = VideoPace.__struct_fields__


def parse_video_pace(document: Any) -> VideoPace | str:
    """A pace, or what is wrong with it. What is not said is as usual."""
    if not isinstance(document, dict):
        return f"the body must be an object with {', '.join(_KNOWN)}"
    unknown = sorted(set(document) - set(_KNOWN))
    if unknown:
        return f"unknown key {unknown[0]!r}; known are {', '.join(_KNOWN)}"
    try:
        pace = msgspec.convert(document, VideoPace)
    except msgspec.ValidationError as error:
        return str(error)
    for name in ("queued_s", "running_s", "url_valid_s"):
        value = getattr(pace, name)
        if value is not None and not (math.isfinite(value) and value >= 0):
            return f"{name} must be a number of seconds, not negative"
    if pace.concurrency < 1:
        return "concurrency must be at least 1"
    if pace.queue < 0 or pace.poll_after_ms < 0:
        return "queue and poll_after_ms must not be negative"
    if pace.bytes is not None and not SMALLEST <= pace.bytes <= LARGEST:
        return f"bytes must be from {SMALLEST} to {LARGEST}"
    if pace.fail is not None and not 0 <= pace.fail.share <= 1:
        return "the share of fail must be from 0 to 1"
    return pace
