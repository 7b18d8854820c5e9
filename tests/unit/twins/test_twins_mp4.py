"""The films of the twins, taken apart again."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import pytest

from trunkline.twins.mp4 import PIECE, SMALLEST, File, film, padded, still

HOLDERS = {b"moov", b"trak", b"mdia", b"minf", b"dinf", b"stbl"}


def boxes(data: bytes, at: int = 0, stop: int | None = None) -> list[tuple[bytes, int, bytes]]:
    """Kind, place and content of every box, those inside others after them."""
    found = []
    stop = len(data) if stop is None else stop
    while at < stop:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        assert head <= size <= stop - at, (kind, size)
        found.append((kind, at, data[at + head : at + size]))
        if kind in HOLDERS:
            found += boxes(data, at + head, at + size)
        at += size
    return found


def parts(data: bytes) -> dict[bytes, bytes]:
    return {kind: content for kind, _, content in boxes(data)}


class Bits:
    """Reads the bits of a NAL unit, by the book."""

    def __init__(self, unit: bytes) -> None:
        assert b"\0\0\0" not in unit and b"\0\0\1" not in unit and b"\0\0\2" not in unit
        body = unit[1:].replace(b"\0\0\3", b"\0\0")
        self.text = f"{int.from_bytes(body, 'big'):0{len(body) * 8}b}"

    def take(self, count: int) -> int:
        taken, self.text = self.text[:count], self.text[count:]
        return int(taken, 2)

    def golomb(self) -> int:
        zeros = self.text.index("1")
        return self.take(2 * zeros + 1) - 1


@pytest.mark.parametrize(
    ("width", "height", "seconds"),
    [(1280, 720, 5), (864, 496, 4), (854, 480, 10), (1470, 630, 4), (1112, 834, 4), (3840, 2160, 4), (32, 32, 1)],
)
def test_a_film_says_its_size_and_length_everywhere(width: int, height: int, seconds: int) -> None:
    data = film(width, height, seconds, 7)
    assert [kind for kind, at, _ in boxes(data) if kind in (b"ftyp", b"moov", b"mdat")] == [b"ftyp", b"moov", b"mdat"]
    found = parts(data)
    assert struct.unpack(">II", found[b"mvhd"][12:20]) == (24, 24 * seconds)
    assert struct.unpack(">II", found[b"mdhd"][12:20]) == (24, 24 * seconds)
    assert struct.unpack(">I", found[b"tkhd"][20:24]) == (24 * seconds,)
    assert struct.unpack(">II", found[b"tkhd"][-8:]) == (width << 16, height << 16)
    assert struct.unpack(">II", found[b"stts"][8:]) == (24 * seconds, 1)
    entry = found[b"stsd"][8:]
    assert entry[4:8] == b"avc1" and struct.unpack(">HH", entry[32:36]) == (width, height)
    assert coded_size(parameter_set(entry)) == (width, height)


def parameter_set(entry: bytes) -> bytes:
    record = entry[entry.index(b"avcC") + 4 :]
    (size,) = struct.unpack(">H", record[6:8])
    assert record[0] == 1 and record[4] == 0xFF and record[5] == 0xE1
    return record[8 : 8 + size]


def coded_size(unit: bytes) -> tuple[int, int]:
    """The pixels that a sequence parameter set shows (7.3.2.1.1)."""
    bits = Bits(unit)
    assert unit[0] == 0x67 and bits.take(8) == 66 and bits.take(8) == 0xC0
    assert bits.take(8) in (30, 31, 40, 51)
    assert [bits.golomb() for _ in range(4)] == [0, 0, 2, 1]
    assert bits.take(1) == 0
    across, down = bits.golomb() + 1, bits.golomb() + 1
    assert bits.take(2) == 3
    left = right = top = bottom = 0
    if bits.take(1):
        left, right, top, bottom = (bits.golomb() for _ in range(4))
    assert bits.take(1) == 0
    return across * 16 - 2 * (left + right), down * 16 - 2 * (top + bottom)


def test_every_picture_stands_where_the_tables_say() -> None:
    data = film(64, 48, 2, 1)
    found = parts(data)
    sizes = struct.unpack(">48I", found[b"stsz"][12:])
    assert struct.unpack(">III", found[b"stsc"][8:]) == (1, 48, 1)
    (at,) = struct.unpack(">I", found[b"stco"][8:])
    pictures = []
    for size in sizes:
        (length,) = struct.unpack_from(">I", data, at)
        assert length == size - 4
        pictures.append(data[at + 4 : at + size])
        at += size
    assert at == len(data)
    assert [picture[0] for picture in pictures] == [0x65] + [0x41] * 47
    last = Bits(pictures[47])
    assert [last.golomb() for _ in range(3)] == [0, 5, 0]
    assert last.take(4) == 47 % 16
    assert last.take(3) == 0 and last.golomb() == 0 and last.golomb() == 1
    assert last.golomb() == 12  # 4 x 3 macroblocks, all as before
    assert last.text.strip("0") == "1"


def test_a_film_depends_on_its_arguments_alone() -> None:
    assert film(64, 64, 1, 5) == film(64, 64, 1, 5)
    assert len({film(64, 64, 1, 5), film(64, 64, 1, 6), film(64, 64, 2, 5), film(64, 32, 1, 5)}) == 4


@pytest.mark.parametrize("size", [SMALLEST, 6442, 6443, 6449, 6450, 6451, 100_000, 1_000_003])
def test_a_padded_film_has_exactly_the_size_asked_for(size: int) -> None:
    file = padded(1280, 720, 5, 1, size)
    data = file.read(0, size)
    assert file.size == len(data) == size
    assert b"".join(file.pieces(0, size)) == data
    kinds = [kind for kind, _, _ in boxes(data)]
    assert kinds[0] == b"ftyp" and b"mdat" in kinds
    assert set(kinds[kinds.index(b"mdat") + 1 :]) <= {b"free"}


def test_half_a_gigabyte_is_made_while_it_is_read() -> None:
    file = padded(1280, 720, 5, 1, 500_000_000)
    assert len(file.head) < 10_000
    pieces = file.pieces(499_900_000, 500_000_000)
    first = next(pieces)
    assert len(first) == PIECE and first == file.read(499_900_000, 499_900_000 + PIECE)
    assert file.read(250_000_000, 250_000_016) != file.read(250_065_536, 250_065_552)
    assert file.read(499_999_999, 600_000_000) == file.read(499_999_999, 500_000_000)
    assert len(file.read(499_999_999, 600_000_000)) == 1


def test_more_than_four_gigabytes_take_a_long_box() -> None:
    file = padded(32, 32, 1, 1, 5 << 30)
    assert struct.unpack(">I4sQ", file.head[-16:]) == (1, b"free", (5 << 30) - len(film(32, 32, 1, 1)))
    assert file.size == 5 << 30


def test_what_is_read_in_any_pieces_is_the_same() -> None:
    file = padded(32, 32, 1, 1, 200_000)
    whole = file.read(0, 200_000)
    for step in (1 << 14, 65521, 65522, 199_999):
        assert b"".join(file.read(at, at + step) for at in range(0, 200_000, step)) == whole


def test_less_than_the_smallest_film_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="at least 4096"):
        padded(1280, 720, 5, 1, 4095)


def test_the_last_frame_is_a_png_of_the_same_size() -> None:
    file: File = still(1280, 720, 3)
    data: Any = file.read(0, file.size)
    assert file.mime == "image/png" and data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1280, 720)
    start = data.index(b"IDAT")
    (size,) = struct.unpack(">I", data[start - 4 : start])
    assert len(zlib.decompress(data[start + 4 : start + 4 + size])) == 720 * 161
