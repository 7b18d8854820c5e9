"""Upstreams that follow a script: what the engine's tests speak to instead of sockets.

    upstreams = ScriptedUpstreams(
        fault("refused"),
        answer(200, [(b"content-type", b"text/event-stream")], [b"data: 1\\n\\n", (0.5, b"data: 2\\n\\n")]),
    )

Scripts are used in the order given, one per `send`; those of `queue(origin, …)` before the others, for that origin
only. Delays are loop seconds before the step. Nothing happens inside `send` but `on_connected`, and only when the
script says `reused`; everything else comes from `call_soon` and `call_later`, so it works in a `VirtualLoop`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from trunkline.transport.contract import Fault, FaultKind, Outbound, UpstreamSink
from trunkline.types.wire import Headers, Origin

Chunk = bytes | tuple[float, bytes]


class Step(msgspec.Struct, frozen=True):
    """`act` after `delay` seconds. `data` is for "data", `status` and `headers` for "head", `fault` for "fault"."""

    act: Literal["connected", "head", "data", "end", "fault"]
    delay: float = 0.0
    data: bytes = b""
    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    fault: Fault | None = None


class Script(msgspec.Struct, frozen=True):
    """What one upstream call does. A script that ends without "end" or "fault" stays silent from there on."""

    steps: tuple[Step, ...]
    reused: bool = False


def answer(
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = (),
    chunks: Sequence[Chunk] | bytes = (),
    *,
    delay: float = 0.0,
    reused: bool = False,
) -> Script:
    """A complete answer: head after `delay`, each chunk after its own delay, a clean end."""
    return Script((*_opening(status, headers, chunks, delay), Step("end")), reused)


def cut(
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = (),
    chunks: Sequence[Chunk] | bytes = (),
    *,
    delay: float = 0.0,
    after: float = 0.0,
) -> Script:
    """An answer that breaks `after` seconds behind its last chunk."""
    broken = Fault(kind="cut", message="scripted cut", before_response=False, sent=True)
    return Script((*_opening(status, headers, chunks, delay), Step("fault", after, fault=broken)))


def hang(
    status: int = 200,
    headers: Iterable[tuple[bytes, bytes]] = (),
    chunks: Sequence[Chunk] | bytes = (),
    *,
    delay: float = 0.0,
) -> Script:
    """An answer that never goes on after its last chunk."""
    return Script(_opening(status, headers, chunks, delay))


def fault(kind: FaultKind, *, delay: float = 0.0, sent: bool | None = None) -> Script:
    """A fault before any response byte. By default only `reset`, `cut` and `protocol` count as sent."""
    was_sent = kind in ("reset", "cut", "protocol", "too_large") if sent is None else sent
    failed = Step("fault", delay, fault=Fault(kind=kind, message=f"scripted {kind}", sent=was_sent))
    return Script((Step("connected"), failed) if was_sent else (failed,))


def silence(*, connected: bool = True) -> Script:
    """A provider that accepts the connection (or not even that) and never says a word."""
    return Script((Step("connected"),) if connected else ())


def _opening(
    status: int, headers: Iterable[tuple[bytes, bytes]], chunks: Sequence[Chunk] | bytes, delay: float
) -> tuple[Step, ...]:
    parts: Sequence[Chunk] = (chunks,) if isinstance(chunks, bytes) else chunks
    data = [Step("data", data=c) if isinstance(c, bytes) else Step("data", c[0], c[1]) for c in parts]
    return (Step("connected"), Step("head", delay, status=status, headers=tuple(headers)), *data)


class ScriptedCall:
    """An `UpstreamCall`, and what happened to it: `aborted`, `paused`, `pauses` (how often), `ended`."""

    __slots__ = (
        "_handle",
        "_loop",
        "_next",
        "_script",
        "_sink",
        "aborted",
        "aborted_at",
        "address",
        "ended",
        "paused",
        "pauses",
        "request",
        "reused",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, request: Outbound, script: Script, sink: UpstreamSink):
        self._loop = loop
        self._script = script
        self._sink = sink
        self._next = 0
        self._handle: asyncio.Handle | None = None
        self.request = request
        self.address = ""
        self.reused = script.reused
        self.aborted = False
        self.aborted_at = 0.0
        self.paused = False
        self.pauses = 0
        self.ended = False

    def begin(self) -> None:
        steps = self._script.steps
        if self.reused and steps and steps[0].act == "connected":
            self._next = 1
            self._connected()
        self._schedule()

    def abort(self) -> None:
        if not self.ended and not self.aborted:
            self.aborted = True
            self.aborted_at = self._loop.time()
        self._cancel()

    def pause(self) -> None:
        if not self.paused:
            self.paused = True
            self.pauses += 1

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            if self._handle is None:
                self._schedule()

    def _cancel(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _schedule(self) -> None:
        if self.aborted or self.ended or self._next >= len(self._script.steps):
            return
        delay = self._script.steps[self._next].delay
        self._handle = self._loop.call_later(delay, self._run) if delay else self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._handle = None
        step = self._script.steps[self._next]
        if self.paused and step.act != "connected":
            return
        self._next += 1
        match step.act:
            case "connected":
                self._connected()
            case "head":
                self._sink.on_head(step.status, list(step.headers))
            case "data":
                self._sink.on_data(step.data)
            case "end":
                self.ended = True
                self._sink.on_end()
            case "fault":
                assert step.fault is not None
                self.ended = True
                self._sink.on_fault(step.fault)
        if self._handle is None:
            self._schedule()

    def _connected(self) -> None:
        self.address = f"{self.request.origin.host}:{self.request.origin.port}"
        self._sink.on_connected()


class ScriptedUpstreams:
    """An `Upstreams`. `requests` and `calls` are what was sent, in order. `otherwise` answers when no script is left;
    without it, running out of scripts is an error in the test. `probes` are origins asked for; `probe_faults` is
    consulted by origin."""

    def __init__(self, *scripts: Script, otherwise: Script | Callable[[Outbound], Script] | None = None):
        self._scripts: deque[Script] = deque(scripts)
        self._by_origin: dict[Origin, deque[Script]] = {}
        self._otherwise = otherwise
        self.calls: list[ScriptedCall] = []
        self.probes: list[Origin] = []
        self.probe_faults: dict[Origin, Fault] = {}
        self.closed = False

    @property
    def requests(self) -> list[Outbound]:
        return [call.request for call in self.calls]

    @property
    def left(self) -> int:
        """Scripts not used yet."""
        return len(self._scripts) + sum(map(len, self._by_origin.values()))

    def queue(self, origin: Origin, *scripts: Script) -> None:
        """Scripts for calls to this origin only."""
        self._by_origin.setdefault(origin, deque()).extend(scripts)

    def push(self, *scripts: Script) -> None:
        self._scripts.extend(scripts)

    def send(self, request: Outbound, sink: UpstreamSink) -> ScriptedCall:
        call = ScriptedCall(asyncio.get_running_loop(), request, self._script(request), sink)
        self.calls.append(call)
        call.begin()
        return call

    def _script(self, request: Outbound) -> Script:
        own = self._by_origin.get(request.origin)
        if own:
            return own.popleft()
        if self._scripts:
            return self._scripts.popleft()
        if self._otherwise is None:
            raise AssertionError(f"no script is left for {request.method.decode()} {request.origin.authority}")
        return self._otherwise if isinstance(self._otherwise, Script) else self._otherwise(request)

    def probe(self, request: Outbound, done: Callable[[Fault | None], None]) -> None:
        self.probes.append(request.origin)
        asyncio.get_running_loop().call_soon(done, self.probe_faults.get(request.origin))

    def close(self) -> None:
        self.closed = True
        for call in self.calls:
            call.abort()


def head(content_type: bytes = b"application/json", **extra: str) -> Headers:
    """Response headers in short: `head(retry_after="2")` has `content-type` and `retry-after`."""
    return [
        (b"content-type", content_type),
        *((name.replace("_", "-").encode(), value.encode()) for name, value in extra.items()),
    ]
