"""The plan: which candidates, in which order, and why the others were left out. A value that can be printed."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from trunkline.routing.fit import Fitting, fit, nobody, unfit
from trunkline.routing.fleet import Fleet, Standing
from trunkline.routing.split import arm_of
from trunkline.routing.strategies import STRATEGIES
from trunkline.routing.strategies.contract import View
from trunkline.routing.wide import WIDE, some
from trunkline.types.constraint import Constraint
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import ANYTHING, Asked, Dropped, DropReason, Plan

_DROP: dict[str, DropReason] = {
    "ejected": "ejected",
    "throttled": "throttled",
    "closed": "throttled",
    "credential": "credential",
}


def plan(
    route: Route,
    fleet: Fleet,
    now: float,
    rand: Callable[[], float],
    asked: Asked = ANYTHING,
    more: tuple[Constraint, ...] = (),
) -> Plan:
    """Order the route's candidates that may and can serve: the strategy's ranking, then the fallbacks; the sick are left out,
    or ranked last in panic (more than half of the candidates ejected). `more` are constraints beside the route's own."""
    strategy = STRATEGIES[route.balance]
    simple = not more and asked.needs == 0 and not route.constraints and route.split is None and not asked.affinity
    if strategy.steady and simple and not fleet.troubled:
        kept = fleet.plans.get((route.name, route.rule))
        if kept is not None and kept[0] is route:
            return kept[1]
    constraints = route.constraints + more
    turn = fleet.turns.get(route.name, 0)
    fleet.turns[route.name] = turn + 1
    view = View(turn=turn, rand=rand, fleet=fleet, now=now, asked=asked, route=route.name)
    fitting, ranked = _ranked(route, constraints, view)
    if not ranked:
        return Plan(
            route=route.name,
            strategy=strategy.name,
            order=(),
            dropped=fitting.dropped,
            constraints=constraints,
            refusal=nobody(route, fitting),
        )
    share = arm_of(route, asked)
    arm = share.name if share is not None else ""
    if share is not None:
        chosen = tuple(c for c in share.use if unfit(route, c, asked, constraints) is None)
        ranked = _once((*strategy.order(chosen, view), *ranked))
    if asked.sticky and len(route.use) <= WIDE:
        ranked = fleet.affinity.first(asked.affinity, ranked, now)
    if not fleet.troubled:
        calm = Plan(
            route=route.name,
            strategy=strategy.name,
            order=ranked,
            dropped=fitting.dropped,
            constraints=constraints,
            arm=arm,
        )
        if strategy.steady and simple and not fitting.dropped:
            fleet.plans[route.name, route.rule] = (route, calm)
        return calm
    fleet.tidy(now)
    healthy = _with_health(route, ranked, fleet, now, rand)
    order, dropped, panic = healthy
    return Plan(
        route=route.name,
        strategy=strategy.name,
        order=order,
        dropped=fitting.dropped + dropped,
        panic=panic,
        constraints=constraints,
        arm=arm,
    )


def _ranked(route: Route, constraints: tuple[Constraint, ...], view: View) -> tuple[Fitting, tuple[Candidate, ...]]:
    """Who fits, best first, the fallbacks behind. Of very many a few are looked at, as long as those will do."""
    asked, fleet = view.asked, view.fleet
    if len(route.use) > WIDE:
        standing = tuple(c for c in constraints if c.origin != "request")
        small = asked if asked.body_bytes < SMALL else replace(asked, body_bytes=0)
        fitting = _fitting(route, small, standing, fleet)
        looked_at = some(route.balance, fitting.use, view) if len(fitting.use) > WIDE else ()
        if small is not asked or standing != constraints:
            looked_at = tuple(c for c in looked_at if unfit(route, c, asked, constraints) is None)
            fallback = tuple(c for c in fitting.fallback if unfit(route, c, asked, constraints) is None)
        else:
            fallback = fitting.fallback
        if looked_at:
            return Fitting(use=fitting.use, fallback=fallback), looked_at + fallback
    fitting = _fitting(route, asked, constraints, fleet)
    return fitting, STRATEGIES[route.balance].order(fitting.use, view) + fitting.fallback


def _fitting(route: Route, asked: Asked, constraints: tuple[Constraint, ...], fleet: Fleet) -> Fitting:
    """Fitting ten thousand candidates for each request would cost more than all the rest: what depends on the needs and on
    constraints of the configuration alone is kept until the route changes, or the day, on which prices hang."""
    if not constraints and not asked.needs and asked.body_bytes < SMALL:
        return Fitting(use=route.use, fallback=route.fallback)
    if asked.body_bytes >= SMALL or any(c.origin == "request" for c in constraints):
        return fit(route, asked, constraints)
    key = (route.name, route.rule, asked.needs, int(asked.wall // 86_400), tuple(map(id, constraints)))
    kept = fleet.fits.get(key)
    if kept is not None and kept[0] is route and all(a is b for a, b in zip(kept[1], constraints, strict=True)):
        return kept[2]
    if len(fleet.fits) >= FITS:
        fleet.fits.clear()
    made = fit(route, asked, constraints)
    fleet.fits[key] = (route, constraints, made)
    return made


#: Bytes of a request below which it fits every context and price tier there is; fittings kept per worker.
SMALL = 32_000
FITS = 4_096


def _once(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    return tuple({id(candidate): candidate for candidate in candidates}.values())


def _with_health(
    route: Route,
    ranked: tuple[Candidate, ...],
    fleet: Fleet,
    now: float,
    rand: Callable[[], float],
) -> tuple[tuple[Candidate, ...], tuple[Dropped, ...], bool]:
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
    return (*order, *slow, *tail), tuple(dropped), panic and bool(tail)


def _detail(standing: Standing, now: float) -> str:
    return f"for another {max(0.0, standing.until - now):.1f}s"
