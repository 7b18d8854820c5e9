"""A random order in which each place is drawn by weight; weight 0 comes last, in the order written."""

from __future__ import annotations

from math import log
from operator import itemgetter

from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Candidate


class Weighted:
    name = "weighted"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        # The smallest of exponential times with these rates comes first with a probability in proportion to its weight, and so
        # does the next one among the rest: one throw and one sort, instead of a draw per place.
        idle = [c for c in candidates if c.deployment.weight <= 0]
        if len(idle) == len(candidates) - 1:
            first = next(c for c in candidates if c.deployment.weight > 0)
            return (first, *idle)
        drawn = [(log(1.0 - view.rand()) / -c.deployment.weight, c) for c in candidates if c.deployment.weight > 0]
        drawn.sort(key=itemgetter(0))
        return (*(c for _, c in drawn), *idle)
