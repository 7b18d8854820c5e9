"""What a new configuration would change: in the file, and for the traffic that there was. Nothing is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from trunkline.app.replaying import envelope_of, guess_of, labels_of, principal_of, tokens_of
from trunkline.catalogue.chat import cost_nanos
from trunkline.engine.deciding import Seen, asked_of, constraints_of, gather
from trunkline.engine.recording import written
from trunkline.policy.keys import Held
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.routing.prices import price_now
from trunkline.types.facts import Judge
from trunkline.types.fleet import Candidate, Route, Snapshot

DICE = 0.5


class Replayed(msgspec.Struct, kw_only=True):
    """Traffic of the past under one configuration. Money in nano-dollars; `unpriced` exchanges have no known price."""

    requests: int = 0
    deployments: dict[str, int] = {}
    regions: dict[str, int] = {}
    refused: int = 0
    nanos: int = 0
    unpriced: int = 0


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that differs; "" where it is not there."""

    what: str
    before: str = ""
    after: str = ""


class Planned(msgspec.Struct, kw_only=True):
    """What `trunkline plan` prints. `moved` counts exchanges by (first deployment before, after)."""

    digest_before: str
    digest_after: str
    changes: list[Change] = []
    before: Replayed = msgspec.field(default_factory=Replayed)
    after: Replayed = msgspec.field(default_factory=Replayed)
    moved: list[tuple[str, str, int]] = []


def planned(
    old: Snapshot, new: Snapshot, records: Iterable[Mapping[str, Any]], keys: Mapping[str, Held] | None = None
) -> Planned:
    """`records` as `logs --json` prints them; `keys` are those of the store, by id, for what binds them."""
    made = Planned(digest_before=old.digest, digest_after=new.digest, changes=changes(old, new))
    moved: Counter[tuple[str, str]] = Counter()
    known = keys or {}
    for record in records:
        if record.get("operation") != "chat" or record.get("surface") == "shadow" or not record.get("alias"):
            continue
        held = known.get(str(record.get("key_id", "")))
        before = _replay(old, record, made.before, held)
        after = _replay(new, record, made.after, held)
        if before != after:
            moved[before or "refused", after or "refused"] += 1
    made.moved = [(a, b, count) for (a, b), count in moved.most_common()]
    return made


# --- the file -------------------------------------------------------------------------------------------------------------
def changes(old: Snapshot, new: Snapshot) -> list[Change]:
    found: list[Change] = []
    _compare(found, "deployment", _deployments(old), _deployments(new))
    _compare(found, "policy", _policies(old), _policies(new))
    _compare(found, "route", _routes(old), _routes(new))
    return found


def _compare(
    found: list[Change], what: str, old: Mapping[str, dict[str, str]], new: Mapping[str, dict[str, str]]
) -> None:
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            found.append(Change(what=f"{what} {name}", before="there", after=""))
        elif name not in old:
            said = "; ".join(f"{key} {value}" for key, value in new[name].items() if value)
            found.append(Change(what=f"{what} {name}", before="", after=said))
        else:
            for key in sorted(old[name].keys() | new[name].keys()):
                a, b = old[name].get(key, ""), new[name].get(key, "")
                if a != b:
                    found.append(Change(what=f"{what} {name}: {key}", before=a, after=b))


def _deployments(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    return {
        name: {
            "provider": d.provider.name,
            "model": d.model,
            "address": d.base_url,
            "labels": ", ".join(f"{k}={v}" for k, v in sorted(d.labels.items())),
            "weight": str(d.weight),
            "concurrency": str(d.limits.concurrency),
        }
        for name, d in snapshot.deployments.items()
    }


def _policies(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    return {p.name: {"when": p.when, "constraint": _json(written(p.constraint))} for p in snapshot.policies}


def _routes(snapshot: Snapshot) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for name, route in snapshot.routes.items():
        found[name] = _route(route)
        for rule in route.rules:
            said = {key: value for key, value in _route(rule.route).items() if value != found[name].get(key)}
            if rule.refuse:
                said = {"refuses": rule.refuse}
            found[name][f"rule {rule.number} ({rule.when})"] = (
                ", ".join(f"{k} {v}" for k, v in said.items()) or "as the route"
            )
    return found


def _route(route: Route) -> dict[str, str]:
    return {
        "candidates": _names(route.use),
        "fallback": _names(route.fallback),
        "balance": route.balance,
        "constraints": "; ".join(_json(written(constraint)) for constraint in route.constraints),
        "retry": _json(route.retry),
        "timeouts": _json(route.timeouts),
        "stream": _json(route.stream),
        "failover": ", ".join(sorted(route.failover_on)),
        "hedge": _json(route.hedge) if route.hedge is not None else "",
        "sticky": route.sticky,
        "split": ", ".join(f"{arm.name} {arm.percent:g}% {_names(arm.use)}" for arm in route.split.arms)
        if route.split
        else "",
        "shadow": f"{route.shadow.use.deployment.name} {route.shadow.percent:g}%" if route.shadow else "",
        "on_unsupported": route.on_unsupported or "",
    }


def _names(candidates: tuple[Candidate, ...]) -> str:
    return ", ".join(dict.fromkeys(c.deployment.name for c in candidates))


def _json(value: Any) -> str:
    plain = msgspec.to_builtins(value, builtin_types=(frozenset,), enc_hook=sorted)
    return msgspec.json.encode(plain, enc_hook=sorted, order="sorted").decode()


# --- the traffic ----------------------------------------------------------------------------------------------------------
def _replay(snapshot: Snapshot, record: Mapping[str, Any], into: Replayed, held: Held | None) -> str:
    """The deployment that would be asked first; "" for nobody."""
    into.requests += 1
    chosen = _first(snapshot, record, held)
    if chosen is None:
        into.refused += 1
        return ""
    deployment = chosen.deployment
    _count(into.deployments, deployment.name)
    _count(into.regions, deployment.labels.get("region", ""))
    nanos = _cost(chosen, record)
    if nanos is None:
        into.unpriced += 1
    else:
        into.nanos += nanos
    return deployment.name


def _first(snapshot: Snapshot, record: Mapping[str, Any], held: Held | None) -> Candidate | None:
    route = snapshot.routes.get(str(record["alias"]))
    if route is None:
        return None
    wall = float(record.get("started_at", 0)) / 1e6
    facts, principal, labels = envelope_of(record), principal_of(record, held), labels_of(record)
    more = constraints_of(principal, labels)
    judge: Judge | None = snapshot.judge
    if judge is not None:
        seen = Seen(guess=guess_of(record), hour=int(wall // 3600) % 24)
        judged = judge.judge(route, gather(facts, principal, labels, seen))
        if judged.refusal is not None:
            return None
        route, more = judged.route, judged.constraints + more
    asked = asked_of(facts, principal, labels, route, wall)
    made = plan(route, Fleet(), 0.0, lambda: DICE, asked, more)
    return made.order[0] if made.order else None


def _cost(candidate: Candidate, record: Mapping[str, Any]) -> int | None:
    """With the tokens that the exchange had; what it had cached, it would have to have cached there too."""
    tokens = tokens_of(record, "input")
    price = price_now(candidate.deployment, float(record.get("started_at", 0)) / 1e6, tokens)
    if price is None:
        return None
    return cost_nanos(price, tokens, tokens_of(record, "output"))


def _count(into: dict[str, int], name: str) -> None:
    into[name] = into.get(name, 0) + 1
