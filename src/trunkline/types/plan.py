"""Candidate, plan, attempt: what will be tried, and what came of it."""

from __future__ import annotations

from typing import Literal

import msgspec

from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate

DropReason = Literal["access", "residency", "capability", "ejected", "throttled", "budget", "credential"]


class Dropped(msgspec.Struct, frozen=True):
    """A candidate that will not be tried, and why."""

    candidate: Candidate
    reason: DropReason
    detail: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Ordered intention; a value that can be printed. `refusal` is set when nothing may be tried at all."""

    route: str
    strategy: str
    order: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...] = ()
    panic: bool = False
    refusal: Failure | None = None


AttemptReason = Literal["first", "retry", "failover", "hedge", "splice", "probe"]


class Try(msgspec.Struct, frozen=True):
    """Next step: attempt this candidate now."""

    candidate: Candidate
    reason: AttemptReason


class Wait(msgspec.Struct, frozen=True):
    """Next step: wait `seconds` (backoff or a stated delay), then ask again."""

    seconds: float
    stated: bool = False


class GiveUp(msgspec.Struct, frozen=True):
    """Next step: answer with this failure. `spent` says that retries of our own were made or impossible."""

    failure: Failure


Step = Try | Wait | GiveUp
