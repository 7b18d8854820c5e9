"""The numbered scenarios of docs/reference/resilience.md: every test of one is marked with its id, runs scaled in `./test`
and in full under `./test --soak ID…`, and tells the numbers it measured.

    @scenario("R7")
    def test_a_stated_delay_is_a_lower_bound_for_everybody(size: Size, told: Told) -> None:
        ...size.of(10_000)...
        told("requests on A before the delay", early, "0")
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest

#: Counts and durations are divided by this in `./test` (reliability.md section 8).
SHORT = 20
#: Where the numbers go, as JSON lines, if this is set: `scripts/resilience_page.py` makes the page of them.
RESULTS = "TRUNKLINE_RESULTS"

Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True)
class Size:
    """How much of a scenario is played. `full` under --soak."""

    full: bool

    def of(self, count: int, least: int = 1) -> int:
        return count if self.full else max(least, count // SHORT)

    def seconds(self, duration: float, most: float | None = None) -> float:
        """A duration, divided, or cut to `most` (outages last at most 10 s in `./test`)."""
        return duration if self.full else duration / SHORT if most is None else min(duration, most)


SIZES = [pytest.param(Size(False), id="short"), pytest.param(Size(True), id="full", marks=pytest.mark.soak)]


def scenario(name: str) -> Callable[[Test], Test]:
    """Marks a test as (a part of) scenario `name`; it must take `size` and `told`."""

    def mark(test: Test) -> Test:
        return pytest.mark.scenario(name)(pytest.mark.parametrize("size", SIZES)(test))

    return mark


class Told:
    """Keeps what a scenario measured: `told("errors at clients", 0, "0")` is measure, value, pass mark."""

    def __init__(self, name: str, test: str, full: bool) -> None:
        self.name = name
        self.test = test
        self.full = full

    def __call__(self, measure: str, value: object, mark: str) -> None:
        path = os.environ.get(RESULTS)
        if path:
            row = {
                "scenario": self.name,
                "test": self.test,
                "full": self.full,
                "measure": measure,
                "value": value
                if isinstance(value, str)
                else f"{value:.4g}"
                if isinstance(value, float)
                else str(value),
                "mark": mark,
            }
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
