"""What a condition may look at, and what came of looking."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from trunkline.types.constraint import Constraint
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.fleet import Policy, Route
from trunkline.types.principal import Principal
from trunkline.types.words import Words

Difficulty = Literal["easy", "medium", "hard"]
#: Where a label comes from, in the order of evidence (task-routing.md).
TaskSource = Literal["caller", "structure", "own", "model", "none"]


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """The task of a request. `sure`: confident enough for a rule that says nothing else; a label that is not counts as
    `unknown` there."""

    label: str = "unknown"
    group: str = "unknown"
    confidence: float = 0.0
    difficulty: Difficulty = "medium"
    sure: bool = False
    source: TaskSource = "none"


NO_GUESS = Guess()


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it flat, as conditions name it. `hour` is UTC, 0 to 23. `ejected` names deployments that are out of health now.
    `headers` are those that the configuration allows, lower case; `metadata` the caller's own, header before body."""

    envelope: Envelope
    principal: Principal
    guess: Guess = NO_GUESS
    user: str = ""
    feature: str = ""
    metadata: dict[str, str] = {}
    headers: dict[str, str] = {}
    hour: int = 0
    ejected: tuple[str, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the conditions came to: the route that holds (the matched rule's, or the route itself), every policy that applies,
    or why the request is refused. `erred` lists conditions that could not be evaluated, in words."""

    route: Route
    constraints: tuple[Constraint, ...] = ()
    refusal: Failure | None = None
    erred: tuple[str, ...] = ()


class Judge(Protocol):
    """The compiled conditions of one snapshot."""

    def wants(self, route: Route) -> frozenset[str]:
        """Names of the variables that the route's rules and all policies look at."""
        ...

    def judge(self, route: Route, facts: Facts) -> Judged: ...


class Guesser(Protocol):
    """Works out what a request is about, from its words alone."""

    def warm(self) -> None:
        """Read what is needed, so that no request waits for it."""
        ...

    def guess(self, words: Words) -> Guess: ...


def applied(policies: tuple[Policy, ...]) -> tuple[Constraint, ...]:
    return tuple(policy.constraint for policy in policies)
