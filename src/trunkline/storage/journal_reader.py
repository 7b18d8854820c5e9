"""The journal's reading side: whole frames in order, damage set aside, segments freed below what is acknowledged.

A frame that does not check is one of two things. In a segment that is still written it may be a write that is under
way: it is left alone until a whole frame stands behind it, on two looks. Where nothing will be written any more it
is damage: its bytes are copied to `journal/aside/` and counted, and reading goes on at the next whole frame.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from trunkline.storage.frames import HEADER, PAYLOAD_MAX, Frame, Stop, next_frame, pack, unpack
from trunkline.storage.journal_writer import ACKNOWLEDGED, LOCK, segment_name, segment_numbers

ASIDE = "aside"
CARRIED = "carried"
#: Evidence is worth disk space, but not all of it; beyond this, damage is only counted.
ASIDE_MAX_BYTES = 256 << 20
_CHUNK_MIN = PAYLOAD_MAX + HEADER.size
_LOOK_AHEAD = 4096
_SLOT = struct.Struct("<QQI")
_ZERO = b"\0"


class Position(msgspec.Struct, frozen=True, order=True):
    """Everything before `offset` of `segment` has been read."""

    segment: int = 0
    offset: int = 0


class Batch(msgspec.Struct, frozen=True):
    """`position` is to be acknowledged when the frames are safe. `drained`: the incarnation is dead and has no more."""

    frames: list[Frame]
    position: Position
    drained: bool = False


class JournalReader:
    """One incarnation. Only one process reads (the recorder), from one thread."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = directory.name
        self.damaged = 0  # places at which frames were lost
        self.damaged_bytes = 0
        self._acknowledged = _read_position(directory / ACKNOWLEDGED)
        self._slot = 0
        self._counted: set[Position] = set()
        self._suspect: Position | None = None
        self._lock = -1
        self._fd = -1
        self._fd_number = 0
        self._fd_size = 0

    @property
    def position(self) -> Position:
        return self._acknowledged

    def dead(self) -> bool:
        """True when the worker that wrote here is gone; then the reader holds the lock, and nobody writes any more."""
        if self._lock >= 0:
            return True
        try:
            fd = os.open(self.directory / LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            return False
        self._lock = fd
        return True

    def read(self, max_rows: int, max_bytes: int) -> Batch:
        """From the acknowledged position on. Reading again without acknowledging gives the same. Raises OSError.

        `max_bytes` bounds the payloads; one frame is given even if it is larger.
        """
        dead = self.dead()  # before looking: what a dying worker still wrote is seen below
        frames: list[Frame] = []
        position = self._acknowledged
        room = max_bytes
        numbers = segment_numbers(self.directory)
        while len(frames) < max_rows and room > 0:
            if not self._enter(position, numbers):
                return Batch(frames, position, drained=dead)
            if self._fd_number != position.segment:
                position = Position(self._fd_number, 0)
            closed = dead or position.segment < numbers[-1]
            found, position, stop = self._take(position, max_rows - len(frames), room)
            frames += found
            room -= sum(len(f.payload) for f in found)
            if stop is Stop.ROWS:
                break
            if stop is Stop.CHUNK:
                if found:
                    continue
                break
            follows = self._beyond(position, closed)
            if follows is None:
                last = position.segment == numbers[-1]
                return Batch(frames, position, drained=dead and closed and last)
            position = follows
        return Batch(frames, position)

    def acknowledge(self, position: Position) -> None:
        """What stands before `position` is safe elsewhere; whole segments below it are deleted. Raises OSError."""
        if position == self._acknowledged:
            return
        self._write_position(position)
        self._acknowledged = position
        for number in segment_numbers(self.directory):
            if number < position.segment:
                (self.directory / segment_name(number)).unlink(missing_ok=True)

    def releases(self, position: Position) -> bool:
        """Would acknowledging `position` delete a segment? Then what is still needed of it is to be carried first."""
        return any(number < position.segment for number in segment_numbers(self.directory))

    def carry(self, frames: Iterable[Frame]) -> None:
        """Keeps `frames` beyond the life of their segments, instead of what was carried before. Raises OSError."""
        _replace(self.directory / CARRIED, pack(list(frames), 0, 0))

    def history(self) -> Iterator[Frame]:
        """What was carried, then the frames below the acknowledged position in segments that still stand."""
        try:
            carried = (self.directory / CARRIED).read_bytes()
        except OSError:
            carried = b""
        yield from unpack(carried, 0, 0, len(carried), len(carried))[0]
        end = self._acknowledged
        position = Position()
        numbers = [n for n in segment_numbers(self.directory) if n <= end.segment]
        while position < end and self._enter(position, numbers):
            if self._fd_number != position.segment:
                position = Position(self._fd_number, 0)
                continue
            found, position, stop = self._take(position, _CHUNK_MIN, _CHUNK_MIN)
            yield from found
            if stop is not Stop.ROWS and not (stop is Stop.CHUNK and found):
                # Counted when it was first read; here it is only stepped over.
                skip = next_frame(self._rest(position), position.segment, position.offset)
                if skip < 0:
                    position = Position(position.segment + 1, 0)
                else:
                    position = Position(position.segment, position.offset + skip)

    def remove(self) -> None:
        """The incarnation is dead and all of it is safe elsewhere. Raises OSError."""
        if not self.dead():
            raise ValueError("only a dead incarnation can be removed")
        self._leave()
        for number in segment_numbers(self.directory):
            (self.directory / segment_name(number)).unlink(missing_ok=True)
        shutil.rmtree(self.directory)
        self.close()

    def close(self) -> None:
        self._leave()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # --- segments ----------------------------------------------------------------------------------------------------
    def _enter(self, position: Position, numbers: list[int]) -> bool:
        """Opens the segment of `position`, or the first one after it. False: there is none yet."""
        number = next((n for n in numbers if n >= position.segment), 0)
        if not number:
            return False
        if self._fd < 0 or self._fd_number != number:
            self._leave()
            self._fd = os.open(self.directory / segment_name(number), os.O_RDONLY | os.O_CLOEXEC)
            self._fd_number = number
        self._fd_size = os.fstat(self._fd).st_size
        return True

    def _leave(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self, position: Position, rows: int, room: int) -> tuple[list[Frame], Position, Stop]:
        """Frames from one chunk of the open segment. Most looks find nothing, so a small one comes first."""
        offset = position.offset
        left = self._fd_size - offset
        data = os.pread(self._fd, min(left, _LOOK_AHEAD), offset) if left > 0 else b""
        if data and data.count(_ZERO) != len(data) and len(data) < left:
            data = os.pread(self._fd, min(left, max(room, _CHUNK_MIN)), offset)
        frames, used, stop = unpack(data, position.segment, offset, left, rows)
        kept = _within(frames, room)
        if kept < len(frames):
            used = sum(HEADER.size + len(f.payload) for f in frames[:kept])
            frames, stop = frames[:kept], Stop.ROWS
        return frames, Position(position.segment, offset + used), stop

    def _rest(self, position: Position) -> bytes:
        left = self._fd_size - position.offset
        return os.pread(self._fd, left, position.offset) if left > 0 else b""

    def _beyond(self, position: Position, closed: bool) -> Position | None:
        """Reading stopped at `position`, which is not a whole frame. Where it goes on, or None: not now."""
        if not closed:
            ahead = os.pread(self._fd, _LOOK_AHEAD, position.offset)
            if ahead.count(_ZERO) == len(ahead):
                return None
            if self._suspect != position:
                self._suspect = position
                return None
        rest = self._rest(position)
        skip = next_frame(rest, position.segment, position.offset)
        if skip >= 0:
            self._set_aside(position, rest[:skip])
            return Position(position.segment, position.offset + skip)
        if not closed:
            return None
        damage = rest.rstrip(_ZERO)
        if damage:
            self._set_aside(position, damage)
        following = [n for n in segment_numbers(self.directory) if n > position.segment]
        return Position(following[0], 0) if following else None

    def _write_position(self, position: Position) -> None:
        """In place, into the slot not used last: a full disk is no obstacle, and a torn write spoils one slot only."""
        fd = os.open(self.directory / ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            slot = _SLOT.pack(position.segment, position.offset, _slot_checksum(position.segment, position.offset))
            os.pwrite(fd, slot, self._slot * _SLOT.size)
        finally:
            os.close(fd)
        self._slot = 1 - self._slot

    def _set_aside(self, position: Position, damage: bytes) -> None:
        if position in self._counted:
            return
        self._counted.add(position)
        self.damaged += 1
        self.damaged_bytes += len(damage)
        place = f"{self.name}-{position.segment}-{position.offset}.damaged"
        keep_aside(self.directory.parent, place, damage, os.O_EXCL)


def keep_aside(root: Path, name: str, content: bytes, mode: int = os.O_APPEND) -> bool:
    """Puts evidence into `root/aside/name`: appended, or once (O_EXCL). False: not kept; that never stops reading."""
    aside = root / ASIDE
    try:
        aside.mkdir(mode=0o700, exist_ok=True)
        held = sum(entry.stat().st_size for entry in os.scandir(aside))
        if held + len(content) > ASIDE_MAX_BYTES:
            return False
        fd = os.open(aside / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | mode, 0o600)
        try:
            os.write(fd, content)
        finally:
            os.close(fd)
    except OSError:
        return False
    return True


def _within(frames: list[Frame], room: int) -> int:
    """How many frames have their payloads within `room`; at least one."""
    for index, frame in enumerate(frames):
        room -= len(frame.payload)
        if room < 0:
            return max(index, 1)
    return len(frames)


def _read_position(path: Path) -> Position:
    """The further of the two slots. None whole means the beginning: what still stands is given again, harmlessly."""
    try:
        content = path.read_bytes()
    except OSError:
        return Position()
    found = [Position()]
    for start in (0, _SLOT.size):
        if len(content) >= start + _SLOT.size:
            segment, offset, checksum = _SLOT.unpack_from(content, start)
            if checksum == _slot_checksum(segment, offset):
                found.append(Position(segment, offset))
    return max(found)


def _slot_checksum(segment: int, offset: int) -> int:
    return zlib.crc32(b"acknowledged %d %d" % (segment, offset))


def _replace(path: Path, content: bytes) -> None:
    """All or nothing."""
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(content)
    os.replace(draft, path)
