"""A fast raw HTTP/1.1 client: keep-alive, many connections at once, every byte kept, nothing repeated or smoothed over."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

import httptools
import uvloop

from gateway_rig import CLIENTS, Answer, request

T = TypeVar("T")


def run(scene: Coroutine[Any, Any, T]) -> T:
    """Runs a scene on uvloop, so that the client is not what is being measured."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(scene)


class Reply:
    """One answer as it grows. `begun` is set with the first body byte, `ended` at the proper or improper end."""

    def __init__(self, client: str = "", stream: bool = False, *, keep: bool = True) -> None:
        self.client = client
        self.stream = stream
        self.keep = keep
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.size = 0
        self.clean = False
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    @property
    def answer(self) -> Answer:
        return Answer(self.status, self.headers, bytes(self.body), self.clean)

    @property
    def id(self) -> str:
        """The gateway's id of this exchange; empty when no head came."""
        return self.headers.get("x-trunkline-request-id", "")

    def __repr__(self) -> str:
        kind = "stream" if self.stream else "answer"
        return f"<{self.client} {kind} {self.status} clean={self.clean} …{bytes(self.body[-120:])!r}>"


class Connection(asyncio.Protocol):
    """One request at a time. After `Connection: close`, or when the other side closes, `open` is false."""

    def __init__(self) -> None:
        self.open = False
        self.closed = asyncio.Event()
        self.transport: asyncio.Transport
        self._reply: Reply | None = None
        self._parser: Any = None

    @classmethod
    async def to(cls, port: int) -> Connection:
        _, made = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return made

    def send(self, data: bytes, reply: Reply) -> Reply:
        self._reply = reply
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(data)
        return reply

    def stall(self) -> None:
        """Stop reading from the socket."""
        self.transport.pause_reading()

    def abort(self) -> None:
        self.transport.abort()

    # --- asyncio.Protocol ------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.open = True

    def data_received(self, data: bytes) -> None:
        if self._parser is not None:
            self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.closed.set()
        if self._reply is not None:
            self._reply.ended.set()
            self._reply.begun.set()

    # --- httptools -------------------------------------------------------------------------------------------------
    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._reply is not None
        self._reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        assert self._reply is not None
        self._reply.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        reply = self._reply
        assert reply is not None
        reply.size += len(data)
        if reply.keep:
            reply.body += data
        reply.begun.set()

    def on_message_complete(self) -> None:
        reply = self._reply
        assert reply is not None
        if reply.status >= 200:
            self._reply = None
            reply.clean = True
            reply.begun.set()
            reply.ended.set()
            if reply.headers.get("connection", "").lower() == "close":
                self.open = False


def post(
    client: str, model: str, key: str, *, stream: bool, text: str = "Tell me something.", close: bool = True
) -> bytes:
    """A request in a client's dialect, as it goes onto the wire."""
    path, headers, body = request(client, model, key, stream, text)
    data = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: gateway", f"content-length: {len(data)}", "content-type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["connection: close"] if close else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def begin(port: int, key: str, client: str, model: str, *, stream: bool = True, keep: bool = True) -> Reply:
    """Opens a connection, sends, and returns at once with the growing reply."""
    reply = Reply(client, stream, keep=keep)
    connection = await Connection.to(port)
    return connection.send(post(client, model, key, stream=stream), reply)


async def streams(port: int, key: str, model: str, count: int) -> list[Reply]:
    """`count` live streams, in all dialects by turns; each has shown its first byte."""
    made = [await begin(port, key, CLIENTS[n % 3], model) for n in range(count)]
    for reply in made:
        await reply.begun.wait()
    return made


async def crowd(port: int, key: str, model: str, *, clients: int, requests: int, seen: list[Reply]) -> None:
    """`clients` keep-alive connections share `requests` non-streamed calls in all dialects. A connection that the server
    closed after a complete answer is replaced; a call that got no answer stands in `seen` with status 0."""
    left = iter(range(requests))

    async def one() -> None:
        connection = await Connection.to(port)
        for number in left:
            if not connection.open:
                connection = await Connection.to(port)
            reply = Reply(CLIENTS[number % 3])
            connection.send(post(reply.client, model, key, stream=False, close=False), reply)
            await reply.ended.wait()
            seen.append(reply)
        connection.abort()

    await asyncio.gather(*(one() for _ in range(clients)))


async def raw(port: int, data: bytes, within: float = 5.0) -> bytes:
    """Sends bytes as they are and returns everything until the server closes, or what came `within` seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        writer.write(data)
        async with asyncio.timeout(within):
            while chunk := await reader.read(65536):
                answer += chunk
    writer.close()
    return answer
