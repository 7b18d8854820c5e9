"""As written: the first candidate takes everything while it is healthy."""

from __future__ import annotations

from trunkline.routing.strategies.contract import Dice
from trunkline.types.fleet import Candidate


class Priority:
    name = "priority"
    steady = True

    def order(self, candidates: tuple[Candidate, ...], turn: int, rand: Dice) -> tuple[Candidate, ...]:
        return candidates
