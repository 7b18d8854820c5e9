"""The timer wheel, on a loop whose time the test moves."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

import pytest

from trunkline.transport.timers import GRAIN, Deadlines

SLACK = GRAIN + 0.002


class Handle:
    def __init__(self, when: float, callback: Callable[[], None]) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Clock:
    """As much of an event loop as a wheel needs. `go(seconds)` fires what falls due on the way."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now
        self.handles: list[Handle] = []
        self.armed = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        self.armed += 1
        handle = Handle(when, callback)
        self.handles.append(handle)
        return handle

    @property
    def alive(self) -> list[Handle]:
        return [handle for handle in self.handles if not handle.cancelled]

    def go(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            self.handles = self.alive
            assert len(self.handles) <= 1
            if not self.handles or self.handles[0].when > until:
                break
            handle = self.handles.pop()
            self.now = max(self.now, handle.when)
            handle.callback()
        self.now = until


class Waiter:
    """Notes when it was called; returns what `again` holds."""

    def __init__(self, clock: Clock, again: float | None = None) -> None:
        self.clock = clock
        self.again = again
        self.calls: list[float] = []

    def on_deadline(self, now: float) -> float | None:
        assert now == self.clock.now
        self.calls.append(now)
        return self.again


def wheel(now: float = 1000.0) -> tuple[Clock, Deadlines]:
    clock = Clock(now)
    return clock, Deadlines(cast(Any, clock))


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.016, 0.5, 1.023, 1.025, 20.0, 65.6, 600.0, 1200.0, 90_000.0])
@pytest.mark.parametrize("now", [0.0, 1000.0, 123_456.789])
def test_a_deadline_is_reported_once_not_early_and_at_most_a_grain_late(now: float, seconds: float):
    clock, deadlines = wheel(now)
    waiter = Waiter(clock)
    deadlines.add(waiter, now + seconds)
    clock.go(seconds + 1)
    assert len(waiter.calls) == 1
    assert now + seconds <= waiter.calls[0] <= now + seconds + SLACK
    clock.go(100_000)
    assert len(waiter.calls) == 1 and not clock.alive


def test_a_removed_deadline_is_not_reported():
    clock, deadlines = wheel()
    waiter = Waiter(clock)
    deadlines.add(waiter, 1010.0)
    assert waiter in deadlines and len(deadlines) == 1
    deadlines.remove(waiter)
    deadlines.remove(waiter)
    clock.go(100)
    assert waiter.calls == [] and waiter not in deadlines and not clock.alive


def test_a_moved_deadline_counts_from_its_new_time_in_both_directions():
    clock, deadlines = wheel()
    sooner, later = Waiter(clock), Waiter(clock)
    deadlines.add(sooner, 1100.0)
    deadlines.add(later, 1001.0)
    deadlines.move(sooner, 1002.0)
    deadlines.move(later, 1200.0)
    clock.go(300)
    assert 1002.0 <= sooner.calls[0] <= 1002.0 + SLACK
    assert 1200.0 <= later.calls[0] <= 1200.0 + SLACK
    assert len(sooner.calls) == len(later.calls) == 1


def test_the_returned_time_is_the_next_deadline():
    clock, deadlines = wheel()
    waiter = Waiter(clock, again=1005.0)
    deadlines.add(waiter, 1001.0)
    clock.go(2)
    waiter.again = None
    clock.go(10)
    assert len(waiter.calls) == 2
    assert 1005.0 <= waiter.calls[1] <= 1005.0 + SLACK


def test_a_returned_time_in_the_past_is_reported_once_per_grain_not_in_a_tight_loop():
    clock, deadlines = wheel()
    waiter = Waiter(clock, again=0.0)
    deadlines.add(waiter, 1000.0)
    clock.go(1.0)
    assert 30 < len(waiter.calls) <= 1.0 / GRAIN + 1


def test_there_is_never_more_than_one_timer_and_none_for_an_empty_wheel():
    clock, deadlines = wheel()
    assert not clock.alive
    waiters = [Waiter(clock) for _ in range(1000)]
    for index, waiter in enumerate(waiters):
        deadlines.add(waiter, 1020.0 - index / 100)
        assert len(clock.alive) == 1
    clock.go(30)
    assert all(len(waiter.calls) == 1 for waiter in waiters)
    assert not clock.alive


def test_adding_and_removing_at_a_high_rate_arms_the_loop_rarely():
    clock, deadlines = wheel()
    waiter = Waiter(clock)
    for _ in range(10_000):
        deadlines.add(waiter, clock.now + 20.0)
        deadlines.remove(waiter)
        clock.go(0.0001)
    assert clock.armed < 20


def test_what_is_noted_and_soon_removed_never_reaches_the_wheel():
    clock, deadlines = wheel()
    short, long = Waiter(clock), Waiter(clock)
    deadlines.note(long, clock.now + 20.0, clock.now)
    for _ in range(10_000):
        deadlines.note(short, clock.now + 20.0, clock.now)
        assert short in deadlines and len(deadlines) == 2
        deadlines.remove(short)
        clock.go(0.0001)
    assert clock.armed < 20
    clock.go(30)
    assert (len(short.calls), len(long.calls)) == (0, 1)


def test_entries_may_add_move_and_remove_others_while_they_are_reported():
    clock, deadlines = wheel()
    victim, moved, added = Waiter(clock), Waiter(clock), Waiter(clock)

    class Meddler:
        def on_deadline(self, now: float) -> None:
            deadlines.remove(victim)
            deadlines.move(moved, now + 5)
            deadlines.add(added, now)

    deadlines.add(victim, 1001.0)
    deadlines.add(moved, 1001.0)
    deadlines.add(Meddler(), 1001.0)
    clock.go(20)
    assert victim.calls == [] or victim.calls[0] <= 1001.0 + SLACK
    assert len(added.calls) == 1 and added.calls[0] <= 1001.0 + 2 * SLACK
    assert moved.calls[-1] >= 1006.0


def test_an_entry_that_raises_does_not_stop_the_others():
    clock, deadlines = wheel()

    class Broken:
        def on_deadline(self, now: float) -> None:
            raise ZeroDivisionError

    others = [Waiter(clock) for _ in range(5)]
    deadlines.add(others[0], 1001.0)
    deadlines.add(Broken(), 1001.0)
    for other in others[1:]:
        deadlines.add(other, 1001.0)
    with pytest.raises(ZeroDivisionError):
        clock.go(5)
    clock.go(5)
    assert all(len(other.calls) == 1 for other in others)


def test_a_wheel_that_was_idle_for_days_still_keeps_time():
    clock, deadlines = wheel()
    clock.go(1_000_000)
    waiter = Waiter(clock)
    deadlines.add(waiter, clock.now + 3)
    clock.go(5)
    assert clock.now - 2 <= waiter.calls[0] <= clock.now - 2 + SLACK


def test_infinity_is_a_deadline_that_never_comes():
    clock, deadlines = wheel()
    waiter = Waiter(clock)
    deadlines.add(waiter, float("inf"))
    clock.go(1_000_000)
    assert waiter.calls == [] and waiter in deadlines


@pytest.mark.parametrize("seed", range(20))
def test_any_mixture_of_operations_keeps_every_deadline(seed: int):
    dice = random.Random(seed)
    clock, deadlines = wheel(dice.random() * 1e6)
    due: dict[int, float] = {}

    class Entry:
        def __init__(self, number: int) -> None:
            self.number = number

        def on_deadline(self, now: float) -> float | None:
            assert due.pop(self.number) <= now
            if dice.random() < 0.3:
                due[self.number] = now + dice.choice([0, 0.01, 1, 70, 5000])
                return due[self.number]
            return None

    entries = [Entry(number) for number in range(40)]
    for _ in range(400):
        entry = dice.choice(entries)
        action = dice.random()
        if action < 0.5:
            due[entry.number] = clock.now + dice.choice([0, 0.02, 1, 66, 4000, 300_000]) * dice.random()
            if entry not in deadlines and dice.random() < 0.5:
                deadlines.note(entry, due[entry.number], clock.now)
            else:
                deadlines.add(entry, due[entry.number])
        elif action < 0.7:
            due.pop(entry.number, None)
            deadlines.remove(entry)
        else:
            clock.go(dice.choice([0.001, 0.02, 0.5, 3, 70, 5000]))
        assert len(deadlines) == len(due)
        assert all(at + SLACK >= clock.now for at in due.values())
