"""The journal's writing side: append-only segment files, one directory per life of a worker.

    state_dir/journal/<worker>-<stamp>/     one incarnation: made at a worker's start, never written again after its end
        lock                                locked (flock) by the worker for as long as it lives
        000000000001.segment …              frames (frames.py), zeros behind them in those that were spares
        spare-1 …                           the preallocated reserve: what can still be written when the disk is full
        acknowledged, carried               the reader's (journal_reader.py)

What `append` has returned from survives the death of the process; with `durable` also a power cut.

A segment grows as it is written, and only the reserve is preallocated: on ext4 a write into preallocated, never
written blocks was measured at ten times the time of one that extends the file, and it is the event loop that waits.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trunkline.storage.frames import HEADER, PAYLOAD_MAX, Frame, pack, size_of

SEGMENT_SUFFIX = ".segment"
SPARE_PREFIX = "spare-"
LOCK = "lock"
ACKNOWLEDGED = "acknowledged"
#: A segment takes the largest frame that the ledger makes of a record (ledger/encoding.py) several times.
SEGMENT_MIN = 64 << 10
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_ZEROS = bytes(1 << 16)


class JournalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes in bytes."""

    segment_bytes: int = 8 << 20
    reserve_bytes: int = 64 << 20


class JournalUnwritable(Exception):
    """The disk refuses. `full`: for want of space. `written`: how many frames of this call are written all the same."""

    def __init__(self, reason: str, *, full: bool, written: int = 0) -> None:
        super().__init__(reason)
        self.full = full
        self.written = written


def segment_name(number: int) -> str:
    return f"{number:012d}{SEGMENT_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """Ascending. Files of other names are not segments."""
    names = (n.removesuffix(SEGMENT_SUFFIX) for n in os.listdir(directory) if n.endswith(SEGMENT_SUFFIX))
    return sorted(int(n) for n in names if n.isascii() and n.isdigit())


class JournalWriter:
    """One thread calls `append`; `top_up` may run in another at the same time."""

    def __init__(self, directory: Path, settings: JournalSettings | None = None) -> None:
        """`directory` is a new incarnation, such as `state_dir/journal/w0-1764000000000000000`.

        Raises OSError, BlockingIOError if another process writes there. A full disk is no error yet: see `room`.
        """
        settings = settings or JournalSettings()
        # A reserve smaller than a few segments would be no reserve.
        self.segment_bytes = max(SEGMENT_MIN, min(settings.segment_bytes, settings.reserve_bytes // 4))
        self.frame_max = min(PAYLOAD_MAX, self.segment_bytes - HEADER.size)
        self.directory = directory
        #: Every append is synced to the disk before it returns.
        self.durable = False
        self._spares_wanted = settings.reserve_bytes // self.segment_bytes
        self._lock = _hold(directory)
        # Never behind what an earlier writer may have left torn.
        self._number = max(segment_numbers(directory), default=0)
        self._fd = -1
        self._offset = 0
        self._in_spare = False
        self._spares: list[Path] = [directory / n for n in os.listdir(directory) if n.startswith(SPARE_PREFIX)]
        self._spares_made = max((int(p.name.removeprefix(SPARE_PREFIX)) for p in self._spares), default=0)

    @property
    def room(self) -> int:
        """Bytes that can still be written without asking the file system for space."""
        current = self.segment_bytes - self._offset if self._in_spare else 0
        return current + len(self._spares) * self.segment_bytes

    @property
    def spares_missing(self) -> bool:
        return len(self._spares) < self._spares_wanted

    def append(self, frames: Sequence[Frame]) -> int:
        """Writes all frames, in one write unless a segment ends; returns the number of bytes.

        Raises JournalUnwritable. The frames that it counts as written are, the others may be given again.
        """
        written = 0
        total = 0
        try:
            while written < len(frames):
                if self._fd < 0:
                    self._open_next()
                fitting, size = self._fitting(frames, written)
                if not fitting:
                    self._finish()
                    continue
                if not self._write(pack(frames[written : written + fitting], self._number, self._offset)):
                    continue
                self._offset += size
                total += size
                written += fitting
            if self.durable:
                self.sync()
        except OSError as error:
            full = error.errno in _NO_ROOM
            if not full:
                # This file may be damaged: what comes next goes into another one.
                self._abandon()
            # After a failed sync nobody knows what stands on the disk: everything is given again, into a new segment.
            raise JournalUnwritable(
                f"the journal cannot be written: {error.strerror}", full=full, written=0 if self.durable else written
            ) from None
        return total

    def sync(self) -> None:
        """Raises OSError."""
        if self._fd >= 0:
            os.fdatasync(self._fd)

    def top_up(self) -> bool:
        """Makes the reserve whole again; False if the file system has no space for it (what fits is kept)."""
        while self.spares_missing:
            self._spares_made += 1
            path = self.directory / f"{SPARE_PREFIX}{self._spares_made}"
            try:
                _allocate(path, self.segment_bytes)
            except OSError:
                return False
            self._spares.append(path)
        return True

    def close(self) -> None:
        """Gives the reserve and the lock back; what was written stays for the reader."""
        self._abandon()
        for spare in self._spares:
            spare.unlink(missing_ok=True)
        self._spares.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _fitting(self, frames: Sequence[Frame], start: int) -> tuple[int, int]:
        """How many frames from `start` on fit into the open segment, and their bytes."""
        room = self.segment_bytes - self._offset
        count = size = 0
        for index in range(start, len(frames)):
            more = size_of(frames[index])
            if size + more > room:
                if more > self.segment_bytes:
                    raise ValueError(f"a frame of {more} bytes does not fit into a segment")
                break
            size += more
            count += 1
        return count, size

    def _write(self, data: bytes) -> bool:
        """All of it at the offset, or False: the disk is full, nothing was written, and a spare is open now."""
        view, at = memoryview(data), self._offset
        try:
            while view:
                done = os.pwrite(self._fd, view, at)
                view, at = view[done:], at + done
        except OSError as error:
            if error.errno not in _NO_ROOM or self._in_spare:
                raise
            os.ftruncate(self._fd, self._offset)
            if not self._spares:
                raise
            self._finish()
            self._open_spare()
            return False
        return True

    def _open_next(self) -> None:
        path = self.directory / segment_name(self._number + 1)
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno not in _NO_ROOM or not self._spares:
                raise
            self._open_spare()
            return
        self._opened(in_spare=False)

    def _open_spare(self) -> None:
        path = self.directory / segment_name(self._number + 1)
        os.rename(self._spares[0], path)
        self._spares.pop(0)
        self._fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self._opened(in_spare=True)

    def _opened(self, *, in_spare: bool) -> None:
        self._number += 1
        self._offset = 0
        self._in_spare = in_spare
        if self.durable:
            _sync_directory(self.directory)

    def _finish(self) -> None:
        """The open segment is full."""
        if self.durable:
            self.sync()
        self._abandon()

    def _abandon(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._offset = 0
            self._in_spare = False


def _hold(directory: Path) -> int:
    """The descriptor that locks the incarnation for as long as it is open.

    A new directory gets its final name only when its lock is held: a reader that sees it never takes it for dead.
    """
    if directory.exists():
        return _lock(directory / LOCK)
    directory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    hidden = directory.with_name(f".{directory.name}")
    hidden.mkdir(mode=0o700)
    fd = _lock(hidden / LOCK)
    try:
        # The reader's file gets its block now, so that a full disk cannot keep it from letting go of segments.
        (hidden / ACKNOWLEDGED).write_bytes(bytes(64))
        os.rename(hidden, directory)
    except OSError:
        os.close(fd)
        raise
    return fd


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise
    return fd


def _allocate(path: Path, size: int) -> None:
    """A file of zeros that owns its space; leaves nothing behind when it fails."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise
            _fill(fd, size)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def _fill(fd: int, size: int) -> None:
    """Where the file system knows no preallocation."""
    at = 0
    while at < size:
        at += os.pwrite(fd, _ZEROS[: size - at], at)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
