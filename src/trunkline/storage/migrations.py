"""The tables of the SQLite store, as steps that only go forward. A released step is never edited: add another."""

from __future__ import annotations

import sqlite3
import uuid

from trunkline.storage.contract import StoreUnavailable

#: Step n is `MIGRATIONS[n - 1]`. Tables are plain (not STRICT): Python 3.11 is packaged with SQLite from 3.34 on.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
        """
        CREATE TABLE keys (
            key_id TEXT PRIMARY KEY,
            digest BLOB NOT NULL UNIQUE CHECK (typeof(digest) = 'blob' AND length(digest) = 32),
            name TEXT NOT NULL,
            team TEXT NOT NULL,
            user TEXT NOT NULL,
            feature TEXT NOT NULL,
            organisation TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            revoked_at INTEGER,
            expires_at INTEGER
        )
        """,
        # AUTOINCREMENT: a number is never given twice, so "after n" can miss nothing.
        """
        CREATE TABLE changes (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            subject TEXT NOT NULL,
            key_id TEXT NOT NULL,
            at INTEGER NOT NULL
        )
        """,
        """
        CREATE TABLE records (
            id TEXT PRIMARY KEY NOT NULL CHECK (length(id) > 0),
            started_at INTEGER NOT NULL CHECK (typeof(started_at) = 'integer'),
            key_id TEXT NOT NULL,
            route TEXT NOT NULL,
            deployment TEXT NOT NULL,
            outcome TEXT NOT NULL,
            status INTEGER NOT NULL,
            team TEXT NOT NULL,
            user TEXT NOT NULL,
            feature TEXT NOT NULL,
            alias TEXT NOT NULL,
            body TEXT NOT NULL
        )
        """,
        "CREATE INDEX records_by_time ON records (started_at, id)",
    ),
    (
        # `data` is the whole job; the columns are what is searched. An upstream task belongs to one job only.
        """
        CREATE TABLE jobs (
            id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 32),
            version INTEGER NOT NULL,
            key_id TEXT NOT NULL,
            idempotency_key TEXT,
            state TEXT NOT NULL,
            alias TEXT NOT NULL,
            secret TEXT NOT NULL,
            upstream_id TEXT,
            owner TEXT NOT NULL,
            hidden INTEGER NOT NULL,
            created_at INTEGER NOT NULL CHECK (typeof(created_at) = 'integer'),
            next_at INTEGER,
            data BLOB NOT NULL,
            request BLOB,
            UNIQUE (key_id, idempotency_key),
            UNIQUE (secret, upstream_id)
        )
        """,
        "CREATE INDEX jobs_of_key ON jobs (key_id, created_at, id)",
        "CREATE INDEX jobs_due ON jobs (next_at) WHERE next_at IS NOT NULL",
        "CREATE INDEX jobs_owned ON jobs (owner) WHERE owner <> ''",
        """
        CREATE TABLE deliveries (
            id TEXT PRIMARY KEY NOT NULL,
            job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            next_at INTEGER,
            data BLOB NOT NULL
        )
        """,
        "CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL",
        "CREATE INDEX deliveries_of_job ON deliveries (job_id, seq)",
    ),
    ("ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT ''",),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the file up to date in one transaction; several processes may do so at once.

    Raises StoreUnavailable if a newer Trunkline has written the file.
    """
    if _version(connection) == len(MIGRATIONS):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = _version(connection)
        if found > len(MIGRATIONS):
            raise StoreUnavailable(
                f"the store is at version {found}, this Trunkline knows {len(MIGRATIONS)}: run the newer one"
            )
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)"
        )
        for version in range(found + 1, len(MIGRATIONS) + 1):
            for statement in MIGRATIONS[version - 1]:
                connection.execute(statement)
            connection.execute("INSERT INTO migrations VALUES (?, datetime('now'))", (version,))
        connection.execute(
            "INSERT INTO meta VALUES ('store_id', ?) ON CONFLICT (name) DO NOTHING", (uuid.uuid4().hex.encode(),)
        )
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    known = connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations'")
    if known.fetchone()[0] == 0:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()
    return int(row[0])
