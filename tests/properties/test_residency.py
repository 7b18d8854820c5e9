"""K20: whatever the fleet, the rules, the faults and the way of an attempt (retry, failover, hedge, splice), no hop leaves its
constraints; and the offline verifier finds every planted violation."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.ledger.residency import check_record
from trunkline.routing.course import Course
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.routing.rulebook import Rulebook
from trunkline.routing.strategies import STRATEGIES
from trunkline.types.constraint import Constraint
from trunkline.types.envelope import Envelope
from trunkline.types.facts import Facts
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import (
    Candidate,
    Deployment,
    HedgeRule,
    Policy,
    ProviderSettings,
    Route,
    Rule,
    Share,
    Split,
)
from trunkline.types.plan import Asked, Try, Wait
from trunkline.types.principal import Principal
from trunkline.types.wire import Origin

REGIONS = ("eu", "us", "sg", "")
VENDORS = ("a", "b", "")
TEAMS = ("clinic", "shop")


def candidate(number: int, region: str, vendor: str) -> Candidate:
    provider = ProviderSettings(name=f"p{number}", kind="openai", base_url="http://x", credentials=("k",))
    labels = {name: value for name, value in (("region", region), ("vendor", vendor)) if value}
    deployment = Deployment(name=f"d{number}", provider=provider, model="m", base_url="http://x", labels=labels)
    return Candidate(
        deployment=deployment,
        credential="k",
        origin=Origin("http", f"h{number}", 80),
        address=f"h{number}:80",
        endpoint=f"p{number}/h{number}:80/m",
        secret=f"p{number}/k",
    )


values_ = st.lists(st.sampled_from(["eu", "us", "sg", "a", "b"]), min_size=1, max_size=2).map(tuple)
labels_ = st.dictionaries(st.sampled_from(["region", "vendor"]), values_)


def constraint(origin: str) -> st.SearchStrategy[Constraint]:
    return st.builds(
        lambda require, forbid: Constraint(origin=origin, require=require, forbid=forbid), labels_, labels_
    )


FAILURES = (
    Failure(kind=Kind.UNREACHABLE, fault=FaultClass.TRANSIENT, source="upstream", message="", retry="at_once",
            penalty="address", signal="connect", confirmed=True),
    Failure(kind=Kind.UPSTREAM_ERROR, fault=FaultClass.TRANSIENT, source="upstream", message="", retry="backoff",
            penalty="endpoint", signal="500", status=500),
    Failure(kind=Kind.TIMED_OUT, fault=FaultClass.SILENT, source="upstream", message="", penalty="endpoint"),
    Failure(kind=Kind.THROTTLED, fault=FaultClass.THROTTLED_KNOWN, source="upstream", message="", retry="after",
            penalty="credential_model", status=429, delay=1.0),
    Failure(kind=Kind.NO_CANDIDATE, fault=FaultClass.CREDENTIAL, source="upstream", message="", penalty="credential"),
    Failure(kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="upstream", message="", status=400),
    Failure(kind=Kind.CONTEXT_LENGTH, fault=FaultClass.CONTEXT, source="upstream", message="", status=400),
)  # fmt: skip


def allowed(labels: dict[str, str], constraints: tuple[Constraint, ...]) -> bool:
    """Written from the rules, not with the code under test."""
    for bound in constraints:
        for name, values in bound.require.items():
            if labels.get(name) not in values:
                return False
        for name, values in bound.forbid.items():
            if name in labels and labels[name] in values:
                return False
    return True


def walk(course: Course, fleet: Fleet, dice: random.Random) -> list[Candidate]:
    """Attempts as the engine makes them, with hedges and splices thrown in."""
    now, hops = 100.0, []
    for _ in range(60):
        if dice.random() < 0.15 and hops:
            extra = course.hedge(now) if dice.random() < 0.5 else course.splice(now, "")
            if extra is not None:
                hops.append(extra.candidate)
        step = course.next(now)
        if isinstance(step, Wait):
            now += step.seconds
        elif isinstance(step, Try):
            hops.append(step.candidate)
            way = fleet.began(step.candidate, now)
            if dice.random() < 0.1:
                fleet.served(step.candidate, now, way=way)
                break
            failure = dice.choice(FAILURES)
            fleet.failed(step.candidate, failure, now, 0.5, key=dice.choice("ab"), way=way)
            course.failed(step.candidate, failure, now)
            now += dice.random() * 3
        else:
            break
    return hops


@settings(max_examples=300, deadline=None)
@given(
    places=st.lists(st.tuples(st.sampled_from(REGIONS), st.sampled_from(VENDORS)), min_size=1, max_size=7),
    own=constraint("route r"),
    ruled=constraint("rule 1"),
    policy=constraint("policy p"),
    key=constraint("key k"),
    asked=constraint("request"),
    balance=st.sampled_from(sorted(STRATEGIES)),
    team=st.sampled_from(TEAMS),
    seed=st.integers(0, 2**32),
)
def test_no_hop_leaves_its_constraints(
    places: list[tuple[str, str]], own: Constraint, ruled: Constraint, policy: Constraint, key: Constraint,
    asked: Constraint, balance: Any, team: str, seed: int,
) -> None:  # fmt: skip
    dice = random.Random(seed)
    everyone = tuple(candidate(n, *place) for n, place in enumerate(places))
    cut = dice.randint(0, len(everyone))
    some = tuple(c for c in everyone if dice.random() < 0.7) or everyone
    split = Split(by="key", arms=(Share(name="x", percent=50.0, use=some),)) if dice.random() < 0.5 else None
    base = Route(
        name="r", use=everyone[:cut], fallback=everyone[cut:], balance=balance, constraints=(own,), split=split,
        hedge=HedgeRule(after=0.1, max_extra=0.2),
    )  # fmt: skip
    special = Route(name="r", use=everyone, balance=balance, constraints=(own, ruled), rule=1, rule_text="x")
    route = Route(**{**{f: getattr(base, f) for f in Route.__struct_fields__},
                     "rules": (Rule(number=1, when='team == "clinic"', route=special),)})  # fmt: skip
    policies = (Policy(name="p", when='team == "shop"', constraint=policy),)
    envelope = Envelope(dialect="openai_chat", operation="chat", model="r", stream=False, body_bytes=9, input_tokens=2)
    judged = Rulebook({"r": route}, policies).judge(
        route, Facts(envelope=envelope, principal=Principal(key_id="k", team=team))
    )
    bound = (own, ruled, key, asked) if team == "clinic" else (own, policy, key, asked)
    fleet = Fleet()
    fleet.hedges.earn("r", 5.0)
    for _ in range(dice.randint(1, 4)):  # health carries over from one exchange to the next
        made = plan(
            judged.route, fleet, 100.0, dice.random, Asked(affinity="t", sticky=dice.random() < 0.5, split=str(seed)),
            (*judged.constraints, key, asked),
        )  # fmt: skip
        course = Course(judged.route, made, fleet, 160.0, dice.random)
        for hop in walk(course, fleet, dice):
            assert allowed(hop.deployment.labels, bound)
        if not any(allowed(c.deployment.labels, bound) for c in judged.route.use + judged.route.fallback):
            assert made.refusal is not None and made.refusal.kind is Kind.FORBIDDEN


def record(constraints: list[dict[str, Any]], hops: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "id": "r1",
        "constraints": constraints,
        "attempts": [
            {"number": n, "deployment": f"d{n}", "region": labels.get("region", "")} for n, labels in enumerate(hops, 1)
        ],
        "evidence": [{"attempt": n, "deployment": f"d{n}", "labels": labels} for n, labels in enumerate(hops, 1)],
    }


EU = [{"origin": "route r", "require": {"region": ["eu", "ch"]}, "forbid": {"vendor": ["z"]}}]


@settings(max_examples=200, deadline=None)
@given(
    hops=st.lists(st.sampled_from([{"region": "eu"}, {"region": "ch", "vendor": "a"}]), min_size=1, max_size=5),
    at=st.integers(0, 4),
    how=st.sampled_from(["outside", "forbidden", "silent", "nobody", "moved", "unreadable", "swapped", "extra"]),
)
def test_every_planted_violation_is_found(hops: list[dict[str, str]], at: int, how: str) -> None:
    clean = record(EU, hops)
    assert check_record(clean) == []
    at %= len(hops)
    number = at + 1
    planted = record(EU, [dict(labels) for labels in hops])
    match how:
        case "outside":
            planted["evidence"][at]["labels"]["region"] = planted["attempts"][at]["region"] = "us"
        case "forbidden":
            planted["evidence"][at]["labels"]["vendor"] = "z"
        case "silent":
            del planted["evidence"][at]["labels"]["region"]
        case "nobody":
            del planted["evidence"][at]
        case "moved":
            planted["attempts"][at]["region"] = "us"
        case "unreadable":
            planted["constraints"] = [{"require": 5}]
        case "swapped":
            planted["evidence"][at]["deployment"] = "other"
        case "extra":
            planted["evidence"].append({"attempt": 9, "deployment": "d9", "labels": {"region": "us"}})
    found = check_record(planted)
    assert found and all(finding.record == "r1" for finding in found)
    if how not in ("unreadable", "extra"):
        assert {finding.attempt for finding in found} == {number}


def test_evidence_that_the_configuration_denies_is_not_believed() -> None:
    written = record(EU, [{"region": "eu"}])
    assert check_record(written, {"d1": {"region": "eu"}}) == []
    found = check_record(written, {"d1": {"region": "us"}})
    assert [finding.why for finding in found] == [
        "its evidence is not what the configuration declares",
        "route r: region is us, required is eu or ch",
    ]


def test_a_ceiling_is_checked_with_the_price_of_the_day() -> None:
    ceiling = [{"origin": "route r", "max_price": {"input": 2_000_000, "output": None}}]
    under, over = record(ceiling, [{}]), record(ceiling, [{}])
    under["evidence"][0]["price"] = {"input": 2_000_000, "output": 9}
    over["evidence"][0]["price"] = {"input": 2_000_001, "output": 9}
    assert check_record(under) == []
    assert "above $2" in check_record(over)[0].why
    assert "not known" in check_record(record(ceiling, [{}]))[0].why
