"""Frames: what stands in a segment, and what a reader makes of damage."""

from __future__ import annotations

import pytest

from trunkline.storage.frames import INTENT, PAYLOAD_MAX, RECORD, Frame, Stop, next_frame, pack, unpack

A, B = Frame(RECORD, b'{"id":"a"}'), Frame(INTENT, b'{"id":"b"}')
SIZE = 9 + 10


def test_what_was_packed_is_unpacked() -> None:
    data = pack([A, B], 7, 100)
    assert unpack(data, 7, 100, len(data), 10) == ([A, B], 2 * SIZE, Stop.EMPTY)


def test_the_layout_is_length_checksum_kind_payload() -> None:
    data = pack([A], 1, 0)
    assert (data[:4], data[8:9], data[9:]) == (b"\x0a\0\0\0", b"\x02", A.payload)


def test_zeros_end_it_and_a_cut_is_told_from_the_end() -> None:
    data = pack([A, B], 1, 0)
    assert unpack(data + bytes(64), 1, 0, 1000, 10) == ([A, B], 2 * SIZE, Stop.EMPTY)
    assert unpack(data[:-1], 1, 0, 1000, 10) == ([A], SIZE, Stop.CHUNK)
    assert unpack(data[: SIZE + 3], 1, 0, 1000, 10) == ([A], SIZE, Stop.CHUNK)
    assert unpack(data, 1, 0, 1000, 1) == ([A], SIZE, Stop.ROWS)


@pytest.mark.parametrize(("segment", "offset"), [(2, 0), (1, 19), (1, 1)])
def test_a_frame_in_another_place_is_no_frame(segment: int, offset: int) -> None:
    assert unpack(pack([A], 1, 0), segment, offset, 1000, 10) == ([], 0, Stop.BAD)


@pytest.mark.parametrize("position", range(SIZE))
def test_each_byte_matters(position: int) -> None:
    data = bytearray(pack([A, B], 1, 0))
    data[position] ^= 0x40
    frames, used, _ = unpack(bytes(data), 1, 0, len(data), 10)
    assert (frames, used) == ([], 0)
    assert next_frame(bytes(data), 1, 0) == SIZE


def test_a_length_beyond_all_bounds_is_not_believed() -> None:
    assert unpack(b"\xff\xff\xff\x7f" + bytes(100), 1, 0, 1 << 40, 10)[2] is Stop.BAD


def test_json_cannot_imitate_a_frame() -> None:
    import msgspec

    forged = pack([B], 1, 9 + 7)
    payload = msgspec.json.encode({"x": forged.decode("latin-1")})
    data = bytearray(pack([Frame(RECORD, payload)], 1, 0))
    data[0] ^= 1
    assert next_frame(bytes(data), 1, 0) == -1


@pytest.mark.parametrize("payload", [b"", b"{" + bytes(PAYLOAD_MAX)])
def test_a_payload_that_does_not_fit_is_a_bug_of_the_caller(payload: bytes) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        pack([Frame(RECORD, payload)], 1, 0)
