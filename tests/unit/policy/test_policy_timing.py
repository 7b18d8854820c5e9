"""K6: how long a refusal takes says nothing about how much of a guessed key is right."""

from __future__ import annotations

import random
import statistics
import time

import pytest

from trunkline.policy import keys
from trunkline.policy.admit import Gate
from trunkline.policy.keys import digest, mint
from trunkline.storage.contract import KeyRow

PEPPER = bytes(range(32))
SAMPLES = 100_000


def guess(prefix: str, rest: str) -> str:
    text = prefix[:15] + rest[15:30]
    return text + keys._checksum(text)


def welch_t(a: list[int], b: list[int]) -> float:
    spread = statistics.variance(a) / len(a) + statistics.variance(b) / len(b)
    return (statistics.fmean(a) - statistics.fmean(b)) / float(spread**0.5)


def measured(gate: Gate, live: str) -> float:
    """Welch's t over refusals of guesses that share half of a live key, against random ones, in random order."""
    dice = random.Random(7)
    tries = []
    for _ in range(SAMPLES):
        one, other, right = mint(), mint(), dice.random() < 0.5
        tries.append((guess(live if right else other, one), right))
    took: tuple[list[int], list[int]] = ([], [])
    for key, right in tries:
        started = time.perf_counter_ns()
        gate.known(key)
        took[right].append(time.perf_counter_ns() - started)
    # Interruptions are not what is measured.
    cut = sorted(took[0] + took[1])[int(SAMPLES * 0.95)]
    return welch_t([t for t in took[0] if t < cut], [t for t in took[1] if t < cut])


@pytest.mark.soak
def test_a_right_prefix_takes_as_long_as_a_random_one() -> None:
    gate = Gate(PEPPER)
    live = [mint() for _ in range(1000)]
    gate.ring.apply(KeyRow(key_id=f"key_{n}", digest=digest(PEPPER, key)) for n, key in enumerate(live))
    # A leak shows every time, a busy machine does not.
    assert min(abs(measured(gate, live[0])) for _ in range(3)) < 4.5
