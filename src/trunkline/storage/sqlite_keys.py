"""Virtual keys in SQLite, and the sequence of their changes."""

from __future__ import annotations

import sqlite3
from typing import Any

from trunkline.storage.contract import Changes, KeyRow
from trunkline.storage.sqlite_connection import Connection

#: A caller waits behind these (reliability.md D3), seconds.
LOOKUP_TIMEOUT = 1.0

_INSERT = """
INSERT INTO keys (key_id, digest, name, team, user, feature, organisation, created_at, revoked_at, expires_at, limits)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CHANGED = "INSERT INTO changes (subject, key_id, at) VALUES ('key', ?, ?)"
_REVOKE = "UPDATE keys SET revoked_at = ? WHERE key_id = ? AND revoked_at IS NULL"
_BY_DIGEST = """
SELECT key_id, digest, name, team, user, feature, organisation, created_at, revoked_at, expires_at, limits
FROM keys WHERE digest = ?
"""
_ALL = """
SELECT key_id, digest, name, team, user, feature, organisation, created_at, revoked_at, expires_at, limits
FROM keys ORDER BY created_at, key_id
"""
_SINCE = """
SELECT key_id, digest, name, team, user, feature, organisation, created_at, revoked_at, expires_at, limits
FROM keys WHERE key_id IN (SELECT key_id FROM changes WHERE number > ? AND subject = 'key')
ORDER BY created_at, key_id
"""
_UPTO = "SELECT coalesce(max(number), 0) FROM changes"
_STORE_ID = "SELECT value FROM meta WHERE name = 'store_id'"


class SqliteKeys:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create_key(self, row: KeyRow) -> None:
        values = (
            row.key_id,
            row.digest,
            row.name,
            row.team,
            row.user,
            row.feature,
            row.organisation,
            row.created_at,
            row.revoked_at,
            row.expires_at,
            row.limits,
        )
        with self._connection.writing() as db:
            db.execute(_INSERT, values)
            db.execute(_CHANGED, (row.key_id, row.created_at))

    def revoke_key(self, key_id: str, at: int) -> bool:
        with self._connection.writing() as db:
            found = db.execute(_REVOKE, (at, key_id)).rowcount == 1
            if found:
                db.execute(_CHANGED, (key_id, at))
        return found

    def find_key(self, digest: bytes) -> KeyRow | None:
        with self._connection.reading(LOOKUP_TIMEOUT) as db:
            found = db.execute(_BY_DIGEST, (digest,)).fetchone()
        return None if found is None else _row(found)

    def list_keys(self) -> tuple[KeyRow, ...]:
        with self._connection.reading() as db:
            return tuple(map(_row, db.execute(_ALL)))

    def all_keys(self) -> Changes:
        with self._connection.reading() as db:
            store_id, upto = _place(db)
            return Changes(store_id=store_id, upto=upto, keys=tuple(map(_row, db.execute(_ALL))))

    def changes_since(self, number: int) -> Changes:
        with self._connection.reading(LOOKUP_TIMEOUT) as db:
            store_id, upto = _place(db)
            keys = tuple(map(_row, db.execute(_SINCE, (number,)))) if upto > number else ()
            return Changes(store_id=store_id, upto=upto, keys=keys)


def _place(db: sqlite3.Connection) -> tuple[str, int]:
    store_id = bytes(db.execute(_STORE_ID).fetchone()[0]).decode("ascii")
    return store_id, int(db.execute(_UPTO).fetchone()[0])


def _row(found: tuple[Any, ...]) -> KeyRow:
    return KeyRow(
        key_id=found[0],
        digest=found[1],
        name=found[2],
        team=found[3],
        user=found[4],
        feature=found[5],
        organisation=found[6],
        created_at=found[7],
        revoked_at=found[8],
        expires_at=found[9],
        limits=found[10],
    )
