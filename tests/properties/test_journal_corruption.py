"""K22: whatever happens to the bytes of a segment, no frame is ever returned that was not written there."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.storage.frames import pack, unpack
from trunkline.storage.journal import INTENT, RECORD, Frame, JournalReader, JournalSettings, JournalWriter

ALL = 1 << 40

payloads = st.binary(min_size=0, max_size=300).map(lambda b: b'{"' + b + b'"}')
frames = st.lists(st.builds(Frame, st.sampled_from([INTENT, RECORD]), payloads), min_size=1, max_size=30)
damages = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=60)), min_size=1, max_size=6
)


def written(directory: Path, given: list[Frame]) -> Path:
    writer = JournalWriter(directory, JournalSettings(segment_bytes=64 << 10, reserve_bytes=1 << 20))
    for start in range(0, len(given), 5):
        writer.append(given[start : start + 5])
    writer.close()
    return directory / "000000000001.segment"


def is_subsequence(part: list[Frame], whole: list[Frame]) -> bool:
    rest = iter(whole)
    return all(any(f == g for g in rest) for f in part)


def read_all(directory: Path) -> tuple[list[Frame], JournalReader]:
    reader = JournalReader(directory)
    try:
        batch = reader.read(1 << 30, ALL)
        assert batch.drained
        assert reader.read(1 << 30, ALL) == batch
    finally:
        reader.close()
    return batch.frames, reader


@settings(max_examples=150, deadline=None)
@given(frames, damages)
def test_overwritten_bytes_never_become_a_frame_and_never_go_unnoticed(
    given_frames: list[Frame], damage: list[tuple[float, bytes]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name) / "w0-1", given_frames)
        before = path.read_bytes()
        spoilt = bytearray(before)
        for where, content in damage:
            at = int(where * len(before))
            spoilt[at : at + len(content)] = content[: len(before) - at]
        path.write_bytes(spoilt)
        found, reader = read_all(Path(name) / "w0-1")
        assert is_subsequence(found, given_frames)
        if bytes(spoilt) == before:
            assert found == given_frames
        elif len(found) < len(given_frames) and any(spoilt[sum(map(_size, found)) :]):
            assert reader.damaged > 0


@settings(max_examples=150, deadline=None)
@given(frames, st.floats(0, 1))
def test_a_segment_cut_anywhere_gives_exactly_its_whole_frames(given_frames: list[Frame], where: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = written(Path(name) / "w0-1", given_frames)
        content = path.read_bytes()
        cut = int(where * len(content))
        path.write_bytes(content[:cut])
        whole, used = [], 0
        for frame in given_frames:
            if used + _size(frame) > cut:
                break
            used += _size(frame)
            whole.append(frame)
        found, reader = read_all(Path(name) / "w0-1")
        assert found == whole
        assert reader.damaged == (1 if any(content[used:cut]) else 0)


@settings(max_examples=100, deadline=None)
@given(frames, st.integers(1, 400), st.integers(1, 2000))
def test_any_batch_size_gives_the_same_frames(given_frames: list[Frame], rows: int, size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        written(Path(name) / "w0-1", given_frames)
        reader = JournalReader(Path(name) / "w0-1")
        found: list[Frame] = []
        while (batch := reader.read(rows, size)).frames:
            found += batch.frames
            reader.acknowledge(batch.position)
        reader.close()
        assert found == given_frames


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_garbage_is_never_a_frame(garbage: bytes) -> None:
    assert unpack(garbage, 1, 0, 1 << 20, 100)[0] == []


@settings(max_examples=100, deadline=None)
@given(frames, st.integers(1, 5), st.integers(1, 1 << 40))
def test_frames_copied_to_another_place_are_not_frames(given_frames: list[Frame], segment: int, offset: int) -> None:
    data = pack(given_frames, segment, 0)
    assert unpack(data, segment, offset, len(data), 1000)[0] == []
    assert unpack(data, segment + 1, 0, len(data), 1000)[0] == []


def _size(frame: Frame) -> int:
    return 9 + len(frame.payload)
