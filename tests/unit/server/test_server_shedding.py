"""Who is refused when there is too much: batch first, then whoever has more than a share, last everybody."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.server.shedding import BEAT, INTERVAL, LATE, QUIET, Shedder
from trunkline.types.failure import Kind
from trunkline.types.principal import Principal, Priority


class Loop:
    """A clock that is moved by hand; timers fire as late as the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Any, tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Any, *args: Any) -> None:
        self.timers.append((when, call, args))

    def turn(self, late: float) -> None:
        """The next timer fires, `late` seconds after its time."""
        when, call, args = self.timers.pop(0)
        self.now = when + late
        call(*args)


class Going:
    def __init__(self, principal: Principal) -> None:
        self.principal = principal


def who(key: str, team: str = "", organisation: str = "", priority: Priority = "interactive") -> Principal:
    return Principal(key_id=key, team=team, organisation=organisation, priority=priority)


class Desk:
    def __init__(self, limit: int, **live: int) -> None:
        self.loop = Loop()
        self.live = [Going(who(key)) for key, count in live.items() for _ in range(count)]
        self.shedder = Shedder(self.loop, self.live, limit, lambda: 0.5)  # type: ignore[arg-type]

    def refuses(self, principal: Principal | None) -> bool:
        failure = self.shedder.refuses(principal)
        if failure is not None:
            assert failure.kind is Kind.OVERLOADED
            assert failure.delay is not None and 1.0 <= failure.delay <= 5.0
        return failure is not None


def test_nobody_is_refused_while_there_is_room() -> None:
    desk = Desk(100, a=80)
    assert not desk.refuses(who("a")) and not desk.refuses(who("b", priority="batch")) and not desk.refuses(None)


def test_at_the_limit_everybody_is_refused() -> None:
    desk = Desk(100, a=50, b=50)
    assert desk.refuses(who("a")) and desk.refuses(who("new")) and desk.refuses(None)
    assert desk.shedder.refused == 3


def test_near_the_limit_batch_goes_first_and_then_who_has_more_than_a_share() -> None:
    desk = Desk(100, greedy=80, modest=12)
    assert desk.refuses(who("modest", priority="batch"))
    assert desk.refuses(who("greedy"))
    assert not desk.refuses(who("modest"))
    assert not desk.refuses(who("new"))


def test_a_key_alone_may_have_all() -> None:
    assert not Desk(100, only=95).refuses(who("only"))


def test_shares_are_of_organisations_then_teams_then_keys() -> None:
    desk = Desk(100)
    desk.live += [Going(who("a1", "t1", "big")) for _ in range(40)]
    desk.live += [Going(who("a2", "t1", "big")) for _ in range(5)]
    desk.live += [Going(who("b1", "t2", "big")) for _ in range(15)]
    desk.live += [Going(who("c1", "t3", "small")) for _ in range(32)]
    assert desk.refuses(who("a1", "t1", "big")), "the greedy key of the greedy team of the greedy organisation"
    assert not desk.refuses(who("a2", "t1", "big"))
    assert not desk.refuses(who("b1", "t2", "big"))
    assert not desk.refuses(who("c1", "t3", "small")), "its organisation has less than half"


def test_a_loop_that_is_late_for_an_interval_refuses_batch_and_then_the_greedy() -> None:
    desk = Desk(1_000, a=QUIET + 10, b=10)
    batch = who("c", priority="batch")
    assert not desk.refuses(batch), "from here on somebody looks at the loop"
    desk.loop.turn(late=LATE + 0.010)
    assert not desk.refuses(batch), "late once is nothing yet"
    desk.loop.turn(late=LATE + 0.010)
    assert desk.shedder.lateness == 1
    assert desk.refuses(batch) and not desk.refuses(who("a")) and not desk.refuses(who("b"))
    desk.loop.turn(late=LATE + 0.030)
    assert desk.shedder.lateness == 2
    assert desk.refuses(who("a")) and not desk.refuses(who("b"))
    desk.loop.turn(late=0.001)
    assert desk.shedder.lateness == 0
    assert not desk.refuses(batch) and not desk.refuses(who("a"))


def test_a_key_alone_is_refused_while_the_loop_stays_late() -> None:
    desk = Desk(1_000, only=200)
    desk.refuses(who("only"))
    for _ in range(4):
        desk.loop.turn(late=INTERVAL)
    assert desk.refuses(who("only"))


def test_the_loop_is_looked_at_only_while_there_is_something_to_do() -> None:
    desk = Desk(1_000, a=QUIET)
    desk.refuses(who("a"))
    desk.refuses(who("a"))
    assert len(desk.loop.timers) == 1
    assert desk.loop.timers[0][0] == pytest.approx(100.0 + BEAT)
    desk.live.clear()
    desk.loop.turn(late=0.0)
    assert desk.loop.timers == []
