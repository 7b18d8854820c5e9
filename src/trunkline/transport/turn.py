"""What waits for the end of a turn of the event loop, when its reads have been dealt with: work first, then writes.

Read, work, write, each for all connections of a turn in a row, is cheaper than all three for one after the other. The
code of one step stays in the processor's cache; and of writes made one by one each finds its reader asleep, where waking
a core costs more than sending, while of writes in a row the first wakes and the rest find it awake. Each write stays a
write of its own, in the order in which they were made. A turn with one connection is no longer for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

#: Bytes that wait at most. Also what a writer without end has written before it hears that its reader is slow.
MOST = 96 * 1024


class Outbox(Protocol):
    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Writes `data` at the end of this turn; not at all if the transport is closing then."""
        ...

    def flush(self) -> None:
        """Writes everything now. Whoever closes a transport, or writes to it without the outbox, does this first."""
        ...


class EndOfTurn:
    """The outbox of one event loop, and its work."""

    __slots__ = ("_armed", "_bytes", "_loop", "_pending", "_work")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._work: list[Callable[[], None]] = []
        self._pending: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._bytes = 0
        self._armed = False

    def work(self, callback: Callable[[], None]) -> None:
        """Calls it at the end of this turn, before what was put is written."""
        if not self._armed:
            self._arm()
        self._work.append(callback)

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        if not self._armed:
            self._arm()
        self._pending.append((transport, data))
        self._bytes += len(data)
        if self._bytes > MOST:
            self.flush()

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        self._bytes = 0
        for transport, data in pending:
            if not transport.is_closing():
                transport.write(data)

    def _arm(self) -> None:
        self._armed = True
        self._loop.call_soon(self._run)

    def _run(self) -> None:
        work, self._work = self._work, []
        for callback in work:
            try:
                callback()
            except Exception as bug:
                # One piece of work must not keep the others from being done.
                self._loop.call_exception_handler({"message": "work at the end of a turn failed", "exception": bug})
        self.flush()
        self._armed = False
        if self._work or self._pending:
            self._arm()
