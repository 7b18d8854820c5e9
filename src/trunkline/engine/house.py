"""The rooms that the engine works with, as one object that the composition root fills."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from trunkline.dialects.contract import Dialect
from trunkline.providers.contract import Provider
from trunkline.routing.fleet import Fleet
from trunkline.transport.contract import Upstreams
from trunkline.transport.timers import Deadlines
from trunkline.transport.turn import EndOfTurn
from trunkline.types.failure import Failure
from trunkline.types.fleet import Snapshot
from trunkline.types.principal import Principal
from trunkline.types.record import Intent, Record

if TYPE_CHECKING:
    from trunkline.engine.exchange import Exchange


class Gatekeeper(Protocol):
    """policy.admit as the engine sees it."""

    def known(self, presented: str | None) -> Principal | Failure | None:
        """Synchronous: the principal, a refusal, or None when the store has to be asked."""
        ...

    def admit(self, presented: str | None) -> Awaitable[Principal | Failure]: ...


class Books(Protocol):
    """ledger as the engine sees it."""

    healthy: bool

    def intent(self, record_id: str, make: Callable[[], Intent]) -> None:
        """Noted at dispatch; written only if the record does not come within the same batch."""
        ...

    def settle(self, record_id: str, make: Callable[[], Record], done: Callable[[], None] | None = None) -> None:
        """Exactly once per exchange. `make` is called once, in this turn of the loop; `done` when the record is as
        durable as configured."""
        ...


class Secrets(Protocol):
    def current(self, provider: str, credential: str) -> str: ...


class House(msgspec.Struct, kw_only=True, eq=False):
    """Everything an exchange needs, and the counters that drain and `/readyz` look at."""

    loop: asyncio.AbstractEventLoop
    dialects: dict[str, Dialect]
    providers: dict[str, Provider]
    upstreams: Upstreams
    gate: Gatekeeper
    books: Books
    secrets: Secrets
    fleet: Fleet
    deadlines: Deadlines
    turn: EndOfTurn
    snapshot: Snapshot
    wall: Callable[[], float]
    rand: Callable[[], float]
    log: Callable[[str, dict[str, object]], None]
    worker: int = 0
    version: str = ""
    live: set[Exchange] = set()
    pumps: int = 0
    shadows: int = 0
    shadows_left_out: int = 0
    drained: Callable[[], None] | None = None
