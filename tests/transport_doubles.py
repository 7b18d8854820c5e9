"""Doubles for transport's unit tests: a transport that records, a sink that records, a request."""

from __future__ import annotations

import asyncio
from typing import Any

from trunkline.transport.contract import Fault, Outbound
from trunkline.types.fleet import Tls
from trunkline.types.wire import Headers, Origin

ORIGIN = Origin("http", "upstream.test", 8000)


def post(body: bytes = b"{}", *, origin: Origin = ORIGIN, **changes: Any) -> Outbound:
    settings: dict[str, Any] = {
        "origin": origin,
        "method": b"POST",
        "target": b"/v1/x",
        "headers": [(b"a", b"b")],
        "body": body,
        "tls": Tls(),
    }
    return Outbound(**(settings | changes))


class FakeTransport(asyncio.Transport):
    """Keeps what is written. `lose(exc)` ends the connection as a loop would."""

    def __init__(self, protocol: asyncio.Protocol):
        super().__init__({"peername": ("192.0.2.1", 443)})
        self.protocol = protocol
        self.written: list[bytes] = []
        self.buffered = 0
        self.reading = True
        self.closed = False
        self.aborted = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def pause_reading(self) -> None:
        assert not self.closed  # uvloop raises
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.closed
        self.reading = True

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def lose(self, exc: Exception | None = None) -> None:
        self.closed = True
        self.protocol.connection_lost(exc)


class RecordingSink:
    """An `UpstreamSink` whose `events` read as a transcript."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.over: asyncio.Event | None = None

    def on_connected(self) -> None:
        self.events.append("connected")

    def on_head(self, status: int, headers: Headers) -> None:
        self.events.append((status, headers))

    def on_data(self, data: bytes) -> None:
        self.events.append(data)

    def on_end(self) -> None:
        self.events.append("end")
        self._tell()

    def on_fault(self, fault: Fault) -> None:
        self.events.append(fault)
        self._tell()

    def _tell(self) -> None:
        if self.over is not None:
            self.over.set()

    async def wait(self) -> RecordingSink:
        """Until the answer has ended or failed."""
        if not (self.events and (self.events[-1] == "end" or isinstance(self.events[-1], Fault))):
            self.over = asyncio.Event()
            await asyncio.wait_for(self.over.wait(), 20)
        return self

    @property
    def fault(self) -> Fault:
        last = self.events[-1]
        assert isinstance(last, Fault), self.events
        return last

    @property
    def status(self) -> int:
        return int(next(event[0] for event in self.events if isinstance(event, tuple)))

    @property
    def body(self) -> bytes:
        return b"".join(event for event in self.events if isinstance(event, bytes))

    @property
    def ended(self) -> bool:
        return bool(self.events) and self.events[-1] == "end"


class AtOnce:
    """An outbox that does not wait for the end of a turn."""

    def put(self, transport: asyncio.WriteTransport, data: bytes) -> None:
        transport.write(data)

    def flush(self) -> None:
        """Nothing waits here."""
