"""Routes, rules and policies of a snapshot: names resolved, conditions checked, constraints gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trunkline.config.problems import did_you_mean
from trunkline.config.tree import LimitsTree, RouteTree, RuleTree
from trunkline.routing.conditions import VARIABLES, ConditionProblem, check_condition
from trunkline.routing.fit import unfit
from trunkline.routing.reach import impossible, shadowed, strange_values
from trunkline.tasks.labels import LABELS, UNKNOWN
from trunkline.types.constraint import Ceiling, Constraint
from trunkline.types.fleet import Candidate, Policy, Route, Rule, Shadow, Share, Split
from trunkline.types.plan import ANYTHING
from trunkline.types.words import OwnTask

if TYPE_CHECKING:
    from trunkline.app.compile import Making

#: What `task` may be compared with, beside the configuration's own labels.
TASKS = (*LABELS, UNKNOWN)
EXAMPLES = (4, 20)


def route_of(making: Making, name: str, tree: RouteTree) -> Route:
    path = f"routes.{name}"
    chosen = "use" if f"{path}.use" in making.tree.places else "otherwise"
    constraints = _constraints(f"route {name}", tree.limits)
    base = _route(making, name, tree, {"use": f"{path}.{chosen}", "fallback": f"{path}.fallback"}, constraints)
    _split(making, f"{path}.split", tree)
    if tree.shadow:
        _known(making, f"{path}.shadow.use", tree.shadow["use"])
    usable = [
        number for number, rule in enumerate(tree.rules) if _sound(making, f"{path}.rules[{number}].when", rule.when)
    ]
    whens = [(rule.when, rule.min_confidence) for rule in tree.rules]
    for number, earlier in shadowed([whens[n] for n in usable]).items():
        at, by = usable[number], usable[earlier]
        making.problem(
            f"{path}.rules[{at}].when", f"rule {at + 1} is never reached: rule {by + 1} takes all that it could match"
        )
    rules = tuple(
        _rule(making, name, f"{path}.rules[{number}]", (number, rule), base) for number, rule in enumerate(tree.rules)
    )
    return Route(**{**_fields(base), "rules": rules})


def _fields(route: Route) -> dict[str, Any]:
    return {name: getattr(route, name) for name in Route.__struct_fields__}


def _rule(making: Making, name: str, path: str, numbered: tuple[int, RuleTree], base: Route) -> Rule:
    number, tree = numbered
    own = f"{path}.use" in making.tree.places or any(p.startswith(f"{path}.use[") for p in making.tree.places)
    places = {
        "use": f"{path}.use" if own else "",
        "fallback": f"{path}.fallback" if f"{path}.fallback" in making.tree.places else "",
    }
    constraints = base.constraints + _constraints(f"rule {number + 1}", tree.limits)
    route = _route(making, name, tree.route, places, constraints)
    split = base.split if not own else None  # an experiment is about the route's own candidates
    route = Route(
        **{**_fields(route), "rule": number + 1, "rule_text": tree.when, "split": split, "shadow": base.shadow}
    )
    if tree.limits.binds and route.use and not tree.refuse:
        _possible(making, path, route)
    return Rule(number=number + 1, when=tree.when, route=route, refuse=tree.refuse, min_confidence=tree.min_confidence)


def _route(
    making: Making, name: str, tree: RouteTree, places: Mapping[str, str], constraints: tuple[Constraint, ...]
) -> Route:
    """`places` say where the names of `use` and `fallback` stand; "" where they have been looked at already."""
    for key, names in (("use", tree.use), ("fallback", tree.fallback)):
        if places[key]:
            for at, wanted in enumerate(names):
                _known(making, f"{places[key]}[{at}]", wanted)
    if tree.balance == "weighted" and tree.use and places["use"]:
        known = [making.tree.deployments[n].weight for n in tree.use if n in making.tree.deployments]
        if known and not any(known):
            making.problem(places["use"], "every candidate has weight 0")
    options: dict[str, Any] = {} if tree.failover_on is None else {"failover_on": tree.failover_on}
    route = Route(
        name=name,
        use=making.candidates(tree.use),
        fallback=making.candidates(tree.fallback),
        balance=tree.balance,
        retry=tree.retry,
        timeouts=tree.timeouts,
        stream=tree.stream,
        on_disconnect=tree.on_disconnect,
        resubmit=tree.resubmit,
        constraints=constraints,
        on_unsupported=tree.on_unsupported,
        hedge=tree.hedge,
        sticky=tree.sticky,
        split=_arms(making, tree),
        shadow=_shadow(making, tree),
        learns=_learns(making, tree),
        **options,
    )
    if constraints and places["use"] and not places["use"].startswith(f"routes.{name}.rules"):
        _possible(making, f"routes.{name}", route)
    return route


def _learns(making: Making, tree: RouteTree) -> bool:
    named = [making.deployments[name] for name in (*tree.use, *tree.fallback) if name in making.deployments]
    return (
        tree.hedge is not None
        or tree.timeouts.learned
        or tree.balance in ("least_latency", "least_cost")
        or any(deployment.timeouts is not None and deployment.timeouts.learned for deployment in named)
    )


def _possible(making: Making, path: str, route: Route) -> None:
    """A route or rule whose constraints leave nobody would refuse every request."""
    candidates: tuple[Candidate, ...] = route.use + route.fallback
    outs = [unfit(route, c, ANYTHING, tuple(k for k in route.constraints if k.max_price is None)) for c in candidates]
    if candidates and all(outs):
        said = "; ".join(sorted({f"{o.candidate.deployment.name}: {o.detail}" for o in outs if o is not None})[:3])
        making.problem(path, "its constraints leave no deployment", said)


def _known(making: Making, path: str, wanted: str) -> None:
    if wanted not in making.tree.deployments:
        making.problem(path, f"no deployment is called '{wanted}'", did_you_mean(wanted, making.tree.deployments))


def _constraints(origin: str, limits: LimitsTree) -> tuple[Constraint, ...]:
    return (_constraint(origin, limits),) if limits.binds else ()


def _constraint(origin: str, limits: LimitsTree) -> Constraint:
    ceiling = Ceiling(limits.max_price.get("input"), limits.max_price.get("output")) if limits.max_price else None
    return Constraint(origin=origin, require=limits.require, forbid=limits.forbid, max_price=ceiling)


def _split(making: Making, path: str, tree: RouteTree) -> None:
    if tree.split is None:
        return
    for arm, (_, names) in tree.split.arms.items():
        for at, wanted in enumerate(names):
            _known(making, f"{path}.arms.{arm}.use[{at}]", wanted)


def _arms(making: Making, tree: RouteTree) -> Split | None:
    if tree.split is None:
        return None
    arms = tuple(
        Share(name=name, percent=share * 100.0, use=making.candidates(names))
        for name, (share, names) in tree.split.arms.items()
    )
    return Split(by=tree.split.by, arms=arms)


def _shadow(making: Making, tree: RouteTree) -> Shadow | None:
    found = making.candidates((tree.shadow["use"],)) if tree.shadow else ()
    if not found:
        return None
    said = tree.shadow
    return Shadow(use=found[0], percent=said.get("percent", 1.0) * 100.0, max_inflight=said.get("max_inflight", 16))


# --- conditions -----------------------------------------------------------------------------------------------------------
def policies_of(making: Making) -> tuple[Policy, ...]:
    made: list[Policy] = []
    labels = {label for d in making.deployments.values() for label in d.labels}
    for name, tree in making.tree.policies.items():
        path = f"policies.{name}"
        if not tree.limits.binds:
            making.problem(path, "it constrains nothing", "write require, forbid or max_price")
        if _sound(making, f"{path}.when", tree.when):
            made.append(Policy(name=name, when=tree.when, constraint=_constraint(f"policy {name}", tree.limits)))
        for key, wanted in (("require", tree.limits.require), ("forbid", tree.limits.forbid)):
            for label in wanted:
                if label not in labels:
                    hint = did_you_mean(label, labels)
                    making.problem(f"{path}.{key}.{label}", f"no deployment declares the label '{label}'", hint)
    return tuple(made)


def tasks_of(making: Making) -> tuple[OwnTask, ...]:
    made: list[OwnTask] = []
    for name, tree in making.tree.tasks.items():
        path = f"tasks.{name}"
        if name in TASKS:
            making.problem(path, f"'{name}' is a built-in label", "give the label a name of its own")
        if not EXAMPLES[0] <= len(tree.examples) <= EXAMPLES[1]:
            said = f"{len(tree.examples)} example{'s' if len(tree.examples) > 1 else ''}"
            making.problem(f"{path}.examples", f"{said}: a label takes {EXAMPLES[0]} to {EXAMPLES[1]}")
        for other in making.tree.tasks:
            if other < name:
                for twice in set(tree.examples) & set(making.tree.tasks[other].examples):
                    making.problem(f"{path}.examples", f"'{twice[:40]}' is an example of '{other}' too")
        made.append(
            OwnTask(
                name=name,
                examples=tree.examples,
                not_examples=tree.not_examples,
                description=tree.description,
                min_confidence=tree.min_confidence,
            )
        )
    return tuple(made)


def _sound(making: Making, path: str, when: str) -> bool:
    """The condition can be used; else a problem says why not."""
    try:
        check_condition(when)
    except ConditionProblem as error:
        said = str(error)
        word = said.partition("'")[2].partition("'")[0] if said.startswith("nothing is called") else ""
        making.problem(path, said, did_you_mean(word, VARIABLES) if word else "")
        return False
    never = impossible(when)
    if never:
        making.problem(path, never)
        return False
    known: Mapping[str, Sequence[str]] = {"task": (*TASKS, *making.tree.tasks), "model": tuple(making.tree.routes)}
    for variable, value in strange_values(when, known):
        making.problem(path, f"{variable} is never '{value}'", did_you_mean(value, known.get(variable, ()), True))
        return False
    return True
