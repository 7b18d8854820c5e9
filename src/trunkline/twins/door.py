"""The listening socket of a twin, and the faults that are done to it.

Serving, closed (`refuse`), accepting in the kernel without ever reading (`blackhole`), or answering every connection
with garbage (`tls`). A change takes a few turns of the loop; `settled` waits for it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Literal, cast

from trunkline.transport.contract import Application, ServerLimits
from trunkline.transport.server import ErrorBody, Server

State = Literal["serve", "refuse", "blackhole", "tls"]

#: Connections that a black hole takes before the kernel stops answering; the kernel caps it at somaxconn.
BACKLOG = 4096

#: A listener that was just closed frees its address a few turns of the loop later: how often and how long to wait.
TRIES = 200
TRY_SECONDS = 0.005

#: Neither TLS nor HTTP.
GARBAGE = b"\x00\xffnot what you expected\x00\r\n" * 4

LIMITS = ServerLimits(
    body_bytes=128 << 20,
    inflight_bytes=1 << 30,
    connections=65536,
    connections_per_address=65536,
    write_timeout=600.0,
    idle_timeout=120.0,
)


class Door:
    """Opens with `open`, follows `want`, ends with `close`."""

    def __init__(
        self,
        application: Application,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None,
        error_body: ErrorBody | None = None,
    ) -> None:
        self._application = application
        self._loop = loop
        self._tls = tls
        self._error_body = error_body
        self._state: State | None = None
        self._wanted: State = "serve"
        self._servers: list[Server] = []
        self._hole: socket.socket | None = None
        self._garbage: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.host = ""
        self.port = 0

    async def open(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one."""
        self.host, self.port = host, port
        await self._serve()
        self._state = "serve"

    def want(self, state: State) -> None:
        """Changes the state soon; what the old one accepted stays, but for a black hole's unread connections."""
        self._wanted = state
        if self._task is None and self._state is not None and self._state != state:
            self._task = self._loop.create_task(self._follow())

    async def settled(self) -> None:
        """Returns once the state is what was last wanted."""
        while self._task is not None:
            await asyncio.shield(self._task)

    def sever_all(self) -> None:
        """Cuts every connection, as the death of the process would."""
        for server in self._servers:
            server.abort_all()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._leave()
        self.sever_all()
        await asyncio.sleep(0)

    async def _follow(self) -> None:
        try:
            while self._state != self._wanted:
                wanted = self._wanted
                self._leave()
                match wanted:
                    case "serve":
                        await self._serve()
                    case "blackhole":
                        await self._open_hole()
                    case "tls":
                        await self._open_garbage()
                    case "refuse":
                        await asyncio.sleep(TRY_SECONDS)
                self._state = wanted
        finally:
            self._task = None

    def _leave(self) -> None:
        for server in self._servers:
            server.stop_accepting()
        if self._hole is not None:
            self._hole.close()
            self._hole = None
        if self._garbage is not None:
            self._garbage.close()
            self._garbage = None

    async def _serve(self) -> None:
        self._servers = [server for server in self._servers if server.connections]
        for attempt in range(TRIES):
            server = Server(self._application, LIMITS, loop=self._loop, error_body=self._error_body)
            try:
                self.host, self.port = await server.listen(self.host, self.port, tls=self._tls)
            except OSError:
                if self._state is None or attempt == TRIES - 1:
                    raise
                await asyncio.sleep(TRY_SECONDS)
                continue
            self._servers.append(server)
            return

    async def _open_hole(self) -> None:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        for attempt in range(TRIES):
            hole = socket.socket(family, socket.SOCK_STREAM)
            hole.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                hole.bind((self.host, self.port))
                hole.listen(BACKLOG)
            except OSError:
                hole.close()
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(TRY_SECONDS)
                continue
            self._hole = hole
            return

    async def _open_garbage(self) -> None:
        for attempt in range(TRIES):
            try:
                self._garbage = await self._loop.create_server(_Garbage, self.host, self.port)
            except OSError:
                if attempt == TRIES - 1:
                    raise
                await asyncio.sleep(TRY_SECONDS)
                continue
            return


class _Garbage(asyncio.Protocol):
    """Answers the first bytes of every connection, whatever they are, with garbage."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports do not derive from asyncio's

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(GARBAGE)
            self._transport.close()
            self._transport = None
