"""How the chosen candidates of a route are ordered. One file and one entry in STRATEGIES each."""

from __future__ import annotations

from trunkline.routing.strategies.contract import Strategy
from trunkline.routing.strategies.least_busy import LeastBusy
from trunkline.routing.strategies.least_cost import LeastCost
from trunkline.routing.strategies.least_latency import LeastLatency
from trunkline.routing.strategies.priority import Priority
from trunkline.routing.strategies.round_robin import RoundRobin
from trunkline.routing.strategies.weighted import Weighted

STRATEGIES: dict[str, Strategy] = {
    s.name: s for s in (Priority(), Weighted(), RoundRobin(), LeastBusy(), LeastLatency(), LeastCost())
}

__all__ = ["STRATEGIES", "Strategy"]
