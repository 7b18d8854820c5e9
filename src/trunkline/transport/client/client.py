"""The client side of transport: `Upstreams` over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.transport.client.connection import ClientCall, Connection, Keeper
from trunkline.transport.client.dial import Dialer, Target
from trunkline.transport.client.lane import CLOSED, Lane
from trunkline.transport.client.proxy import Proxy, ProxyRules, parse_proxy
from trunkline.transport.client.resolve import Lookup, Resolver
from trunkline.transport.contract import ClientLimits, Fault, Outbound, UpstreamSink
from trunkline.transport.egress import Egress
from trunkline.transport.timers import Deadlines
from trunkline.transport.turn import EndOfTurn, Outbox
from trunkline.types.fleet import Tls
from trunkline.types.wire import Origin

Key = tuple[Origin, Tls, str | None, bool]  # the last: guarded


class Client:
    """One per event loop; make it while the loop runs. `deadlines` is the worker's wheel, shared with others.

    `proxies` are used for requests that name none, `egress` for guarded ones (whose addresses it judges; without it none but
    public ones are connected to). `lookup` replaces the system's name resolution in tests.
    """

    def __init__(
        self,
        limits: ClientLimits | None = None,
        *,
        deadlines: Deadlines | None = None,
        outbox: Outbox | None = None,
        proxies: ProxyRules | None = None,
        lookup: Lookup | None = None,
        egress: Egress | None = None,
    ):
        self.limits = limits or ClientLimits()
        self.loop = asyncio.get_running_loop()
        self.deadlines = deadlines or Deadlines(self.loop)
        self.outbox: Outbox = outbox if outbox is not None else EndOfTurn(self.loop)
        self._proxies = proxies or ProxyRules()
        self._resolver = Resolver(self.loop, ttl=self.limits.dns_ttl, stale=self.limits.dns_stale, lookup=lookup)
        self.egress = egress if egress is not None else Egress()
        self.dialer = Dialer(self.loop, self._resolver, self.egress)
        self._lanes: dict[Key, Lane] = {}
        self._probes: dict[asyncio.Task[Fault | None], Callable[[Fault | None], None]] = {}
        self._closed = False

    # --- Upstreams -------------------------------------------------------------------------------------------------
    def send(self, request: Outbound, sink: UpstreamSink) -> ClientCall:
        """Sends now if a connection is idle (`on_connected` is then called before this returns), else as soon as
        there is one. Raises ValueError when header or target would break the request's framing, or `request.proxy`
        is no proxy; every other failure is an `on_fault` later."""
        key = (request.origin, request.tls, request.proxy, request.guarded)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self, key, self._target(key))
            if self._closed:
                lane.close()
        return lane.send(request, sink)

    def probe(self, request: Outbound, done: Callable[[Fault | None], None]) -> None:
        """A bare connect and TLS handshake on a connection of its own, closed at once."""
        target = self._target((request.origin, request.tls, request.proxy, request.guarded))
        task = self.loop.create_task(self._probe(target, request.connect_timeout))
        self._probes[task] = done
        task.add_done_callback(self._probed)

    def _target(self, key: Key) -> Target:
        origin, tls, url, guarded = key
        if guarded:
            named = self.egress.proxy
            return Target(origin, tls, parse_proxy(named) if named is not None else None, True)
        proxy: Proxy | None = self._proxies.choose(origin) if url is None else parse_proxy(url)
        return Target(origin, tls, proxy)

    def use_egress(self, egress: Egress) -> None:
        """Other rules for guarded requests, from the next connection on."""
        self.egress = self.dialer.egress = egress

    def forget(self, lane: Lane) -> None:
        """The lane has no connection and no request."""
        if self._lanes.pop(lane.key, None) is not None:
            self.dialer.forget(lane.target)

    async def _probe(self, target: Target, patience: float) -> Fault | None:
        connection = Connection(_NOBODY, self.outbox, self.limits.header_bytes)
        fault = await self.dialer.open(target, connection, patience)
        if fault is None:
            connection.close()
        return fault

    def _probed(self, task: asyncio.Task[Fault | None]) -> None:
        done = self._probes.pop(task)
        done(Fault(kind="pool", message=CLOSED) if task.cancelled() else task.result())

    def close(self) -> None:
        """Closes everything. Calls in flight get a fault; afterwards every `send` does."""
        self._closed = True
        for lane in list(self._lanes.values()):
            lane.close()
        self._lanes.clear()
        for task in list(self._probes):
            task.cancel()
        self._resolver.close()

    # --- numbers ---------------------------------------------------------------------------------------------------
    @property
    def idle(self) -> int:
        """Connections in the pools without a request."""
        return sum(len(lane.pool.idle) for lane in self._lanes.values())

    @property
    def live(self) -> int:
        """Connections open or being opened."""
        return sum(lane.pool.live for lane in self._lanes.values())

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection to become free."""
        return sum(lane.pool.waiting for lane in self._lanes.values())


class _Nobody:
    """The `Keeper` of a connection that carries no request."""

    def on_free(self, connection: Connection) -> None: ...

    def on_ended(self, connection: Connection) -> None: ...

    def on_stale(self, connection: Connection, call: ClientCall) -> None: ...

    def on_give_up(self, call: ClientCall) -> None: ...


_NOBODY: Keeper = _Nobody()
