"""From journals to the store: nothing lost, nothing twice, whatever fails in between."""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from trunkline.ledger.encoding import whole
from trunkline.ledger.recorder import BACKOFF_LAST, Recorder
from trunkline.storage.contract import RecordFilter, RecordRow, RowRefused, Store, StoreUnavailable
from trunkline.storage.journal import INTENT, RECORD, Frame, JournalSet, JournalSettings, JournalWriter
from trunkline.storage.open import open_store
from trunkline.types.record import AttemptRecord, Intent, Record

SETTINGS = JournalSettings(segment_bytes=64 << 10, reserve_bytes=256 << 10)


class Desk:
    """A store, a journal directory, and recorders that come and go."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now = 0.0
        self.store: Store = open_store(f"sqlite:///{root}/t.db")
        self.writers: list[JournalWriter] = []

    def writer(self, name: str = "w0-1") -> JournalWriter:
        self.writers.append(JournalWriter(self.root / "journal" / name, SETTINGS))
        return self.writers[-1]

    def recorder(self, store: Store | None = None) -> Recorder:
        return Recorder(store or self.store, JournalSet(self.root / "journal"), lambda: 1.0, lambda: self.now)

    def outcomes(self) -> dict[str, str]:
        bodies = self.store.query_records(RecordFilter(), limit=10_000).bodies
        return {row["id"]: row["outcome"] for row in map(whole, bodies)}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    for writer in made.writers:
        writer.close()
    made.store.close()


def outcome(name: str, **fields: object) -> Frame:
    """About as long as a real one."""
    labels = {"metadata": {"run": "7" * 900}, **fields}
    record = Record(id=name, started_at=1_000, outcome="ok", status=200, **labels)  # type: ignore[arg-type]  # words
    return Frame(RECORD, msgspec.json.encode(record))


def dispatch(name: str) -> Frame:
    intent = Intent(
        id=name,
        started_at=1_000,
        worker=3,
        snapshot=2,
        key_id="key_1",
        user="ann",
        team="clinic",
        organisation="acme",
        feature="summarize",
        dialect="openai_chat",
        operation="chat",
        alias="assistant",
        stream=True,
        route="assistant",
        deployment="gpt",
        provider="openai",
        model="gpt-x",
        credential_id="openai/default",
        body_bytes=99,
        input_tokens=42,
    )
    return Frame(INTENT, msgspec.json.encode(intent))


class Flaky:
    """A store that fails as told, and otherwise is the real one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.down = False
        self.commits_then_fails = False
        self.poison = ""
        self.calls = 0

    def insert_records(self, batch: Sequence[RecordRow]) -> int:
        self.calls += 1
        if self.down:
            raise StoreUnavailable("the store failed: disk I/O error")
        if self.poison and any(row.id == self.poison for row in batch):
            raise RowRefused("a constraint")
        new = self._store.insert_records(batch)
        if self.commits_then_fails:
            raise StoreUnavailable("the connection was lost after the commit")
        return new

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


# --- the usual way ---------------------------------------------------------------------------------------------------


def test_records_arrive_with_their_columns_and_the_deployment_of_the_last_attempt(desk: Desk) -> None:
    tries = [AttemptRecord(number=n, deployment=d, provider="p", model="m") for n, d in ((1, "gpt"), (2, "claude"))]
    desk.writer().append([outcome("a", route="assistant", team="clinic", attempts=tries)])
    assert desk.recorder().step() == 1
    page = desk.store.query_records(RecordFilter(route="assistant", team="clinic", deployment="claude", status=200))
    assert msgspec.json.decode(page.bodies[0], type=Record).attempts == tries


def test_nothing_to_do_is_zero(desk: Desk) -> None:
    recorder = desk.recorder()
    assert recorder.step() == 0
    writer = desk.writer()
    assert recorder.step() == 0
    writer.append([outcome("a")])
    assert recorder.step() == 1
    assert recorder.step() == 0


def test_several_workers_are_drained_in_one_transaction(desk: Desk) -> None:
    desk.writer("w0-1").append([outcome("a")])
    desk.writer("w1-1").append([outcome("b")])
    flaky = Flaky(desk.store)
    assert desk.recorder(flaky).step() == 2  # type: ignore[arg-type]  # stands in for a store
    assert flaky.calls == 1
    assert desk.outcomes() == {"a": "ok", "b": "ok"}


def test_a_backlog_is_taken_in_bounded_batches(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.ledger.recorder.BATCH_ROWS", 100)
    desk.writer().append([outcome(f"{n:03}") for n in range(250)])
    recorder = desk.recorder()
    assert [recorder.step() for _ in range(4)] == [100, 100, 50, 0]


def test_a_replay_of_everything_adds_nothing(desk: Desk) -> None:
    writer = desk.writer()
    writer.append([outcome(str(n)) for n in range(20)])
    for round_ in range(3):
        recorder = desk.recorder()
        recorder.step()
        assert (recorder.records_total, recorder.duplicates_total) == ((20, 0) if round_ == 0 else (0, 20))
        (writer.directory / "acknowledged").unlink()
    assert len(desk.outcomes()) == 20


def test_segments_are_freed_as_they_are_stored(desk: Desk) -> None:
    writer = desk.writer()
    writer.append([outcome(f"{n:03}") for n in range(300)])
    before = len(list(writer.directory.glob("*.segment")))
    recorder = desk.recorder()
    while recorder.step():
        pass
    assert before == 5
    assert len(list(writer.directory.glob("*.segment"))) == 1


# --- a store that fails ----------------------------------------------------------------------------------------------


def test_while_the_store_is_down_everything_stays_and_then_arrives(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flaky = Flaky(desk.store)
    recorder = desk.recorder(flaky)  # type: ignore[arg-type]  # stands in for a store
    flaky.down = True
    writer = desk.writer()
    for n in range(5):
        writer.append([outcome(str(n))])
        desk.now += BACKOFF_LAST
        assert recorder.step() == 0
    assert not recorder.healthy
    flaky.down = False
    desk.now += BACKOFF_LAST
    assert recorder.step() == 5
    assert recorder.healthy
    assert len(desk.outcomes()) == 5
    assert [r.message for r in caplog.records] == ["recorder_waits", "recorder_healthy"]


def test_a_store_that_is_down_is_asked_less_and_less_often(desk: Desk) -> None:
    flaky = Flaky(desk.store)
    recorder = desk.recorder(flaky)  # type: ignore[arg-type]  # stands in for a store
    flaky.down = True
    desk.writer().append([outcome("a")])
    asked = []
    for _ in range(400):
        before = flaky.calls
        recorder.step()
        if flaky.calls > before:
            asked.append(desk.now)
        desk.now += 0.0625
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]


def test_a_commit_whose_answer_was_lost_is_not_counted_twice(desk: Desk) -> None:
    flaky = Flaky(desk.store)
    recorder = desk.recorder(flaky)  # type: ignore[arg-type]  # stands in for a store
    flaky.commits_then_fails = True
    desk.writer().append([outcome("a"), outcome("b")])
    assert recorder.step() == 0
    flaky.commits_then_fails = False
    desk.now += BACKOFF_LAST
    assert recorder.step() == 2
    assert (recorder.records_total, recorder.duplicates_total) == (0, 2)
    assert len(desk.outcomes()) == 2


# --- rows that cannot be ---------------------------------------------------------------------------------------------


def test_a_row_that_the_store_never_takes_is_isolated_and_kept_aside(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    flaky = Flaky(desk.store)
    flaky.poison = "7"
    recorder = desk.recorder(flaky)  # type: ignore[arg-type]  # stands in for a store
    desk.writer().append([outcome(str(n)) for n in range(64)])
    assert recorder.step() == 64
    assert set(desk.outcomes()) == {str(n) for n in range(64)} - {"7"}
    assert recorder.refused_total == 1
    (line,) = (desk.root / "journal" / "aside" / "rows.jsonl").read_text().splitlines()
    kept = json.loads(line)
    assert (kept["reason"], json.loads(kept["row"])["id"]) == ("a constraint", "7")
    assert [r.message for r in caplog.records] == ["row_set_aside"]
    assert recorder.step() == 0


@pytest.mark.parametrize(
    "payload",
    [
        b'{"no":"id"}',
        b'{"id":5,"started_at":1}',
        b'{"id":"x","started_at":1,"status":"200"}',
        b'{"id":"x","started_at":99999999999999999999}',
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"id":"x","started_at":1}trailing',
    ],
)
def test_a_frame_that_is_no_record_is_kept_aside_and_the_rest_goes_on(desk: Desk, payload: bytes) -> None:
    desk.writer().append([outcome("a"), Frame(RECORD, payload), outcome("b")])
    recorder = desk.recorder()
    assert recorder.step() == 3
    assert set(desk.outcomes()) == {"a", "b"}
    assert recorder.refused_total == 1


def test_nothing_is_set_aside_while_the_store_is_down(desk: Desk) -> None:
    flaky = Flaky(desk.store)
    flaky.down = True
    recorder = desk.recorder(flaky)  # type: ignore[arg-type]  # stands in for a store
    desk.writer().append([Frame(RECORD, b"{}"), outcome("a")])
    for _ in range(3):
        desk.now += BACKOFF_LAST
        recorder.step()
    assert recorder.refused_total == 0
    assert not (desk.root / "journal" / "aside").exists()


def test_damage_in_a_journal_is_reported(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    writer = desk.writer()
    writer.append([outcome("a"), outcome("b")])
    path = next(writer.directory.glob("*.segment"))
    os.truncate(path, path.stat().st_size - 1)
    writer.close()
    recorder = desk.recorder()
    recorder.step()
    assert desk.outcomes() == {"a": "ok"}
    assert recorder.damaged_total == 1
    assert "journal_damaged" in [r.message for r in caplog.records]


# --- workers that die ------------------------------------------------------------------------------------------------


def test_an_exchange_of_a_dead_worker_becomes_unknown_with_its_estimate(desk: Desk) -> None:
    writer = desk.writer()
    writer.append([dispatch("a"), dispatch("b"), outcome("b")])
    recorder = desk.recorder()
    recorder.step()
    assert desk.outcomes() == {"b": "ok"}
    assert recorder.open_intents == 1
    writer.close()
    recorder.step()
    assert desk.outcomes() == {"b": "ok", "a": "unknown"}
    body = desk.store.find_record("a")
    assert body is not None
    found = msgspec.json.decode(body, type=Record)
    assert (found.worker, found.key_id, found.team, found.route, found.alias) == (
        3,
        "key_1",
        "clinic",
        "assistant",
        "assistant",
    )
    assert (found.fault, found.status) == ("", 0)
    assert found.usage["input_uncached"] == msgspec.convert({"tokens": 42, "provenance": "estimated"}, _count())
    assert [(a.deployment, a.class_) for a in found.attempts] == [("gpt", "unknown")]
    assert not writer.directory.exists()
    assert recorder.unknown_total == 1


def _count() -> type:
    from trunkline.types.record import Count

    return Count


def test_a_live_worker_has_no_unknown_exchanges(desk: Desk) -> None:
    desk.writer().append([dispatch("a")])
    recorder = desk.recorder()
    for _ in range(3):
        recorder.step()
    assert desk.outcomes() == {}


def test_open_exchanges_survive_recorders_and_the_segments_they_began_in(desk: Desk) -> None:
    writer = desk.writer()
    writer.append([dispatch("lost"), dispatch("late")])
    for start in range(0, 300, 60):
        writer.append([outcome(f"{n:03}") for n in range(start, start + 60)])
        recorder = desk.recorder()  # a new one each time, as after a crash
        while recorder.step():
            pass
    assert not (writer.directory / "000000000001.segment").exists()
    writer.append([outcome("late")])
    writer.close()
    desk.recorder().step()
    found = desk.outcomes()
    assert (found["lost"], found["late"], len(found)) == ("unknown", "ok", 302)


def test_a_crash_after_the_unknowns_were_written_adds_none(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = desk.writer()
    writer.append([dispatch("a")])
    writer.close()

    def crash(*_: object) -> None:
        raise OSError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(JournalSet, "remove", crash)
        recorder = desk.recorder()
        assert recorder.step() == 0
        recorder._journals.close()
    desk.now += BACKOFF_LAST
    desk.recorder().step()
    assert desk.outcomes() == {"a": "unknown"}
    assert not writer.directory.exists()


def test_a_dead_worker_is_buried_only_when_the_store_has_everything(desk: Desk) -> None:
    flaky = Flaky(desk.store)
    flaky.down = True
    recorder = desk.recorder(flaky)  # type: ignore[arg-type]  # stands in for a store
    writer = desk.writer()
    writer.append([dispatch("a"), outcome("b")])
    writer.close()
    recorder.step()
    assert writer.directory.exists()
    flaky.down = False
    desk.now += BACKOFF_LAST
    recorder.step()
    assert desk.outcomes() == {"a": "unknown", "b": "ok"}


def test_an_unreadable_journal_does_not_stop_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from trunkline.storage.journal import JournalReader

    read = JournalReader.read

    def failing(self: JournalReader, rows: int, size: int) -> object:
        if self.name == "w0-1":
            raise OSError(5, "Input/output error")
        return read(self, rows, size)

    monkeypatch.setattr(JournalReader, "read", failing)
    desk.writer("w0-1").append([outcome("a")])
    desk.writer("w1-1").append([outcome("b")])
    desk.recorder().step()
    assert desk.outcomes() == {"b": "ok"}


def test_a_disk_too_full_to_carry_intents_still_frees_segments(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from trunkline.storage import journal_reader

    writer = desk.writer()
    writer.append([dispatch("a"), *(outcome(f"{n:03}") for n in range(200))])
    replace = journal_reader._replace
    tries = []

    def full_until_freed(path: Path, content: bytes) -> None:
        tries.append(len(list(writer.directory.glob("*.segment"))))
        if tries[-1] > 1:
            raise OSError(28, "No space left on device")
        replace(path, content)

    monkeypatch.setattr(journal_reader, "_replace", full_until_freed)
    recorder = desk.recorder()
    while recorder.step():
        pass
    assert tries[-1] == 1
    writer.close()
    desk.recorder().step()
    assert desk.outcomes()["a"] == "unknown"
