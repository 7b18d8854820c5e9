"""What a strategy offers: a ranking of all candidates, so that the caller walks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from trunkline.types.fleet import Candidate
from trunkline.types.plan import Asked

if TYPE_CHECKING:
    from trunkline.routing.fleet import Fleet

Dice = Callable[[], float]


class View(msgspec.Struct, frozen=True):
    """What a ranking may look at. `turn` counts the plans made for this route, `now` is loop seconds."""

    turn: int
    rand: Dice
    fleet: Fleet
    now: float
    asked: Asked
    route: str = ""


class Strategy(Protocol):
    name: str
    #: The same order for every request while the fleet is calm: the plan may then be reused.
    steady: bool

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        """All candidates, best first. Never adds one, never loses one, never gives one twice."""
        ...
