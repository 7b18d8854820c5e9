"""The frames of a journal segment: length, checksum, kind, payload. Pure: bytes in, bytes out.

    length   4 bytes, little endian: bytes of the payload, 1 … PAYLOAD_MAX; 0: nothing was written from here on
    crc32    4 bytes, little endian: over segment number, offset, length, kind and payload
    kind     1 byte: INTENT or RECORD
    payload  JSON object

The checksum covers the place, so a frame that a file system returns in the wrong place is as bad as a torn one.
JSON never holds the bytes 1 or 2 unescaped, so no payload can imitate the start of a frame.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

INTENT = 1
RECORD = 2

#: One frame holds one record; a record is some kilobytes. Bounds what damage can make a reader look at.
PAYLOAD_MAX = 1 << 20
HEADER = struct.Struct("<IIB")
_PLACE = struct.Struct("<QQIB")
_START = re.compile(rb"[\x01\x02]\{")


class Frame(NamedTuple):
    """`kind` is INTENT or RECORD."""

    kind: int
    payload: bytes


class Stop(Enum):
    """Why `unpack` ended where it did."""

    ROWS = "as many frames as asked for"
    CHUNK = "the bytes at hand end inside a frame"
    EMPTY = "a length of zero: nothing was written here, or damage looks like it"
    BAD = "not a frame: torn, corrupt, or being written at this moment"


def size_of(frame: Frame) -> int:
    return HEADER.size + len(frame.payload)


def pack(frames: Sequence[Frame], segment: int, offset: int) -> bytes:
    """The frames as they stand at `offset` of segment number `segment`. A payload's length is 1 … PAYLOAD_MAX."""
    parts: list[bytes] = []
    for kind, payload in frames:
        size = len(payload)
        if not 0 < size <= PAYLOAD_MAX:
            raise ValueError(f"a payload of {size} bytes does not fit into a frame")
        parts.append(HEADER.pack(size, _checksum(segment, offset, kind, payload), kind))
        parts.append(payload)
        offset += HEADER.size + size
    return b"".join(parts)


def unpack(data: bytes, segment: int, offset: int, room: int, rows: int) -> tuple[list[Frame], int, Stop]:
    """Frames from the start of `data`, which stands at `offset`; `room` is how many bytes the segment has from there.

    Returns the frames, the number of bytes they took, and why it stopped.
    """
    frames: list[Frame] = []
    at, end = 0, len(data)
    while len(frames) < rows:
        if room - at < HEADER.size:
            return frames, at, Stop.EMPTY
        if end - at < HEADER.size:
            return frames, at, Stop.CHUNK
        size, checksum, kind = HEADER.unpack_from(data, at)
        if size == 0:
            return frames, at, Stop.EMPTY
        start = at + HEADER.size
        if size > PAYLOAD_MAX or size > room - start or kind not in (INTENT, RECORD):
            return frames, at, Stop.BAD
        if start + size > end:
            return frames, at, Stop.CHUNK
        payload = data[start : start + size]
        if _checksum(segment, offset + at, kind, payload) != checksum:
            return frames, at, Stop.BAD
        frames.append(Frame(kind, payload))
        at = start + size
    return frames, at, Stop.ROWS


def next_frame(data: bytes, segment: int, offset: int) -> int:
    """Where in `data`, which stands at `offset`, the next whole frame starts; -1 if there is none."""
    for found in _START.finditer(data):
        at = found.start() - HEADER.size + 1
        if at < 0:
            continue
        size, checksum, kind = HEADER.unpack_from(data, at)
        start = at + HEADER.size
        if not 0 < size <= PAYLOAD_MAX or start + size > len(data):
            continue
        if _checksum(segment, offset + at, kind, data[start : start + size]) == checksum:
            return at
    return -1


def _checksum(segment: int, offset: int, kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(_PLACE.pack(segment, offset, len(payload), kind)))
