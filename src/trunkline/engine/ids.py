"""Ids of records: UUIDv7, so that they sort by time."""

from __future__ import annotations

from random import getrandbits


def new_id(wall: float) -> str:
    """UUIDv7 (RFC 9562) from epoch seconds and 74 random bits."""
    value = int(wall * 1000) << 80 | _VERSION_7 | getrandbits(76) & _RANDOM
    text = value.to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_VERSION_7 = 7 << 76 | 1 << 63
_RANDOM = 0x0FFF_3FFF_FFFF_FFFF_FFFF  # all but version and variant
