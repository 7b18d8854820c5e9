"""Scalars with units, YAML 1.2 style: `on`, `no`, `yes` are strings; every duration and size says its unit."""

from __future__ import annotations

import re

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+)(B|KiB|MiB|GiB)\Z")
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_INTEGER = re.compile(r"-?(0|[1-9]\d*)\Z")
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})\Z")


def duration(text: str) -> float | str:
    """Seconds, or what is wrong."""
    match = _DURATION.match(text)
    if match is None:
        bare = text.replace(".", "", 1).isdigit()
        return f"a duration needs a unit, such as {text}s" if bare else "a duration is written as 250ms, 15s, 2m or 1h"
    return float(match.group(1)) * _SECONDS[match.group(2)]


def size(text: str) -> int | str:
    """Bytes, or what is wrong."""
    match = _SIZE.match(text)
    if match is None:
        return (
            f"a size needs a unit, such as {text}KiB" if text.isdigit() else "a size is written as 64KiB, 32MiB or 1GiB"
        )
    return int(match.group(1)) * _BYTES[match.group(2)]


def integer(text: str) -> int | str:
    return int(text) if _INTEGER.match(text) and len(text) < 16 else "a whole number is wanted"


def boolean(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, "true or false is wanted")


def address(text: str) -> tuple[str, int] | str:
    """Host and port."""
    match = _ADDRESS.match(text)
    if match is None or int(match.group(3)) > 65535:
        return "an address is written as 127.0.0.1:8080 or [::1]:8080"
    return match.group(1) or match.group(2), int(match.group(3))
