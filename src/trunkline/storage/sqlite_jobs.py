"""Jobs and their webhooks in SQLite. Every change compares the version that was read."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from trunkline.storage.contract import Delivery, JobMatch, RecordRow
from trunkline.storage.sqlite_connection import Connection
from trunkline.storage.sqlite_records import INSERT_RECORD, values_of
from trunkline.types.job import Job

_OPEN = """
INSERT INTO jobs (id, version, key_id, idempotency_key, state, alias, secret, upstream_id, owner, hidden, created_at,
                  next_at, data, request)
VALUES (:id, :version, :key_id, :idempotency_key, :state, :alias, :secret, :upstream_id, :owner, :hidden, :created_at,
        :next_at, :data, :request)
ON CONFLICT (key_id, idempotency_key) DO NOTHING
"""
_STANDING = "SELECT data FROM jobs WHERE key_id = ? AND idempotency_key = ?"
_FIND = "SELECT data FROM jobs WHERE id = ?"
_REQUEST = "SELECT request FROM jobs WHERE id = ?"
_CHANGE = """
UPDATE jobs SET version = version + 1, idempotency_key = :idempotency_key, state = :state, alias = :alias,
    secret = :secret, upstream_id = :upstream_id, owner = :owner, hidden = :hidden, next_at = :next_at, data = :data,
    request = CASE WHEN :drop THEN NULL ELSE request END
WHERE id = :id AND version = :version
"""
# One constant statement whatever is asked for. Ids are a JSON list: nothing of a caller's ever becomes SQL.
_MATCH = """
FROM jobs
WHERE (:key_id IS NULL OR key_id = :key_id)
  AND (:alias IS NULL OR alias = :alias)
  AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
  AND (:ids IS NULL OR id IN (SELECT value FROM json_each(:ids)))
  AND (:hidden OR NOT hidden)
"""
_COUNT_MATCH = f"SELECT count(*) {_MATCH}"
_NEWEST = f"""
SELECT data {_MATCH}
  AND (:after IS NULL OR (created_at, id) < (SELECT created_at, id FROM jobs WHERE id = :after))
ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :offset
"""  # noqa: S608
_OLDEST = f"""
SELECT data {_MATCH}
  AND (:after IS NULL OR (created_at, id) > (SELECT created_at, id FROM jobs WHERE id = :after))
ORDER BY created_at, id LIMIT :limit OFFSET :offset
"""  # noqa: S608
_DUE = """
SELECT data FROM jobs
WHERE next_at <= ? AND secret NOT IN (SELECT value FROM json_each(?)) ORDER BY next_at, id LIMIT ?
"""
_NEXT = (
    "SELECT min(next_at) FROM (SELECT min(next_at) AS next_at FROM jobs UNION ALL SELECT min(next_at) FROM deliveries)"
)
_OWNED = "SELECT data FROM jobs WHERE owner <> '' AND state = 'submitting' ORDER BY created_at, id"
_CLAIMED = "SELECT upstream_id FROM jobs WHERE secret = ? AND upstream_id IN (SELECT value FROM json_each(?))"
_STATES = "SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state"
_ADD_DELIVERY = """
INSERT INTO deliveries (id, job_id, seq, next_at, data) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
_CHANGE_DELIVERY = "UPDATE deliveries SET next_at = ?, data = ? WHERE id = ?"
_DUE_DELIVERIES = "SELECT data FROM deliveries WHERE next_at <= ? ORDER BY next_at, seq LIMIT ?"
_DELIVERIES_OF = "SELECT data FROM deliveries WHERE job_id = ? ORDER BY seq, id"

_ENCODE = msgspec.msgpack.Encoder().encode
_JOB = msgspec.msgpack.Decoder(Job)
_DELIVERY = msgspec.msgpack.Decoder(Delivery)
_JSON = msgspec.json.Encoder().encode

#: A worker's caller waits behind these, seconds.
TIMEOUT = 2.0


class SqliteJobs:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open_job(self, job: Job, request: bytes) -> Job | None:
        with self._connection.writing() as db:
            if db.execute(_OPEN, {**_values(job), "request": request}).rowcount == 1:
                return None
            return _JOB.decode(db.execute(_STANDING, (job.key_id, job.idempotency_key)).fetchone()[0])

    def find_job(self, job_id: str) -> Job | None:
        with self._connection.reading(TIMEOUT) as db:
            found = db.execute(_FIND, (job_id,)).fetchone()
        return None if found is None else _JOB.decode(found[0])

    def job_request(self, job_id: str) -> bytes | None:
        with self._connection.reading(TIMEOUT) as db:
            found = db.execute(_REQUEST, (job_id,)).fetchone()
        return None if found is None or found[0] is None else bytes(found[0])

    def change_job(self, job: Job, *, drop_request: bool = False, deliveries: Sequence[Delivery] = ()) -> bool:
        with self._connection.writing() as db:
            changed = _change(db, job, drop_request)
            if changed:
                for delivery in deliveries:
                    _add(db, delivery)
        if changed:
            job.version += 1
        return changed

    def settle_job(self, job: Job, record: RecordRow, deliveries: Sequence[Delivery] = ()) -> bool:
        with self._connection.writing() as db:
            changed = _change(db, job, True)
            if changed:
                db.execute(INSERT_RECORD, values_of(record))
                for delivery in deliveries:
                    _add(db, delivery)
        if changed:
            job.version += 1
        return changed

    def list_jobs(
        self, match: JobMatch, *, limit: int, after: str = "", offset: int = 0, newest_first: bool = True
    ) -> tuple[tuple[Job, ...], int]:
        values = {
            "key_id": match.key_id,
            "alias": match.alias,
            "states": _JSON(sorted(match.states)).decode() if match.states else None,
            "ids": None if match.ids is None else _JSON(match.ids).decode(),
            "hidden": match.hidden,
        }
        page = {**values, "after": after or None, "limit": max(0, limit), "offset": max(0, offset)}
        with self._connection.reading() as db:
            total = int(db.execute(_COUNT_MATCH, values).fetchone()[0])
            rows = db.execute(_NEWEST if newest_first else _OLDEST, page).fetchall()
        return tuple(_JOB.decode(row[0]) for row in rows), total

    def due_jobs(self, now: int, limit: int, avoid: Sequence[str] = ()) -> tuple[Job, ...]:
        values = (now, _JSON(list(avoid)).decode(), limit)
        with self._connection.reading() as db:
            return tuple(_JOB.decode(row[0]) for row in db.execute(_DUE, values))

    def next_due(self) -> int | None:
        with self._connection.reading() as db:
            found = db.execute(_NEXT).fetchone()[0]
        return None if found is None else int(found)

    def owned_jobs(self) -> tuple[Job, ...]:
        with self._connection.reading() as db:
            return tuple(_JOB.decode(row[0]) for row in db.execute(_OWNED))

    def claimed_tasks(self, secret: str, upstream_ids: Sequence[str]) -> frozenset[str]:
        with self._connection.reading(TIMEOUT) as db:
            return frozenset(str(row[0]) for row in db.execute(_CLAIMED, (secret, _JSON(list(upstream_ids)).decode())))

    def count_jobs(self) -> dict[str, int]:
        with self._connection.reading() as db:
            return dict(db.execute(_STATES))

    # --- webhooks ----------------------------------------------------------------------------------------------------
    def add_delivery(self, delivery: Delivery) -> bool:
        with self._connection.writing() as db:
            return _add(db, delivery)

    def due_deliveries(self, now: int, limit: int) -> tuple[Delivery, ...]:
        with self._connection.reading() as db:
            return tuple(_DELIVERY.decode(row[0]) for row in db.execute(_DUE_DELIVERIES, (now, limit)))

    def change_delivery(self, delivery: Delivery) -> None:
        with self._connection.writing() as db:
            db.execute(_CHANGE_DELIVERY, (delivery.next_at, _ENCODE(delivery), delivery.id))

    def deliveries_of(self, job_id: str) -> tuple[Delivery, ...]:
        with self._connection.reading() as db:
            return tuple(_DELIVERY.decode(row[0]) for row in db.execute(_DELIVERIES_OF, (job_id,)))


def _change(db: sqlite3.Connection, job: Job, drop_request: bool) -> bool:
    expected = job.version
    values = _values(job, expected + 1)
    return db.execute(_CHANGE, {**values, "version": expected, "drop": drop_request}).rowcount == 1


def _add(db: sqlite3.Connection, delivery: Delivery) -> bool:
    values = (delivery.id, delivery.job_id, delivery.seq, delivery.next_at, _ENCODE(delivery))
    return db.execute(_ADD_DELIVERY, values).rowcount == 1


def _values(job: Job, version: int | None = None) -> dict[str, object]:
    """`version` is what the written row has."""
    stored = job if version is None else msgspec.structs.replace(job, version=version)
    return {
        "id": job.id,
        "version": stored.version,
        "key_id": job.key_id,
        "idempotency_key": job.idempotency_key or None,
        "state": job.state,
        "alias": job.alias,
        "secret": job.secret,
        "upstream_id": job.upstream_id or None,
        "owner": job.owner,
        "hidden": job.deleted_at is not None,
        "created_at": job.created_at,
        "next_at": job.next_at,
        "data": _ENCODE(stored),
    }
