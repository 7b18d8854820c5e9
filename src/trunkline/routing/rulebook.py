"""The rules of every route and the policies over all, compiled: from facts to the route and the constraints that hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trunkline.routing.conditions import Conditions
from trunkline.types.facts import Facts, Judged
from trunkline.types.failure import Failure, Kind, refused
from trunkline.types.fleet import Policy, Route, Rule


class Rulebook:
    """One per snapshot; compiled when the snapshot is made, so that no request waits for it."""

    def __init__(self, routes: Mapping[str, Route], policies: Sequence[Policy] = ()) -> None:
        self._policies = tuple(policies)
        self._over_all = Conditions([(policy.when, None) for policy in self._policies])
        self._rules = {
            name: Conditions([(rule.when, rule.min_confidence) for rule in route.rules])
            for name, route in routes.items()
            if route.rules
        }

    def wants(self, route: Route) -> frozenset[str]:
        rules = self._rules.get(route.name)
        return self._over_all.names if rules is None else self._over_all.names | rules.names

    @property
    def names(self) -> frozenset[str]:
        """All variables that any condition looks at."""
        return self._over_all.names.union(*(rules.names for rules in self._rules.values()))

    def judge(self, route: Route, facts: Facts) -> Judged:
        """First match wins among the rules; every policy that matches counts. What cannot be evaluated does not match, unless
        it would have constrained the request: then the request is refused, because it may not go anywhere."""
        erred: list[str] = []
        constraints = []
        for policy, answer in zip(self._policies, self._over_all.evaluate(facts), strict=True):
            if answer is None:
                return Judged(route=route, refusal=_undecidable(f"policy {policy.name}"), erred=(policy.when,))
            if answer:
                constraints.append(policy.constraint)
        rules = self._rules.get(route.name)
        if rules is None:
            return Judged(route=route, constraints=tuple(constraints))
        answers = rules.evaluate(facts)
        first = answers.index(True) if True in answers else len(answers)
        if None in answers:
            for rule, answer in zip(route.rules[:first], answers, strict=False):
                if answer is None:
                    if _binds(rule, route):
                        return Judged(route=route, refusal=_undecidable(f"rule {rule.number}"), erred=(rule.when,))
                    erred.append(rule.when)
        if first == len(answers):
            return Judged(route=route, constraints=tuple(constraints), erred=tuple(erred))
        rule = route.rules[first]
        refusal = refused(Kind.FORBIDDEN, rule.refuse, code="forbidden") if rule.refuse else None
        return Judged(route=rule.route, constraints=tuple(constraints), refusal=refusal, erred=tuple(erred))


def _binds(rule: Rule, route: Route) -> bool:
    """The rule narrows what a request may do, so that skipping it would widen it."""
    return bool(rule.refuse) or len(rule.route.constraints) > len(route.constraints)


def _undecidable(what: str) -> Failure:
    return refused(
        Kind.FORBIDDEN,
        f"{what} could not be evaluated for this request, and it may forbid it",
        code="forbidden",
    )
