"""Names to addresses, with a cache that outlives the name server.

An answer is fresh for `ttl`. After that the name is asked again; while that fails (or takes long), the last good
answer serves for up to `stale` seconds (reliability.md D10).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

Address = str  # an IP literal
Lookup = Callable[[str], Awaitable[list[Address]]]

HOSTS = 1024  # names kept; configuration names a few dozen
REFRESH = 0.5  # seconds that one request waits for a refresh while an old answer is at hand; others use that one
RETRY = 5.0  # seconds after a failed refresh before the next


class _Known:
    __slots__ = ("addresses", "asked", "at", "retry_at")

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.at = 0.0
        self.retry_at = 0.0
        self.asked: asyncio.Task[None] | None = None


class Resolver:
    """One per event loop. `lookup` is for tests; it raises OSError or ValueError when there is no answer."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, ttl: float = 30.0, stale: float = 3600.0, lookup: Lookup | None = None
    ):
        self._loop = loop
        self._ttl = ttl
        self._stale = stale
        self._lookup = lookup or self._system
        self._known: dict[str, _Known] = {}

    async def addresses(self, host: str, patience: float) -> list[Address]:
        """Addresses of `host` in the order to try; empty when it cannot be resolved within `patience` seconds."""
        if is_literal(host):
            return [host]
        known = self._known.get(host)
        if known is None:
            known = self._known[host] = _Known()
            self._forget_some()
        now = self._loop.time()
        if known.addresses and now < known.at + self._ttl:
            return known.addresses
        usable = bool(known.addresses) and now < known.at + self._stale
        if usable and (known.asked is not None or now < known.retry_at):
            return known.addresses
        if known.asked is None:
            known.asked = self._loop.create_task(self._ask(host, known))
        await asyncio.wait((known.asked,), timeout=min(patience, REFRESH) if usable else patience)
        if known.addresses and self._loop.time() < known.at + self._stale:
            return known.addresses
        return []

    def worked(self, host: str, address: Address) -> None:
        """A connection to `address` stood: its family is tried first from now on."""
        known = self._known.get(host)
        if known is not None and known.addresses and _is_v6(known.addresses[0]) != _is_v6(address):
            family = _is_v6(address)
            known.addresses = sorted(known.addresses, key=lambda each: _is_v6(each) != family)

    def doubt(self, host: str) -> None:
        """No address of `host` took a connection: the next request asks the name server again."""
        known = self._known.get(host)
        if known is not None:
            known.at = min(known.at, self._loop.time() - self._ttl)

    def close(self) -> None:
        for known in self._known.values():
            if known.asked is not None:
                known.asked.cancel()

    async def _ask(self, host: str, known: _Known) -> None:
        try:
            found = await self._lookup(host)
        except (OSError, ValueError):  # ValueError: the name cannot be one
            known.retry_at = self._loop.time() + RETRY
            return  # what was known stays known
        finally:
            known.asked = None
        if found:
            if known.addresses:
                family = _is_v6(known.addresses[0])
                found = sorted(found, key=lambda each: _is_v6(each) != family)
            known.addresses = found
            known.at = self._loop.time()

    async def _system(self, host: str) -> list[Address]:
        infos = await self._loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        return list(dict.fromkeys(str(info[4][0]) for info in infos))

    def _forget_some(self) -> None:
        for host in list(self._known)[: max(0, len(self._known) - HOSTS)]:
            if self._known[host].asked is None:
                del self._known[host]


def is_literal(host: str) -> bool:
    """Whether `host` is an IP address, so that nothing needs to be resolved."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_v6(address: Address) -> bool:
    return ":" in address
