"""All connections to one target: the pool's decisions turned into sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.transport.client.connection import ClientCall, Connection
from trunkline.transport.client.pool import Pool
from trunkline.transport.client.request import HeadWriter, prefix
from trunkline.transport.contract import Outbound, UpstreamSink

if TYPE_CHECKING:
    from trunkline.transport.client.client import Client, Key
    from trunkline.transport.client.dial import Target


CLOSED = "the client is closed"


class Lane:
    """A `Keeper`, and an `Entry` of the deadlines: idle connections expire and waits end here."""

    __slots__ = (
        "_client",
        "_closed",
        "_connections",
        "_dialling",
        "_heads",
        "_timed",
        "key",
        "pool",
        "target",
    )

    def __init__(self, client: Client, key: Key, target: Target):
        self._client = client
        self.key = key
        self.target = target
        self.pool: Pool[Connection, ClientCall] = Pool(client.limits)
        self._connections: set[Connection] = set()
        self._dialling: set[ClientCall] = set()
        self._timed = False  # an entry of the deadlines is alive for what is in the pool
        self._closed = False
        proxy = target.proxy
        plain_proxy = proxy is not None and target.origin.scheme == "http"
        authority = target.origin.authority
        start = f"http://{authority}".encode("ascii") if plain_proxy else b""
        between = prefix(authority, proxy.authorization if proxy is not None and plain_proxy else None)
        self._heads = HeadWriter(start, between)

    # --- requests --------------------------------------------------------------------------------------------------
    def send(self, request: Outbound, sink: UpstreamSink) -> ClientCall:
        call = ClientCall(request, self._heads.head(request), sink, self)
        pool = self.pool
        while pool.idle and not request.once:
            connection = pool.take()
            assert connection is not None
            if connection.is_usable():
                connection.send(call)
                return call
            connection.abort()
        if self._closed:
            self._client.loop.call_soon(call.fail, "pool", CLOSED)
            return call
        verdict = pool.ask(call, self._client.loop.time())
        if verdict == "dial":
            self._dial(call)
        elif verdict == "wait":
            self._time()
        else:
            self._client.loop.call_soon(call.fail, "pool", "too many requests wait for a connection")
        return call

    def _dial(self, call: ClientCall) -> None:
        self._dialling.add(call)
        call.dial = self._client.loop.create_task(self._open(call))

    async def _open(self, call: ClientCall) -> None:
        connection = Connection(self, self._client.outbox, self._client.limits.header_bytes)
        fault = await self._client.dialer.open(self.target, connection, call.request.connect_timeout)
        call.dial = None
        self._dialling.discard(call)
        if fault is None:
            self._connections.add(connection)
            connection.send(call)
        else:
            self._pass_on(None)
            call.fail(fault.kind, fault.message)

    def _pass_on(self, connection: Connection | None) -> None:
        """A connection or a dial is over: the next one who waits may dial."""
        heir = self.pool.gone(connection)
        if heir is not None:
            self._dial(heir)
        elif not self.pool.live and not self._timed and not self._closed:
            self._timed = True
            self._client.deadlines.add(self, self._client.loop.time() + self._client.limits.idle_expiry)

    # --- Keeper ----------------------------------------------------------------------------------------------------
    def on_free(self, connection: Connection) -> None:
        if connection.used == 1:
            self._client.dialer.remember(self.target, connection)
        heir = self.pool.put(connection, self._client.loop.time())
        if heir is not None:
            connection.send(heir)
        elif not self._timed:
            self._time()

    def on_ended(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._pass_on(connection)

    def on_stale(self, connection: Connection, call: ClientCall) -> None:
        """The place of the dead connection is taken by a fresh one, so nothing changes in the count."""
        self._connections.discard(connection)
        if self._closed:
            call.fail("reset", CLOSED)
        else:
            self._dial(call)

    def on_give_up(self, call: ClientCall) -> None:
        if call.dial is not None:
            call.dial.cancel()
            call.dial = None
            self._dialling.discard(call)
            self._pass_on(None)
        else:
            self.pool.give_up(call)

    # --- time ------------------------------------------------------------------------------------------------------
    def _time(self) -> None:
        due = self.pool.due()
        if due is not None:
            self._timed = True
            self._client.deadlines.add(self, due)

    def on_deadline(self, now: float) -> float | None:
        self._timed = False
        pool = self.pool
        for call in pool.overdue(now):
            call.fail("pool", f"no connection became free within {self._client.limits.wait:g} s")
        for connection in pool.expired(now):
            connection.close()
        due = pool.due()
        self._timed = due is not None
        if not pool.live and not pool.waiting:
            self._client.forget(self)
        return due

    def close(self) -> None:
        """Ends every connection; calls on them get a fault, and so does every later one."""
        self._closed = True
        self._client.deadlines.remove(self)
        for call in list(self._dialling):
            if call.dial is not None:
                call.dial.cancel()
            call.fail("pool", CLOSED)
        for call in self.pool.leave():
            call.fail("pool", CLOSED)
        for connection in list(self._connections):
            connection.shut(CLOSED)
