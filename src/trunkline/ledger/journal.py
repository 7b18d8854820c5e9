"""The hot-path side of the ledger: records are noted on the loop and written to the journal in batches.

relaxed  a record is on its way to the file within 20 ms; the client's answer does not wait
strict   the end of the answer leaves when the record is written and synced; one sync serves all that came meanwhile

A batch of some hundred records is one write of a few hundred kilobytes into the page cache, which takes about as long
as handing it to a thread would; should the disk be slow, a thread takes over until it is quick again. When the disk
refuses, frames wait in memory (bounded) and `healthy` turns False, so that the front door stops admitting.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Literal

from trunkline.ledger.encoding import intent_frame, record_frame
from trunkline.storage.journal import Frame, JournalUnwritable, JournalWriter
from trunkline.types.record import Intent, Record

Durability = Literal["relaxed", "strict"]

#: Seconds between two writes. A record waits this long, an intent (which most exchanges overtake) up to the double.
BATCH_EVERY = 0.01
#: A full batch is not waited for: encoding more than this at once would be felt by the streams (1 ms).
BATCH_ROWS = 128
RETRY_EVERY = 0.25  # seconds between tries while the disk refuses
#: Frames kept in memory while the disk refuses. Nothing new is admitted then, so only what is live can come.
KEPT_BYTES = 64 << 20
SLOW_WRITE = 0.005  # seconds; a write this slow would be a stall of every stream
#: So many quick writes in the thread before the loop writes by itself again.
QUICK_WRITES = 500

_log = logging.getLogger("trunkline.ledger")
_Done = Callable[[], None]
_Intents = dict[str, Callable[[], Intent]]


class Ledger:
    """One per worker; every method is called on its loop's thread. Owns the writer."""

    def __init__(
        self,
        writer: JournalWriter,
        loop: asyncio.AbstractEventLoop,
        durability: Durability = "relaxed",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.healthy = True
        self.records_total = 0
        self.intents_total = 0
        self.journal_bytes = 0
        self.writes_total = 0
        self.failures_total = 0
        self.lost_total = 0
        self.slowest_write = 0.0  # seconds
        self._writer = writer
        self._loop = loop
        self._strict = durability == "strict"
        self._clock = clock
        self._ended: list[tuple[str, Callable[[], Record]]] = []
        self._records: list[Record] = []
        self._intents: _Intents = {}  # noted since the last tick
        self._older: _Intents = {}  # noted before it: written at the next
        self._waiting: list[_Done] = []
        self._kept: list[Frame] = []
        self._kept_bytes = 0
        self._failing = False
        self._timer: asyncio.TimerHandle | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._write: _Write | None = None
        self._topping: Future[bool] | None = None
        self._topping_not_before = 0.0
        self._whole = True
        self._quick = 0 if self._strict else QUICK_WRITES
        self._oldest: float | None = None
        self._closed = False
        writer.durable = self._strict
        self._topped(writer.top_up())

    def intent(self, record_id: str, make: Callable[[], Intent]) -> None:
        """Noted at dispatch; `make` is called, and the intent written, only if no record follows within a tick or two."""
        self._intents[record_id] = make
        if self._oldest is None:
            self._oldest = self._loop.time()
        if self._timer is None:
            self._arm(BATCH_EVERY)

    def settle(self, record_id: str, make: Callable[[], Record], done: _Done | None = None) -> None:
        """Exactly once per exchange. `done` is called when the record is as durable as configured; with `strict` also
        when it cannot be made so, because an answer that was paid for is not withheld. `make` is called at the end of
        this turn of the loop, behind the answers that leave in it, or now with `strict`."""
        if self._intents.pop(record_id, None) is None:
            self._older.pop(record_id, None)
        self.records_total += 1
        if self._oldest is None:
            self._oldest = self._loop.time()
        if self._strict and not self._failing:
            self._ended.append((record_id, make))
            self._write_up()
            if done is not None:
                self._waiting.append(done)
            self._start()
            return
        if not self._ended:
            self._loop.call_soon(self._turn_ended)
        self._ended.append((record_id, make))
        if done is not None:
            done()

    def _turn_ended(self) -> None:
        self._write_up()
        if len(self._records) >= BATCH_ROWS and not self._failing:
            self._start()
        elif self._timer is None:
            self._arm(BATCH_EVERY)

    def _write_up(self) -> None:
        """The records of the exchanges that ended in this turn, one after the other."""
        ended, self._ended = self._ended, []
        for record_id, make in ended:
            try:
                self._records.append(make())
            except Exception as bug:
                self._unwritable(record_id, bug)

    @property
    def lag(self) -> float:
        """Seconds that the oldest unwritten frame has waited."""
        return 0.0 if self._oldest is None else self._loop.time() - self._oldest

    @property
    def unwritten(self) -> int:
        """Records and intents not yet in the journal."""
        under_way = len(self._write.frames) if self._write is not None else 0
        return (
            len(self._ended) + len(self._records) + len(self._intents) + len(self._older) + len(self._kept) + under_way
        )

    def flush(self) -> bool:
        """Writes everything now, blocking; False if the disk refuses some of it. For the drain."""
        self._write_up()
        while self._write is not None:
            self._settled(self._write.finish())
        self._cancel_timer()
        frames, waiting = self._take({**self._older, **self._intents})
        self._older, self._intents = {}, {}
        if frames or waiting:
            self._settled(_Write(self._writer, frames, waiting, self._clock).run())
        if self._kept:
            return False
        try:
            self._writer.sync()
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Flushes and gives the journal back; what could not be written is lost then, and counted."""
        if self._closed:
            return
        self.flush()
        self._closed = True
        self._cancel_timer()
        self.lost_total += len(self._kept)
        if self._kept:
            _log.error("journal_lost", extra={"fields": {"frames": len(self._kept)}})
        if self._thread is not None:
            self._thread.shutdown(wait=True)
        self._writer.close()

    # --- batches -----------------------------------------------------------------------------------------------------
    def _arm(self, delay: float) -> None:
        if not self._closed:
            self._timer = self._loop.call_later(RETRY_EVERY if self._failing else delay, self._due)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if self._failing or not self._whole:
            self._top_up()
        if self._write is None:
            ripe, self._older, self._intents = self._older, self._intents, {}
            self._start(ripe)

    def _start(self, ripe: _Intents | None = None) -> None:
        """Writes what there is, and the intents whose time has come: here, or in the thread if the disk is slow or
        every write is synced."""
        if self._write is not None:
            return
        frames, waiting = self._take(ripe or {})
        if not frames and not waiting:
            self._judge()
            self._go_on()
            return
        write = _Write(self._writer, frames, waiting, self._clock)
        if self._quick >= QUICK_WRITES:
            self._settled(write.run())
            return
        self._write = write
        write.future = self._executor().submit(self._run_apart, write)

    def _run_apart(self, write: _Write) -> None:
        write.run()
        try:
            self._loop.call_soon_threadsafe(self._settled, write)
        except RuntimeError:
            pass  # the loop is closed: `close` has waited for the write

    def _take(self, intents: _Intents) -> tuple[list[Frame], list[_Done]]:
        """What was kept, `intents` and all records, as frames."""
        frames, self._kept, self._kept_bytes = self._kept, [], 0
        records, self._records = self._records, []
        waiting, self._waiting = self._waiting, []
        frame_max = self._writer.frame_max
        self._oldest = self._loop.time() if self._older or self._intents else None
        self.intents_total += len(intents)
        for record_id, make in intents.items():
            try:
                frames.append(intent_frame(make()))
            except Exception as bug:
                self._unwritable(record_id, bug)
        for record in records:
            try:
                frames.append(record_frame(record, frame_max))
            except Exception as bug:
                self._unwritable(record.id, bug)
        return frames, waiting

    def _unwritable(self, record_id: str, bug: Exception) -> None:
        """A bug in what was handed over must not take the rest of the batch with it."""
        self.lost_total += 1
        _log.error("record_unwritable", extra={"fields": {"id": record_id, "problem": type(bug).__name__}})

    def _settled(self, write: _Write) -> None:
        """A write has ended, well or not. Comes twice when `flush` overtakes the thread's message."""
        if write.settled:
            return
        write.settled = True
        self._write = None
        self.journal_bytes += write.bytes
        self.writes_total += 1
        self.slowest_write = max(self.slowest_write, write.seconds)
        self._failing = write.problem is not None
        if write.problem is not None:
            self.failures_total += 1
            self._keep(write.frames[write.problem.written :])
        elif not self._strict:
            self._pace(write.seconds)
        self._judge(write.problem)
        for done in write.waiting:
            self._release(done)
        if self._writer.spares_missing and not self._failing:
            self._top_up()
        self._go_on()

    def _go_on(self) -> None:
        """What came while a write was under way, or was refused by it, is written next."""
        if self._strict and not self._failing and (self._records or self._waiting):
            self._start()
        elif self._timer is None and (self._records or self._intents or self._older):
            self._arm(BATCH_EVERY)
        elif self._timer is None and (self._kept or not self._whole):
            self._arm(RETRY_EVERY)

    def _release(self, done: _Done) -> None:
        """One answer that cannot be ended must not keep the others from ending."""
        try:
            done()
        except Exception as bug:
            self._loop.call_exception_handler({"message": "the end of an answer could not be sent", "exception": bug})

    def _pace(self, seconds: float) -> None:
        """Who writes next: a slow write sends the work to the thread, many quick ones bring it back."""
        if seconds > SLOW_WRITE:
            if self._quick >= QUICK_WRITES:
                _log.warning("journal_slow", extra={"fields": {"milliseconds": round(seconds * 1000, 1)}})
            self._quick = 0
        elif self._quick < QUICK_WRITES:
            self._quick += 1

    def _keep(self, frames: list[Frame]) -> None:
        for index, frame in enumerate(frames):
            if self._kept_bytes + len(frame.payload) > KEPT_BYTES:
                self.lost_total += len(frames) - index
                _log.error("journal_lost", extra={"fields": {"frames": len(frames) - index}})
                return
            self._kept.append(frame)
            self._kept_bytes += len(frame.payload)

    # --- health ------------------------------------------------------------------------------------------------------
    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "journal")
        return self._thread

    def _top_up(self) -> None:
        """Fresh spare segments, made off the loop; on a full disk not more often than frames are tried again."""
        now = self._loop.time()
        if self._topping is None and not self._closed and now >= self._topping_not_before:
            self._topping = self._executor().submit(self._writer.top_up)
            self._topping.add_done_callback(self._top_up_ended)

    def _top_up_ended(self, future: Future[bool]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._topped, future.result())
        except RuntimeError:
            pass  # the loop is closed

    def _topped(self, whole: bool) -> None:
        self._topping = None
        self._whole = whole
        self._judge()
        if not whole:
            self._topping_not_before = self._loop.time() + RETRY_EVERY
            self._go_on()

    def _judge(self, problem: JournalUnwritable | None = None) -> None:
        """D5: strict wants a disk that has space; relaxed lives on its reserve as long as that lasts."""
        healthy = not self._failing and (self._whole or (not self._strict and self._writer.room > 0))
        if healthy == self.healthy:
            return
        self.healthy = healthy
        if healthy:
            _log.info("journal_healthy", extra={"fields": {}})
        else:
            why = str(problem) if problem is not None else "the reserve cannot be refilled: no space on the disk"
            _log.error("journal_unhealthy", extra={"fields": {"problem": why, "room_bytes": self._writer.room}})


class _Write:
    """One batch on its way, and what came of it."""

    __slots__ = ("_clock", "_writer", "bytes", "frames", "future", "problem", "seconds", "settled", "waiting")

    def __init__(
        self, writer: JournalWriter, frames: list[Frame], waiting: list[_Done], clock: Callable[[], float]
    ) -> None:
        self._writer = writer
        self._clock = clock
        self.frames = frames
        self.waiting = waiting
        self.bytes = 0
        self.seconds = 0.0
        self.problem: JournalUnwritable | None = None
        self.future: Future[None] | None = None
        self.settled = False

    def run(self) -> _Write:
        started = self._clock()
        try:
            self.bytes = self._writer.append(self.frames)
        except JournalUnwritable as problem:
            self.problem = problem
        except Exception as bug:
            # In the thread nobody else would see it; unhealthy is seen.
            self.problem = JournalUnwritable(f"a bug in the journal: {type(bug).__name__}", full=False)
        self.seconds = self._clock() - started
        return self

    def finish(self) -> _Write:
        """Waits for the thread."""
        if self.future is not None:
            self.future.result()
        return self
