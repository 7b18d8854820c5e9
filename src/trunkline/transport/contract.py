"""The border of the transport room: what the front door and the engine see of sockets.

Everything is callbacks on the event loop's thread; no task, timer or queue per chunk. Backpressure is explicit:
`blocked` / `on_writable` towards the client, `pause` / `resume` towards the upstream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from trunkline.types.fleet import Tls
from trunkline.types.wire import Headers, Origin

# --- server ---------------------------------------------------------------------------------------------------


class CallWatcher(Protocol):
    """Set as `call.watcher` by whoever answers; told what happens to the client in the meantime."""

    def on_gone(self) -> None:
        """The client closed its side or the connection died before the answer ended. Called at most once, and
        never because the *server* drains."""
        ...

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        """Takes the place of `on_gone` when the transport itself answers (a body that is too large or too slow, the end
        of memory) before an answer has begun. Returns headers for that answer."""
        ...

    def on_blocked(self) -> None:
        """The write buffer is above its high-water mark (64 KiB): stop producing."""
        ...

    def on_writable(self) -> None: ...


class Call(Protocol):
    """One request on a server connection, and the way to answer it.

    `target` is the raw request target. `headers` are lower-cased. `peer` is the client's address (never logged).
    `body` is complete when `Application.on_request` is called. Times are loop seconds.
    """

    method: bytes
    target: bytes
    headers: Headers
    peer: str
    body: bytes
    head_at: float
    body_at: float
    watcher: CallWatcher | None
    bytes_out: int

    @property
    def blocked(self) -> bool: ...

    @property
    def gone(self) -> bool: ...

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """The whole answer with Content-Length, in one write. If the request's body is still arriving, the
        connection is closed after the answer."""
        ...

    def start(self, status: int, headers: Headers, length: int | None = None) -> None:
        """Head of a streamed answer: chunked (or ended by close for HTTP/1.0), or of `length` bytes if that is known;
        ending such a one early cuts it. Held back until the first `write` or `flush`, so that head and first bytes leave
        in one write."""
        ...

    def write(self, data: bytes) -> None: ...

    def flush(self) -> None:
        """Send a head that `start` holds back."""
        ...

    def end(self) -> None: ...

    def abort(self) -> None:
        """Cut the transfer so that the client sees a truncated body, never a clean end."""
        ...

    def reset(self) -> None:
        """Close the connection at once with a TCP reset (SO_LINGER 0), whatever was sent. For twins and drills."""
        ...


class Application(Protocol):
    """The front door."""

    def on_head(self, call: Call) -> int:
        """Head read. Returns how many body bytes may follow at most; -1 when it has already answered."""
        ...

    def on_request(self, call: Call) -> None:
        """Head and body are complete."""
        ...


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the front door, each with the reason it exists (reliability.md section 4). Seconds and bytes."""

    header_bytes: int = 32 * 1024
    header_count: int = 128
    body_bytes: int = 32 << 20
    inflight_bytes: int = 256 << 20
    header_timeout: float = 10.0
    body_grace: float = 5.0
    body_rate: int = 1024
    idle_timeout: float = 60.0
    write_timeout: float = 60.0
    connections: int = 16384
    connections_per_address: int = 8192
    high_water: int = 64 * 1024
    pipeline: int = 16


# --- client ---------------------------------------------------------------------------------------------------

#: Why an upstream connection failed. `stale` never surfaces: it is replaced inside the client.
FaultKind = Literal[
    "dns",
    "refused",
    "connect_timeout",
    "tls",
    "certificate",
    "proxy",
    "reset",
    "cut",
    "protocol",
    "pool",
    "too_large",
    "egress",
]


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A connection-level failure. `before_response` says that no response byte had arrived; `sent` that at least
    one request byte was handed to the socket."""

    kind: FaultKind
    message: str
    before_response: bool = True
    sent: bool = False


class UpstreamSink(Protocol):
    """Receives one upstream answer. After `on_end` or `on_fault` nothing more comes; after `abort` nothing at all."""

    def on_connected(self) -> None:
        """A connection is in hand and the request has been written to it."""
        ...

    def on_head(self, status: int, headers: Headers) -> None: ...

    def on_data(self, data: bytes) -> None: ...

    def on_end(self) -> None: ...

    def on_fault(self, fault: Fault) -> None: ...


class UpstreamCall(Protocol):
    """One request in flight. `address` is the connected ip:port, "" before."""

    address: str
    reused: bool

    def abort(self) -> None:
        """Stop now: the socket is closed (or the wait for one given up) before this returns."""
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...


class Outbound(msgspec.Struct, frozen=True, kw_only=True):
    """A request to send. `headers` lack Host and Content-Length. `connect_timeout` in seconds, per address tried.

    `once`: it creates something. It goes out on a connection of its own and is never replayed on another one, so that
    the other side cannot have seen it twice. `guarded`: its URL came from a request or from data, not from the
    configuration (reliability.md K1): only addresses that the egress rules let pass are connected to.
    """

    origin: Origin
    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    tls: Tls
    proxy: str | None = None
    connect_timeout: float = 2.0
    once: bool = False
    guarded: bool = False


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    connections_per_origin: int = 4096
    waiting_per_origin: int = 1024
    wait: float = 1.0
    idle_expiry: float = 30.0
    header_bytes: int = 64 * 1024
    dns_ttl: float = 30.0
    dns_stale: float = 3600.0


class Upstreams(Protocol):
    """The client side of transport as the engine sees it; a scripted one ships in `transport.scripted`."""

    def send(self, request: Outbound, sink: UpstreamSink) -> UpstreamCall: ...

    def probe(self, request: Outbound, done: Callable[[Fault | None], None]) -> None:
        """A bare connect (and TLS handshake) to the request's origin; nothing is sent. `done` is called exactly once,
        with None when the connection stood."""
        ...

    def close(self) -> None: ...
