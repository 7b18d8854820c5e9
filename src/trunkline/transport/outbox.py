"""Small writes of one turn of the event loop, let out together when its reads have been dealt with.

Between two writes of a turn lies the work on another connection. Written one by one, each finds its reader asleep, and
waking a core costs more than sending; written in a row, the first one wakes and the rest find it awake. Each write stays
a write of its own, in the order in which they were made.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

#: Bytes that wait at most. Also what a writer without end has written before it hears that its reader is slow.
MOST = 256 * 1024


class Outbox(Protocol):
    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        """Writes `data` at the end of this turn; not at all if the transport is closing then."""
        ...

    def flush(self) -> None:
        """Writes everything now. Whoever closes a transport, or writes to it without the outbox, does this first."""
        ...


class EndOfTurn:
    """The outbox of one event loop."""

    __slots__ = ("_bytes", "_loop", "_pending")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pending: list[tuple[asyncio.WriteTransport, bytes]] = []
        self._bytes = 0

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        pending = self._pending
        if not pending:
            self._loop.call_soon(self.flush)
        pending.append((transport, data))
        self._bytes += len(data)
        if self._bytes > MOST:
            self.flush()

    def flush(self) -> None:
        pending, self._pending = self._pending, []
        self._bytes = 0
        for transport, data in pending:
            if not transport.is_closing():
                transport.write(data)


class AtOnce:
    """No outbox: for whoever has few connections."""

    __slots__ = ()

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        transport.write(data)

    def flush(self) -> None:
        """Nothing waits here."""
