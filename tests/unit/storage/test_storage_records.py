"""Records in a store: written once, idempotent, all or nothing, read newest first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.storage.contract import Cursor, RecordFilter, RecordRow, RowRefused, Store
from trunkline.storage.open import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/t.db")
    yield opened
    opened.close()


def row(number: int, at: int | None = None, **fields: str | int) -> RecordRow:
    columns: dict[str, str | int] = {
        "key_id": "key_1",
        "route": "assistant",
        "deployment": "gpt",
        "outcome": "ok",
        "status": 200,
        "team": "clinic",
        "user": "ann",
        "feature": "summarize",
        "alias": "assistant",
    } | fields
    return RecordRow(
        id=f"{number:04d}",
        started_at=number if at is None else at,
        body=b'{"id":"%04d"}' % number,
        **columns,  # type: ignore[arg-type]  # a test builds rows from words
    )


def ids(bodies: tuple[bytes, ...]) -> list[int]:
    return [int(b[7:11]) for b in bodies]


def test_a_batch_replayed_three_times_is_stored_once(store: Store) -> None:
    batch = [row(n) for n in range(10)]
    assert [store.insert_records(batch) for _ in range(3)] == [10, 0, 0]
    assert store.count_records(RecordFilter()) == {"ok": 10}


def test_a_batch_that_overlaps_counts_only_what_is_new(store: Store) -> None:
    store.insert_records([row(1), row(2)])
    assert store.insert_records([row(2), row(3), row(3)]) == 1


def test_the_first_version_of_a_record_stands(store: Store) -> None:
    store.insert_records([row(1)])
    store.insert_records([row(1, outcome="failed")])
    assert store.count_records(RecordFilter()) == {"ok": 1}


@pytest.mark.parametrize(
    "bad",
    [
        row(5, at=2**63),
        row(5, status=2**70),
        row(5, alias="\ud800"),
        RecordRow("", 1, "", "", "", "", 0, "", "", "", "", b"{}"),
        RecordRow("0005", 1, "", "", "", "", 0, "", "", "", "", b"\xff"),
    ],
)
def test_one_bad_row_refuses_the_whole_batch(store: Store, bad: RecordRow) -> None:
    with pytest.raises(RowRefused):
        store.insert_records([row(1), bad, row(2)])
    assert store.count_records(RecordFilter()) == {}


def test_pages_go_from_new_to_old_without_gap_or_repetition(store: Store) -> None:
    # Ten records in four moments: the id decides among equals.
    store.insert_records([row(n, at=n // 3) for n in range(10)])
    seen: list[int] = []
    cursor: Cursor | None = None
    pages = 0
    while True:
        page = store.query_records(RecordFilter(), cursor, limit=4)
        seen += ids(page.bodies)
        pages += 1
        cursor = page.older
        if cursor is None:
            break
        # New ones that come meanwhile do not shift the pages.
        store.insert_records([row(100 + pages, at=1000)])
    assert seen == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert pages == 3


def test_a_full_last_page_has_no_older_one(store: Store) -> None:
    store.insert_records([row(n) for n in range(4)])
    assert store.query_records(RecordFilter(), limit=4).older is None


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (RecordFilter(key_id="key_2"), [2]),
        (RecordFilter(route="video"), [3]),
        (RecordFilter(deployment="claude"), [4]),
        (RecordFilter(outcome="failed"), [5]),
        (RecordFilter(status=502), [5]),
        (RecordFilter(team="lab"), [6]),
        (RecordFilter(user="bob"), [7]),
        (RecordFilter(feature="chat"), [8]),
        (RecordFilter(alias="other"), [9]),
        (RecordFilter(since=3, until=5), [4, 3]),
        (RecordFilter(outcome="ok", until=3), [2, 1]),
        (RecordFilter(outcome="' OR 1=1 --"), []),
    ],
)
def test_every_filter_filters(store: Store, match: RecordFilter, expected: list[int]) -> None:
    store.insert_records(
        [
            row(1),
            row(2, key_id="key_2"),
            row(3, route="video"),
            row(4, deployment="claude"),
            row(5, outcome="failed", status=502),
            row(6, team="lab"),
            row(7, user="bob"),
            row(8, feature="chat"),
            row(9, alias="other"),
        ]
    )
    assert ids(store.query_records(match).bodies) == expected
    assert sum(store.count_records(match).values()) == len(expected)


def test_a_record_is_found_by_its_id_as_it_was_written(store: Store) -> None:
    store.insert_records([row(1)])
    assert store.find_record("0001") == b'{"id":"0001"}'
    assert store.find_record("0002") is None


def test_paging_uses_the_index_on_time(tmp_path: Path, store: Store) -> None:
    import sqlite3

    from trunkline.storage import sqlite_records

    values = dict.fromkeys(RecordFilter.__struct_fields__)
    values |= {"before": 1, "before_id": "", "since": 0, "until": 9, "limit": 5}  # type: ignore[dict-item]
    with sqlite3.connect(tmp_path / "t.db") as db:
        plan = db.execute("EXPLAIN QUERY PLAN " + sqlite_records._QUERY, values).fetchall()
    assert [step[3].split()[:5] for step in plan] == [["SEARCH", "records", "USING", "INDEX", "records_by_time"]]
