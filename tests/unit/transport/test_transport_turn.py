"""The outbox: what is written in one turn of the loop leaves at its end, in order, and never behind a close."""

from __future__ import annotations

import pytest

from trunkline.transport.memory import MemoryLoop
from trunkline.transport.turn import MOST, EndOfTurn


class Wire:
    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log
        self.closing = False

    def write(self, data: bytes) -> None:
        self.log.append(f"{self.name} {data.decode()}")

    def is_closing(self) -> bool:
        return self.closing


@pytest.fixture
def loop() -> MemoryLoop:
    return MemoryLoop()


def test_writes_leave_at_the_end_of_the_turn_one_by_one_in_their_order(loop: MemoryLoop) -> None:
    log: list[str] = []
    outbox, a, b = EndOfTurn(loop), Wire("a", log), Wire("b", log)
    for wire, data in ((a, b"1"), (b, b"2"), (a, b"3")):
        outbox.put(wire, data)  # type: ignore[arg-type]  # as much of a transport as is used
    assert log == []
    loop.run()
    assert log == ["a 1", "b 2", "a 3"]
    loop.run()
    outbox.put(a, b"4")  # type: ignore[arg-type]
    loop.run()
    assert log[3:] == ["a 4"]


def test_flush_overtakes_the_end_of_the_turn(loop: MemoryLoop) -> None:
    log: list[str] = []
    outbox, a = EndOfTurn(loop), Wire("a", log)
    outbox.put(a, b"1")  # type: ignore[arg-type]
    outbox.flush()
    assert log == ["a 1"]
    outbox.put(a, b"2")  # type: ignore[arg-type]
    loop.run()
    assert log == ["a 1", "a 2"]


def test_what_was_for_a_transport_that_closes_is_dropped(loop: MemoryLoop) -> None:
    log: list[str] = []
    outbox, a, b = EndOfTurn(loop), Wire("a", log), Wire("b", log)
    outbox.put(a, b"1")  # type: ignore[arg-type]
    outbox.put(b, b"2")  # type: ignore[arg-type]
    a.closing = True
    loop.run()
    assert log == ["b 2"]


def test_a_writer_without_end_is_not_kept_from_its_transport(loop: MemoryLoop) -> None:
    log: list[str] = []
    outbox, a = EndOfTurn(loop), Wire("a", log)
    for _ in range(MOST // 1024 + 1):
        outbox.put(a, b"x" * 1024)  # type: ignore[arg-type]
    assert len(log) == MOST // 1024 + 1


def test_what_is_put_while_flushing_leaves_in_the_next_turn(loop: MemoryLoop) -> None:
    log: list[str] = []
    outbox = EndOfTurn(loop)

    class Answering(Wire):
        def write(self, data: bytes) -> None:
            super().write(data)
            if data == b"1":
                outbox.put(self, b"2")  # type: ignore[arg-type]

    outbox.put(Answering("a", log), b"1")  # type: ignore[arg-type]
    loop.run()
    assert log == ["a 1", "a 2"]


def test_work_is_done_before_the_writes_of_its_turn_and_its_own_writes_leave_with_them(loop: MemoryLoop) -> None:
    log: list[str] = []
    turn, a = EndOfTurn(loop), Wire("a", log)

    def work() -> None:
        log.append("work")
        turn.put(a, b"2")  # type: ignore[arg-type]

    turn.put(a, b"1")  # type: ignore[arg-type]
    turn.work(work)
    loop.run()
    assert log == ["work", "a 1", "a 2"]


def test_work_that_makes_work_is_done_in_the_next_turn_and_a_bug_stops_nobody(loop: MemoryLoop) -> None:
    log: list[str] = []
    turn = EndOfTurn(loop)

    def bug() -> None:
        raise ArithmeticError

    turn.work(bug)
    turn.work(lambda: turn.work(lambda: log.append("later")))
    turn.work(lambda: log.append("soon"))
    loop.run()
    assert log == ["soon", "later"]
    assert [type(problem["exception"]) for problem in loop.errors] == [ArithmeticError]
