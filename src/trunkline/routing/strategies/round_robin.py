"""Each candidate in turn; the others follow in the same circle."""

from __future__ import annotations

from trunkline.routing.strategies.contract import Dice
from trunkline.types.fleet import Candidate


class RoundRobin:
    name = "round_robin"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], turn: int, rand: Dice) -> tuple[Candidate, ...]:
        if not candidates:
            return candidates
        at = turn % len(candidates)
        return candidates[at:] + candidates[:at]
