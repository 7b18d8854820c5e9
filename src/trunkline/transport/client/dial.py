"""Opening connections: each address in turn, through a proxy or not, with TLS or not.

uvloop has no Happy Eyeballs; a short time per address and the memory of the family that worked stand in for it.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from typing import cast

import msgspec

from trunkline.transport.client.connection import Connection
from trunkline.transport.client.contexts import Contexts
from trunkline.transport.client.proxy import Proxy
from trunkline.transport.client.resolve import Resolver
from trunkline.transport.contract import Fault, FaultKind
from trunkline.transport.egress import Egress
from trunkline.transport.tls import TlsProtocol
from trunkline.types.fleet import Tls
from trunkline.types.wire import Origin

ADDRESSES = 4  # tried per dial, so that a dead site costs a bounded time
PROXY_HEAD = 16384  # bytes of a proxy's answer to CONNECT
KEEPALIVE = (
    ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 30), (socket.TCP_KEEPCNT, 4))
    if hasattr(socket, "TCP_KEEPIDLE")
    else ()
)  # answers may take minutes without a byte; routers forget quiet connections

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN})
#: Faults after which the next address may still do, the most telling last. (A machine without IPv6 refuses to
#: connect to ::1 with an error of the second kind.)
_NEXT: dict[FaultKind, int] = {"reset": 0, "pool": 1, "refused": 2, "connect_timeout": 3}


class Target(msgspec.Struct, frozen=True):
    """Where to, and how."""

    origin: Origin
    tls: Tls
    proxy: Proxy | None
    guarded: bool = False


class Dialer:
    """`session` objects are kept per target, so that later handshakes are resumed."""

    def __init__(self, loop: asyncio.AbstractEventLoop, resolver: Resolver, egress: Egress | None = None):
        self._loop = loop
        self._resolver = resolver
        self.egress = egress if egress is not None else Egress()
        self._contexts = Contexts()
        self._sessions: dict[Target, tuple[ssl.SSLContext, ssl.SSLSession]] = {}

    async def open(self, target: Target, connection: Connection, patience: float) -> Fault | None:
        """Connects `connection`, or says why not. `patience` is seconds per address: TCP, proxy and TLS together."""
        proxy = target.proxy
        host, port = (proxy.host, proxy.port) if proxy is not None else (target.origin.host, target.origin.port)
        addresses = await self._resolver.addresses(host, patience)
        if not addresses:
            return Fault(kind="dns", message=f"{host} cannot be resolved")
        if target.guarded:
            judged = await self._guarded(target, patience)
            if isinstance(judged, Fault):
                return judged
            if proxy is None:
                addresses = judged
        failed: Fault | None = None
        for address in addresses[:ADDRESSES]:
            fault = await self._try(target, connection, (address, port), patience)
            if fault is None:
                self._resolver.worked(host, address)
                return None
            if fault.kind not in _NEXT:
                return fault
            if failed is None or _NEXT[fault.kind] > _NEXT[failed.kind]:
                failed = fault
        self._resolver.doubt(host)
        return failed

    async def _guarded(self, target: Target, patience: float) -> list[str] | Fault:
        """The addresses of a guarded target that were judged and found good: those, and no others, are connected to. A
        proxy that the configuration names resolves by itself; what we know of the name is judged all the same."""
        origin = target.origin
        addresses = await self._resolver.addresses(origin.host, patience)
        if not addresses:
            return Fault(kind="dns", message=f"{origin.host} cannot be resolved")
        good, refusal = self.egress.judge(origin.host, origin.port, addresses)
        return good if good else Fault(kind="egress", message=refusal)

    async def _try(
        self, target: Target, connection: Connection, address: tuple[str, int], patience: float
    ) -> Fault | None:
        try:
            async with asyncio.timeout(patience):
                return await self._connect(target, connection, address)
        except TimeoutError:
            return Fault(kind="connect_timeout", message=f"no connection to {address[0]} within {patience:g} s")
        except OSError as error:
            return Fault(kind=_kind(error), message=f"{address[0]}: {error.strerror or error}")

    async def _connect(self, target: Target, connection: Connection, address: tuple[str, int]) -> Fault | None:
        """Raises OSError (and lets the timeout through) only for the TCP connection itself."""
        ready: asyncio.Future[Fault | None] = self._loop.create_future()
        try:
            stack, layered = self._stack(target, connection, ready)
        except OSError as error:  # ssl.SSLError is one
            return Fault(kind="tls", message=f"TLS settings cannot be loaded: {error}")
        transport: asyncio.BaseTransport | None = None
        try:
            transport, _ = await self._loop.create_connection(lambda: stack, *address)
            _tune(transport)
            connection.address = _peer(transport, address)
            fault = await ready if layered else None
        except BaseException:  # cancelled or timed out half-way: nobody else knows this socket
            _abort(transport)
            raise
        if fault is None and not connection.is_usable():
            fault = Fault(kind="reset", message=f"{address[0]}: the connection ended at once")
        if fault is not None:
            _abort(transport)
        return fault

    def _stack(
        self, target: Target, connection: Connection, ready: asyncio.Future[Fault | None]
    ) -> tuple[asyncio.Protocol, bool]:
        """The protocols of one connection from the origin inwards: HTTP, TLS, CONNECT, TLS to the proxy. True when
        there is more than HTTP, so that `ready` will say when it stands."""
        proxy = target.proxy
        inner: asyncio.Protocol = connection
        if target.origin.scheme == "https":
            context = self._contexts.get(target.tls)
            known = self._sessions.get(target)
            inner = TlsProtocol(
                inner,
                context,
                server_hostname=target.origin.host,
                session=known[1] if known is not None and known[0] is context else None,
                on_handshake=lambda error: _settle(ready, _tls_fault(error)),
            )
            if proxy is not None:
                inner = _Tunnel(inner, proxy, target.origin, ready)
        if proxy is not None and proxy.scheme == "https":
            last = target.origin.scheme == "http"
            inner = TlsProtocol(
                inner,
                self._contexts.get(Tls()),
                server_hostname=proxy.host,
                on_handshake=lambda error: _proxy_secured(ready, error, last),
            )
        return inner, inner is not connection

    def remember(self, target: Target, connection: Connection) -> None:
        """Keeps the TLS session of a connection that has carried an answer (TLS 1.3 tickets come after the
        handshake)."""
        secure: ssl.SSLObject | None = connection.transport.get_extra_info("ssl_object")
        if secure is not None and secure.session is not None and target.origin.scheme == "https":
            self._sessions[target] = (secure.context, secure.session)

    def forget(self, target: Target) -> None:
        self._sessions.pop(target, None)


class _Tunnel(asyncio.Protocol):
    """Asks a proxy to connect to `origin`, then hands the transport to `inner`. Refusals go to `ready`."""

    __slots__ = ("_inner", "_origin", "_proxy", "_read", "_ready", "_transport")

    def __init__(self, inner: asyncio.Protocol, proxy: Proxy, origin: Origin, ready: asyncio.Future[Fault | None]):
        self._inner = inner
        self._proxy = proxy
        self._origin = origin
        self._ready = ready
        self._read = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        host = f"[{self._origin.host}]" if ":" in self._origin.host else self._origin.host
        authority = f"{host}:{self._origin.port}".encode("ascii")
        lines = [b"CONNECT " + authority + b" HTTP/1.1", b"host: " + authority]
        if self._proxy.authorization is not None:
            lines.append(b"proxy-authorization: " + self._proxy.authorization)
        self._transport.write(b"\r\n".join((*lines, b"", b"")))

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            if len(self._read) > PROXY_HEAD:
                self._refuse("the proxy's answer to CONNECT is too long")
            return
        status = _STATUS.match(self._read)
        if status is None:
            self._refuse("the proxy's answer to CONNECT is not HTTP")
        elif not 200 <= int(status[1]) < 300:
            self._refuse(f"the proxy answered CONNECT with status {int(status[1])}")
        elif end + 4 != len(self._read):
            self._refuse("the proxy sent bytes of its own into the tunnel")
        else:
            self._transport.set_protocol(self._inner)
            self._inner.connection_made(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse("the proxy closed the connection")

    def _refuse(self, message: str) -> None:
        _settle(self._ready, Fault(kind="proxy", message=message))


def _settle(ready: asyncio.Future[Fault | None], fault: Fault | None) -> None:
    if not ready.done():
        ready.set_result(fault)


def _proxy_secured(ready: asyncio.Future[Fault | None], error: Exception | None, last: bool) -> None:
    """TLS to the proxy stands (and nothing is to follow when it is the `last` layer), or failed."""
    if error is not None:
        _settle(ready, Fault(kind="proxy", message=f"TLS to the proxy failed: {error}"))
    elif last:
        _settle(ready, None)


def _tls_fault(error: Exception | None) -> Fault | None:
    if error is None:
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        return Fault(kind="certificate", message=error.verify_message)
    return Fault(kind="tls", message=str(error))


def _kind(error: OSError) -> FaultKind:
    """An error of connect(2). Those that are about this machine's sockets say nothing about the provider."""
    if error.errno in _OURS:
        return "pool"
    if error.errno == errno.ETIMEDOUT:
        return "connect_timeout"
    return "reset" if isinstance(error, ConnectionResetError) else "refused"


def _tune(transport: asyncio.BaseTransport) -> None:
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _peer(transport: asyncio.BaseTransport, address: tuple[str, int]) -> str:
    host, port = (transport.get_extra_info("peername") or address)[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _abort(transport: asyncio.BaseTransport | None) -> None:
    if transport is not None:
        cast(asyncio.Transport, transport).abort()
