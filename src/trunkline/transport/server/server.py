"""The server: what its connections share, and how it stops."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Callable

from trunkline.transport.contract import Application, ServerLimits
from trunkline.transport.server.answer import DateLine
from trunkline.transport.server.connection import Connection
from trunkline.transport.server.framing import Refusal
from trunkline.transport.server.lifeline import Lifeline
from trunkline.transport.server.listener import Listener, listening_socket
from trunkline.transport.timers import Deadlines
from trunkline.transport.turn import EndOfTurn, Outbox
from trunkline.types.wire import Headers

#: `(status, code, message, target) -> (headers, body)`: how the application words a refusal of the transport.
#: `target` is the raw request target, or empty when there is none yet.
ErrorBody = Callable[[int, str, str, bytes], tuple[Headers, bytes]]

VISIT = 5.0  # seconds between two looks at a connection, at most


class Server:
    """HTTP/1.1 on any number of listening sockets of one event loop.

    To drain: `stop_accepting()`, `close_idle()`, wait until `live_calls` is 0 (or as long as you will), `abort_all()`.
    None of these is reported to a `CallWatcher`: the end of the server is not the end of a client.
    """

    def __init__(
        self,
        application: Application,
        limits: ServerLimits,
        *,
        loop: asyncio.AbstractEventLoop,
        error_body: ErrorBody | None = None,
        deadlines: Deadlines | None = None,
        outbox: Outbox | None = None,
    ) -> None:
        self.application = application
        self.limits = limits
        self.loop = loop
        self.deadlines = deadlines if deadlines is not None else Deadlines(loop)
        self.visit = min(
            VISIT, limits.header_timeout, limits.body_grace, limits.idle_timeout, limits.write_timeout
        )  # no deadline may be nearer than the next visit
        self.outbox: Outbox = outbox if outbox is not None else EndOfTurn(loop)
        self.date = DateLine()
        self.good_host: bytes | None = None  # the last Host that was found valid: usually the next one, too
        self.inflight = 0  # bytes of request bodies in memory
        self.holding: dict[Lifeline, None] = {}  # connections whose bodies wait for others to leave, oldest first
        self.stopped = False  # no new connections
        self.closing = False  # no further requests on old ones
        self._error_body = error_body
        self._listeners: list[Listener] = []
        self._open: set[Lifeline] = set()
        self._waking = False

    # --- listening -----------------------------------------------------------------------------------------------
    async def listen(
        self, host: str, port: int, *, reuse_port: bool = False, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        """Binds and serves; port 0 takes a free one. Returns the address in use. Raises OSError."""
        sock = await listening_socket(self.loop, host, port, reuse_port=reuse_port)
        await self.serve_socket(sock, tls)
        address = sock.getsockname()
        return str(address[0]), int(address[1])

    async def serve_socket(self, sock: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serves a socket that listens already, and owns it from here on."""
        listener = Listener(self, sock, tls)
        self._listeners.append(listener)
        listener.start()

    # --- stopping ------------------------------------------------------------------------------------------------
    def stop_accepting(self) -> None:
        """Takes in what the kernel has accepted for us, then closes the listening sockets."""
        self.stopped = True
        for listener in self._listeners:
            listener.stop()

    def close_idle(self) -> None:
        """Closes connections between two requests; every answer whose head is not out yet is the last on its
        connection and says so."""
        self.closing = True
        for connection in list(self._open):
            connection.close_if_idle()

    def abort_all(self) -> None:
        """Cuts whatever is left, and stops accepting."""
        self.stop_accepting()
        self.outbox.flush()
        for listener in self._listeners:
            listener.abort()
        for connection in list(self._open):
            connection.drop(reset=False)
            connection.transport.abort()

    @property
    def connections(self) -> int:
        """Accepted and not yet closed, including those in a TLS handshake."""
        return sum(listener.connections for listener in self._listeners)

    @property
    def live_calls(self) -> int:
        """Connections to which something is owed: a request that has begun to arrive or is being answered, an answer
        that is not wholly sent, and, for a second after `stop_accepting`, a first request from those just accepted.
        Walks over all connections: for drains and gauges, not for the hot path."""
        arriving = sum(listener.arriving for listener in self._listeners)
        return arriving + sum(connection.owes for connection in self._open)

    # --- for connections -----------------------------------------------------------------------------------------
    def connection(self, peer: str = "", sock: socket.socket | None = None) -> Connection:
        """The protocol of one connection whose transport comes from elsewhere (a test's, say)."""
        return Connection(self, peer, sock)

    def opened(self, connection: Lifeline) -> None:
        self._open.add(connection)
        self.deadlines.add(connection, connection.opened_at + self.visit)

    def closed(self, connection: Lifeline) -> None:
        self._open.discard(connection)
        self.deadlines.remove(connection)
        if connection.on_closed is not None:
            connection.on_closed()

    def release(self, size: int) -> None:
        """`size` bytes of body are in flight no more."""
        self.inflight -= size
        if self.holding and not self._waking and self.inflight <= self.limits.inflight_bytes:
            self._waking = True
            self.loop.call_soon(self._wake)

    def _wake(self) -> None:
        """Lets in waiting bodies, oldest first: as much as there is room for, should they all arrive at once."""
        self._waking = False
        room = self.limits.inflight_bytes - self.inflight
        while self.holding and room >= 0:
            connection = next(iter(self.holding))
            del self.holding[connection]
            room -= len(connection.buffer) + READ
            connection.unhold()

    def words(self, refusal: Refusal, target: bytes) -> tuple[Headers, bytes]:
        if self._error_body is not None:
            return self._error_body(refusal.status, refusal.code, refusal.message, target)
        kind = "invalid_request_error" if refusal.status < 500 else "server_error"
        error = {"message": refusal.message, "type": kind, "code": refusal.code}
        return [(b"content-type", b"application/json")], json.dumps({"error": error}).encode()


#: What one read can bring (uvloop's buffer).
READ = 256 * 1024
