"""The journal as files: what a writer returned from, a reader gives; damage is set aside; space is freed when safe."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.storage import journal_writer
from trunkline.storage.journal import (
    INTENT,
    RECORD,
    Frame,
    JournalReader,
    JournalSet,
    JournalSettings,
    JournalUnwritable,
    JournalWriter,
    Position,
)

SEGMENT = 64 << 10
SMALL = JournalSettings(segment_bytes=SEGMENT, reserve_bytes=4 * SEGMENT)
ALL = 1_000_000


def frame(number: int, size: int = 1000) -> Frame:
    head = b'{"id":"%06d","pad":"' % number
    return Frame(RECORD, head + b"x" * (size - len(head) - 2) + b'"}')


def number_of(given: Frame) -> int:
    return int(given.payload[7:13])


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[JournalWriter]:
    made = JournalWriter(tmp_path / "journal" / "w0-1", SMALL)
    yield made
    made.close()


@pytest.fixture
def reader(writer: JournalWriter) -> Iterator[JournalReader]:
    made = JournalReader(writer.directory)
    yield made
    made.close()


def segments(writer: JournalWriter) -> list[Path]:
    return sorted(writer.directory.glob("*.segment"))


def spoil(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


# --- writing and reading ---------------------------------------------------------------------------------------------


def test_what_was_appended_is_read_in_order_across_segments(writer: JournalWriter, reader: JournalReader) -> None:
    for start in range(0, 300, 50):
        writer.append([frame(n) for n in range(start, start + 50)])
    batch = reader.read(ALL, ALL)
    assert [number_of(f) for f in batch.frames] == list(range(300))
    assert len(segments(writer)) == 5
    assert not batch.drained


def test_one_append_may_fill_several_segments(writer: JournalWriter, reader: JournalReader) -> None:
    assert writer.append([frame(n) for n in range(300)]) == 300 * 1009
    assert len(reader.read(ALL, ALL).frames) == 300


def test_reading_again_gives_the_same_until_acknowledged(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(10)])
    first = reader.read(4, ALL)
    assert reader.read(4, ALL) == first
    reader.acknowledge(first.position)
    assert [number_of(f) for f in reader.read(4, ALL).frames] == [4, 5, 6, 7]


def test_a_batch_is_bounded_in_rows_and_bytes_but_never_empty(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(100)])
    assert len(reader.read(7, ALL).frames) == 7
    assert len(reader.read(ALL, 3500).frames) == 3
    assert len(reader.read(ALL, 10).frames) == 1


def test_batches_of_any_size_give_everything_once(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n, 100 + n) for n in range(1000)])
    seen: list[int] = []
    rows = 1
    while frames := (batch := reader.read(rows, rows * 777)).frames:
        seen += map(number_of, frames)
        reader.acknowledge(batch.position)
        rows = rows % 97 + 1
    assert seen == list(range(1000))


def test_an_acknowledged_position_survives_the_reader(writer: JournalWriter) -> None:
    writer.append([frame(n) for n in range(10)])
    first = JournalReader(writer.directory)
    first.acknowledge(first.read(6, ALL).position)
    first.close()
    second = JournalReader(writer.directory)
    assert [number_of(f) for f in second.read(ALL, ALL).frames] == [6, 7, 8, 9]
    second.close()


@pytest.mark.parametrize("damage", [b"", b"\xff" * 40, bytes(40)])
def test_a_damaged_acknowledgement_repeats_and_loses_nothing(writer: JournalWriter, damage: bytes) -> None:
    writer.append([frame(n) for n in range(10)])
    first = JournalReader(writer.directory)
    first.acknowledge(first.read(6, ALL).position)
    first.close()
    (writer.directory / "acknowledged").write_bytes(damage)
    second = JournalReader(writer.directory)
    assert len(second.read(ALL, ALL).frames) == 10
    second.close()


def test_segments_go_only_below_the_acknowledged_position(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(200)])
    batch = reader.read(100, ALL)
    assert reader.releases(batch.position)
    assert [p.name for p in segments(writer)] == [f"{n:012d}.segment" for n in (1, 2, 3, 4)]
    reader.acknowledge(batch.position)
    assert [p.name for p in segments(writer)] == [f"{n:012d}.segment" for n in (2, 3, 4)]
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == list(range(100, 200))


def test_a_second_writer_is_kept_out(writer: JournalWriter) -> None:
    with pytest.raises(BlockingIOError):
        JournalWriter(writer.directory, SMALL)


def test_a_writer_never_appends_to_what_an_earlier_one_left(writer: JournalWriter) -> None:
    writer.append([frame(1)])
    writer.close()
    again = JournalWriter(writer.directory, SMALL)
    again.append([frame(2)])
    again.close()
    assert [p.name for p in segments(writer)] == ["000000000001.segment", "000000000002.segment"]


# --- damage ----------------------------------------------------------------------------------------------------------


def test_a_torn_tail_is_waited_for_while_the_worker_lives(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(1), frame(2)])
    whole = segments(writer)[0].read_bytes()
    os.truncate(segments(writer)[0], len(whole) - 1)
    for _ in range(3):
        assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [1]
    segments(writer)[0].write_bytes(whole)
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [1, 2]
    assert reader.damaged == 0


def test_a_torn_tail_of_a_dead_worker_is_set_aside_and_counted(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(1), frame(2)])
    size = segments(writer)[0].stat().st_size
    os.truncate(segments(writer)[0], size - 1)
    writer.close()
    batch = reader.read(ALL, ALL)
    assert ([number_of(f) for f in batch.frames], batch.drained) == ([1], True)
    assert (reader.damaged, reader.damaged_bytes) == (1, 1008)
    (kept,) = (writer.directory.parent / "aside").iterdir()
    assert kept.name == "w0-1-1-1009.damaged"
    assert kept.stat().st_size == 1008


def test_a_corrupt_frame_in_a_closed_segment_costs_only_itself(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(100)])
    spoil(segments(writer)[0], 5 * 1009 + 500, b"!")
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [n for n in range(100) if n != 5]
    assert (reader.damaged, reader.damaged_bytes) == (1, 1009)


def test_damage_in_the_live_segment_is_believed_at_the_second_look(
    writer: JournalWriter, reader: JournalReader
) -> None:
    writer.append([frame(n) for n in range(3)])
    spoil(segments(writer)[0], 1009, b"\0" * 9)
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [0]
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [0, 2]
    assert reader.damaged == 1


def test_damage_is_counted_once_however_often_it_is_read(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(100)])
    spoil(segments(writer)[0], 500, b"!")
    for _ in range(3):
        assert len(reader.read(ALL, ALL).frames) == 99
    assert reader.damaged == 1


def test_a_hole_of_zeros_in_a_closed_segment_is_damage(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(100)])
    spoil(segments(writer)[0], 10 * 1009, bytes(8 * 1009))
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [*range(10), *range(18, 100)]
    assert reader.damaged == 1


def test_a_lost_segment_is_passed_over(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(200)])
    segments(writer)[1].unlink()
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [*range(64), *range(128, 200)]


def test_foreign_files_in_the_directory_are_ignored(writer: JournalWriter, reader: JournalReader) -> None:
    (writer.directory / "core.segment").write_bytes(b"junk")
    (writer.directory / "notes").write_bytes(b"junk")
    writer.append([frame(1)])
    assert len(reader.read(ALL, ALL).frames) == 1


# --- what outlives its segment ---------------------------------------------------------------------------------------


def test_history_is_what_was_carried_and_what_stands_below_the_position(
    writer: JournalWriter, reader: JournalReader
) -> None:
    writer.append([frame(n) for n in range(130)])
    batch = reader.read(100, ALL)
    reader.carry([Frame(INTENT, b'{"id":"000007"}')])
    reader.acknowledge(batch.position)
    again = JournalReader(writer.directory)
    history = [(f.kind, number_of(f)) for f in again.history()]
    assert history[0] == (INTENT, 7)
    assert history[1] == (RECORD, 64)
    assert (RECORD, 99) in history
    again.close()


def test_history_steps_over_damage_without_counting_it_again(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(100)])
    spoil(segments(writer)[0], 5 * 1009 + 500, b"!")
    reader.acknowledge(reader.read(50, ALL).position)
    again = JournalReader(writer.directory)
    seen = [number_of(f) for f in again.history()]
    assert seen[:6] == [0, 1, 2, 3, 4, 6]
    assert again.damaged == 0
    again.close()


def test_a_new_journal_has_no_history(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(1)])
    assert list(reader.history()) == []


# --- life and death of an incarnation --------------------------------------------------------------------------------


def test_a_worker_is_dead_when_its_lock_is_free(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(1)])
    assert not reader.dead()
    writer.close()
    assert reader.dead()
    assert reader.read(ALL, ALL).drained


def test_a_dead_journal_read_in_parts_is_drained_only_at_its_end(writer: JournalWriter, reader: JournalReader) -> None:
    writer.append([frame(n) for n in range(100)])
    writer.close()
    first = reader.read(60, ALL)
    assert not first.drained
    reader.acknowledge(first.position)
    assert reader.read(ALL, ALL).drained


def test_only_the_dead_are_removed(writer: JournalWriter) -> None:
    journals = JournalSet(writer.directory.parent)
    (reader,) = journals.readers()
    with pytest.raises(ValueError, match="dead"):
        journals.remove(reader)
    writer.close()
    journals.remove(reader)
    assert not writer.directory.exists()
    assert journals.readers() == []


def test_a_set_finds_new_incarnations_and_ignores_what_is_none(tmp_path: Path) -> None:
    journals = JournalSet(tmp_path / "journal")
    assert journals.readers() == []
    writers = [JournalWriter(tmp_path / "journal" / name, SMALL) for name in ("w1-5", "w0-9")]
    (tmp_path / "journal" / "aside").mkdir()
    (tmp_path / "journal" / ".w7-1").mkdir()
    (tmp_path / "journal" / "stray").write_bytes(b"")
    assert [r.name for r in journals.readers()] == ["w0-9", "w1-5"]
    for writer in writers:
        writer.close()
    journals.close()


# --- a full disk (D5) ------------------------------------------------------------------------------------------------


class Disk:
    """Stands between the writer and the file system: full when told so. Space already allocated can be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._pwrite = os.pwrite
        self._allocate = journal_writer._allocate
        monkeypatch.setattr(journal_writer.os, "pwrite", self.pwrite)
        monkeypatch.setattr(journal_writer, "_allocate", self.allocate)

    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        if self.full and offset + len(data) > os.fstat(fd).st_size:
            # As real ones do: what still fits is written first.
            if len(data) > 4096:
                return self._pwrite(fd, bytes(data)[:100], offset)
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._pwrite(fd, data, offset)

    def allocate(self, path: Path, size: int) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._allocate(path, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_on_a_full_disk_the_reserve_is_written_and_nothing_before_it_is_damaged(
    writer: JournalWriter, reader: JournalReader, disk: Disk
) -> None:
    assert writer.top_up()
    writer.append([frame(n) for n in range(10)])
    disk.full = True
    for n in range(10, 210, 10):
        writer.append([frame(m) for m in range(n, n + 10)])
    assert not writer.top_up()
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == list(range(210))
    assert reader.damaged == 0
    assert writer.room == 4 * SEGMENT - 200 * 1009 - 3 * (SEGMENT % 1009)


def test_when_the_reserve_is_used_up_the_rest_is_given_back(
    writer: JournalWriter, reader: JournalReader, disk: Disk
) -> None:
    writer.top_up()
    disk.full = True
    with pytest.raises(JournalUnwritable) as caught:
        writer.append([frame(n) for n in range(300)])
    assert caught.value.full
    # Four spare segments of 64 frames each.
    assert caught.value.written == 256
    assert writer.room < 1009
    disk.full = False
    writer.append([frame(n) for n in range(256, 300)])
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == list(range(300))


def test_the_reserve_is_whole_again_when_there_is_space(writer: JournalWriter, disk: Disk) -> None:
    writer.top_up()
    disk.full = True
    writer.append([frame(n) for n in range(100)])
    assert writer.spares_missing
    disk.full = False
    assert writer.top_up()
    assert not writer.spares_missing


def test_a_broken_file_is_left_and_the_next_one_taken(
    writer: JournalWriter, reader: JournalReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.append([frame(0)])
    healthy = os.pwrite

    def broken(fd: int, data: bytes, offset: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal_writer.os, "pwrite", broken)
    with pytest.raises(JournalUnwritable) as caught:
        writer.append([frame(1)])
    assert (caught.value.full, caught.value.written) == (False, 0)
    monkeypatch.setattr(journal_writer.os, "pwrite", healthy)
    writer.append([frame(1)])
    assert len(segments(writer)) == 2
    assert [number_of(f) for f in reader.read(ALL, ALL).frames] == [0, 1]


def test_a_failed_sync_gives_everything_back(writer: JournalWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.durable = True

    def broken(fd: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(journal_writer.os, "fdatasync", broken)
    with pytest.raises(JournalUnwritable) as caught:
        writer.append([frame(1)])
    assert caught.value.written == 0


def test_the_reserve_goes_with_the_worker(writer: JournalWriter) -> None:
    writer.top_up()
    assert len(list(writer.directory.glob("spare-*"))) == 4
    writer.close()
    assert list(writer.directory.glob("spare-*")) == []


def test_positions_are_ordered_by_segment_then_offset() -> None:
    assert Position(1, 900) < Position(2, 0) < Position(2, 1)
