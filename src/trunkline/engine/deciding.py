"""The decision: from facts and principal to the route that holds, the constraints that apply and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from trunkline.engine.exchange import Exchange
from trunkline.engine.guessing import guess
from trunkline.routing.conditions import TASK_VARIABLES
from trunkline.routing.fit import unfit
from trunkline.routing.plan import plan
from trunkline.types.constraint import Constraint
from trunkline.types.envelope import Envelope
from trunkline.types.facts import NO_GUESS, Facts, Guess, Judge
from trunkline.types.failure import Failure, Kind, refused
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import Asked
from trunkline.types.principal import Principal


def decide(x: Exchange, route: Route) -> Failure | None:
    """Sets route, constraints, what the plan asks for, and the plan. A failure: the request is refused by what was decided."""
    facts, house, principal = x.facts, x.house, x.principal
    assert facts is not None and principal is not None
    route, more, refusal = ruled(x, route, facts, principal)
    x.route = route
    if refusal is not None:
        return refusal
    x.asked = asked_of(facts, principal, x.labels, route, x.wall)
    x.plan = plan(route, house.fleet, house.loop.time(), house.rand, x.asked, more)
    return x.plan.refusal


def ruled(
    x: Exchange, route: Route, facts: Envelope, principal: Principal
) -> tuple[Route, tuple[Constraint, ...], Failure | None]:
    """The route that holds after rules and policies, the constraints beside its own, and a refusal if they say so."""
    more = constraints_of(principal, x.labels)
    judge: Judge | None = x.snapshot.judge if x.shadow is None else None  # what holds for a copy has been decided
    wanted = judge.wants(route) if judge is not None else frozenset()
    if judge is None or not wanted:
        return route, more, None
    if wanted & TASK_VARIABLES:
        x.guess = guess(x)
    judged = judge.judge(route, facts_of(x, facts, principal, wanted))
    if judged.erred:
        x.house.log("rule_erred", {"request_id": x.id, "conditions": list(judged.erred)})
    return judged.route, judged.constraints + more, judged.refusal


def facts_of(x: Exchange, facts: Envelope, principal: Principal, wanted: frozenset[str]) -> Facts:
    """Only what the conditions look at is worked out."""
    seen = Seen(guess=NO_GUESS if x.guess is None else x.guess, hour=int(x.wall // 3600) % 24)
    if "header" in wanted:
        allowed = x.snapshot.headers
        told = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in x.call.headers]
        seen = replace(seen, headers={name: value for name, value in told if name in allowed})
    if "ejected" in wanted:
        seen = replace(seen, ejected=x.house.fleet.ejected())
    return gather(facts, principal, x.labels, seen)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Facts that are neither in the request's envelope nor known of its caller; as in `Facts`."""

    guess: Guess = NO_GUESS
    headers: dict[str, str] = {}
    hour: int = 0
    ejected: tuple[str, ...] = ()


def gather(envelope: Envelope, principal: Principal, labels: Mapping[str, str], seen: Seen) -> Facts:
    """The facts that conditions see. What the key says of user and feature goes before what the request says."""
    told = {name[9:]: value for name, value in labels.items() if name.startswith("metadata.")}
    return Facts(
        envelope=envelope,
        principal=principal,
        guess=seen.guess,
        user=principal.user or labels.get("user", "") or envelope.user,
        feature=principal.feature or labels.get("feature", ""),
        metadata={**envelope.metadata, **told} if told else envelope.metadata,
        headers=seen.headers,
        hour=seen.hour,
        ejected=seen.ejected,
    )


def constraints_of(principal: Principal, labels: Mapping[str, str]) -> tuple[Constraint, ...]:
    """Those of the key and of the request itself (`x-trunkline-require`, validated by the front door)."""
    require = labels.get("require")
    return principal.constraints if require is None else (*principal.constraints, _required(require))


@lru_cache(1024)
def _required(text: str) -> Constraint:
    """`region=eu, zone=a, zone=b`: for each label one of its values."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        found[name.strip()] = (*found.get(name.strip(), ()), value.strip())
    return Constraint(origin="request", require=found)


def asked_of(facts: Envelope, principal: Principal, labels: Mapping[str, str], route: Route, wall: float) -> Asked:
    session = labels.get("session", "")
    affinity, sticky = "", False
    if route.sticky != "off" and (session or facts.thread or route.sticky == "user"):
        user = principal.user or labels.get("user", "") or facts.user
        if session and route.sticky in ("auto", "session"):
            affinity, sticky = f"s {principal.key_id} {session}", True
        elif route.sticky == "user" and user:
            affinity, sticky = f"u {principal.key_id} {user}", True
        elif facts.thread:
            affinity = f"t {principal.key_id} {facts.thread}"
            # Where cost decides, a cache is one cost among others; provider state is worth nothing elsewhere.
            sticky = facts.state or route.balance != "least_cost"
    return Asked(
        needs=facts.needs,
        input_tokens=facts.input_tokens,
        body_bytes=facts.body_bytes,
        max_output_tokens=facts.max_output_tokens,
        stream=facts.stream,
        affinity=affinity,
        sticky=sticky,
        split="" if route.split is None else _assigned(route.split.by, principal, labels, facts, session),
        wall=wall,
    )


def _assigned(by: str, principal: Principal, labels: Mapping[str, str], facts: Envelope, session: str) -> str:
    """What an experiment's assignment sticks to; whoever has nothing of the kind is assigned by its key."""
    user = principal.user or labels.get("user", "") or facts.user
    match by:
        case "user":
            return user or principal.key_id
        case "session":
            return session or user or principal.key_id
        case "request":
            return labels.get("request_id", "") or principal.key_id
        case _:
            return principal.key_id


def barred(x: Exchange, candidate: Candidate) -> Failure | None:
    """The constraints once more, right before an attempt: whatever chose this candidate, it may not break them (K20)."""
    plan_, route = x.plan, x.route
    if plan_ is None or route is None or not plan_.constraints:
        return None
    out = unfit(route, candidate, x.asked, plan_.constraints)
    if out is None or out.reason not in ("residency", "price"):
        return None
    return refused(Kind.FORBIDDEN, f"{candidate.deployment.name} is not allowed here: {out.detail}", code="forbidden")
