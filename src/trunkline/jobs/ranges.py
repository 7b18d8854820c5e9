"""Byte ranges of a known size (RFC 9110, 14.1). Pure."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

_ONE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*")


class Range(msgspec.Struct, frozen=True):
    """`first` and `last` byte, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    def header(self, size: int) -> bytes:
        """Value of Content-Range."""
        return b"bytes %d-%d/%d" % (self.first, self.last, size)


def read_range(header: bytes | None, size: int) -> Range | Literal["unsatisfiable"] | None:
    """None: the whole, which is also the answer to several ranges and to what is no range."""
    if header is None:
        return None
    found = _ONE.fullmatch(header.decode("latin-1"))
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        count = int(found[2])
        if count == 0 or size == 0:
            return "unsatisfiable"
        return Range(max(0, size - count), size - 1)
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        return "unsatisfiable"
    return Range(first, last)
