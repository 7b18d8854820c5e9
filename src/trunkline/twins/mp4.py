"""Real, playable MP4 files (ISO/IEC 14496-12 and -15), and the still image of a last frame, made while they are served.

A file is a flat colour of the size and length asked for, a few kilobytes. `padded` makes one of any size: what is
missing stands in a `free` box at the end, which is made when it is read, so that half a gigabyte needs no memory.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache

from trunkline.twins.h264 import COMPATIBLE, PROFILE, keyframe, level_of, parameter_sets, repeat
from trunkline.twins.wire import token

#: Pictures per second.
FPS = 24

#: No file is smaller than what `padded` falls back to.
SMALLEST = 4096

#: Bytes per piece when a file is read in pieces; divisible by 3, so that pieces of base64 can be joined.
PIECE = 48 * 1024

#: The filler repeats after this many bytes. A prime: pieces that are swapped, lost or repeated do not fit together.
_PERIOD = 65521

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class File:
    """Bytes that need not exist: `head`, then filler up to `size`. Equal arguments, equal bytes."""

    __slots__ = ("_filler", "head", "mime", "size")

    def __init__(self, head: bytes, size: int, mime: str = "video/mp4") -> None:
        self.head = head
        self.size = size
        self.mime = mime
        self._filler = b"" if size == len(head) else _filler()

    def read(self, start: int, stop: int) -> bytes:
        """Bytes `start` up to and without `stop`, as far as there are any."""
        stop = min(stop, self.size)
        found = self.head[start:stop]
        start = max(start, len(self.head))
        if start >= stop:
            return found
        offset = (start - len(self.head)) % _PERIOD
        length = stop - start
        times = -(-(offset + length) // _PERIOD)
        return found + (self._filler * times)[offset : offset + length]

    def pieces(self, start: int, stop: int) -> Iterator[bytes]:
        """The same in pieces of at most PIECE bytes."""
        for at in range(start, stop, PIECE):
            yield self.read(at, min(at + PIECE, stop))


def film(width: int, height: int, seconds: float, seed: int) -> bytes:
    """An MP4 file of `width` x `height` pixels, `seconds` long; `seed` decides its colour. Even sizes only."""
    return _film(width, height, max(1, round(seconds * FPS)), seed)


def padded(width: int, height: int, seconds: float, seed: int, size: int) -> File:
    """A film of exactly `size` bytes. If it does not fit in, the picture is made small. Raises ValueError for less than
    SMALLEST bytes."""
    if size < SMALLEST:
        raise ValueError(f"a film has at least {SMALLEST} bytes")
    head = film(width, height, seconds, seed)
    if len(head) != size and len(head) + 8 > size:
        head = film(BLANK, BLANK, 1, seed)
    missing = size - len(head)
    if missing == 0:
        return File(head, size)
    if missing >> 32:
        return File(head + struct.pack(">I4sQ", 1, b"free", missing), size)
    return File(head + struct.pack(">I4s", missing, b"free"), size)


#: Edge of the picture of a film that would be too large.
BLANK = 32


def still(width: int, height: int, seed: int) -> File:
    """A PNG in the colour of the film."""
    luma = _colour(seed)[0]
    row = b"\0" * (1 + -(-width // 8))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0)),
        (b"PLTE", bytes((luma, luma, luma, 0, 0, 0))),
        (b"IDAT", zlib.compress(row * height)),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in parts:
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return File(data, len(data), "image/png")


def _colour(seed: int) -> tuple[int, int, int]:
    """Y, Cb, Cr within the range of video."""
    digits = bytes.fromhex(token(f"colour {seed}", 6))
    return 40 + digits[0] % 160, 64 + digits[1] % 128, 64 + digits[2] % 128


@lru_cache(maxsize=1)
def _filler() -> bytes:
    """_PERIOD bytes that look random and are the same in every process."""
    return bytes.fromhex("".join(token(f"filler {at}", 64) for at in range(-(-_PERIOD // 32))))[:_PERIOD]


@lru_cache(maxsize=32)
def _film(width: int, height: int, frames: int, seed: int) -> bytes:
    samples = [keyframe(width, height, _colour(seed))]
    samples += [repeat(width, height, number) for number in range(1, frames)]
    units = [struct.pack(">I", len(sample)) + sample for sample in samples]
    sizes = [len(unit) for unit in units]
    brand = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    before = len(brand) + len(_movie(width, height, sizes, 0)) + 8
    return brand + _movie(width, height, sizes, before) + _box(b"mdat", *units)


def _movie(width: int, height: int, sizes: list[int], offset: int) -> bytes:
    """The `moov` box; `offset` is where the first picture's bytes are in the file. Times are in 1/24 s."""
    frames = len(sizes)
    stamps = struct.pack(">IIII", 0, 0, FPS, frames)
    header = _full(b"mvhd", stamps, struct.pack(">IHH8x", 0x10000, 0x100, 0), _MATRIX, bytes(24), struct.pack(">I", 2))
    edges = struct.pack(">II", width << 16, height << 16)
    track = _full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, frames), bytes(16), _MATRIX, edges, flags=3)
    language = struct.pack(">HH", 0x55C4, 0)  # undetermined
    handler = _full(b"hdlr", bytes(4), b"vide", bytes(12), b"VideoHandler\0")
    here = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    information = _box(b"minf", _full(b"vmhd", bytes(8), flags=1), here, _table(width, height, sizes, offset))
    media = _box(b"mdia", _full(b"mdhd", stamps, language), handler, information)
    return _box(b"moov", header, _box(b"trak", track, media))


def _table(width: int, height: int, sizes: list[int], offset: int) -> bytes:
    """The `stbl` box: what the pictures are, how long they last and where they stand. All are in one chunk."""
    sps, pps = parameter_sets(width, height)
    record = struct.pack(">BBBBBB", 1, PROFILE, COMPATIBLE, level_of(width, height), 0xFF, 0xE1)
    record += struct.pack(">H", len(sps)) + sps + struct.pack(">BH", 1, len(pps)) + pps
    entry = struct.pack(">6xH16xHHII4xH32sHh", 1, width, height, 0x480000, 0x480000, 1, b"", 24, -1)
    one = struct.pack(">I", 1)
    return _box(
        b"stbl",
        _full(b"stsd", one, _box(b"avc1", entry, _box(b"avcC", record))),
        _full(b"stts", one, struct.pack(">II", len(sizes), 1)),
        _full(b"stss", one, one),
        _full(b"stsc", one, struct.pack(">III", 1, len(sizes), 1)),
        _full(b"stsz", struct.pack(">II", 0, len(sizes)), struct.pack(f">{len(sizes)}I", *sizes)),
        _full(b"stco", one, struct.pack(">I", offset)),
    )


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    """A box with version 0 and flags."""
    return _box(kind, struct.pack(">I", flags), *parts)
