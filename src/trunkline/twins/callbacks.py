"""Tells the `callback_url` of a task what becomes of it (wire-formats.md D.4).

One POST for every change, in their order: the next leaves when the one before has been taken or given up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import SplitResult, urlsplit

from trunkline.transport.client.client import Client
from trunkline.transport.contract import ClientLimits, Fault, Outbound, UpstreamCall
from trunkline.twins.studio import Task
from trunkline.types.fleet import Tls
from trunkline.types.wire import Headers, Origin

#: A success or failure that nobody took is told again, so often and after so long (D.4).
AGAIN = 3
PATIENCE = 5.0  # seconds


def read_address(url: str) -> tuple[Origin, str] | None:
    """Origin and target of an address that can be called back, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme, parts.hostname
    if scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        return None
    secure = scheme == "https"
    origin = Origin("https" if secure else "http", host, port or (443 if secure else 80))
    return origin, _target(parts)


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


class Callbacks:
    """The posts of one twin that are on their way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._client: Client | None = None
        self._lines: dict[str, _Line] = {}

    def tell(self, task: Task) -> None:
        """Something has changed."""
        line = self._lines.get(task.id)
        if line is None:
            address = read_address(task.order.callback)
            if address is None or task.state == "cancelled":
                return
            line = self._lines[task.id] = _Line(self, task.id, *address)
        if task.state != "cancelled":  # a call that is taken back is not reported
            line.add(task.order.report(task), AGAIN if task.state in ("succeeded", "failed") else 0)

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(ClientLimits())
        return self._client

    def idle(self, task_id: str) -> None:
        self._lines.pop(task_id, None)

    def close(self) -> None:
        for line in list(self._lines.values()):
            line.close()
        self._lines.clear()
        if self._client is not None:
            self._client.close()


class _Line:
    """The posts of one task; is the sink of the one that is on its way."""

    def __init__(self, callbacks: Callbacks, task_id: str, origin: Origin, target: str) -> None:
        self._callbacks = callbacks
        self._id = task_id
        self._origin = origin
        self._target = target
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._body = b""
        self._again = 0
        self._busy = False
        self._status = 0
        self._call: UpstreamCall | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, body: bytes, again: int) -> None:
        self._waiting.append((body, again))
        if not self._busy:
            self._busy = True
            self._callbacks.loop.call_soon(self._next)

    def close(self) -> None:
        self._waiting.clear()
        self._stop()

    def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            self._callbacks.idle(self._id)
            return
        self._body, self._again = self._waiting.popleft()
        self._post()

    def _post(self) -> None:
        self._status = 0
        self._timer = self._callbacks.loop.call_later(PATIENCE, self._late)
        headers: Headers = [(b"content-type", b"application/json"), (b"user-agent", b"ark-callback/1")]
        request = Outbound(
            origin=self._origin,
            method=b"POST",
            target=self._target.encode(),
            headers=headers,
            body=self._body,
            tls=Tls(),
        )
        self._call = self._callbacks.client.send(request, self)

    def _late(self) -> None:
        """The patience for one post is over: taken in the meantime, or told again."""
        self._stop()
        if self._again:
            self._again -= 1
            self._post()
        else:
            self._next()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._call is not None:
            self._call.abort()
            self._call = None

    # -- transport.contract.UpstreamSink ----------------------------------------------------------------------------

    def on_connected(self) -> None:
        """Nothing to do."""

    def on_head(self, status: int, headers: Headers) -> None:
        self._status = status

    def on_data(self, data: bytes) -> None:
        """What it says does not matter."""

    def on_end(self) -> None:
        self._call = None
        if 200 <= self._status <= 299:
            self._stop()
            self._next()
        elif not self._again:
            self._late()

    def on_fault(self, fault: Fault) -> None:
        self._call = None
        if not self._again:
            self._late()
