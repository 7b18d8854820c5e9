"""The candidate with the fewest attempts under way for its weight comes first."""

from __future__ import annotations

from operator import itemgetter

from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Candidate


class LeastBusy:
    name = "least_busy"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        inflight, rand = view.fleet.inflight, view.rand
        ranked = [(inflight.get(c.deployment.name, 0) / max(c.deployment.weight, 1e-9), rand(), c) for c in candidates]
        ranked.sort(key=itemgetter(0, 1))
        return tuple(c for _, _, c in ranked)
