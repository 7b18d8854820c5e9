"""The SQLite store: one file in WAL mode, private to its user, for one machine.

A separate class for each family of tables, one connection behind them all.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from trunkline.storage.contract import Store, StoreUrlError
from trunkline.storage.sqlite_connection import Connection
from trunkline.storage.sqlite_jobs import SqliteJobs
from trunkline.storage.sqlite_keys import SqliteKeys
from trunkline.storage.sqlite_records import SqliteRecords


class SqliteStore(SqliteKeys, SqliteRecords, SqliteJobs):
    """Use from one thread at a time; any number of processes may open the same file."""

    def __init__(self, path: Path, patience: float) -> None:
        super().__init__(Connection(path, patience))

    def once(self, name: str, value: bytes) -> bytes:
        with self._connection.reading() as db:
            found = db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if found is not None:
            return bytes(found[0])
        with self._connection.writing() as db:
            db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (name, value))
            return bytes(db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()[0])

    def close(self) -> None:
        self._connection.close()


def open_sqlite(rest: str, patience: float) -> Store:
    """`rest` is what follows `sqlite://`: `/relative/path` or `//absolute/path`."""
    if not rest.startswith("/") or "?" in rest or "#" in rest:
        raise StoreUrlError(
            "write sqlite:///relative/path.db (three slashes) or sqlite:////absolute/path.db (four), without host or ?…"
        )
    name = unquote(rest[1:])
    if name in ("", "/", ":memory:") or name.endswith("/") or "\0" in name:
        raise StoreUrlError("sqlite:/// needs the path of a file: several processes share it, it cannot be in memory")
    return SqliteStore(Path(name), patience)
