"""An upstream on loopback that speaks a test's own words, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

from transport_doubles import RecordingSink
from trunkline.transport.client import Client
from trunkline.transport.contract import Outbound
from trunkline.types.wire import Origin

Talk = Callable[["Peer"], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Peer:
    """One accepted connection, spoken to in a test's own words."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.startswith(b"content-length: "):
                length = int(line[16:])
        return head, await self.reader.readexactly(length)

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Until the other side has closed."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass

    def reset(self) -> None:
        """Ends the connection with a TCP reset."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.writer.transport.abort()


class Upstream:
    """A server on 127.0.0.1 that runs `talk` on each connection and notes what went wrong in it."""

    def __init__(self, talk: Talk, context: ssl.SSLContext | None = None) -> None:
        self.talk = talk
        self.context = context
        self.connections = 0
        self.port = 0
        self.errors: list[BaseException] = []

    async def __aenter__(self) -> Upstream:
        self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self.context)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(Peer(self.connections, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError) as error:
            self.errors.append(error)
        finally:
            writer.close()

    def origin(self, host: str = "127.0.0.1") -> Origin:
        return Origin("https" if self.context else "http", host, self.port)


async def ask(client: Client, request: Outbound) -> RecordingSink:
    sink = RecordingSink()
    client.send(request, sink)
    return await sink.wait()


async def answers(peer: Peer) -> None:
    """Says ok to every request."""
    while True:
        await peer.request()
        await peer.say(OK)
