"""Each candidate in turn; the others follow in the same circle."""

from __future__ import annotations

from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Candidate


class RoundRobin:
    name = "round_robin"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        if not candidates:
            return candidates
        at = view.turn % len(candidates)
        return candidates[at:] + candidates[:at]
