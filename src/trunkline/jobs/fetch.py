"""One whole upstream answer, awaited: what a job asks of a provider is small and has an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from trunkline.transport.contract import Fault, Outbound, UpstreamCall, Upstreams
from trunkline.types.wire import Headers

LIMIT = 1 << 20  # bytes; a task is a few kilobytes


class Clock(Protocol):
    """An event loop, or the virtual one of the tests."""

    def time(self) -> float: ...


class Fetched(msgspec.Struct, kw_only=True):
    """What came of it. Exactly one of: `status` (a whole answer), `fault`, `timed_out`, `too_large`.

    `sent` says that the request may have reached the other side: then nothing but a whole answer proves anything.
    Instants are loop seconds, 0.0: never.
    """

    status: int = 0
    headers: Headers = []
    body: bytes = b""
    fault: Fault | None = None
    timed_out: bool = False
    too_large: bool = False
    sent: bool = False
    address: str = ""
    reused: bool = False
    started_at: float = 0.0
    connected_at: float = 0.0
    head_at: float = 0.0
    ended_at: float = 0.0

    @property
    def answered(self) -> bool:
        """A whole answer came."""
        return self.status > 0 and self.fault is None and not self.timed_out and not self.too_large


async def fetch(
    upstreams: Upstreams, request: Outbound, *, patience: float, limit: int = LIMIT, clock: Clock | None = None
) -> Fetched:
    """Never raises for what the other side does. `patience` in seconds, over everything. Cancelling it aborts the call."""
    loop = asyncio.get_running_loop()
    collecting = _Collecting(loop.create_future(), (clock or loop).time, limit)
    call = upstreams.send(request, collecting)
    collecting.call = call
    timer = loop.call_later(patience, collecting.late)
    try:
        await collecting.done
    finally:
        timer.cancel()
        if not collecting.ended:
            call.abort()
    found = collecting.found
    found.ended_at = collecting.clock()
    found.address, found.reused = call.address, call.reused
    return found


class _Collecting:
    """An `UpstreamSink`."""

    def __init__(self, done: asyncio.Future[None], clock: Callable[[], float], limit: int) -> None:
        self.done = done
        self.clock = clock
        self.found = Fetched(started_at=self.clock())
        self.call: UpstreamCall | None = None
        self.ended = False
        self._parts: list[bytes] = []
        self._size = 0
        self._limit = limit

    def on_connected(self) -> None:
        self.found.sent = True
        self.found.connected_at = self.clock()

    def on_head(self, status: int, headers: Headers) -> None:
        self.found.status, self.found.headers = status, headers
        self.found.head_at = self.clock()

    def on_data(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self.found.too_large = True
            self._finish(ended=False)
            return
        self._parts.append(data)

    def on_end(self) -> None:
        self.found.body = b"".join(self._parts)
        self._finish(ended=True)

    def on_fault(self, fault: Fault) -> None:
        self.found.fault = fault
        self.found.sent = self.found.sent or fault.sent
        self._finish(ended=True)

    def late(self) -> None:
        self.found.timed_out = True
        self._finish(ended=False)

    def _finish(self, *, ended: bool) -> None:
        self.ended = self.ended or ended
        if not self.done.done():
            self.done.set_result(None)
