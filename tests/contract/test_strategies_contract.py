"""What every strategy owes: it gives each candidate exactly once, whatever the fleet has seen, and invents none."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from trunkline.routing.fleet import Fleet
from trunkline.routing.strategies import STRATEGIES
from trunkline.routing.strategies.contract import Strategy, View
from trunkline.types.fleet import Candidate, Deployment, ProviderSettings
from trunkline.types.plan import Asked
from trunkline.types.wire import Origin

WALL = 1_795_000_000.0
MODELS = ("gpt-6.1-sol", "claude-sonnet-5-5", "gemini-3.8-flash", "gpt-6-luna", "mine")


def candidate(number: int, weight: int = 1) -> Candidate:
    provider = ProviderSettings(name=f"p{number}", kind="openai", base_url="http://x", credentials=("k",))
    deployment = Deployment(
        name=f"d{number}", provider=provider, model=MODELS[number % len(MODELS)], base_url="http://x", weight=weight
    )
    return Candidate(
        deployment=deployment, credential="k", origin=Origin("http", "h", 80), address="h:80",
        endpoint=f"e{number}", secret=f"p{number}/k",
    )  # fmt: skip


def view(fleet: Fleet, dice: random.Random, turn: int = 0, **asked: object) -> View:
    return View(turn, dice.random, fleet, 100.0, Asked(wall=WALL, input_tokens=500, **asked), "r")  # type: ignore[arg-type]


def lived_in(dice: random.Random, count: int) -> Fleet:
    fleet = Fleet()
    for _ in range(200):
        name = f"d{dice.randrange(max(1, count))}"
        fleet.speeds.observe(name, dice.randrange(8), dice.random() * 5, dice.random() / 50, 90.0 + dice.random() * 10)
        fleet.inflight[name] += 1
    return fleet


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 50])
def test_a_ranking_is_a_permutation(strategy: Strategy, count: int) -> None:
    dice = random.Random(count)
    for turn in range(30):
        candidates = tuple(candidate(n, dice.randrange(4)) for n in range(count))
        fleet = lived_in(dice, count) if turn % 2 else Fleet()
        ranked = strategy.order(candidates, view(fleet, dice, turn, stream=bool(turn % 3), affinity="t"))
        assert Counter(map(id, ranked)) == Counter(map(id, candidates))


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_the_same_dice_give_the_same_order(strategy: Strategy) -> None:
    candidates = tuple(candidate(n) for n in range(9))
    fleet = lived_in(random.Random(1), 9)
    orders = [strategy.order(candidates, view(fleet, random.Random(7), 3)) for _ in range(2)]
    assert orders[0] == orders[1]


STEADY = [strategy for strategy in STRATEGIES.values() if strategy.steady]


@pytest.mark.parametrize("strategy", STEADY, ids=[strategy.name for strategy in STEADY])
def test_one_that_is_steady_needs_neither_dice_nor_fleet(strategy: Strategy) -> None:
    candidates = tuple(candidate(n) for n in range(5))
    for seed in range(9):
        dice = random.Random(seed)
        ranked = strategy.order(candidates, view(lived_in(dice, 5), dice, seed))
        assert [c.deployment.name for c in ranked] == ["d0", "d1", "d2", "d3", "d4"]


def shares(
    strategy: str, fleet: Fleet, candidates: tuple[Candidate, ...], rounds: int = 4000, **asked: object
) -> list[float]:
    dice = random.Random(11)
    first = Counter(
        STRATEGIES[strategy].order(candidates, view(fleet, dice, turn, **asked))[0].deployment.name
        for turn in range(rounds)
    )
    return [first[c.deployment.name] / rounds for c in candidates]


def test_weights_are_shares_and_nothing_is_the_last_resort() -> None:
    candidates = (candidate(0, 3), candidate(1, 1), candidate(2, 0), candidate(3, 6))
    assert shares("weighted", Fleet(), candidates) == pytest.approx([0.3, 0.1, 0.0, 0.6], abs=0.03)
    ranked = STRATEGIES["weighted"].order(candidates, view(Fleet(), random.Random(1)))
    assert ranked[-1].deployment.name == "d2"


def test_round_robin_is_even() -> None:
    assert shares("round_robin", Fleet(), tuple(candidate(n) for n in range(4))) == [0.25] * 4


def test_least_busy_looks_at_attempts_for_their_weight() -> None:
    fleet = Fleet()
    fleet.inflight.update({"d0": 3, "d1": 5, "d2": 4})
    candidates = (candidate(0, 1), candidate(1, 5), candidate(2, 2))
    assert shares("least_busy", fleet, candidates) == [0.0, 1.0, 0.0]


def test_least_latency_prefers_the_faster_of_two_and_tries_the_unseen() -> None:
    fleet = Fleet()
    for name, first in (("d0", 0.2), ("d1", 0.4), ("d2", 0.8)):
        fleet.speeds.observe(name, 0, first, 0.01, 99.0)
    three = tuple(candidate(n) for n in range(3))
    fast, middle, slow = shares("least_latency", fleet, three, stream=True)
    assert fast == pytest.approx(2 / 3, abs=0.03) and middle == pytest.approx(1 / 3, abs=0.03) and slow == 0.0
    assert shares("least_latency", fleet, (*three, candidate(3)), stream=True)[3] == pytest.approx(0.5, abs=0.03)


def test_a_deployment_that_turned_slow_is_left_at_once_and_trusted_again_slowly() -> None:
    fleet = Fleet()
    two = (candidate(0), candidate(1))
    for at in range(50):
        fleet.speeds.observe("d0", 0, 0.2, None, 50.0 + at)
        fleet.speeds.observe("d1", 0, 0.4, None, 50.0 + at)
    assert shares("least_latency", fleet, two, stream=True) == [1.0, 0.0]
    fleet.speeds.observe("d0", 0, 3.0, None, 99.5)
    assert shares("least_latency", fleet, two, stream=True) == [0.0, 1.0]
    fleet.speeds.observe("d0", 0, 0.2, None, 99.9)
    assert shares("least_latency", fleet, two, stream=True) == [0.0, 1.0]


def test_least_cost_knows_prices_output_and_caches() -> None:
    sol, claude, flash, luna, mine = (candidate(n) for n in range(5))
    order = STRATEGIES["least_cost"].order((mine, sol, claude, flash, luna), view(Fleet(), random.Random(1)))
    assert [c.deployment.model for c in order] == [
        "gpt-6-luna",
        "gemini-3.8-flash",
        *[c.deployment.model for c in order[2:4]],
        "mine",
    ]
    fleet = Fleet()
    fleet.affinity.served("t", sol, 99.0)
    cached = STRATEGIES["least_cost"].order(
        (claude, sol), view(fleet, random.Random(1), affinity="t", max_output_tokens=1)
    )
    assert cached[0] is sol
