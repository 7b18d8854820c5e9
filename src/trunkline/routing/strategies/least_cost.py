"""The cheapest candidate for this request comes first, at the prices of the day; what a conversation has in a prompt cache
costs the price of a cache read there. A candidate whose price nobody knows comes last."""

from __future__ import annotations

from operator import itemgetter

from trunkline.catalogue.chat import cost_nanos
from trunkline.routing.affinity import identity
from trunkline.routing.prices import price_now
from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Candidate

#: Share of a conversation's input that its next turn finds in the cache, where it goes on at the same place.
CACHED = 0.9
_UNKNOWN = 2**63


class LeastCost:
    name = "least_cost"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        ranked = [(cost(c, view), view.rand(), c) for c in candidates]
        ranked.sort(key=itemgetter(0, 1))
        return tuple(c for _, _, c in ranked)


def cost(candidate: Candidate, view: View) -> int:
    """Nano-dollars that the request would cost here; what nobody knows is dearer than anything."""
    asked = view.asked
    price = price_now(candidate.deployment, asked.wall, asked.input_tokens)
    if price is None:
        return _UNKNOWN
    output = view.fleet.speeds.expected_output(view.route, asked.max_output_tokens)
    cached = 0
    if asked.affinity and view.fleet.affinity.remembered(asked.affinity, view.now) == identity(candidate):
        cached = int(asked.input_tokens * CACHED)
    return cost_nanos(price, asked.input_tokens, output, cached)
