"""The plan: which candidates, in which order, and why the others were left out. A value that can be printed."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.routing.fleet import Fleet, Standing
from trunkline.routing.strategies import STRATEGIES
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import Dropped, DropReason, Plan

_DROP: dict[str, DropReason] = {
    "ejected": "ejected",
    "throttled": "throttled",
    "closed": "throttled",
    "credential": "credential",
}


def plan(route: Route, fleet: Fleet, now: float, rand: Callable[[], float]) -> Plan:
    """Order the route's candidates: the strategy's ranking, then the fallbacks; the sick are left out, or ranked last
    in panic (more than half of the candidates ejected)."""
    strategy = STRATEGIES[route.balance]
    if strategy.steady and not fleet.troubled:
        kept = fleet.plans.get(route.name)
        if kept is not None and kept[0] is route:
            return kept[1]
    turn = fleet.turns.get(route.name, 0)
    fleet.turns[route.name] = turn + 1
    ranked = strategy.order(route.use, turn, rand) + route.fallback
    if not fleet.troubled:
        calm = Plan(route=route.name, strategy=strategy.name, order=ranked)
        if strategy.steady:
            fleet.plans[route.name] = (route, calm)
        return calm
    fleet.tidy(now)
    return _with_health(route, strategy.name, ranked, fleet, now, rand)


def _with_health(
    route: Route,
    strategy: str,
    ranked: tuple[Candidate, ...],
    fleet: Fleet,
    now: float,
    rand: Callable[[], float],
) -> Plan:
    standings = [(candidate, fleet.standing(candidate, now)) for candidate in ranked]
    well = [c for c, s in standings if s.kind in ("ok", "full", "slow")]
    order: list[Candidate] = []
    slow: list[Candidate] = []
    sick: list[tuple[float, Candidate]] = []
    dropped: list[Dropped] = []
    for candidate, standing in standings:
        match standing.kind:
            case "ok" | "full":
                order.append(candidate)
            case "slow":
                # Slow start is skipped when nothing else is healthy.
                demoted = len(well) > 1 and rand() >= standing.share
                (slow if demoted else order).append(candidate)
            case "probe":
                # A live probe needs another healthy candidate behind it, so that its failure stays invisible.
                if well and not fleet.wants_connect_probe(candidate, now):
                    order.append(candidate)
                else:
                    sick.append((standing.until, candidate))
            case "ejected":
                sick.append((standing.until, candidate))
            case "throttled" | "closed" | "credential":
                dropped.append(Dropped(candidate, _DROP[standing.kind], _detail(standing, now)))
    panic = 2 * len(sick) > len(ranked) or not (order or slow)
    sick.sort(key=lambda pair: pair[0])
    if panic:
        tail = [candidate for _, candidate in sick]
    else:
        tail = []
        dropped.extend(Dropped(c, "ejected", f"for another {max(0.0, until - now):.1f}s") for until, c in sick)
    return Plan(
        route=route.name,
        strategy=strategy,
        order=(*order, *slow, *tail),
        dropped=tuple(dropped),
        panic=panic and bool(tail),
    )


def _detail(standing: Standing, now: float) -> str:
    return f"for another {max(0.0, standing.until - now):.1f}s"
