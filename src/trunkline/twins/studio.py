"""The tasks of one twin that makes videos: waiting, running, done, by the clock of the loop.

Nothing happens by itself. Whoever looks first lets everything happen that is due, in the order of its time, so that a
virtual clock works and ten thousand tasks cost no timer. A timer is set only where somebody waits for a callback.

Tasks of one account and model share a lane: at most `concurrency` of them run, `queue` more may wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from hashlib import sha256
from heapq import heappop, heappush
from typing import Any, Literal

import msgspec

from trunkline.twins.ledger import Ledger, VideoEntry
from trunkline.twins.video_pace import Failing, VideoPace
from trunkline.twins.wire import fingerprint

State = Literal["queued", "running", "succeeded", "failed", "expired", "cancelled"]
FINAL = frozenset({"succeeded", "failed", "expired", "cancelled"})

DAY = 86400.0

#: Records can be asked for that long after they were made, cancelled ones that long after the call (wire-formats.md D.4).
RECORD_SECONDS = 7 * DAY
CANCELLED_SECONDS = DAY


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a request orders. `spec` is the surface's own. `digested` is the text as it came. `bills` is what a success
    costs, in tokens or seconds. `lasts`: after that many seconds the task is given up. `refused`: it fails, as a
    provider's filter would have it. `report` is what a callback says of the task."""

    account: str
    model: str
    spec: Any
    digested: str
    marker: str | None = None
    bills: int = 0
    unit: Literal["tokens", "seconds"] = "tokens"
    priority: int = 0
    lasts: float | None = None
    callback: str = ""
    report: Callable[[Any], bytes] = lambda task: b""
    refused: Failing | None = None


class Task(msgspec.Struct, kw_only=True, eq=False):
    """One task. Times are loop seconds; `failure` is how it is going to end, or None for well."""

    id: str
    serial: int
    order: Order
    entry: VideoEntry
    made_at: float
    queued: float
    runs: float
    failure: Failing | None
    state: State = "queued"
    updated_at: float = 0.0
    done_at: float = 0.0
    valid_until: float = 0.0
    size: int | None = None

    @property
    def progress(self) -> int:
        """0, 50 or 100: nothing finer is promised."""
        return 100 if self.state == "succeeded" else 50 if self.state == "running" else 0


class _Lane:
    """One account and model. Events are (time, serial, kind, task): `ready` to run, `end` of a run, `late`."""

    __slots__ = ("events", "ready", "running", "waiting", "watched")

    def __init__(self) -> None:
        self.events: list[tuple[float, int, str, Task]] = []
        self.ready: list[tuple[int, int, Task]] = []
        self.running = 0
        self.waiting = 0
        self.watched = 0

    @property
    def live(self) -> int:
        return self.running + self.waiting


class Studio:
    """The tasks of one twin. `valid_s` is how long the provider keeps a result unless the pace says otherwise, in
    seconds; `on_change` is told of every change of a task that has a callback."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ledger: Ledger, nonce: str, valid_s: float = DAY) -> None:
        self.loop = loop
        self.nonce = nonce
        self.pace = VideoPace()
        self.url: Callable[[], str] = lambda: ""
        self.on_change: Callable[[Task], None] = lambda task: None
        self._ledger = ledger
        self._valid_s = valid_s
        self._epoch = time.time() - loop.time()
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._tasks: dict[str, Task] = {}
        self._results: dict[str, Task] = {}
        self._order: deque[Task] = deque()
        self._serial = 0
        self._judged = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- time -----------------------------------------------------------------------------------------------------

    def epoch(self, at: float) -> float:
        """Loop seconds as seconds since 1970. The wall clock is read once, so that both run at one rate."""
        return self._epoch + at

    def now(self) -> float:
        return self.loop.time()

    def set_pace(self, pace: VideoPace | None) -> None:
        """From now on; tasks under way keep their times, but not the number that may run at once."""
        self.advance()
        self.pace = VideoPace() if pace is None else pace
        self._judged = 0
        for lane in self._lanes.values():
            self._fill(lane, self.now())
        self._arm()

    @property
    def valid_s(self) -> float:
        return self._valid_s if self.pace.url_valid_s is None else self.pace.url_valid_s

    # -- tasks ----------------------------------------------------------------------------------------------------

    def submit(self, order: Order, name: Callable[[int], str]) -> Task | None:
        """A new task, or None when too many wait already. `name` makes an id of a number; it is asked again while the id
        is taken."""
        self.advance()
        now, pace = self.now(), self.pace
        lane = self._lanes.setdefault((order.account, order.model), _Lane())
        if lane.live >= pace.concurrency + pace.queue:
            return None
        self._serial += 1
        task_id = name(self._serial)
        while task_id in self._results:
            self._serial += 1
            task_id = name(self._serial)
        entry = VideoEntry(
            id=task_id,
            account=shown_account(order.account),
            model=order.model,
            created_at=round(self.epoch(now), 3),
            marker=order.marker,
            prompt_digest=digest(order.digested),
            billed_tokens=0 if order.unit == "tokens" else None,
            billed_seconds=0 if order.unit == "seconds" else None,
        )
        task = Task(
            id=task_id,
            serial=self._serial,
            order=order,
            entry=entry,
            made_at=now,
            queued=pace.queued_s,
            runs=pace.running_s,
            failure=order.refused or self._judge(),
            updated_at=now,
            size=pace.bytes,
        )
        self._ledger.videos.append(entry)
        self._tasks[task_id] = self._results[task_id] = task
        self._order.append(task)
        self._enter(lane, task)
        return task

    def find(self, task_id: str, account: str) -> Task | None:
        """The record of a task, if this account may see it and it is still kept."""
        self.advance()
        task = self._tasks.get(task_id)
        return task if task is not None and task.order.account == account and self._kept(task) else None

    def peek(self, task_id: str) -> Task | None:
        """A task whoever asks, and even when its record is gone: its result may still be there."""
        self.advance()
        return self._results.get(task_id)

    def listed(self, account: str) -> list[Task]:
        """The records of an account, newest first."""
        self.advance()
        found = [task for task in self._tasks.values() if task.order.account == account and self._kept(task)]
        found.reverse()
        return found

    def cancel(self, task: Task) -> bool:
        """Calls a task off; False when it does not wait any more."""
        self.advance()
        if task.state != "queued":
            return False
        lane = self._lanes[task.order.account, task.order.model]
        lane.waiting -= 1
        self._close(lane, task, "cancelled", self.now())
        return True

    def forget(self, task: Task) -> None:
        """Takes the record away. A task under way goes on and is billed."""
        self._tasks.pop(task.id, None)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what happens ---------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Lets everything happen that is due."""
        now = self.now()
        for lane in self._lanes.values():
            while lane.events and lane.events[0][0] <= now:
                at, _, kind, task = heappop(lane.events)
                self._happen(lane, kind, task, at)
                self._fill(lane, at)
        while self._order and self._order[0].made_at + RECORD_SECONDS <= now and self._order[0].state in FINAL:
            old = self._order.popleft()
            self._tasks.pop(old.id, None)
            self._results.pop(old.id, None)

    def _enter(self, lane: _Lane, task: Task) -> None:
        lane.waiting += 1
        lane.watched += bool(task.order.callback)
        heappush(lane.events, (task.made_at + task.queued, task.serial, "ready", task))
        if task.order.lasts is not None:
            heappush(lane.events, (task.made_at + task.order.lasts, task.serial, "late", task))
        if task.order.callback:
            self.on_change(task)
        self.advance()
        self._arm()

    def _happen(self, lane: _Lane, kind: str, task: Task, at: float) -> None:
        if task.state in FINAL:
            return
        match kind:
            case "ready":
                heappush(lane.ready, (-task.order.priority, task.serial, task))
            case "end":
                lane.running -= 1
                self._close(lane, task, "succeeded" if task.failure is None else "failed", at)
            case _:
                if task.state == "running":
                    lane.running -= 1
                else:
                    lane.waiting -= 1
                self._close(lane, task, "expired", at)

    def _fill(self, lane: _Lane, at: float) -> None:
        """Starts what is ready while there is room."""
        while lane.ready and lane.running < self.pace.concurrency:
            _, _, task = heappop(lane.ready)
            if task.state != "queued":
                continue
            lane.waiting -= 1
            lane.running += 1
            self._become(task, "running", at)
            heappush(lane.events, (at + task.runs, task.serial, "end", task))

    def _close(self, lane: _Lane, task: Task, state: State, at: float) -> None:
        lane.watched -= bool(task.order.callback)
        task.done_at = at
        if state == "succeeded":
            task.valid_until = at + self.valid_s
            if task.order.unit == "tokens":
                task.entry.billed_tokens = task.order.bills
            else:
                task.entry.billed_seconds = task.order.bills
        self._become(task, state, at)

    def _become(self, task: Task, state: State, at: float) -> None:
        task.state = task.entry.state = state
        task.updated_at = at
        if task.order.callback:
            self.on_change(task)

    def _judge(self) -> Failing | None:
        """Which tasks fail: as many as the share says, spread evenly."""
        failing, at = self.pace.fail, self._judged
        self._judged += 1
        if failing is None or int((at + 1) * failing.share + 1e-9) == int(at * failing.share + 1e-9):
            return None
        return failing

    def _kept(self, task: Task) -> bool:
        now = self.now()
        if task.state == "cancelled" and now - task.done_at >= CANCELLED_SECONDS:
            return False
        return now - task.made_at < RECORD_SECONDS

    def _arm(self) -> None:
        """Wakes up when a lane in which somebody waits for a callback is due."""
        due = min((lane.events[0][0] for lane in self._lanes.values() if lane.watched and lane.events), default=None)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else self.loop.call_at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.advance()
        self._arm()


def account_of(key: str) -> str:
    """Whose key it is: what stands before the first `~`. A key without one is an account of its own."""
    return key.partition("~")[0] + "~" if "~" in key else key


def shown_account(account: str) -> str:
    """An account as the ledger names it; one that is a whole key, by its fingerprint."""
    return account[:-1] if account.endswith("~") else fingerprint(account)


def digest(text: str) -> str:
    """What the ledger shows of a prompt: the first 16 digits of its SHA-256."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
