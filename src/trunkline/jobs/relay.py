"""One file of somebody else's, streamed to one client: paused while the client is slow, cut when it is cut, never ended well
when it was not whole."""

from __future__ import annotations

import asyncio

import msgspec

from trunkline.transport.contract import Call, Fault, Outbound, UpstreamCall, Upstreams
from trunkline.types.wire import Headers

IDLE = 60.0  # seconds without a byte from the other side, while it is not we who wait
HEAD_WITHIN = 60.0
_PASSED = frozenset({b"content-type", b"content-range", b"accept-ranges", b"etag", b"last-modified"})
_GOOD = frozenset({200, 206, 416})
_GONE = frozenset({403, 404, 410})


class Relayed(msgspec.Struct, kw_only=True):
    """`started`: the head has left, the rest is written or cut. Otherwise why not: `gone` (the file is no longer there), or
    `problem` in words. `whole`: all of it has been handed to the transport."""

    started: bool = False
    whole: bool = False
    gone: bool = False
    status: int = 0
    size: int = 0
    problem: str = ""


async def relay(upstreams: Upstreams, call: Call, request: Outbound, headers: Headers) -> Relayed:
    """Streams the answer to `request` as the answer to `call`; `headers` are added to its head."""
    relaying = Relay(call, headers, asyncio.get_running_loop())
    relaying.upstream = upstreams.send(request, relaying)
    before, call.watcher = call.watcher, relaying
    try:
        await relaying.done
    finally:
        relaying.close()
        if call.watcher is relaying:
            call.watcher = before
    return relaying.result


class Relay:
    """`UpstreamSink` and `CallWatcher` of one transfer."""

    def __init__(self, call: Call, headers: Headers, loop: asyncio.AbstractEventLoop) -> None:
        self.call = call
        self.headers = headers
        self.loop = loop
        self.done: asyncio.Future[None] = loop.create_future()
        self.result = Relayed()
        self.upstream: UpstreamCall | None = None
        self._paused = False
        self._ended = False
        self._refused = False
        self._heard = loop.time()
        self._timer = loop.call_later(HEAD_WITHIN, self._look)

    def close(self) -> None:
        self._timer.cancel()
        if not self._ended and self.upstream is not None:
            self._ended = True
            self.upstream.abort()

    def _finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _look(self) -> None:
        """Silence for too long, unless we are the ones who have asked for it."""
        idle = self.loop.time() - self._heard
        if self._paused or idle < IDLE:
            self._timer = self.loop.call_later(IDLE if self._paused else IDLE - idle + 0.001, self._look)
            return
        self._cut("the other side fell silent")

    def _cut(self, problem: str) -> None:
        self.result.problem = problem
        if self.result.started:
            self.call.abort()
        self._finish()

    # --- UpstreamSink ------------------------------------------------------------------------------------------------
    def on_connected(self) -> None:
        """The head is what counts."""

    def on_head(self, status: int, headers: Headers) -> None:
        self._heard = self.loop.time()
        self.result.status = status
        if status not in _GOOD:
            self._refused = True
            self.result.gone = status in _GONE
            self.result.problem = f"status {status}"
            return
        length: int | None = None
        passed: Headers = []
        for name, value in headers:
            if name == b"content-length" and value.isdigit():
                length = int(value)
            elif name in _PASSED:
                passed.append((name, value))
        self.result.started = True
        self.call.start(status, [*passed, *self.headers], length)
        self.call.flush()

    def on_data(self, data: bytes) -> None:
        self._heard = self.loop.time()
        if self._refused:
            return
        self.result.size += len(data)
        self.call.write(data)
        if self.call.blocked and not self._paused:
            self.on_blocked()

    def on_end(self) -> None:
        self._ended = True
        if self.result.started:
            self.result.whole = True
            self.call.end()
        self._finish()

    def on_fault(self, fault: Fault) -> None:
        self._ended = True
        self._cut(f"{fault.kind}: {fault.message}")

    # --- CallWatcher -------------------------------------------------------------------------------------------------
    def on_gone(self) -> None:
        self.result.problem = "the client left"
        self.close()
        self._finish()

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        self.on_gone()
        return []

    def on_blocked(self) -> None:
        self._paused = True
        if self.upstream is not None and not self._ended:
            self.upstream.pause()

    def on_writable(self) -> None:
        if self._paused:
            self._paused = False
            self._heard = self.loop.time()
            if self.upstream is not None and not self._ended:
                self.upstream.resume()
