"""Constraints and capabilities: who is left out, with which reason, and what the caller is told when nobody is left."""

from __future__ import annotations

from typing import Any

import pytest

from fleet_samples import candidate, route
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.types.constraint import Ceiling, Constraint
from trunkline.types.envelope import NEED
from trunkline.types.failure import Kind
from trunkline.types.fleet import Share, Split
from trunkline.types.plan import Asked

EU = Constraint(origin="rule 1", require={"region": ("eu",)})
WALL = 1_795_000_000.0  # 2026-11-18


def asked(*needs: str, **more: Any) -> Asked:
    return Asked(needs=sum(NEED[n] for n in needs), wall=WALL, **more)


def names(made: Any) -> list[str]:
    return [c.deployment.name for c in made.order]


def reasons(made: Any) -> dict[str, tuple[str, str]]:
    return {d.candidate.deployment.name: (d.reason, d.detail) for d in made.dropped}


us = candidate("us", labels={"region": "us"})
eu = candidate("eu", labels={"region": "eu", "certification": "iso27001,hipaa"})
bare = candidate("bare")


def test_a_constraint_leaves_out_whoever_does_not_declare_what_it_requires() -> None:
    made = plan(route(us, bare, eu, constraints=(EU,)), Fleet(), 1.0, lambda: 0.5)
    assert names(made) == ["eu"]
    assert reasons(made) == {
        "us": ("residency", "rule 1: region is us, required is eu"),
        "bare": ("residency", "rule 1: region is not declared, required is eu"),
    }
    assert made.constraints == (EU,)


def test_constraints_add_up_whatever_their_origin_and_also_bind_fallbacks() -> None:
    hipaa = Constraint(origin="key k1", require={"certification": ("hipaa", "hitrust")})
    made = plan(route(us, fallback=(eu, bare)), Fleet(), 1.0, lambda: 0.5, asked(), (EU, hipaa))
    assert names(made) == ["eu"]
    none = plan(
        route(us, eu),
        Fleet(),
        1.0,
        lambda: 0.5,
        asked(),
        (EU, Constraint(origin="request", require={"region": ("us",)})),
    )
    assert none.order == ()
    assert none.refusal is not None and none.refusal.kind is Kind.FORBIDDEN
    assert "no deployment of 'r' is allowed" in none.refusal.message


def test_forbid_speaks_of_what_is_declared() -> None:
    no_us = Constraint(origin="policy p", forbid={"region": ("us",), "certification": ("hipaa",)})
    assert names(plan(route(us, eu, bare), Fleet(), 1.0, lambda: 0.5, asked(), (no_us,))) == ["bare"]


def test_a_ceiling_leaves_out_the_dear_and_those_whose_price_nobody_knows() -> None:
    dear = candidate("dear", price=(5_000_000, 25_000_000))
    cheap = candidate("cheap", price=(1_000_000, 4_000_000))
    ceiling = Constraint(origin="route r", max_price=Ceiling(2_000_000, 10_000_000))
    made = plan(route(dear, cheap, bare, constraints=(ceiling,)), Fleet(), 1.0, lambda: 0.5, asked())
    assert names(made) == ["cheap"]
    assert reasons(made) == {
        "dear": ("price", "route r: input costs $5 a million tokens, above $2"),
        "bare": ("price", "route r: its price is not known, so it may be above the ceiling"),
    }


def test_prices_of_the_catalogue_change_with_the_day_and_the_size() -> None:
    flash = candidate("flash", model="gemini-3.8-flash")
    ceiling = Constraint(origin="route r", max_price=Ceiling(1_000_000, None))
    under = route(flash, constraints=(ceiling,))
    assert names(plan(under, Fleet(), 1.0, lambda: 0.5, asked())) == ["flash"]
    fleet = Fleet()
    after = Asked(wall=1_798_761_601.0)  # 2027-01-01T00:00:01Z: the promotion is over
    assert plan(under, fleet, 1.0, lambda: 0.5, after).refusal is not None
    sol = candidate("sol", model="gpt-6.1-sol")
    at_two = route(sol, constraints=(Constraint(origin="route r", max_price=Ceiling(2_000_000, None)),))
    assert names(plan(at_two, Fleet(), 1.0, lambda: 0.5, asked(input_tokens=272_000, body_bytes=1_088_000))) == ["sol"]
    assert plan(at_two, Fleet(), 1.0, lambda: 0.5, asked(input_tokens=272_001, body_bytes=1_088_004)).order == ()


def test_what_a_model_lacks_leaves_it_out_with_the_reason() -> None:
    blind = candidate("blind", lacks=NEED["image"] | NEED["temperature"])
    seeing = candidate("seeing")
    made = plan(route(blind, seeing), Fleet(), 1.0, lambda: 0.5, asked("image", "temperature"))
    assert names(made) == ["seeing"]
    assert reasons(made) == {"blind": ("capability", "m does not take image")}
    alone = plan(route(blind), Fleet(), 1.0, lambda: 0.5, asked("image"))
    assert alone.refusal is not None and alone.refusal.kind is Kind.CAPABILITY
    assert alone.refusal.message == "no deployment of 'r' can serve this request: m does not take image"


@pytest.mark.parametrize(
    ("on_unsupported", "image", "temperature"),
    [(None, [], ["x"]), ("refuse", [], []), ("drop", [], ["x"]), ("pass", ["x"], ["x"])],
)
def test_on_unsupported(on_unsupported: Any, image: list[str], temperature: list[str]) -> None:
    lacking = route(candidate("x", lacks=NEED["image"] | NEED["temperature"]), on_unsupported=on_unsupported)
    assert names(plan(lacking, Fleet(), 1.0, lambda: 0.5, asked("image"))) == image
    assert names(plan(lacking, Fleet(), 1.0, lambda: 0.5, asked("temperature"))) == temperature


def test_a_text_that_cannot_fit_is_not_sent() -> None:
    small, large = candidate("small", context=1_000), candidate("large", context=1_000_000)
    assert names(plan(route(small, large), Fleet(), 1.0, lambda: 0.5, asked(body_bytes=40_000))) == ["large"]
    assert names(plan(route(small, large), Fleet(), 1.0, lambda: 0.5, asked("image", body_bytes=40_000))) == [
        "small",
        "large",
    ]


def test_what_fits_is_remembered_for_its_route_and_constraints_only() -> None:
    fleet = Fleet()
    first = route(us, eu, constraints=(EU,))
    assert names(plan(first, fleet, 1.0, lambda: 0.5, asked())) == ["eu"]
    assert names(plan(first, fleet, 1.0, lambda: 0.5, asked())) == ["eu"]
    second = route(us, eu)
    assert names(plan(second, fleet, 1.0, lambda: 0.5, asked())) == ["us", "eu"]
    us_only = Constraint(origin="policy p", require={"region": ("us",)})
    assert names(plan(second, fleet, 1.0, lambda: 0.5, asked(), (us_only,))) == ["us"]
    assert names(plan(second, fleet, 1.0, lambda: 0.5, asked(), (EU,))) == ["eu"]


def test_a_split_sends_its_share_elsewhere_and_always_the_same_users() -> None:
    canary = candidate("canary")
    split = Split(arms=(Share(name="new", percent=10.0, use=(canary,)),))
    shared = route(us, eu, split=split)
    users = [f"user-{n}" for n in range(4000)]
    arms = {u: plan(shared, Fleet(), 1.0, lambda: 0.5, asked(split=u)) for u in users}
    taken = {u for u, made in arms.items() if made.arm == "new"}
    assert 0.08 < len(taken) / len(users) < 0.12
    assert all(names(arms[u]) == ["canary", "us", "eu"] for u in taken)
    assert all(names(arms[u]) == ["us", "eu"] for u in users if u not in taken)
    wider = route(us, eu, split=Split(arms=(Share(name="new", percent=20.0, use=(canary,)),)))
    assert taken <= {u for u in users if plan(wider, Fleet(), 1.0, lambda: 0.5, asked(split=u)).arm == "new"}
    bound = plan(
        route(us, eu, split=split, constraints=(EU,)), Fleet(), 1.0, lambda: 0.5, asked(split=next(iter(taken)))
    )
    assert names(bound) == ["eu"]  # an experiment is no way around a constraint
