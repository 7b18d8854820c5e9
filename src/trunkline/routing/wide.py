"""Routes with very many candidates: a few are looked at, not all. Ranking ten thousand for every request would cost more
than the rest of the gateway; eight attempts never need more than a handful.
"""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

from trunkline.routing.affinity import identity
from trunkline.routing.fleet import Fleet
from trunkline.routing.prices import price_now
from trunkline.routing.strategies import STRATEGIES
from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Balance, Candidate

#: Up to so many candidates are ranked whole; of more, so many are looked at.
WIDE, LOOK = 64, 8
#: Draws before a weighted choice among the healthy gives up and everybody is ranked.
DRAWS = 8 * LOOK
KEPT = 256
_COMPARED = frozenset({"least_busy", "least_latency", "least_cost"})
_USABLE = frozenset({"ok", "slow", "probe"})


class Wide:
    """What is worked out once of a tuple of candidates."""

    def __init__(self, candidates: tuple[Candidate, ...]) -> None:
        self.candidates = candidates
        self.heavy = [c for c in candidates if c.deployment.weight > 0] or list(candidates)
        self.sums = list(accumulate(max(c.deployment.weight, 1) for c in self.heavy))
        self.alike = self.sums[-1] == self.sums[0] * len(self.heavy)
        self.named = {identity(c): c for c in candidates}
        self._ring: list[tuple[int, Candidate]] = []
        self._cheapest: tuple[int, list[Candidate]] = (-1, [])

    def draw(self, rand: float) -> Candidate:
        """By weight."""
        if self.alike:
            return self.heavy[int(rand * len(self.heavy)) % len(self.heavy)]
        return self.heavy[min(bisect_right(self.sums, rand * self.sums[-1]), len(self.heavy) - 1)]

    def home(self, name: str) -> Candidate:
        """Where a conversation belongs that nobody remembers: the same in all workers."""
        if not self._ring:
            points = ((zlib.crc32(identity(c).encode()), c) for c in self.candidates)
            self._ring = sorted(points, key=lambda point: point[0])
        at = bisect_right(self._ring, zlib.crc32(name.encode()), key=lambda point: point[0])
        return self._ring[at % len(self._ring)][1]

    def cheapest(self, wall: float) -> list[Candidate]:
        """By what input and output cost together today; whose price nobody knows comes last."""
        day = int(wall // 86_400)
        if self._cheapest[0] != day:
            self._cheapest = (day, sorted(self.candidates, key=lambda c: _worth(c, wall)))
        return self._cheapest[1]


def _worth(candidate: Candidate, wall: float) -> int:
    price = price_now(candidate.deployment, wall, 0)
    return 2**63 if price is None else price.input * 4 + price.output


def wide_of(fleet: Fleet, candidates: tuple[Candidate, ...]) -> Wide:
    kept = fleet.wides.get(id(candidates))
    if kept is None or kept.candidates is not candidates:
        if len(fleet.wides) >= KEPT:
            fleet.wides.clear()
        kept = fleet.wides[id(candidates)] = Wide(candidates)
    return kept


def some(balance: Balance, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
    """Up to LOOK candidates that are not plainly out of health, ranked by the strategy; () if it found none."""
    wide, fleet, now = wide_of(view.fleet, candidates), view.fleet, view.now
    found: dict[int, Candidate] = {}
    sick = bool(fleet.troubled)
    for candidate in _in_turn(balance, wide, view):
        if not sick or fleet.standing(candidate, now).kind in _USABLE:
            found[id(candidate)] = candidate
            if len(found) == LOOK:
                break
    chosen = tuple(found.values())
    # What comes in turn is a ranking already: to draw by weight once more, for one, would favour the heavy ones twice.
    ranked = STRATEGIES[balance].order(chosen, view) if balance in _COMPARED else chosen
    if not view.asked.sticky or not ranked:
        return ranked
    remembered = fleet.affinity.remembered(view.asked.affinity, now)
    own = wide.named.get(remembered) or wide.home(view.asked.affinity)
    return (own, *(c for c in ranked if c is not own))


def _in_turn(balance: Balance, wide: Wide, view: View) -> Iterator[Candidate] | Iterable[Candidate]:
    match balance:
        case "priority":
            return wide.candidates
        case "least_cost":
            return wide.cheapest(view.asked.wall)
        case "round_robin":
            at = view.turn % len(wide.candidates)
            return (wide.candidates[(at + n) % len(wide.candidates)] for n in range(len(wide.candidates)))
        case _:
            return (wide.draw(view.rand()) for _ in range(DRAWS))
