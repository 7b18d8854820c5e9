"""Admission: from what the caller presents to who it is, or why not.

A known key costs one HMAC and one dict lookup, and awaits nothing. Only a well-formed key that nobody here has heard
of asks the store, once for all who present it; if the store cannot answer, that is 503 and never 401
(reliability.md 1, rule 1; D2, D3).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

from trunkline.policy.keys import KEY_LENGTH, Held, KeyRing, digester, held, well_formed
from trunkline.storage.contract import KeyRow
from trunkline.types.failure import Failure, Kind, refused
from trunkline.types.principal import Principal

#: A key the store denied is not asked for again this long (seconds): short, because it may be made meanwhile.
DENIED_FOR = 2.0
DENIED_MAX = 4096
#: Look-ups under way at once; more are refused with 503 at once, so that junk keys cannot queue up work.
FLIGHTS_MAX = 64
#: After a failed look-up the store is left alone this long (seconds, jittered up to the double).
PAUSE = 0.5

#: Asks the store; None: no such key. Raises `Unanswered`.
Ask = Callable[[bytes], Awaitable[KeyRow | None]]


class Unanswered(Exception):
    """The store was not reached, failed, or took too long."""


_MISSING = refused(
    Kind.UNAUTHENTICATED,
    "no API key was given; send a Trunkline key as `Authorization: Bearer …`, `x-api-key`, `x-goog-api-key` or `?key=`",
    code="invalid_api_key",
)
_MALFORMED = refused(
    Kind.UNAUTHENTICATED,
    "this is not a Trunkline key, or it is mistyped: keys start with `tl-` and end with a checksum",
    code="invalid_api_key",
)
_UNKNOWN = refused(Kind.UNAUTHENTICATED, "this API key is not known here", code="invalid_api_key")
_ENDED = refused(Kind.UNAUTHENTICATED, "this API key has been revoked or has expired", code="invalid_api_key")


class Gate:
    """One per worker, used on its loop only. `stale` and the ring are kept up to date by the key feed."""

    def __init__(
        self,
        pepper: bytes,
        rand: Callable[[], float] = random.random,
        wall: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ring = KeyRing()
        self.pepper = pepper
        self._digest = digester(pepper)
        #: The store has been out of reach for longer than `keys.max_stale`: nobody can be vouched for any more.
        self.stale = False
        self.lookups_total = 0
        self.lookups_failed = 0
        self._ask: Ask | None = None
        self._rand = rand
        self._wall = wall
        self._clock = clock
        self._denied: dict[bytes, float] = {}
        self._flights: dict[bytes, asyncio.Task[Principal | Failure]] = {}
        self._not_before = 0.0

    def connect(self, ask: Ask) -> None:
        """How unknown keys are looked up. Until this is called they are answered 503."""
        self._ask = ask

    def known(self, presented: str | None) -> Principal | Failure | None:
        """Synchronous: the principal, a refusal, or None when the store has to be asked (then await `admit`)."""
        if not presented:
            return _MISSING
        if len(presented) != KEY_LENGTH or not presented.isascii():
            return _MALFORMED
        key_digest = self._digest(presented.encode())
        found = self.ring.lookup(key_digest)
        if found is not None:
            return self._verdict(found)
        if not well_formed(presented):
            return _MALFORMED
        denied_until = self._denied.get(key_digest)
        if denied_until is not None and self._clock() < denied_until:
            return _UNKNOWN
        return None

    async def admit(self, presented: str | None) -> Principal | Failure:
        """The same with an answer in every case. Never raises, takes at most the look-up's timeout."""
        verdict = self.known(presented)
        if verdict is not None or presented is None:
            return verdict or _MISSING
        key_digest = self._digest(presented.encode())
        flight = self._flights.get(key_digest)
        if flight is None:
            if self._ask is None or self._clock() < self._not_before or len(self._flights) >= FLIGHTS_MAX:
                return self._unverifiable()
            flight = asyncio.get_running_loop().create_task(self._look_up(key_digest, self._ask))
            self._flights[key_digest] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key_digest, None))
        # A caller that leaves must not take the answer from the others.
        return await asyncio.shield(flight)

    def learned(self) -> None:
        """Keys were made or changed: whatever was denied may exist now."""
        self._denied.clear()

    async def _look_up(self, key_digest: bytes, ask: Ask) -> Principal | Failure:
        self.lookups_total += 1
        try:
            row = await ask(key_digest)
        except Unanswered:
            self.lookups_failed += 1
            self._not_before = self._clock() + PAUSE * (1 + self._rand())
            return self._unverifiable()
        if row is None:
            self._deny(key_digest)
            return _UNKNOWN
        self.ring.apply((row,))
        return self._verdict(held(row))

    def _verdict(self, found: Held) -> Principal | Failure:
        if found.ends_at is not None and self._wall() >= found.ends_at:
            return _ENDED
        if self.stale:
            return self._unverifiable()
        return found.principal

    def _deny(self, key_digest: bytes) -> None:
        now = self._clock()
        if len(self._denied) >= DENIED_MAX:
            # Oldest first: dicts keep the order of insertion.
            for stale in [d for d, until in self._denied.items() if until <= now] or [next(iter(self._denied))]:
                del self._denied[stale]
        self._denied.pop(key_digest, None)
        self._denied[key_digest] = now + DENIED_FOR

    def _unverifiable(self) -> Failure:
        return refused(
            Kind.NO_CANDIDATE,
            "API keys cannot be verified at the moment; try again",
            code="no_candidate",
            delay=1.0 + 2.0 * self._rand(),
        )
