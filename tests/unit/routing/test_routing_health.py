"""Ejection, probing, flapping, slow start, panic: reliability.md section 3, on hand-made clocks."""

from __future__ import annotations

from fleet_samples import BAD_KEY, REFUSED, SILENT, STATUS_500, candidate, route
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate

MIDDLE = 0.5  # of every jitter: exactly the nominal time


def hit(fleet: Fleet, c: Candidate, failure: Failure | None, now: float, key: str = "k1") -> None:
    way = fleet.began(c, now)
    if failure is None:
        fleet.served(c, now, way=way)
    else:
        fleet.failed(c, failure, now, MIDDLE, key=key, way=way)


def kind(fleet: Fleet, c: Candidate, now: float) -> str:
    return fleet.standing(c, now).kind


def test_five_refused_connections_eject_even_from_one_key() -> None:
    fleet, a = Fleet(), candidate("a")
    for _ in range(4):
        hit(fleet, a, REFUSED, 100.0)
    assert kind(fleet, a, 100.0) == "ok"
    hit(fleet, a, REFUSED, 100.0)
    assert kind(fleet, a, 100.0) == "ejected"


def test_five_errors_from_one_key_only_make_suspect() -> None:
    fleet, a = Fleet(), candidate("a")
    for _ in range(9):
        hit(fleet, a, STATUS_500, 100.0)
    assert kind(fleet, a, 100.0) == "ok"
    assert fleet.wants_connect_probe(a, 100.0)
    hit(fleet, a, STATUS_500, 100.0, key="k2")
    assert kind(fleet, a, 100.0) == "ejected"


def test_a_failed_probe_confirms_a_suspect() -> None:
    fleet, a = Fleet(), candidate("a")
    for _ in range(2):
        hit(fleet, a, SILENT, 100.0)
    fleet.connect_probe_began(a)
    fleet.connect_probe_ended(a, 100.1, MIDDLE, ok=False)
    assert kind(fleet, a, 100.2) == "ejected"


def test_a_success_resets_the_consecutive_count() -> None:
    fleet, a = Fleet(), candidate("a")
    for i in range(12):
        hit(fleet, a, None if i % 4 == 3 else REFUSED, 100.0 + 20 * i)
    assert kind(fleet, a, 400.0) == "ok"


def test_two_silences_from_two_keys_eject() -> None:
    fleet, a = Fleet(), candidate("a")
    hit(fleet, a, SILENT, 100.0, key="k1")
    hit(fleet, a, SILENT, 100.0, key="k2")
    assert kind(fleet, a, 100.0) == "ejected"


def test_half_of_twenty_attempts_in_ten_seconds_eject() -> None:
    fleet, a = Fleet(), candidate("a")
    for i in range(20):
        hit(fleet, a, STATUS_500 if i % 2 else None, 100.0 + i * 0.2, key=f"k{i % 3}")
    # alternating: every failure run is one long, so keys never gather; the ratio needs two keys in one run
    assert kind(fleet, a, 104.0) == "ok"
    for i in range(3):
        hit(fleet, a, STATUS_500, 104.1, key=f"k{i}")
    assert kind(fleet, a, 104.2) == "ejected"


def test_ejection_lasts_five_seconds_then_a_probe_may_pass() -> None:
    fleet, a, b = Fleet(), candidate("a"), candidate("b")
    for i in range(5):
        hit(fleet, a, STATUS_500, 100.0, key=f"k{i}")
    assert kind(fleet, a, 104.9) == "ejected"
    assert kind(fleet, a, 105.1) == "probe"
    r = route(a, b)
    assert plan(r, fleet, 104.0, lambda: 0.5).order == (b,)
    assert plan(r, fleet, 105.1, lambda: 0.5).order == (a, b)


def test_one_probe_at_a_time_and_two_successes_bring_it_back() -> None:
    fleet, a = Fleet(), candidate("a")
    for i in range(5):
        hit(fleet, a, STATUS_500, 100.0, key=f"k{i}")
    assert fleet.began(a, 106.0) == "probe"
    assert kind(fleet, a, 106.0) == "ejected"
    assert fleet.began(a, 106.0) == "panic"
    fleet.released(a, way="open")
    fleet.served(a, 106.5, way="probe")
    assert kind(fleet, a, 106.6) == "probe"
    hit(fleet, a, None, 106.7)
    assert kind(fleet, a, 106.8) == "slow"


def test_a_failed_probe_starts_the_next_five_then_ten_seconds() -> None:
    fleet, a = Fleet(), candidate("a")
    for i in range(5):
        hit(fleet, a, STATUS_500, 100.0, key=f"k{i}")
    hit(fleet, a, STATUS_500, 105.5)
    assert kind(fleet, a, 110.4) == "ejected"
    assert kind(fleet, a, 110.6) == "probe"
    for at in (111.0, 121.5, 132.0):
        hit(fleet, a, STATUS_500, at)
        assert kind(fleet, a, at + 9.9) == "ejected"
        assert kind(fleet, a, at + 10.1) == "probe"


def test_flapping_doubles_the_ejection_time_up_to_a_minute() -> None:
    fleet, a = Fleet(), candidate("a")
    now, spans = 1000.0, []
    for _ in range(6):
        for i in range(5):
            hit(fleet, a, STATUS_500, now, key=f"k{i}")
        spans.append(round(fleet.endpoints[a.endpoint].until - now))
        now = fleet.endpoints[a.endpoint].until + 0.1
        hit(fleet, a, None, now)
        hit(fleet, a, None, now)
        now += 10.0
    assert spans == [5, 10, 20, 40, 60, 60]


def test_slow_start_grows_from_a_tenth_to_all_in_ten_seconds() -> None:
    fleet, a, b = Fleet(), candidate("a"), candidate("b")
    for i in range(5):
        hit(fleet, a, STATUS_500, 100.0, key=f"k{i}")
    hit(fleet, a, None, 106.0)
    hit(fleet, a, None, 106.0)
    shares = [round(fleet.standing(a, at).share, 2) for at in (106.0, 111.0, 116.1)]
    assert shares == [0.1, 0.55, 1.0]
    assert plan(route(a, b), fleet, 106.0, lambda: 0.5).order == (b, a)
    assert plan(route(a, b), fleet, 106.0, lambda: 0.05).order == (a, b)
    assert plan(route(a), fleet, 106.0, lambda: 0.5).order == (a,)


def test_in_panic_the_ejected_rank_last_instead_of_being_left_out() -> None:
    fleet = Fleet()
    a, b, c = candidate("a"), candidate("b"), candidate("c")
    for x, at in ((a, 100.0), (b, 99.0)):
        for i in range(5):
            hit(fleet, x, STATUS_500, at, key=f"k{i}")
    made = plan(route(a, b, c), fleet, 101.0, lambda: 0.5)
    assert [x.deployment.name for x in made.order] == ["c", "b", "a"]
    assert made.panic


def test_a_success_in_panic_ends_the_ejection() -> None:
    fleet, a = Fleet(), candidate("a")
    for i in range(5):
        hit(fleet, a, STATUS_500, 100.0, key=f"k{i}")
    assert plan(route(a), fleet, 101.0, lambda: 0.5).order == (a,)
    hit(fleet, a, None, 101.0)
    assert kind(fleet, a, 101.1) in ("ok", "slow")


def test_a_refused_address_marks_all_its_endpoints() -> None:
    fleet = Fleet()
    a = candidate("a")
    twin = Candidate(
        deployment=a.deployment,
        credential=a.credential,
        origin=a.origin,
        address=a.address,
        endpoint=a.endpoint + "2",
        secret=a.secret,
    )
    fleet.know(a)
    fleet.know(twin)
    for _ in range(5):
        hit(fleet, a, REFUSED, 100.0)
    assert kind(fleet, twin, 100.0) == "ejected"


def test_a_bad_key_never_ejects_the_endpoint() -> None:
    fleet, a = Fleet(), candidate("a")
    for i in range(30):
        hit(fleet, a, BAD_KEY, 100.0, key=f"k{i}")
    assert a.endpoint not in fleet.endpoints or fleet.endpoints[a.endpoint].state == "healthy"
    assert kind(fleet, a, 100.1) == "credential"


def test_a_changed_secret_brings_its_credential_back_at_once() -> None:
    fleet, a = Fleet(), candidate("a")
    hit(fleet, a, BAD_KEY, 100.0)
    fleet.renew(a.secret, 2)
    assert kind(fleet, a, 100.1) == "ok"


def test_a_credential_is_out_sixty_seconds_doubling_to_fifteen_minutes() -> None:
    fleet, a = Fleet(), candidate("a")
    now, spans = 100.0, []
    for _ in range(6):
        hit(fleet, a, BAD_KEY, now)
        until = fleet.credentials[a.secret].out_until
        spans.append(until - now)
        now = until + 1.0
    assert spans == [60.0, 120.0, 240.0, 480.0, 900.0, 900.0]
