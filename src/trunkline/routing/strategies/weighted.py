"""A random order in which each place is drawn by weight; weight 0 comes last, in the order written."""

from __future__ import annotations

from trunkline.routing.strategies.contract import Dice
from trunkline.types.fleet import Candidate


class Weighted:
    name = "weighted"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], turn: int, rand: Dice) -> tuple[Candidate, ...]:
        left = [c for c in candidates if c.deployment.weight > 0]
        idle = [c for c in candidates if c.deployment.weight <= 0]
        ranked: list[Candidate] = []
        while left:
            point = rand() * sum(c.deployment.weight for c in left)
            for at, candidate in enumerate(left):
                point -= candidate.deployment.weight
                if point < 0.0 or at == len(left) - 1:
                    ranked.append(left.pop(at))
                    break
        return (*ranked, *idle)
