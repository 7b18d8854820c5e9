"""One upstream connection, and one request on it."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol, cast

from trunkline.transport.client.request import TOGETHER
from trunkline.transport.client.response import ResponseReader
from trunkline.transport.contract import Fault, FaultKind, Outbound, UpstreamSink
from trunkline.transport.turn import Outbox


class Keeper(Protocol):
    """Whom a connection belongs to: told once what became of it, or of the request on it."""

    def on_free(self, connection: Connection) -> None:
        """The answer has ended cleanly and nothing is left over: the connection may carry another request."""
        ...

    def on_ended(self, connection: Connection) -> None:
        """The connection is closed or closing."""
        ...

    def on_stale(self, connection: Connection, call: ClientCall) -> None:
        """A reused connection ended before any response byte: `call` is to be sent once more, on a fresh one.
        Replaces `on_ended`."""
        ...

    def on_give_up(self, call: ClientCall) -> None:
        """A call without a connection was aborted."""
        ...


class ClientCall:
    """One request in flight: an `UpstreamCall`."""

    __slots__ = (
        "address",
        "connection",
        "dial",
        "done",
        "head",
        "keeper",
        "paused",
        "request",
        "resent",
        "reused",
        "sent",
        "sink",
    )

    def __init__(self, request: Outbound, head: bytes, sink: UpstreamSink, keeper: Keeper):
        self.request = request
        self.head = head
        self.sink = sink
        self.keeper = keeper
        self.connection: Connection | None = None
        self.dial: asyncio.Task[None] | None = None
        self.address = ""
        self.reused = False
        self.sent = False
        self.resent = False
        self.paused = False
        self.done = False

    def abort(self) -> None:
        if self.done:
            return
        self.done = True
        if self.connection is not None:
            self.connection.abort()
        else:
            self.keeper.on_give_up(self)

    def pause(self) -> None:
        if not self.paused:
            self.paused = True
            if self.connection is not None and self.connection.is_usable():
                self.connection.transport.pause_reading()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            if self.connection is not None and self.connection.is_usable():
                self.connection.transport.resume_reading()

    def fail(self, kind: FaultKind, message: str) -> None:
        """Ends the call before a connection was in hand."""
        if not self.done:
            self.done = True
            self.sink.on_fault(Fault(kind=kind, message=message, sent=self.sent))


class Connection(asyncio.Protocol):
    """An `asyncio.Protocol` that carries one request at a time. `call` is None while it is idle or closed."""

    __slots__ = (
        "_answered",
        "_ended",
        "_headed",
        "_keeper",
        "_outbox",
        "_reader",
        "address",
        "call",
        "transport",
        "used",
    )

    def __init__(self, keeper: Keeper, outbox: Outbox, header_bytes: int):
        self._keeper = keeper
        self._outbox = outbox
        self._reader = ResponseReader(header_bytes)
        self._answered = False  # a response byte has arrived
        self._headed = False  # on_head was called
        self._ended = False
        self.call: ClientCall | None = None
        self.address = ""
        self.used = 0  # requests so far
        self.transport: asyncio.Transport

    # --- sending ---------------------------------------------------------------------------------------------------
    def send(self, call: ClientCall) -> None:
        """Writes the request. The sink hears `on_connected`, unless this is the second time it is sent."""
        request = call.request
        self.call = call
        self._answered = self._headed = False
        self._reader.expect(request.method == b"HEAD")
        call.connection = self
        call.address = self.address
        call.reused = self.used > 0
        call.sent = True
        self.used += 1
        body = request.body
        transport = self.transport
        if len(body) <= TOGETHER:
            self._outbox.put(transport, call.head + body)
        else:
            self._outbox.flush()
            transport.write(call.head)
            transport.write(body)
        if call.paused:
            transport.pause_reading()
        if not call.resent:
            call.sink.on_connected()

    def abort(self) -> None:
        """Closes the socket; a call on it hears nothing more."""
        self.call = None
        self._close(abort=True)

    def close(self) -> None:
        """Ends an idle connection in an orderly way."""
        self.call = None
        self._close(abort=False)

    def shut(self, message: str) -> None:
        """The client closes: a call on this connection gets a fault."""
        if self.call is not None:
            self._fault(self.call, "reset", message)
        else:
            self._close(abort=False)

    def is_usable(self) -> bool:
        """False also when the loop has closed the socket and will say so in the next round."""
        return not self._ended and not self.transport.is_closing()

    def _close(self, *, abort: bool) -> None:
        if self._ended:
            return
        self._ended = True
        self._reader.close()
        if abort:
            self.transport.abort()
        else:
            self.transport.close()
        self._keeper.on_ended(self)

    # --- asyncio.Protocol ------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        call = self.call
        if call is None:  # nothing was asked: whatever this is, it answers no request of ours
            self._close(abort=True)
            return
        self._answered = True
        reader = self._reader
        reader.feed(data)
        pieces = reader.pieces
        if self._headed and len(pieces) == 1 and not reader.complete and not reader.error:
            call.sink.on_data(pieces.pop())  # one more piece of a stream
        else:
            self._deliver(call, reader)

    def eof_received(self) -> None:
        call = self.call
        if call is None:
            self._close(abort=False)
            return
        if self._answered:
            self._reader.eof()
            self._deliver(call, self._reader, cut=True)
        else:
            self._lost(call, None)

    def connection_lost(self, exc: Exception | None) -> None:
        call = self.call
        if call is not None:
            self._lost(call, exc)
        elif not self._ended:
            self._ended = True
            self._reader.close()
            self._keeper.on_ended(self)

    # --- the answer ------------------------------------------------------------------------------------------------
    def _deliver(self, call: ClientCall, reader: ResponseReader, *, cut: bool = False) -> None:
        """Hands on what the reader has found: at most one head, one piece of data, one end."""
        sink = call.sink
        if reader.headed and not self._headed:
            self._headed = True
            sink.on_head(reader.status, reader.headers)
            if self.call is not call:
                return
        pieces = reader.pieces
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            sink.on_data(data)
            if self.call is not call:
                return
        if reader.complete:
            self._finish(call, reader)
        elif reader.error:
            self._fault(call, "cut" if cut else "protocol", reader.error)

    def _finish(self, call: ClientCall, reader: ResponseReader) -> None:
        call.done = True
        call.connection = None
        self.call = None
        transport = self.transport
        if reader.keep and not transport.is_closing() and not transport.get_write_buffer_size():
            if call.paused:
                transport.resume_reading()
            self._keeper.on_free(self)
        else:  # told to close, something left over, or an answer that came before the request was out
            self._close(abort=transport.get_write_buffer_size() > 0)
        call.sink.on_end()

    def _fault(self, call: ClientCall, kind: FaultKind, message: str) -> None:
        before = not self._answered
        call.done = True
        call.connection = None
        self.call = None
        self._close(abort=True)
        call.sink.on_fault(Fault(kind=kind, message=message, before_response=before, sent=True))

    def _lost(self, call: ClientCall, exc: Exception | None) -> None:
        """The connection ended under a request."""
        if not self._answered and call.reused and not call.resent and not call.request.once:
            call.connection = None
            call.resent = True
            self.call = None
            self._ended = True
            self._reader.close()
            self.transport.abort()
            self._keeper.on_stale(self, call)
        elif self._answered:
            self._fault(call, "cut", _describe(exc))
        else:
            self._fault(call, "tls" if isinstance(exc, ssl.SSLError) else "reset", _describe(exc))


def _describe(exc: Exception | None) -> str:
    return "the peer closed the connection" if exc is None else f"{type(exc).__name__}: {exc}"
