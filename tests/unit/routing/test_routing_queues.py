"""Who is next: interactive before batch, the earliest named deadline, the key that got least, the one that came first."""

from __future__ import annotations

from trunkline.routing.queues import Queues, Waiter
from trunkline.types.principal import Priority


class Line:
    def __init__(self, bound: int = 10) -> None:
        self.queues = Queues()
        self.bound = bound
        self.woken: list[str] = []

    def join(
        self, name: str, key: str = "k", priority: Priority = "interactive", due: float | None = None
    ) -> Waiter | None:
        waiter = Waiter(key, priority, due, lambda: self.woken.append(name))
        return waiter if self.queues.join("gpt", waiter, self.bound) else None

    def serve(self, times: int) -> list[str]:
        for _ in range(times):
            assert self.queues.hand_over("gpt")
        return self.woken


def test_first_come_first_served_where_nothing_else_differs() -> None:
    line = Line()
    for name in "abc":
        line.join(name)
    assert line.serve(3) == ["a", "b", "c"]
    assert not line.queues.hand_over("gpt"), "nobody waits"


def test_a_named_deadline_goes_before_waiting_longer() -> None:
    line = Line()
    line.join("patient")
    line.join("late", due=90.0)
    line.join("urgent", due=12.0)
    assert line.serve(3) == ["urgent", "late", "patient"]


def test_a_key_with_many_requests_does_not_starve_the_others() -> None:
    line = Line()
    for n in range(4):
        line.join(f"greedy {n}", key="greedy")
    line.join("modest", key="modest")
    assert line.serve(5) == ["greedy 0", "modest", "greedy 1", "greedy 2", "greedy 3"]


def test_batch_waits_for_everybody_else_even_with_a_deadline() -> None:
    line = Line()
    line.join("batch", priority="batch", due=1.0)
    line.join("person")
    assert line.serve(2) == ["person", "batch"]


def test_a_full_queue_turns_away_and_remembers_nothing() -> None:
    line = Line(bound=1)
    assert line.join("a") is not None
    assert line.join("b") is None
    assert line.queues.length("gpt") == 1
    closed = Line(bound=0)
    assert closed.join("a") is None
    assert closed.queues._waiting == {}


def test_who_leaves_is_not_called_and_shares_end_with_the_queue() -> None:
    line = Line()
    first = line.join("a")
    line.join("b")
    assert first is not None
    line.queues.leave("gpt", first)
    line.queues.leave("gpt", first)
    assert line.serve(1) == ["b"]
    assert line.queues._waiting == {} and line.queues._given == {}
