"""Load shedding at the head of a request, before a store is asked and before a body is read (reliability.md 4.1).

Two things say that there is too much: the number of exchanges in this worker nears its limit, or its loop is late. Then
requests of `batch` keys are refused first, next those of whoever has more than a fair share (organisation, then team, then
key), last everybody.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection

from trunkline.engine.exchange import Exchange
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.principal import Principal

#: From this share of the limit on, the last places are for those who have less than their share.
SOFT = 0.9
#: The loop is late when a timer fires so much after its time (seconds), during a whole interval.
LATE, INTERVAL, BEAT = 0.050, 0.100, 0.025
#: With fewer exchanges than this nobody looks at the loop.
QUIET = 32
_Place = tuple[str, ...]


class Shedder:
    """One per worker. `live` are the exchanges under way, `limit` how many there may be."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        live: Collection[Exchange],
        limit: int,
        rand: Callable[[], float],
    ) -> None:
        self.loop = loop
        self.live = live
        self.limit = limit
        self.rand = rand
        #: 0: in time; 1: late for an interval; 2: late for two, although batch was refused.
        self.lateness = 0
        self.refused = 0
        self._punctual_at = 0.0
        self._beating = False
        self._shares: tuple[float, Counter[_Place]] = (0.0, Counter())

    def refuses(self, principal: Principal | None) -> Failure | None:
        """None: let it in. An unknown key (None) has no share yet."""
        count = len(self.live)
        if count >= QUIET and not self._beating:
            self._beating = True
            self._punctual_at = self.loop.time()
            self._beat(self.loop.time())
        if count >= self.limit:
            return self._no("this gateway is at its limit of concurrent requests")
        crowded = count >= max(1, int(self.limit * SOFT))
        if principal is None or not (crowded or self.lateness):
            return None
        if principal.priority == "batch":
            return self._no("this gateway is busy, and requests of this key wait for quieter times")
        if not crowded and self.lateness < 2:
            return None
        if (self.lateness == 2 or self._others(principal)) and self._greedy(principal):
            return self._no("this gateway is busy, and this key has more than its share of it")
        return None

    def _no(self, message: str) -> Failure:
        self.refused += 1
        return overloaded(message, 1.0 + 4.0 * self.rand())

    def _others(self, principal: Principal) -> bool:
        """Somebody else is there for whom the last places are kept."""
        keys = [place for place in self._counted() if len(place) == 3]
        return any(place[2] != principal.key_id for place in keys)

    # --- shares ------------------------------------------------------------------------------------------------------
    def _greedy(self, principal: Principal) -> bool:
        """At every level it has at least as much as an equal share of what the level above has."""
        counts = self._counted()
        place: _Place = ()
        for name in (principal.organisation, principal.team, principal.key_id):
            inner = (*place, name)
            siblings = [n for p, n in counts.items() if len(p) == len(inner) and p[:-1] == place]
            others = len(siblings) + (inner not in counts)
            if counts[inner] * others < sum(siblings):
                return False
            place = inner
        return True

    def _counted(self) -> Counter[_Place]:
        """Exchanges by organisation, team and key; counted anew after an interval, not for every request."""
        now = self.loop.time()
        made, counts = self._shares
        if now - made >= INTERVAL or not counts:
            counts = Counter()
            for x in self.live:
                if x.principal is not None:
                    p = x.principal
                    counts.update(((p.organisation,), (p.organisation, p.team), (p.organisation, p.team, p.key_id)))
            self._shares = (now, counts)
        return counts

    # --- lateness ----------------------------------------------------------------------------------------------------
    def _beat(self, due: float) -> None:
        now = self.loop.time()
        if now - due < LATE:
            self._punctual_at, self.lateness = now, 0
            if len(self.live) < QUIET:
                self._beating = False
                return
        else:
            self.lateness = min(2, int((now - self._punctual_at) / INTERVAL))
        self.loop.call_at(now + BEAT, self._beat, now + BEAT)


def overloaded(message: str, delay: float) -> Failure:
    """503 with `Retry-After`: our state, not the caller's limit."""
    return Failure(kind=Kind.OVERLOADED, fault=FaultClass.OVERLOAD, source="gateway", message=message, delay=delay)
