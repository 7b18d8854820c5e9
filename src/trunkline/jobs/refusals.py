"""What callers of jobs are refused with."""

from __future__ import annotations

from trunkline.types.failure import Failure, FaultClass, Kind, invalid


def no_video(shown: str = "") -> Failure:
    """Another key's job is not there either (reliability.md J12)."""
    name = f": '{shown[:64]}'" if shown and shown.isascii() and shown.isprintable() else ""
    return invalid(f"no such video{name}", status=404, param="video_id", code="not_found")


def unavailable(message: str, code: str = "store_unavailable") -> Failure:
    """Ours, and it passes: never a word about the caller's request."""
    return Failure(
        kind=Kind.NO_CANDIDATE, fault=FaultClass.OURS, source="gateway", message=message, delay=2.0, code=code
    )


def unreadable() -> Failure:
    return unavailable("jobs cannot be read at the moment; try again")
