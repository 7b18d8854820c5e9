"""The hot-path side of the ledger: when records reach the journal, and what happens when they cannot."""

from __future__ import annotations

import asyncio
import errno
import heapq
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trunkline.ledger.journal import KEPT_BYTES, Ledger
from trunkline.storage import journal_writer
from trunkline.storage.journal import INTENT, JournalReader, JournalSettings, JournalWriter
from trunkline.types.record import Intent, Record

SETTINGS = JournalSettings(segment_bytes=64 << 10, reserve_bytes=256 << 10)


class Loop:
    """The parts of an event loop that the ledger uses, with the time in the test's hand. Threads' calls run at once
    when the test lets them: `until` waits for the condition."""

    def __init__(self) -> None:
        self.now = 0.0
        self.problems: list[dict[str, Any]] = []
        self._timers: list[tuple[float, int, Timer]] = []
        self._count = 0
        self._calls: list[Callable[[], None]] = []
        self._soon: list[Callable[[], None]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        self._count += 1
        heapq.heappush(self._timers, (self.now + delay, self._count, timer))
        return timer

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def end_turn(self) -> None:
        while self._soon:
            self._soon.pop(0)()

    def call_soon_threadsafe(self, callback: Callable[..., None], *arguments: object) -> None:
        self._calls.append(lambda: callback(*arguments))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)

    @property
    def armed(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self._timers)

    def advance(self, seconds: float) -> None:
        until = self.now + seconds
        self.end_turn()
        self._run_calls()
        while self._timers and self._timers[0][0] <= until + 1e-9:
            self.now, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                timer.callback()
            self._run_calls()
        self.now = until

    def _run_calls(self) -> None:
        while self._calls:
            self._calls.pop(0)()


class Timer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class House:
    """A ledger over a real journal, and the reader's view of it."""

    def __init__(self, root: Path, durability: str = "relaxed", clock: Callable[[], float] = lambda: 0.0) -> None:
        self.loop = Loop()
        self.writer = JournalWriter(root / "journal" / "w0-1", SETTINGS)
        self.ledger = Ledger(self.writer, self.loop, durability, clock)  # type: ignore[arg-type]  # a loop of our own
        self.reader = JournalReader(self.writer.directory)

    def settle(self, record: Record, done: Callable[[], None] | None = None) -> None:
        """And the turn of the loop ends."""
        self.ledger.settle(record.id, lambda: record, done)
        self.loop.end_turn()

    def written(self) -> list[str]:
        """Ids in the journal; an intent's has a question mark."""
        found = []
        for kind, payload in self.reader.read(1 << 20, 1 << 30).frames:
            found.append(msgspec.json.decode(payload)["id"] + ("?" if kind == INTENT else ""))
        return found


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def record(name: str) -> Record:
    return Record(id=name, started_at=1)


def intent(name: str) -> Intent:
    words = dict.fromkeys(
        ("key_id", "user", "team", "organisation", "feature", "dialect", "operation", "alias", "route"), ""
    )
    return Intent(
        id=name,
        started_at=1,
        worker=0,
        snapshot=1,
        stream=False,
        deployment="gpt",
        provider="openai",
        model="m",
        credential_id="c",
        body_bytes=1,
        input_tokens=1,
        **words,
    )


# --- relaxed ---------------------------------------------------------------------------------------------------------


def test_a_record_is_written_within_20_ms_and_its_answer_does_not_wait(house: House) -> None:
    done: list[str] = []
    house.settle(record("a"), lambda: done.append("a"))
    assert done == ["a"]
    assert house.written() == []
    house.loop.advance(0.02)
    assert house.written() == ["a"]
    assert (house.ledger.records_total, house.ledger.writes_total, house.ledger.unwritten) == (1, 1, 0)


def test_records_are_made_at_the_end_of_the_turn_behind_its_answers(house: House) -> None:
    order: list[str] = []

    def make(name: str) -> Callable[[], Record]:
        return lambda: (order.append(f"made {name}"), record(name))[1]

    for name in ("a", "b"):
        house.ledger.settle(name, make(name), lambda name=name: order.append(f"answered {name}"))  # type: ignore[misc]  # bound
    house.loop.end_turn()
    assert order == ["answered a", "answered b", "made a", "made b"]


def test_a_flush_does_not_wait_for_the_end_of_the_turn(house: House) -> None:
    house.ledger.settle("a", lambda: record("a"))
    assert house.ledger.unwritten == 1
    assert house.ledger.flush()
    assert house.written() == ["a"]


def test_what_comes_within_20_ms_is_one_write(house: House) -> None:
    for n in range(50):
        house.settle(record(str(n)))
        house.loop.advance(0.0001)
    house.loop.advance(0.02)
    assert house.ledger.writes_total == 1
    assert house.written() == [str(n) for n in range(50)]


def test_a_full_batch_is_not_waited_for(house: House) -> None:
    for n in range(128):
        house.settle(record(str(n)))
    assert len(house.written()) == 128


def test_an_idle_ledger_arms_no_timer(house: House) -> None:
    assert house.loop.armed == 0
    house.settle(record("a"))
    assert house.loop.armed == 1
    house.loop.advance(0.02)
    assert house.loop.armed == 0


def test_an_intent_is_written_within_20_ms_unless_its_record_overtakes_it(house: House) -> None:
    made: list[str] = []

    def make(name: str) -> Callable[[], Intent]:
        return lambda: made.append(name) or intent(name)  # type: ignore[func-returns-value]  # append returns None

    house.ledger.intent("quick", make("quick"))
    house.ledger.intent("slow", make("slow"))
    house.loop.advance(0.012)
    assert house.ledger.unwritten == 2
    house.settle(record("quick"))
    house.loop.advance(0.008)
    house.settle(record("slow"))
    house.loop.advance(0.02)
    assert made == ["slow"]
    assert house.written() == ["slow?", "quick", "slow"]
    assert (house.loop.armed, house.ledger.unwritten) == (0, 0)


def test_a_full_batch_of_records_leaves_young_intents_their_time(house: House) -> None:
    for n in range(128):
        house.ledger.intent(f"i{n}", lambda n=n: intent(f"i{n}"))  # type: ignore[misc]  # the default binds n
        house.settle(record(str(n)))
    assert len(house.written()) == 128
    house.loop.advance(0.02)
    assert len(house.written()) == 256


def test_a_bug_in_one_hand_over_does_not_cost_the_others(house: House) -> None:
    def bug() -> Intent:
        raise AssertionError

    house.ledger.intent("bad", bug)
    house.settle(Record(id="worse", started_at=1, evidence=[{"x": object()}]))
    house.settle(record("good"))
    house.loop.advance(0.02)
    assert house.written() == ["good"]
    assert house.ledger.lost_total == 2


def test_lag_is_the_age_of_the_oldest_unwritten(house: House) -> None:
    assert house.ledger.lag == 0
    house.settle(record("a"))
    house.loop.advance(0.005)
    house.settle(record("b"))
    assert house.ledger.lag == pytest.approx(0.005)
    house.loop.advance(0.02)
    assert house.ledger.lag == 0


def test_flush_writes_at_once_and_close_frees_the_journal(house: House) -> None:
    house.settle(record("a"))
    house.ledger.intent("b", lambda: intent("b"))
    assert house.ledger.flush()
    assert house.written() == ["b?", "a"]
    house.settle(record("c"))
    house.ledger.close()
    house.ledger.close()
    assert house.written() == ["b?", "a", "c"]
    assert house.reader.dead()


def test_a_slow_disk_sends_the_work_to_a_thread_and_a_quick_one_brings_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setattr("trunkline.ledger.journal.QUICK_WRITES", 10)

    took = 0.006
    ticks = iter(range(10**9))
    # Two readings for each write, `took` apart.
    house = House(tmp_path, clock=lambda: (n := next(ticks)) // 2 + n % 2 * took)
    house.settle(record("a"))
    house.loop.advance(0.02)
    assert house.ledger._thread is None
    took = 0.001
    for n in range(10):
        house.settle(record(f"{n}"))
        house.loop.advance(0.02)
        limit = time.monotonic() + 10
        while house.ledger.unwritten and time.monotonic() < limit:
            house.loop.advance(0)
    assert house.ledger._thread is not None
    monkeypatch.setattr(house.ledger, "_executor", None)
    house.settle(record("z"))
    house.loop.advance(0.02)
    assert house.written() == ["a", *map(str, range(10)), "z"]
    house.ledger.close()


# --- a disk that refuses (D5) ----------------------------------------------------------------------------------------


@pytest.fixture
def no_space(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """The disk is full while the list is not empty."""
    full: list[bool] = []
    pwrite, allocate = journal_writer.os.pwrite, journal_writer._allocate

    def refuse() -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_writer.os, "pwrite", lambda *a: refuse() or pwrite(*a))
    monkeypatch.setattr(journal_writer, "_allocate", lambda *a: refuse() or allocate(*a))
    return full


def test_a_refused_batch_is_kept_and_written_when_there_is_space(
    house: House, no_space: list[bool], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    done: list[str] = []
    no_space.append(True)
    for name in "abc":
        house.settle(record(name), lambda: done.append("x"))
        house.loop.advance(0.3)
    assert not house.ledger.healthy
    assert done == ["x"] * 3
    assert house.ledger.unwritten == 3
    no_space.clear()
    house.loop.advance(0.3)
    assert house.ledger.healthy
    assert house.written() == ["a", "b", "c"]
    assert [r.message for r in caplog.records] == ["journal_unhealthy", "journal_healthy"]


def test_a_full_disk_is_tried_four_times_a_second_and_not_at_every_record(house: House, no_space: list[bool]) -> None:
    no_space.append(True)
    for n in range(1000):
        house.settle(record(str(n)))
        house.loop.advance(0.001)
    assert 4 <= house.ledger.failures_total <= 6


def test_relaxed_stays_healthy_on_its_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    house.settle(record("a"))
    house.loop.advance(0.02)
    monkeypatch.setattr(journal_writer, "_allocate", full)
    house.writer._open_spare()
    house.settle(record("b"))
    house.loop.advance(1.0)
    assert house.ledger.healthy
    assert house.written() == ["a", "b"]
    house.ledger.close()


def test_strict_is_unhealthy_as_soon_as_the_reserve_cannot_be_refilled(tmp_path: Path, no_space: list[bool]) -> None:
    no_space.append(True)
    house = House(tmp_path, "strict")
    assert not house.ledger.healthy
    no_space.clear()
    house.loop.advance(0.3)
    house.ledger.flush()
    wait_for(house, lambda: house.ledger.healthy)
    house.ledger.close()


def test_what_is_kept_in_memory_is_bounded_and_the_excess_counted(
    house: House, no_space: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.ledger.journal.KEPT_BYTES", 500)
    no_space.append(True)
    for n in range(100):
        house.settle(record(str(n)))
    house.loop.advance(0.02)
    assert house.ledger.lost_total > 80
    assert house.ledger.unwritten == 100 - house.ledger.lost_total
    assert KEPT_BYTES == 64 << 20


def test_what_cannot_be_written_at_the_end_is_counted_as_lost(house: House, no_space: list[bool]) -> None:
    no_space.append(True)
    house.settle(record("a"))
    assert not house.ledger.flush()
    house.ledger.close()
    assert house.ledger.lost_total == 1


def wait_for(house: House, condition: Callable[[], bool]) -> None:
    import time

    limit = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < limit
        house.loop.advance(0.01)


# --- strict ----------------------------------------------------------------------------------------------------------


def test_strict_releases_the_end_of_an_answer_only_when_its_record_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    sync = journal_writer.os.fdatasync
    monkeypatch.setattr(journal_writer.os, "fdatasync", lambda fd: (order.append("sync"), sync(fd))[1])

    async def main() -> None:
        writer = JournalWriter(tmp_path / "journal" / "w0-1", SETTINGS)
        ledger = Ledger(writer, asyncio.get_running_loop(), "strict")
        released = asyncio.Event()
        ledger.settle("a", lambda: record("a"), lambda: (order.append("done"), released.set())[0])
        assert order in ([], ["sync"])
        await asyncio.wait_for(released.wait(), 5)
        ledger.close()

    asyncio.run(main())
    assert order[:2] == ["sync", "done"]


def test_strict_serves_all_that_came_meanwhile_with_one_sync(tmp_path: Path) -> None:
    async def main() -> int:
        writer = JournalWriter(tmp_path / "journal" / "w0-1", SETTINGS)
        ledger = Ledger(writer, asyncio.get_running_loop(), "strict")
        done: list[int] = []
        finished = asyncio.Event()
        for n in range(100):
            ledger.settle(
                str(n), lambda n=n: record(str(n)), lambda n=n: (done.append(n), len(done) == 100 and finished.set())[0]
            )  # type: ignore[misc]  # n is bound
        await asyncio.wait_for(finished.wait(), 5)
        assert done == list(range(100))
        ledger.close()
        return ledger.writes_total

    assert asyncio.run(main()) == 2


def test_strict_does_not_withhold_answers_when_the_disk_refuses(tmp_path: Path, no_space: list[bool]) -> None:
    async def main() -> None:
        writer = JournalWriter(tmp_path / "journal" / "w0-1", SETTINGS)
        ledger = Ledger(writer, asyncio.get_running_loop(), "strict")
        no_space.append(True)
        released = asyncio.Event()
        ledger.settle("a", lambda: record("a"), released.set)
        await asyncio.wait_for(released.wait(), 5)
        assert not ledger.healthy
        second = asyncio.Event()
        ledger.settle("b", lambda: record("b"), second.set)
        assert second.is_set()
        no_space.clear()
        assert ledger.flush()
        ledger.close()

    asyncio.run(main())
    reader = JournalReader(tmp_path / "journal" / "w0-1")
    assert [msgspec.json.decode(f.payload)["id"] for f in reader.read(10, 1 << 20).frames] == ["a", "b"]
    reader.close()


def test_one_answer_that_fails_to_end_does_not_keep_the_others(tmp_path: Path) -> None:
    house = House(tmp_path, "strict")
    done: list[str] = []

    def broken() -> None:
        raise RuntimeError("the socket is gone")

    house.settle(record("a"), broken)
    house.settle(record("b"), lambda: done.append("b"))
    house.ledger.flush()
    assert done == ["b"]
    assert len(house.loop.problems) == 1
    house.ledger.close()
