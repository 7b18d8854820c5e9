"""What is tried next: the rules of reliability.md section 1, as transcripts. Expected steps are written by hand."""

from __future__ import annotations

from collections.abc import Callable

from fleet_samples import (
    BAD_KEY,
    CLIENT_400,
    CONTEXT,
    REFUSED,
    SILENT,
    STATUS_500,
    candidate,
    retry,
    route,
    throttled,
)
from trunkline.routing.course import Course
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Route
from trunkline.types.plan import GiveUp, Try, Wait


class Walk:
    """Plays an exchange: asks for a step, tells how it ended, writes both down."""

    def __init__(self, route: Route, fleet: Fleet | None = None, *, now: float = 100.0, total: float = 1200.0) -> None:
        self.now = now
        self.fleet = fleet or Fleet()
        self.rand: Callable[[], float] = lambda: 0.5
        self.plan = plan(route, self.fleet, now, self.rand)
        self.course = Course(route, self.plan, self.fleet, now + total, self.rand)
        self.said: list[str] = []

    def play(self, outcome: Callable[[str], Failure | None]) -> str:
        for _ in range(40):
            step = self.course.next(self.now)
            match step:
                case GiveUp(failure):
                    self.said.append(f"give up {failure.kind.value}")
                    self.last = failure
                    break
                case Wait(seconds):
                    self.said.append(f"wait {seconds:.3f}")
                    self.now += seconds
                case Try(chosen, reason):
                    self.said.append(f"{reason} {chosen.deployment.name}")
                    way = self.fleet.began(chosen, self.now)
                    failure = outcome(chosen.deployment.name)
                    if failure is None:
                        self.fleet.served(chosen, self.now, way=way)
                        self.said.append("served")
                        break
                    self.fleet.failed(chosen, failure, self.now, 0.5, key="k1", way=way)
                    self.course.failed(chosen, failure, self.now)
        return " | ".join(self.said)


def fails(**by_name: Failure) -> Callable[[str], Failure | None]:
    return by_name.get


def test_a_refused_connection_is_tried_again_at_once_then_the_next_candidate_serves() -> None:
    walk = Walk(route(candidate("a"), candidate("b")))
    assert walk.play(fails(a=REFUSED)) == "first a | retry a | failover b | served"


def test_three_retries_mean_four_attempts_on_the_first_candidate() -> None:
    walk = Walk(route(candidate("a"), candidate("b"), retry=retry(times=3)))
    said = walk.play(fails(a=STATUS_500))
    # Full jitter with rand = 0.5: 0.125, 0.25, 0.5 s.
    assert said == (
        "first a | wait 0.125 | retry a | wait 0.250 | retry a | wait 0.500 | retry a | failover b | served"
    )


def test_a_signal_outside_retry_on_fails_over_without_a_retry() -> None:
    walk = Walk(route(candidate("a"), candidate("b"), retry=retry(on=frozenset({"connect"}))))
    assert walk.play(fails(a=STATUS_500)) == "first a | failover b | served"


def test_a_silent_deployment_is_never_retried() -> None:
    walk = Walk(route(candidate("a"), candidate("b"), retry=retry(times=3)))
    assert walk.play(fails(a=SILENT)) == "first a | failover b | served"


def test_everything_silent_is_a_time_out() -> None:
    walk = Walk(route(candidate("a"), candidate("b")))
    assert walk.play(fails(a=SILENT, b=SILENT)) == "first a | failover b | give up timed_out"


def test_a_client_fault_is_final() -> None:
    walk = Walk(route(candidate("a"), candidate("b")))
    assert walk.play(fails(a=CLIENT_400)) == "first a | give up invalid_request"


def test_a_bad_credential_fails_over_at_once_and_is_skipped_afterwards() -> None:
    fleet = Fleet()
    r = route(candidate("a"), candidate("b"))
    assert Walk(r, fleet).play(fails(a=BAD_KEY)) == "first a | failover b | served"
    assert Walk(r, fleet, now=130.0).play(fails(a=BAD_KEY)) == "first b | served"


def test_a_bad_credential_alone_is_503_and_never_401() -> None:
    walk = Walk(route(candidate("a")))
    assert walk.play(fails(a=BAD_KEY)) == "first a | give up no_candidate"


def test_a_short_stated_delay_is_waited_out_on_the_same_deployment() -> None:
    answers = iter([throttled(2.0), None])
    walk = Walk(route(candidate("a"), candidate("b")))
    assert walk.play(lambda name: next(answers)) == "first a | wait 2.100 | retry a | served"


def test_a_long_stated_delay_fails_over_and_nobody_touches_the_credential_before_it_passed() -> None:
    fleet = Fleet()
    r = route(candidate("a"), candidate("b"))
    assert Walk(r, fleet).play(fails(a=throttled(10.0))) == "first a | failover b | served"
    assert Walk(r, fleet, now=109.9).play(fails()) == "first b | served"
    assert Walk(r, fleet, now=110.1).play(fails()) == "first a | served"


def test_a_shorter_delay_never_shortens_a_longer_one() -> None:
    fleet = Fleet()
    a, b = candidate("a"), candidate("b")
    for delay in (10.0, 6.0):
        fleet.began(a, 100.0)
        fleet.failed(a, throttled(delay), 100.0, 0.5, key="k", way="open")
    assert Walk(route(a, b), fleet, now=107.0).play(fails()) == "first b | served"


def test_all_throttled_is_429_with_the_smallest_remaining_wait() -> None:
    walk = Walk(route(candidate("a"), candidate("b")))
    said = walk.play(fails(a=throttled(30.0), b=throttled(20.0)))
    assert said == "first a | failover b | give up throttled"
    assert walk.last.delay == 20.0


def test_all_throttled_for_a_short_while_waits_in_the_queue_first() -> None:
    fleet = Fleet()
    a, b = candidate("a"), candidate("b")
    for c, delay in ((a, 30.0), (b, 4.0)):
        fleet.began(c, 100.0)
        fleet.failed(c, throttled(delay), 100.0, 0.5, key="k", way="open")
    walk = Walk(route(a, b), fleet, now=101.0)
    assert walk.play(fails()) == "wait 3.150 | retry b | served"


def test_whoever_waits_heeds_a_longer_delay_that_another_exchange_was_told() -> None:
    def meanwhile(delay: float) -> Callable[[str], Failure | None]:
        told: list[float] = []

        def outcome(name: str) -> Failure | None:
            if name == "b" or told:
                return None
            told.append(delay)
            walk.fleet.began(a, 100.0)
            walk.fleet.failed(a, throttled(delay), 100.0, 0.5, key="k2", way="open")
            return throttled(1.0)

        return outcome

    a, b = candidate("a"), candidate("b")
    walk = Walk(route(a, b))
    assert walk.play(meanwhile(4.0)) == "first a | wait 1.050 | wait 3.098 | retry a | served"
    walk = Walk(route(a, b))
    assert walk.play(meanwhile(9.0)) == "first a | wait 1.050 | failover b | served"
    walk = Walk(route(a))
    assert walk.play(meanwhile(9.0)) == "first a | wait 1.050 | give up throttled"


def test_a_delay_that_nobody_stated_does_not_hold_a_retry_that_was_asked_for() -> None:
    walk = Walk(route(candidate("a"), candidate("b"), retry=retry(on=frozenset({"429"}))))
    assert walk.play(fails(a=throttled(None))) == "first a | wait 0.125 | retry a | failover b | served"


def test_throttled_without_a_delay_fails_over_at_once() -> None:
    walk = Walk(route(candidate("a"), candidate("b")))
    assert walk.play(fails(a=throttled(None))) == "first a | failover b | served"


def test_context_length_goes_only_to_a_larger_declared_context() -> None:
    walk = Walk(route(candidate("a", context=100), candidate("b", context=100), candidate("c", context=500)))
    assert walk.play(fails(a=CONTEXT)) == "first a | failover c | served"
    walk = Walk(route(candidate("a", context=100), candidate("b")))
    assert walk.play(fails(a=CONTEXT)) == "first a | give up context_length"


def test_no_more_than_eight_attempts_in_all() -> None:
    walk = Walk(route(*(candidate(f"c{i}") for i in range(12))))
    said = walk.play(lambda name: SILENT)
    assert said.count("failover") == 7
    assert said.endswith("give up timed_out")


def test_no_attempt_starts_with_less_than_fifty_milliseconds_left() -> None:
    walk = Walk(route(candidate("a")), total=0.04)
    assert walk.play(fails()) == "give up timed_out"


def test_a_wait_that_does_not_fit_into_the_deadline_is_not_begun() -> None:
    walk = Walk(route(candidate("a"), candidate("b")), total=1.0)
    assert walk.play(fails(a=throttled(2.0))) == "first a | failover b | served"


def test_a_full_deployment_gives_way_to_the_next_and_503_when_all_are_full() -> None:
    fleet = Fleet()
    a, b = candidate("a", concurrency=1), candidate("b", concurrency=1)
    fleet.began(a, 100.0)
    assert Walk(route(a, b), fleet).play(fails()) == "first b | served"
    fleet.began(b, 100.0)
    walk = Walk(route(a, b), fleet)
    assert walk.play(fails()) == "give up overloaded"
    assert walk.last.fault is FaultClass.OVERLOAD


def test_failover_on_may_be_narrowed() -> None:
    walk = Walk(route(candidate("a"), candidate("b"), failover_on=frozenset({"F6"}), retry=retry(times=0)))
    assert walk.play(fails(a=STATUS_500)) == "first a | give up upstream_error"


def test_an_empty_retry_budget_skips_the_retry_and_fails_over() -> None:
    fleet = Fleet()
    r = route(candidate("a"), candidate("b"))
    for _ in range(40):
        Walk(r, fleet).play(lambda name: SILENT if name == "none" else None)
    budget = fleet.budget(r, r.use[0], 100.0)
    while budget.take(100.0):
        pass
    assert Walk(r, fleet).play(fails(a=STATUS_500)) == "first a | failover b | served"


def test_the_failure_that_says_most_is_given_when_candidates_fail_differently() -> None:
    walk = Walk(route(candidate("a"), candidate("b"), retry=retry(times=0)))
    assert walk.play(fails(a=STATUS_500, b=BAD_KEY)).endswith("give up upstream_error")
    assert walk.last.kind is Kind.UPSTREAM_ERROR


def test_a_candidate_whose_format_cannot_express_the_request_is_skipped_without_an_attempt() -> None:
    cannot = Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message="no prefill", status=400
    )
    walk = Walk(route(candidate("a"), candidate("b")))
    step = walk.course.next(100.0)
    assert isinstance(step, Try)
    walk.course.skipped(step.candidate, cannot)
    assert walk.play(fails()) == "first b | served"
    walk = Walk(route(candidate("a")))
    step = walk.course.next(100.0)
    assert isinstance(step, Try)
    walk.course.skipped(step.candidate, cannot)
    assert walk.play(fails()) == "give up capability"


def test_what_the_caller_wrote_wrong_is_wrong_for_every_candidate() -> None:
    walk = Walk(route(candidate("a"), candidate("b")))
    step = walk.course.next(100.0)
    assert isinstance(step, Try)
    walk.course.skipped(step.candidate, CLIENT_400)
    assert walk.play(fails()) == "give up invalid_request"
