"""Accepting connections ourselves, so that the accept queue can be served before its socket closes, a full server
says so, and an exhausted process waits instead of spinning."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

from trunkline.transport.server.connection import Connection
from trunkline.transport.server.framing import TOO_MANY_CONNECTIONS
from trunkline.transport.tls import TlsProtocol

if TYPE_CHECKING:
    from trunkline.transport.server.server import Server

BACKLOG = 4096  # connections the kernel keeps for us; it caps this at net.core.somaxconn
BATCH = 64  # connections accepted before the loop gets its turn
EXHAUSTED_WAIT = 0.25  # seconds without accepting when descriptors or memory have run out
REFUSING = 128  # connections above the cap that are told so at the same time; more are closed without a word

_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


async def listening_socket(loop: asyncio.AbstractEventLoop, host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """A bound and listening TCP socket; `host` is an address or a name (its first address is taken)."""
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = found[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return sock


class Listener:
    """One listening socket. `connections` are all that came through it and are still open."""

    def __init__(self, server: Server, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.server = server
        self.connections = 0
        self._sock = sock
        self._tls = tls
        self._listening = False
        self._stopped = False
        self._by_address: dict[str, int] = {}
        self._refusing = 0
        self._tasks: set[asyncio.Task[object]] = set()
        self._doors: set[TlsDoor] = set()
        self._retry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._sock.setblocking(False)
        self._listen()

    def stop(self) -> None:
        """Accepts until the queue is empty, then closes the socket. What arrives in between those two is answered by
        whoever shares the socket, or refused by the kernel."""
        if self._stopped:
            return
        self._stopped = True
        self._pause()
        if self._retry is not None:
            self._retry.cancel()
        for _ in range(4 * BACKLOG):  # more than the queue holds; not for ever, under a storm
            if not self._accept():
                break
        self._sock.close()

    def abort(self) -> None:
        """Ends TLS handshakes."""
        for door in list(self._doors):
            door.abort()

    @property
    def arriving(self) -> int:
        """Accepted, but not yet a connection."""
        return len(self._tasks) + len(self._doors)

    def _listen(self) -> None:
        self._retry = None
        self._listening = True
        self.server.loop.add_reader(self._sock, self._ready)

    def _pause(self) -> None:
        if self._listening:
            self._listening = False
            self.server.loop.remove_reader(self._sock)

    def _ready(self) -> None:
        for _ in range(BATCH):
            if not self._accept():
                return

    def _accept(self) -> bool:
        """Takes one connection from the queue. False when there is none, or no descriptor to take it with."""
        try:
            sock, address = self._sock.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._exhausted()
                return False
            return True  # this connection died in the queue; the next may live
        peer = str(address[0]) if isinstance(address, tuple) else ""
        try:
            sock.setblocking(False)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            sock.close()
            return True
        self._admit(sock, peer)
        return True

    def _exhausted(self) -> None:
        """The queue keeps the connections until descriptors are free: asking again at once would only burn CPU."""
        if not self._stopped:
            self._pause()
            self._retry = self.server.loop.call_later(EXHAUSTED_WAIT, self._listen)

    def _admit(self, sock: socket.socket, peer: str) -> None:
        limits = self.server.limits
        present = self._by_address.get(peer, 0)
        if self.server.connections >= limits.connections or present >= limits.connections_per_address:
            self._refuse(sock, peer)
            return
        self.connections += 1
        self._by_address[peer] = present + 1
        connection = self.server.connection(peer, sock)
        connection.on_closed = partial(self._leave, peer)
        self._connect(sock, connection)

    def _leave(self, peer: str) -> None:
        self.connections -= 1
        present = self._by_address[peer] - 1
        if present:
            self._by_address[peer] = present
        else:
            del self._by_address[peer]

    def _refuse(self, sock: socket.socket, peer: str) -> None:
        if self._refusing >= REFUSING or self._tls is not None:
            sock.close()
            return
        self._refusing += 1
        connection = self.server.connection(peer, sock)
        connection.turned_away = TOO_MANY_CONNECTIONS
        connection.on_closed = self._refused
        self._connect(sock, connection)

    def _refused(self) -> None:
        self._refusing -= 1

    def _connect(self, sock: socket.socket, connection: Connection) -> None:
        """Gives the socket a transport. The task lives for one turn of the loop, once per connection."""
        protocol: asyncio.Protocol = connection
        if self._tls is not None:
            protocol = TlsDoor(connection, self._tls, self._doors)
        task: asyncio.Task[object] = self.server.loop.create_task(
            self.server.loop.connect_accepted_socket(lambda: protocol, sock)
        )
        self._tasks.add(task)
        task.add_done_callback(partial(self._connected, connection, sock))

    def _connected(self, connection: Connection, sock: socket.socket, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or task.exception() is not None:
            sock.close()
            if connection.on_closed is not None:
                connection.on_closed()


class TlsDoor(TlsProtocol):
    """The handshake of an accepted connection, and its time limit."""

    __slots__ = ("_connection", "_doors", "_transport_below")

    def __init__(self, connection: Connection, context: ssl.SSLContext, doors: set[TlsDoor]) -> None:
        super().__init__(connection, context, server_side=True, on_handshake=self._shaken)
        self._connection = connection
        self._doors = doors
        self._transport_below: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport_below = cast(asyncio.Transport, transport)
        server = self._connection.server
        self._doors.add(self)
        server.deadlines.add(self, server.loop.time() + server.limits.header_timeout)
        super().connection_made(transport)

    def on_deadline(self, now: float) -> float | None:
        self.abort()
        return None

    def abort(self) -> None:
        if self._transport_below is not None:
            self._transport_below.abort()

    def _shaken(self, error: Exception | None) -> None:
        self._doors.discard(self)
        self._connection.server.deadlines.remove(self)
        self._transport_below = None
        if error is not None and self._connection.on_closed is not None:
            self._connection.on_closed()
