"""What a strategy offers: a ranking of all candidates, so that the caller walks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from trunkline.types.fleet import Candidate

Dice = Callable[[], float]


class Strategy(Protocol):
    name: str
    #: The same order for every request while the fleet is calm: the plan may then be reused.
    steady: bool

    def order(self, candidates: tuple[Candidate, ...], turn: int, rand: Dice) -> tuple[Candidate, ...]:
        """All candidates, best first. `turn` counts the plans made for this route."""
        ...
