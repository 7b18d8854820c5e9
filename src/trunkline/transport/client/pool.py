"""The pool's brain for one origin: who gets which connection. Synchronous; it decides and returns, others act.

Idle connections are used last in, first out, so that the surplus grows old and is closed. Nothing is ever searched:
every step is a dictionary or counter operation, however many connections there are.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, Literal, TypeVar

from trunkline.transport.contract import ClientLimits

C = TypeVar("C")  # a connection
W = TypeVar("W")  # one who waits for a connection

Verdict = Literal["dial", "wait", "full"]


class Pool(Generic[C, W]):
    """`live` counts connections that are open or being opened, idle ones included. Times are loop seconds."""

    __slots__ = ("_expiry", "_limit", "_wait", "_waiting", "_waiting_limit", "idle", "live")

    def __init__(self, limits: ClientLimits):
        self._limit = limits.connections_per_origin
        self._waiting_limit = limits.waiting_per_origin
        self._wait = limits.wait
        self._expiry = limits.idle_expiry
        self.idle: dict[C, float] = {}  # since when, oldest first
        self._waiting: OrderedDict[W, float] = OrderedDict()  # until when, oldest first
        self.live = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> C | None:
        """The connection that became idle last."""
        return self.idle.popitem()[0] if self.idle else None

    def ask(self, who: W, now: float) -> Verdict:
        """No idle connection: `dial` one (it is counted already), `wait` (queued), or the queue is `full`."""
        if self.live < self._limit:
            self.live += 1
            return "dial"
        if len(self._waiting) >= self._waiting_limit:
            return "full"
        self._waiting[who] = now + self._wait
        return "wait"

    def give_up(self, who: W) -> None:
        """One who waits does so no more."""
        self._waiting.pop(who, None)

    def put(self, connection: C, now: float) -> W | None:
        """A connection is free. Returns who gets it; None when it has become idle."""
        if self._waiting:
            return self._waiting.popitem(last=False)[0]
        self.idle[connection] = now
        return None

    def gone(self, connection: C | None) -> W | None:
        """A connection has ended, or (None) a dial has failed. Returns who may dial in its place."""
        if connection is not None:
            self.idle.pop(connection, None)
        if self._waiting:
            return self._waiting.popitem(last=False)[0]
        self.live -= 1
        return None

    def leave(self) -> list[W]:
        """Everybody who waits; the pool closes."""
        left = list(self._waiting)
        self._waiting.clear()
        return left

    def due(self) -> float | None:
        """When `overdue` or `expired` will next have something to say."""
        times: list[float] = []
        if self._waiting:
            times.append(next(iter(self._waiting.values())))
        if self.idle:
            times.append(next(iter(self.idle.values())) + self._expiry)
        return min(times, default=None)

    def overdue(self, now: float) -> list[W]:
        """Those who have waited long enough; they wait no more."""
        late: list[W] = []
        for who, until in self._waiting.items():
            if until > now:
                break
            late.append(who)
        for who in late:
            del self._waiting[who]
        return late

    def expired(self, now: float) -> list[C]:
        """Idle connections to be closed. They are given out no more; closing them leads to `gone`."""
        old: list[C] = []
        for connection, since in self.idle.items():
            if since + self._expiry > now:
                break
            old.append(connection)
        for connection in old:
            del self.idle[connection]
        return old
