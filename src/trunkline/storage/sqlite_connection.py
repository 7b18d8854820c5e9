"""One SQLite connection: opened as we need it, watched for a vanished file, bounded in time, its errors made ours."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trunkline.storage.contract import RowRefused, StoreUnavailable
from trunkline.storage.migrations import migrate

#: Longest that one search may run (observability.md 4.5), seconds.
SEARCH_TIMEOUT = 5.0
_STEPS_BETWEEN_CLOCK_LOOKS = 20_000
_DAMAGED_ROW = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


class Connection:
    """Use from one thread at a time. `patience` is how long to wait for a lock, seconds."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._open: sqlite3.Connection | None = None
        self._inode = 0
        self._deadline = 0.0
        with self._translated():
            self._connect()

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    @contextmanager
    def reading(self, timeout: float = SEARCH_TIMEOUT) -> Iterator[sqlite3.Connection]:
        """One consistent view. A statement that runs longer than `timeout` is stopped: StoreUnavailable."""
        with self._translated():
            connection = self._current()
            self._deadline = time.monotonic() + timeout
            connection.set_progress_handler(self._overdue, _STEPS_BETWEEN_CLOCK_LOOKS)
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.set_progress_handler(None, 0)
                if connection.in_transaction:
                    connection.execute("COMMIT")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing."""
        with self._translated():
            connection = self._current()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _overdue(self) -> int:
        return 1 if time.monotonic() > self._deadline else 0

    def _current(self) -> sqlite3.Connection:
        """The open connection, unless the file at its path is no longer the one it reads.

        A deleted file is not made anew: rows would go into nothing, and an empty store would turn every known key into
        an unknown one. A file put in its place (a restored backup) is opened.
        """
        try:
            inode = os.stat(self._path).st_ino
        except OSError as error:
            raise StoreUnavailable(f"the store's file cannot be seen: {error.strerror}") from None
        if self._open is None or inode != self._inode:
            self._connect()
        assert self._open is not None
        return self._open

    def _connect(self) -> None:
        self.close()
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                _make(path)
            inode = os.stat(path).st_ino
        except OSError as error:
            raise StoreUnavailable(f"the store's file cannot be opened: {error.strerror}") from None
        connection = sqlite3.connect(
            path, timeout=self._patience, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StoreUnavailable("the store's file system cannot share memory: put the file on a local disk")
            # FULL: the journal is released when the store has committed, so a commit has to survive a power cut.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        self._open, self._inode = connection, inode

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """sqlite3's exceptions end here; their texts quote no values."""
        try:
            yield
        except _DAMAGED_ROW as error:
            raise RowRefused(str(error)) from None
        except (OverflowError, UnicodeError) as error:
            raise RowRefused(f"{type(error).__name__}: a value that the store cannot hold") from None
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store failed: {error}") from None


def _make(path: Path) -> None:
    """An empty file, private from its first moment; SQLite gives -wal and -shm the same mode.

    It is closed before it has its name. Closing any descriptor of a file takes away every lock that this process has on it
    (POSIX): another connection of ours would go on without, somebody else's last close would delete the WAL under it, and
    what it commits from then on would be lost.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    os.close(os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # another process was faster
    finally:
        os.unlink(fresh)
