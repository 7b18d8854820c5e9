"""Records of exchanges in SQLite: idempotent inserts, keyset paging."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trunkline.storage.contract import PAGE, PAGE_MAX, Cursor, Page, RecordFilter, RecordRow, RowRefused
from trunkline.storage.sqlite_connection import Connection

INSERT_RECORD = """
INSERT INTO records (id, started_at, key_id, route, deployment, outcome, status, team, user, feature, alias, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
"""
_FIND = "SELECT body FROM records WHERE id = ?"
# One constant statement whatever is asked for: nothing of a caller's ever becomes SQL. The index on time carries it.
_QUERY = """
SELECT started_at, id, body FROM records
WHERE (started_at, id) < (:before, :before_id)
  AND started_at >= :since AND started_at < :until
  AND (:key_id IS NULL OR key_id = :key_id)
  AND (:route IS NULL OR route = :route)
  AND (:deployment IS NULL OR deployment = :deployment)
  AND (:outcome IS NULL OR outcome = :outcome)
  AND (:status IS NULL OR status = :status)
  AND (:team IS NULL OR team = :team)
  AND (:user IS NULL OR user = :user)
  AND (:feature IS NULL OR feature = :feature)
  AND (:alias IS NULL OR alias = :alias)
ORDER BY started_at DESC, id DESC LIMIT :limit
"""
_COUNT = """
SELECT outcome, count(*) FROM records
WHERE started_at >= :since AND started_at < :until
  AND (:key_id IS NULL OR key_id = :key_id)
  AND (:route IS NULL OR route = :route)
  AND (:deployment IS NULL OR deployment = :deployment)
  AND (:outcome IS NULL OR outcome = :outcome)
  AND (:status IS NULL OR status = :status)
  AND (:team IS NULL OR team = :team)
  AND (:user IS NULL OR user = :user)
  AND (:feature IS NULL OR feature = :feature)
  AND (:alias IS NULL OR alias = :alias)
GROUP BY outcome ORDER BY outcome
"""
_FAR_FUTURE = 2**63 - 1


class SqliteRecords:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert_records(self, batch: Sequence[RecordRow]) -> int:
        if not batch:
            return 0
        try:
            rows = [values_of(row) for row in batch]
        except UnicodeDecodeError:
            raise RowRefused("a record that is not UTF-8") from None
        with self._connection.writing() as db:
            return db.executemany(INSERT_RECORD, rows).rowcount

    def find_record(self, record_id: str) -> bytes | None:
        with self._connection.reading() as db:
            found = db.execute(_FIND, (record_id,)).fetchone()
        return None if found is None else str(found[0]).encode()

    def query_records(self, match: RecordFilter, older_than: Cursor | None = None, limit: int = PAGE) -> Page:
        limit = max(1, min(limit, PAGE_MAX))
        place = older_than or Cursor(_FAR_FUTURE, "")
        values = {**_values(match), "before": place.started_at, "before_id": place.id, "limit": limit + 1}
        with self._connection.reading() as db:
            found = db.execute(_QUERY, values).fetchall()
        older = None
        if len(found) > limit:
            found.pop()
            older = Cursor(found[-1][0], found[-1][1])
        return Page(tuple(row[2].encode() for row in found), older)

    def count_records(self, match: RecordFilter) -> dict[str, int]:
        with self._connection.reading() as db:
            return dict(db.execute(_COUNT, _values(match)))


def values_of(row: RecordRow) -> tuple[object, ...]:
    """In the order of INSERT_RECORD."""
    return (
        row.id,
        row.started_at,
        row.key_id,
        row.route,
        row.deployment,
        row.outcome,
        row.status,
        row.team,
        row.user,
        row.feature,
        row.alias,
        row.body.decode(),
    )


def _values(match: RecordFilter) -> dict[str, object]:
    values: dict[str, object] = msgspec.structs.asdict(match)
    if values["since"] is None:
        values["since"] = 0
    if values["until"] is None:
        values["until"] = _FAR_FUTURE
    return values
