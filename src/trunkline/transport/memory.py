"""A transport and an event loop in memory: a protocol driven by hand, without sockets or waiting.

loop = MemoryLoop()
transport = MemoryTransport(loop, protocol)
transport.feed(b"GET / HTTP/1.1\\r\\n…")
loop.run()                    # what `call_soon` was given
transport.sent                # everything the protocol wrote
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class MemoryLoop(asyncio.AbstractEventLoop):
    """Time moves by `advance` only; callbacks run in `run` and `advance`. `errors` are the contexts given to the
    exception handler. Everything else an event loop can do raises NotImplementedError."""

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start
        self._soon: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._order = itertools.count()
        self.errors: list[dict[str, Any]] = []

    def time(self) -> float:
        return self._now

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.errors.append(context)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Called by asyncio; the heap skips cancelled handles."""

    def run(self) -> None:
        """Runs what is ready, and what that makes ready, without moving time."""
        while self._soon:
            handle = self._soon.popleft()
            if not handle.cancelled():
                handle._run()  # the one way to run a Handle; its errors go to `call_exception_handler`

    def advance(self, seconds: float) -> None:
        """Moves time on, stopping at every timer on the way."""
        until = self._now + seconds
        self.run()
        while self._timers and self._timers[0][0] <= until:
            when, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._now = max(self._now, when)
                handle._run()
                self.run()
        self._now = until


class MemoryTransport(asyncio.Transport):
    """The protocol's end of a connection whose other end is the test.

    `sent` is all that was written and has left the write buffer. The buffer is passed on at once unless `stalled`;
    then `take` plays the reader. `received_eof`: the protocol has closed its half. `closed`: the connection is gone,
    `aborted` if by force.
    """

    def __init__(self, loop: MemoryLoop, protocol: asyncio.Protocol, *, extra: dict[str, Any] | None = None) -> None:
        super().__init__(extra or {})
        self._loop = loop
        self._protocol = protocol
        self._buffer = bytearray()
        self._high = 64 * 1024
        self._low = 16 * 1024
        self._paused_protocol = False
        self._closing = False
        self.sent = bytearray()
        self.writes = 0
        self.stalled = False
        self.reading = True
        self.received_eof = False
        self.aborted = False
        self.closed = False
        protocol.connection_made(self)

    # --- the test's side -----------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> bool:
        """One read by the protocol. False, and nothing done, when it does not read (any more)."""
        if self._closing or not self.reading:
            return False
        self._protocol.data_received(data)
        return True

    def feed_eof(self) -> None:
        if not self._closing and not self._protocol.eof_received():
            self.close()

    def lose(self, error: Exception | None = None) -> None:
        """The connection dies under the protocol."""
        self._buffer.clear()
        self._lost(error)

    def take(self, size: int) -> bytes:
        """Reads up to `size` bytes out of the write buffer of a stalled transport."""
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self.sent += data
        if self._paused_protocol and len(self._buffer) <= self._low:
            self._paused_protocol = False
            self._protocol.resume_writing()
        if self._closing and not self._buffer:
            self._lost(None)
        return data

    def _lost(self, error: Exception | None) -> None:
        self._closing = True
        if not self.closed:
            self.closed = True
            self._loop.call_soon(self._protocol.connection_lost, error)

    # --- the protocol's side -------------------------------------------------------------------------------------
    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        if self._closing or self.received_eof:
            return
        if not self.stalled:
            self.sent += data
            return
        self._buffer += data
        if not self._paused_protocol and len(self._buffer) > self._high:
            self._paused_protocol = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = 64 * 1024 if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.received_eof = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading and not self._closing

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._buffer:
                self._lost(None)

    def abort(self) -> None:
        self.aborted = True
        self._buffer.clear()
        self._lost(None)
