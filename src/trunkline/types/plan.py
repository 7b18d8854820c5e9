"""Candidate, plan, attempt: what will be tried, and what came of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from trunkline.types.constraint import Constraint
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate

DropReason = Literal["access", "residency", "price", "capability", "ejected", "throttled", "budget", "credential"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What of a request the plan depends on. `needs` are bits of `NEED`; `affinity` names the conversation, "" if nothing
    does; `sticky`: it stays where it is. `split` is what an experiment's assignment sticks to; `wall` is epoch seconds, for
    prices and hours."""

    needs: int = 0
    input_tokens: int = 0
    body_bytes: int = 0
    max_output_tokens: int | None = None
    stream: bool = False
    affinity: str = ""
    sticky: bool = False
    split: str = ""
    wall: float = 0.0


ANYTHING = Asked()


class Dropped(msgspec.Struct, frozen=True):
    """A candidate that will not be tried, and why."""

    candidate: Candidate
    reason: DropReason
    detail: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered intention; a value that can be printed. `constraints` are all that apply, and are looked at again before every
    attempt; `arm` is the experiment's arm. `refusal` is set when nothing may be tried at all."""

    route: str
    strategy: str
    order: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...] = ()
    panic: bool = False
    constraints: tuple[Constraint, ...] = ()
    arm: str = ""
    refusal: Failure | None = None


AttemptReason = Literal["first", "retry", "failover", "hedge", "splice", "probe"]


class Try(msgspec.Struct, frozen=True):
    """Next step: attempt this candidate now."""

    candidate: Candidate
    reason: AttemptReason


class Wait(msgspec.Struct, frozen=True):
    """Next step: wait `seconds` (backoff or a stated delay), then ask again. `behind` names what has stated a delay that all
    candidates share; at most `bound` exchanges wait for it at once."""

    seconds: float
    stated: bool = False
    behind: str = ""
    bound: int = 0


class Queue(msgspec.Struct, frozen=True):
    """Next step: wait for a permit of this candidate's deployment, `seconds` at most, then ask again."""

    candidate: Candidate
    seconds: float


class GiveUp(msgspec.Struct, frozen=True):
    """Next step: answer with this failure. `spent` says that retries of our own were made or impossible."""

    failure: Failure


Step = Try | Wait | Queue | GiveUp
