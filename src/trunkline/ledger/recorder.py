"""The recorder's side of the ledger: journals → store, in batches, idempotently; nothing is acknowledged before it is
committed, so a crash anywhere repeats work and loses none.

The store down or full: rows stay in the journals and are tried again with jittered backoff. A row that the store will
never take is isolated, kept in `journal/aside/` and reported. An incarnation whose worker is dead (its lock is free)
is drained; the intents that no record followed become `unknown` records; then its directory is removed.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from trunkline.ledger.ingest import intent_id, row_of, unknown_row
from trunkline.storage.contract import RecordRow, RowRefused, Store, StoreUnavailable
from trunkline.storage.journal import INTENT, Batch, Frame, JournalReader, JournalSet, keep_aside

BATCH_ROWS = 10_000
BATCH_BYTES = 8 << 20
#: Sleep after a small batch, seconds: bounds the delay until a record is visible, and the commits per second.
PAUSE = 0.2
#: A batch of this many frames means a backlog: no sleep.
BACKLOG = 2_000
BACKOFF_FIRST = 0.25
BACKOFF_LAST = 10.0

_log = logging.getLogger("trunkline.ledger")


class _Tail:
    """One incarnation being read, and its intents that no record has followed yet (id → payload)."""

    __slots__ = ("batch", "closed", "open", "reader", "reported", "unreadable")

    def __init__(self, reader: JournalReader) -> None:
        self.reader = reader
        self.open: dict[str, bytes] = {}
        self.reported = 0
        self.unreadable = False
        self.batch: Batch | None = None
        self.closed: list[str] = []  # exchanges whose record is in the batch


class Recorder:
    """One per machine, one thread."""

    def __init__(
        self,
        store: Store,
        journals: JournalSet,
        rand: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.healthy = True
        self.records_total = 0
        self.duplicates_total = 0
        self.unknown_total = 0
        self.refused_total = 0  # rows set aside
        self.damaged_total = 0  # places where frames were lost
        self._store = store
        self._journals = journals
        self._rand = rand
        self._clock = clock
        self._tails: dict[str, _Tail] = {}
        self._refused: list[tuple[bytes, str]] = []
        self._backoff = 0.0
        self._not_before = 0.0

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Never raises for a store or a disk that fails."""
        while not stop.is_set():
            if self.step() < BACKLOG:
                stop.wait(PAUSE)

    def step(self) -> int:
        """One batch over all incarnations. Returns the number of frames taken; 0: nothing to do, or not now."""
        if self._clock() < self._not_before:
            return 0
        try:
            taken = self._step()
        except (StoreUnavailable, OSError) as problem:
            self._failed(problem)
            return 0
        self._backoff = 0.0
        self._turn(healthy=True)
        return taken

    @property
    def open_intents(self) -> int:
        return sum(len(tail.open) for tail in self._tails.values())

    def _step(self) -> int:
        tails = self._tails_now()
        self._refused.clear()
        rows: list[RecordRow] = []
        frames = 0
        # Each has its share, so that one busy worker does not starve the others.
        share = max(1, len(tails))
        for tail in tails:
            tail.batch = self._read(tail, BATCH_ROWS // share, BATCH_BYTES // share)
            if tail.batch is None:
                continue
            frames += len(tail.batch.frames)
            tail.closed = []
            for kind, payload in tail.batch.frames:
                if kind == INTENT:
                    continue
                row = row_of(payload)
                if row is None:
                    self._refused.append((payload, "not a record"))
                    tail.closed += [found for found in [intent_id(payload)] if found is not None]
                else:
                    rows.append(row)
                    tail.closed.append(row.id)
        self._insert(rows)
        self._set_aside()
        for tail in tails:
            if tail.batch is not None:
                self._committed(tail, tail.batch)
        return frames

    def _read(self, tail: _Tail, rows: int, size: int) -> Batch | None:
        """None: this journal cannot be read now, which does not stop the others."""
        try:
            batch = tail.reader.read(max(1, rows), max(1, size))
        except OSError as problem:
            if not tail.unreadable:
                _report("journal_unreadable", journal=tail.reader.name, problem=problem.strerror)
            tail.unreadable = True
            return None
        tail.unreadable = False
        return batch

    def _tails_now(self) -> list[_Tail]:
        readers = self._journals.readers()
        for name in self._tails.keys() - {r.name for r in readers}:
            del self._tails[name]
        for reader in readers:
            if reader.name not in self._tails:
                tail = _Tail(reader)
                _follow(tail.open, reader.history())
                self._tails[reader.name] = tail
        return [self._tails[r.name] for r in readers]

    def _committed(self, tail: _Tail, batch: Batch) -> None:
        """The batch is in the store: its frames may go."""
        reader = tail.reader
        tail.batch = None
        _follow(tail.open, (frame for frame in batch.frames if frame.kind == INTENT))
        for exchange in tail.closed:
            tail.open.pop(exchange, None)
        carried = True
        if reader.releases(batch.position):
            carried = self._carry(tail)
        reader.acknowledge(batch.position)
        if not carried and not self._carry(tail):
            _report("intents_not_carried", journal=reader.name, intents=len(tail.open))
        if reader.damaged > tail.reported:
            self.damaged_total += reader.damaged - tail.reported
            tail.reported = reader.damaged
            _report("journal_damaged", journal=reader.name, places=reader.damaged, bytes=reader.damaged_bytes)
        if batch.drained:
            self._bury(tail)

    def _carry(self, tail: _Tail) -> bool:
        """False on a full disk; acknowledging then makes room for a second try."""
        try:
            tail.reader.carry(Frame(INTENT, payload) for payload in tail.open.values())
        except OSError:
            return False
        return True

    def _bury(self, tail: _Tail) -> None:
        """The worker is dead and everything it wrote is in the store, but for the outcomes that it never knew."""
        rows: list[RecordRow] = []
        for payload in tail.open.values():
            row = unknown_row(payload)
            if row is None:
                self._refused.append((payload, "not an intent"))
            else:
                rows.append(row)
        new = self._insert(rows)
        self._set_aside()
        if new:
            self.unknown_total += new
            _report("exchanges_unknown", journal=tail.reader.name, exchanges=new)
        self._journals.remove(tail.reader)
        del self._tails[tail.reader.name]

    def _insert(self, rows: Sequence[RecordRow]) -> int:
        """All of them, in one transaction if the store takes them; halves if it refuses one. Returns the new ones."""
        if not rows:
            return 0
        try:
            new = self._store.insert_records(rows)
        except RowRefused as refusal:
            if len(rows) == 1:
                self._refused.append((rows[0].body, str(refusal)))
                return 0
            middle = len(rows) // 2
            return self._insert(rows[:middle]) + self._insert(rows[middle:])
        self.records_total += new
        self.duplicates_total += len(rows) - new
        return new

    def _set_aside(self) -> None:
        """When the rest of the batch is in: what no store will take is kept as evidence, once."""
        for payload, reason in self._refused:
            entry = {"reason": reason, "row": payload.decode("utf-8", "replace")}
            kept = keep_aside(self._journals.root, "rows.jsonl", msgspec.json.encode(entry) + b"\n")
            self.refused_total += 1
            _report("row_set_aside", problem=reason, kept=kept)
        self._refused.clear()

    def _failed(self, problem: Exception) -> None:
        self._turn(healthy=False, problem=str(problem))
        self._backoff = min(max(BACKOFF_FIRST, 2 * self._backoff), BACKOFF_LAST)
        self._not_before = self._clock() + self._backoff * (0.5 + self._rand() / 2)

    def _turn(self, *, healthy: bool, problem: str = "") -> None:
        """One line for each change of state."""
        if healthy == self.healthy:
            return
        self.healthy = healthy
        if healthy:
            _log.info("recorder_healthy", extra={"fields": {}})
        else:
            _report("recorder_waits", problem=problem)


def _follow(pending: dict[str, bytes], frames: Iterable[Frame]) -> None:
    """An intent opens an exchange, its record closes it."""
    for kind, payload in frames:
        exchange = intent_id(payload)
        if exchange is None:
            continue
        if kind == INTENT:
            pending[exchange] = payload
        else:
            pending.pop(exchange, None)


def _report(event: str, **fields: object) -> None:
    _log.error(event, extra={"fields": fields})
