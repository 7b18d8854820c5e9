"""Jobs in the store: nothing is written twice, nobody overwrites what they have not read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.storage import migrations
from trunkline.storage.contract import Delivery, JobMatch, RecordFilter, RecordRow, RowRefused
from trunkline.storage.migrations import MIGRATIONS
from trunkline.storage.open import open_store
from trunkline.storage.sqlite import SqliteStore
from trunkline.types.job import Copy, Job, Money
from trunkline.types.record import AttemptRecord
from trunkline.types.video import VideoFacts
from trunkline.types.wire import Loss


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = open_store(f"sqlite:///{tmp_path}/jobs.db")
    assert isinstance(opened, SqliteStore)
    yield opened
    opened.close()


def job(number: int = 1, **fields: object) -> Job:
    made: dict[str, object] = {
        "id": f"{number:032x}",
        "key_id": "k1",
        "dialect": "ark_tasks",
        "alias": "video",
        "created_at": number,
        **fields,
    }
    return Job(**made)  # type: ignore[arg-type]


def ids(jobs: tuple[Job, ...]) -> list[int]:
    return [int(one.id, 16) for one in jobs]


def test_a_job_comes_back_as_it_was_written(store: SqliteStore) -> None:
    made = job(
        prompt="a cat",
        state="succeeded",
        losses=[Loss("watermark", "not available there")],
        attempts=[AttemptRecord(number=1, deployment="seedance", provider="modelark", model="m")],
        facts=VideoFacts(tokens=108_900, seconds=5),
        native=b'{"id":"cgt-1"}',
        estimate=Money(nanos=762_300_000, unit="token", units=108_900, price_micros=7_000_000),
        copy=Copy(place="local", name="a.mp4", size=3, sha256="ab", content_type="video/mp4", at=1, until=2),
    )
    assert store.open_job(made, b"request") is None
    assert store.find_job(made.id) == made
    assert store.job_request(made.id) == b"request"
    assert store.find_job("0" * 32) is None


def test_an_idempotency_key_belongs_to_one_job_of_a_key(store: SqliteStore) -> None:
    first = job(1, idempotency_key="once", digest="a")
    assert store.open_job(first, b"") is None
    assert store.open_job(job(2, idempotency_key="once", digest="b"), b"") == first
    assert store.find_job(job(2).id) is None
    assert store.open_job(job(3, idempotency_key="once", key_id="k2"), b"") is None
    assert store.open_job(job(4), b"") is None
    assert store.open_job(job(5), b"") is None, "jobs without a key do not stand in each other's way"


def test_a_change_needs_the_version_that_was_read(store: SqliteStore) -> None:
    store.open_job(job(), b"")
    mine, yours = store.find_job(job().id), store.find_job(job().id)
    assert mine is not None and yours is not None
    mine.state = "queued"
    assert store.change_job(mine) and mine.version == 1
    yours.state = "failed"
    assert not store.change_job(yours) and yours.version == 0
    mine.state = "running"
    assert store.change_job(mine)
    found = store.find_job(mine.id)
    assert found is not None and (found.state, found.version) == ("running", 2)


def test_an_upstream_task_belongs_to_one_job(store: SqliteStore) -> None:
    first, second = job(1, provider="ark", credential="a"), job(2, provider="ark", credential="a")
    store.open_job(first, b"")
    store.open_job(second, b"")
    first.upstream_id = second.upstream_id = "cgt-1"
    assert store.change_job(first)
    with pytest.raises(RowRefused):
        store.change_job(second)
    assert second.version == 0
    assert store.claimed_tasks("ark/a", ["cgt-1", "cgt-2"]) == {"cgt-1"}
    assert store.claimed_tasks("ark/b", ["cgt-1"]) == frozenset()


def test_settling_writes_job_record_and_webhooks_or_nothing(store: SqliteStore) -> None:
    store.open_job(job(), b"request")
    mine, yours = store.find_job(job().id), store.find_job(job().id)
    assert mine is not None and yours is not None
    row = RecordRow("r1", 5, "k1", "video", "seedance", "ok", 0, "", "", "", "video", b'{"id":"r1"}')
    told = Delivery(
        id="d1",
        job_id=mine.id,
        key_id="k1",
        url="https://a.example",
        event="succeeded",
        body=b"{}",
        created_at=5,
        next_at=5,
    )
    mine.state = "succeeded"
    assert store.settle_job(mine, row, [told])
    again = RecordRow("r2", 5, "k1", "video", "seedance", "ok", 0, "", "", "", "video", b'{"id":"r2"}')
    assert not store.settle_job(yours, again, [told])
    assert store.count_records(RecordFilter()) == {"ok": 1}
    assert [d.id for d in store.deliveries_of(mine.id)] == ["d1"]
    assert store.job_request(mine.id) is None, "what is settled is not submitted again"


def test_due_jobs_are_the_longest_due_first_and_without_the_avoided(store: SqliteStore) -> None:
    for number, due, credential in ((1, 30, "a"), (2, 10, "b"), (3, 20, "a"), (4, None, "a"), (5, 99, "a")):
        store.open_job(job(number, next_at=due, provider="ark", credential=credential), b"")
    assert ids(store.due_jobs(50, 10)) == [2, 3, 1]
    assert ids(store.due_jobs(50, 2)) == [2, 3]
    assert ids(store.due_jobs(50, 10, ["ark/a"])) == [2]
    assert store.next_due() == 10


def test_lists_are_one_keys_by_creation_with_pages(store: SqliteStore) -> None:
    for number in range(1, 6):
        store.open_job(job(number, state="queued" if number % 2 else "running"), b"")
    store.open_job(job(6, key_id="k2"), b"")
    hidden = job(7, deleted_at=7)
    store.open_job(hidden, b"")
    own = JobMatch(key_id="k1")
    assert ids(store.list_jobs(own, limit=10)[0]) == [5, 4, 3, 2, 1]
    assert ids(store.list_jobs(own, limit=2, after=job(4).id)[0]) == [3, 2]
    assert ids(store.list_jobs(own, limit=2, after=job(4).id, newest_first=False)[0]) == [5]
    assert ids(store.list_jobs(own, limit=2, offset=2)[0]) == [3, 2]
    found, total = store.list_jobs(JobMatch(key_id="k1", states=frozenset({"queued"})), limit=2)
    assert (ids(found), total) == ([5, 3], 3)
    assert ids(store.list_jobs(JobMatch(key_id="k1", ids=(job(2).id, job(6).id)), limit=5)[0]) == [2]
    assert store.list_jobs(JobMatch(key_id="k1", ids=()), limit=5) == ((), 0)
    assert ids(store.list_jobs(JobMatch(key_id="k1", hidden=True), limit=1)[0]) == [7]
    assert store.count_jobs() == {"queued": 3, "running": 2, "submitting": 2}


def test_submissions_with_an_owner_are_found(store: SqliteStore) -> None:
    store.open_job(job(1, owner="w0-1"), b"")
    store.open_job(job(2), b"")
    store.open_job(job(3, owner="w0-1", state="queued"), b"")
    assert ids(store.owned_jobs()) == [1]


def test_a_delivery_is_added_once_and_leaves_when_it_is_done(store: SqliteStore) -> None:
    store.open_job(job(), b"")
    told = Delivery(
        id="d1",
        job_id=job().id,
        key_id="k1",
        url="https://a.example",
        event="queued",
        body=b"{}",
        created_at=1,
        next_at=1,
    )
    assert store.add_delivery(told)
    assert not store.add_delivery(told)
    assert [d.id for d in store.due_deliveries(1, 10)] == ["d1"]
    assert store.next_due() == 1
    told.next_at, told.delivered_at, told.tries = None, 2, 1
    store.change_delivery(told)
    assert store.due_deliveries(99, 10) == ()
    assert store.deliveries_of(job().id)[0].delivered_at == 2


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_a_store_of_a_version_before_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as then:
        then.setattr(migrations, "MIGRATIONS", MIGRATIONS[:version])
        open_store(f"sqlite:///{path}").close()
    upgraded = open_store(f"sqlite:///{path}")
    assert isinstance(upgraded, SqliteStore)
    assert upgraded.open_job(job(), b"") is None
    assert upgraded.list_keys() == ()
    upgraded.close()


def test_a_second_connection_of_the_process_does_not_take_the_first_ones_locks(tmp_path: Path) -> None:
    """POSIX drops a process's locks on a file when it closes any descriptor of it: then the last close of somebody else would
    delete the WAL under the first connection, and its commits would be lost."""
    path = tmp_path / "shared.db"
    first = open_store(f"sqlite:///{path}")
    second = open_store(f"sqlite:///{path}")
    first.open_job(job(1), b"")
    wal = (tmp_path / "shared.db-wal").stat().st_ino
    script = (
        "import sys; from trunkline.storage.open import open_store\n"
        "store = open_store(sys.argv[1]); print(len(store.due_jobs(99, 99))); store.close()"
    )

    def elsewhere() -> str:
        done = subprocess.run(
            [sys.executable, "-c", script, f"sqlite:///{path}"], capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout.strip()

    elsewhere()
    assert (tmp_path / "shared.db-wal").stat().st_ino == wal, "the WAL is still the one that we write to"
    first.open_job(job(2, next_at=1), b"")
    second.open_job(job(3, next_at=1), b"")
    assert elsewhere() == "2"
    first.close()
    second.close()
