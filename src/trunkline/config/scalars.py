"""Scalars with units, YAML 1.2 style: `on`, `no`, `yes` are strings; every duration and size says its unit."""

from __future__ import annotations

import re

_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"([0-9]{1,12})(B|KiB|MiB|GiB)\Z")
_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,14})\Z")
_BARE = re.compile(r"[0-9]+(\.[0-9]+)?\Z")
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})\Z")


def duration(text: str) -> float | str:
    """Seconds, or what is wrong."""
    match = _DURATION.match(text)
    if match is not None:
        return float(match.group(1)) * _SECONDS[match.group(2)]
    if _BARE.match(text):
        return f"a duration needs a unit: write {text[:12]}s or {text[:12]}ms"
    return "a duration is written as 250ms, 15s, 2m or 1h"


def size(text: str) -> int | str:
    """Bytes, or what is wrong."""
    match = _SIZE.match(text)
    if match is not None:
        return int(match.group(1)) * _BYTES[match.group(2)]
    if _BARE.match(text):
        return f"a size needs a unit: write {text[:12]}KiB or {text[:12]}MiB"
    return "a size is written as 64KiB, 32MiB or 1GiB"


def integer(text: str) -> int | str:
    return int(text) if _INTEGER.match(text) else "a whole number is wanted"


def boolean(text: str) -> bool | str:
    """Only these two words: `on`, `yes` and `1` are something else in YAML 1.2."""
    return {"true": True, "false": False}.get(text, "true or false is wanted")


def address(text: str) -> tuple[str, int] | str:
    """Host and port. Port 0 lets the system choose."""
    match = _ADDRESS.match(text)
    if match is None or int(match.group(3)) > 65535:
        return "an address is written as 127.0.0.1:8080 or [::1]:8080"
    return match.group(1) or match.group(2), int(match.group(3))


_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%\Z")
_DOLLARS = re.compile(r"([0-9]{1,6})(?:\.([0-9]{1,6}))?\Z")
_FRACTION = re.compile(r"(?:0|1)(?:\.[0-9]{1,6})?\Z|0?\.[0-9]{1,6}\Z")


def percent(text: str) -> float | str:
    """A share of one."""
    match = _PERCENT.match(text)
    return float(match.group(1)) / 100.0 if match is not None else "a share is written as 2% or 0.5%"


def dollars(text: str) -> int | str:
    """Micro-dollars, without a detour through binary fractions."""
    match = _DOLLARS.match(text)
    if match is None:
        return "an amount is written as 2 or 2.50, in dollars"
    return int(match.group(1)) * 1_000_000 + int((match.group(2) or "").ljust(6, "0"))


def fraction(text: str) -> float | str:
    if _FRACTION.match(text) is None or float(text) > 1.0:
        return "a number from 0 to 1 is wanted"
    return float(text)
