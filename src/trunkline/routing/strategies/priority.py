"""As written: the first candidate takes everything while it is healthy."""

from __future__ import annotations

from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Candidate


class Priority:
    name = "priority"
    steady = True

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        return candidates
