"""What the tests of the HTTP server share: an application to script, a watcher that notes, a server in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from transport_doubles import AtOnce
from trunkline.transport.contract import Call, ServerLimits
from trunkline.transport.memory import MemoryLoop, MemoryTransport
from trunkline.transport.server import Server
from trunkline.transport.server.connection import Connection
from trunkline.types.wire import Headers

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, *headers: bytes, target: bytes = b"/") -> bytes:
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (target, lines, len(body), body)


class Desk:
    """An application. `heads` and `calls` are what it was handed; `at_head` and `at_request` answer, if given."""

    def __init__(
        self,
        at_request: Callable[[Call], None] | None = None,
        *,
        at_head: Callable[[Call], None] | None = None,
        allow: int = 1 << 20,
    ) -> None:
        self.at_request = at_request
        self.at_head = at_head
        self.allow = allow
        self.heads: list[Call] = []
        self.calls: list[Call] = []

    def on_head(self, call: Call) -> int:
        self.heads.append(call)
        call.watcher = Watcher()
        if self.at_head is not None:
            self.at_head(call)
            return -1
        return self.allow

    def on_request(self, call: Call) -> None:
        self.calls.append(call)
        if self.at_request is not None:
            self.at_request(call)

    @property
    def targets(self) -> list[bytes]:
        return [call.target for call in self.calls]


class Watcher:
    def __init__(self) -> None:
        self.events: list[str] = []

    def on_gone(self) -> None:
        self.events.append("gone")

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        self.events.append(f"refused {status}")
        return [(b"x-told", code.encode())]

    def on_blocked(self) -> None:
        self.events.append("blocked")

    def on_writable(self) -> None:
        self.events.append("writable")


def events(call: Call) -> list[str]:
    """What the watcher that `Desk` gave a call has been told. (A call that has ended has no watcher any more.)"""
    assert isinstance(call.watcher, Watcher)
    return call.watcher.events


def ok(call: Call) -> None:
    call.respond(200, [], b"ok")


class Line:
    """A server in memory with one connection to it."""

    def __init__(self, desk: Desk, **limits: Any) -> None:
        self.loop = MemoryLoop()
        self.server = Server(desk, ServerLimits(**limits), loop=self.loop, outbox=AtOnce())
        self.transport, self.connection = self.dial()

    def dial(self) -> tuple[MemoryTransport, Connection]:
        """One more connection."""
        connection = self.server.connection("192.0.2.1")
        return MemoryTransport(self.loop, connection), connection

    def feed(self, *reads: bytes) -> None:
        for data in reads:
            self.transport.feed(data)
            self.loop.run()

    @property
    def sent(self) -> bytes:
        return bytes(self.transport.sent)

    @property
    def status(self) -> int:
        """Status of the first answer, 0 without one."""
        return int(self.sent[9:12] or b"0")

    @property
    def error(self) -> str:
        """The code of the refusal that came last."""
        return str(json.loads(self.sent.rpartition(b"\r\n\r\n")[2])["error"]["code"])

    @property
    def over(self) -> bool:
        """The server reads no further request from this connection."""
        return self.transport.received_eof or self.transport.is_closing()


def without_date(answer: bytes) -> bytes:
    lines = answer.split(b"\r\n")
    dates = [line for line in lines if line.startswith(b"date: ")]
    assert len(dates) == 1
    return b"\r\n".join(line for line in lines if not line.startswith(b"date: "))
