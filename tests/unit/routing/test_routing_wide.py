"""Of very many candidates a few are looked at: by weight, in turn, the cheapest, the well; and all of them when that is
not enough."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import SMALL, plan
from trunkline.routing.wide import LOOK, WIDE
from trunkline.types.constraint import Constraint
from trunkline.types.envelope import NEED
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Balance, Candidate, Deployment, ProviderSettings, Route
from trunkline.types.plan import Asked
from trunkline.types.wire import Origin

MANY = 1_000
WALL = 1_795_000_000.0


def candidate(number: int, **more: Any) -> Candidate:
    provider = ProviderSettings(name=f"p{number}", kind="openai", base_url="http://x", credentials=("k",))
    deployment = Deployment(name=f"d{number}", provider=provider, model="m", base_url="http://x", **more)
    return Candidate(
        deployment=deployment, credential="k", origin=Origin("http", "h", 80), address=f"h{number}:80",
        endpoint=f"e{number}", secret=f"p{number}/k",
    )  # fmt: skip


def route(balance: Balance = "weighted", **more: Any) -> Route:
    return Route(name="r", use=tuple(candidate(n) for n in range(MANY)), balance=balance, **more)


def names(order: tuple[Candidate, ...]) -> list[str]:
    return [c.deployment.name for c in order]


def fail(fleet: Fleet, candidate: Candidate, now: float = 10.0) -> None:
    refused = Failure(
        kind=Kind.UNREACHABLE,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message="",
        penalty="address",
        signal="connect",
    )
    for n in range(5):
        way = fleet.began(candidate, now)
        fleet.failed(candidate, refused, now, 0.5, key=f"k{n}", way=way)


BALANCES: tuple[Balance, ...] = ("priority", "weighted", "round_robin", "least_busy", "least_latency", "least_cost")


@pytest.mark.parametrize("balance", BALANCES)
def test_a_few_are_ranked_and_none_twice(balance: Balance) -> None:
    r, fleet, dice = route(balance), Fleet(), random.Random(4)
    fleet.inflight["d1"] = 1
    for _ in range(50):
        made = plan(r, fleet, 10.0, dice.random, Asked(wall=WALL))
        if balance != "priority":
            assert len(made.order) <= LOOK
        assert len(set(names(made.order))) == len(made.order) > 0
    assert WIDE < MANY


def test_weights_hold() -> None:
    heavy = candidate(0, weight=MANY)
    r = Route(name="r", use=(heavy, *(candidate(n) for n in range(1, MANY))), balance="weighted")
    fleet, dice = Fleet(), random.Random(5)
    first = Counter(names(plan(r, fleet, 10.0, dice.random).order)[0] for _ in range(4_000))
    assert 0.46 < first["d0"] / 4_000 < 0.54
    assert len(first) > 800


def test_each_in_turn() -> None:
    r, fleet = route("round_robin"), Fleet()
    assert [names(plan(r, fleet, 10.0, random.random).order)[0] for _ in range(MANY + 1)] == [
        *(f"d{n}" for n in range(MANY)),
        "d0",
    ]


def test_the_cheapest_of_all_comes_first() -> None:
    dear = tuple(candidate(n, price=(5_000_000, 9_000_000)) for n in range(MANY))
    cheap = candidate(MANY, price=(1_000_000, 2_000_000))
    r = Route(name="r", use=(*dear, cheap), balance="least_cost")
    assert names(plan(r, Fleet(), 10.0, random.random, Asked(wall=WALL)).order)[0] == f"d{MANY}"


@pytest.mark.parametrize("balance", BALANCES)
def test_the_sick_are_not_among_them(balance: Balance) -> None:
    r, fleet, dice = route(balance), Fleet(), random.Random(6)
    sick = {f"d{n}" for n in range(0, MANY, 3)}
    for c in r.use:
        if c.deployment.name in sick:
            fail(fleet, c)
    for _ in range(30):
        assert sick.isdisjoint(names(plan(r, fleet, 10.5, dice.random, Asked(wall=WALL)).order))


@pytest.mark.parametrize("balance", BALANCES)
def test_when_all_are_sick_nobody_is_refused_for_that(balance: Balance) -> None:
    r, fleet = route(balance), Fleet()
    for c in r.use:
        fail(fleet, c)
    made = plan(r, fleet, 10.5, random.Random(7).random, Asked(wall=WALL))
    assert made.panic and len(made.order) == MANY


@pytest.mark.parametrize("balance", BALANCES)
def test_constraints_and_needs_hold_as_anywhere(balance: Balance) -> None:
    few = tuple(candidate(n, labels={"region": "eu"}) for n in range(3))
    many = tuple(candidate(n, labels={"region": "us"}, lacks=NEED["image"]) for n in range(3, MANY))
    r = Route(name="r", use=(*many, *few), balance=balance)
    dice = random.Random(8)
    for origin in ("policy p", "request"):
        eu = (Constraint(origin=origin, require={"region": ("eu",)}),)
        for bytes_ in (100, SMALL * 2):
            asked = Asked(wall=WALL, needs=NEED["image"], body_bytes=bytes_)
            for _ in range(20):
                made = plan(r, Fleet(), 10.0, dice.random, asked, eu)
                assert set(names(made.order)) == {"d0", "d1", "d2"}
    nowhere = (Constraint(origin="request", require={"region": ("mars",)}),)
    assert plan(r, Fleet(), 10.0, dice.random, Asked(wall=WALL), nowhere).refusal is not None


def test_a_conversation_stays_where_it_was_and_begins_at_the_same_place_in_all_workers() -> None:
    r, asked = route(), Asked(wall=WALL, affinity="t 1", sticky=True)
    fleets = [Fleet(), Fleet()]
    homes = {names(plan(r, fleet, 10.0, random.random, asked).order)[0] for fleet in fleets}
    assert len(homes) == 1
    fleets[0].affinity.served("t 1", r.use[77], 10.0)
    assert names(plan(r, fleets[0], 11.0, random.random, asked).order)[0] == "d77"
    spread = {
        names(plan(r, fleets[1], 10.0, random.random, Asked(affinity=f"t {n}", sticky=True)).order)[0]
        for n in range(300)
    }
    assert len(spread) > 150


def test_a_large_body_looks_for_a_context_that_holds_it() -> None:
    small = tuple(candidate(n, context_tokens=1_000) for n in range(MANY))
    r = Route(name="r", use=(*small, candidate(MANY, context_tokens=1_000_000)), balance="weighted")
    made = plan(r, Fleet(), 10.0, random.Random(9).random, Asked(wall=WALL, body_bytes=SMALL * 3))
    assert names(made.order) == [f"d{MANY}"]
