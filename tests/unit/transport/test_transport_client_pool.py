"""Who gets which connection."""

from __future__ import annotations

from trunkline.transport.client.pool import Pool
from trunkline.transport.contract import ClientLimits


def pool(**limits: float) -> Pool[str, str]:
    return Pool(ClientLimits(**limits))  # type: ignore[arg-type]  # integers and floats by name


def test_the_connection_that_was_used_last_is_taken_first():
    p = pool()
    for name in "abc":
        assert p.ask("x", 0.0) == "dial"
        assert p.put(name, 1.0) is None
    assert [p.take(), p.take(), p.take(), p.take()] == ["c", "b", "a", None]
    assert p.live == 3


def test_above_the_limit_requests_wait_in_order_and_above_that_they_are_refused():
    p = pool(connections_per_origin=1, waiting_per_origin=2)
    assert [p.ask(who, 0.0) for who in ("a", "b", "c", "d")] == ["dial", "wait", "wait", "full"]
    assert p.put("conn", 0.5) == "b"
    assert p.put("conn", 0.6) == "c"
    assert p.put("conn", 0.7) is None
    assert p.live == 1


def test_when_a_connection_ends_the_next_in_line_may_dial():
    p = pool(connections_per_origin=1)
    p.ask("a", 0.0)
    p.ask("b", 0.0)
    assert p.gone("conn") == "b"
    assert p.live == 1
    assert p.gone(None) is None
    assert p.live == 0


def test_one_who_gave_up_is_passed_over():
    p = pool(connections_per_origin=1)
    for who in "abc":
        p.ask(who, 0.0)
    p.give_up("b")
    assert p.put("conn", 0.1) == "c"
    assert p.waiting == 0


def test_waiting_ends_after_its_time_oldest_first():
    p = pool(connections_per_origin=1, wait=1.0)
    p.ask("a", 0.0)
    p.ask("b", 0.0)
    p.ask("c", 0.5)
    assert p.due() == 1.0
    assert p.overdue(0.99) == []
    assert p.overdue(1.0) == ["b"]
    assert p.due() == 1.5
    assert p.overdue(9.0) == ["c"]
    assert p.due() is None


def test_idle_connections_expire_oldest_first_and_are_given_out_no_more():
    p = pool(idle_expiry=30.0)
    p.ask("x", 0.0)
    p.ask("x", 0.0)
    p.put("old", 0.0)
    p.put("new", 10.0)
    assert p.due() == 30.0
    assert p.expired(29.9) == []
    assert p.expired(30.0) == ["old"]
    assert p.gone("old") is None
    assert (p.live, p.take()) == (1, "new")


def test_a_connection_that_dies_while_idle_is_forgotten():
    p = pool()
    p.ask("x", 0.0)
    p.put("a", 0.0)
    p.gone("a")
    assert (p.take(), p.live, p.due()) == (None, 0, None)
