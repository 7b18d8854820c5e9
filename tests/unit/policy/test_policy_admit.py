"""Admission: 401 only for what is wrong with the key, 503 whenever the store could not say."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.policy.admit import DENIED_MAX, FLIGHTS_MAX, Gate, Unanswered
from trunkline.policy.keys import digest, mint
from trunkline.storage.contract import KeyRow
from trunkline.types.failure import Failure, Kind, http_status
from trunkline.types.principal import Principal

PEPPER = bytes(range(32))
KEY = mint(lambda n: b"\x01" * n)
OTHER = mint(lambda n: b"\x02" * n)


def row(key: str = KEY, **fields: int) -> KeyRow:
    return KeyRow(key_id="key_1", digest=digest(PEPPER, key), name="laptop", team="clinic", user="ann", **fields)


class Yard:
    """A gate with a store behind it that answers as told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[bytes] = []
        self.answers: dict[bytes, KeyRow] = {}
        self.down = False
        self.hold: asyncio.Event | None = None
        self.gate = Gate(PEPPER, rand=lambda: 0.5, wall=lambda: self.now, clock=lambda: self.now)
        self.gate.connect(self.ask)

    async def ask(self, key_digest: bytes) -> KeyRow | None:
        self.asked.append(key_digest)
        if self.hold is not None:
            await self.hold.wait()
        if self.down:
            raise Unanswered("down")
        return self.answers.get(key_digest)

    def admit(self, presented: str | None) -> Principal | Failure:
        return asyncio.run(self.gate.admit(presented))


@pytest.fixture
def yard() -> Yard:
    return Yard()


def refusal(verdict: Principal | Failure | None) -> Failure:
    assert isinstance(verdict, Failure)
    return verdict


def test_a_known_key_is_its_principal_without_any_look_up(yard: Yard) -> None:
    yard.gate.ring.apply([row()])
    expected = Principal(key_id="key_1", name="laptop", team="clinic", user="ann")
    assert yard.gate.known(KEY) == expected
    assert yard.admit(KEY) == expected
    assert yard.asked == []


@pytest.mark.parametrize("presented", [None, ""])
def test_no_key_is_401_and_names_every_place_for_one(yard: Yard, presented: str | None) -> None:
    failure = refusal(yard.gate.known(presented))
    assert (http_status(failure), failure.code) == (401, "invalid_api_key")
    for place in ("Authorization: Bearer", "x-api-key", "x-goog-api-key", "?key="):
        assert place in failure.message
    assert yard.admit(presented) == failure


@pytest.mark.parametrize(
    "presented",
    [
        KEY[:-1],
        KEY + "x",
        KEY[:-1] + ("0" if KEY[-1] != "0" else "1"),
        KEY.upper(),
        "sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxx",
        "' OR 1=1 --",
        "é" * 36,
        "\x00" * 36,
        "\ud800" * 36,
        "x" * 100_000,
        "{{7*7}}",
        "../../etc/passwd",
        "%00",
        "\r\nx: y",
    ],
)
def test_what_no_key_looks_like_is_401_without_any_look_up(yard: Yard, presented: str) -> None:
    yard.down = True
    failure = refusal(yard.admit(presented))
    assert http_status(failure) == 401
    assert yard.asked == []
    assert presented not in failure.message


def test_an_unknown_key_is_asked_for_once_and_then_401_for_a_while(yard: Yard) -> None:
    assert yard.gate.known(KEY) is None
    assert http_status(refusal(yard.admit(KEY))) == 401
    assert http_status(refusal(yard.gate.known(KEY))) == 401
    assert len(yard.asked) == 1
    yard.now += 2.0
    assert yard.gate.known(KEY) is None


def test_a_key_made_after_it_was_denied_works_at_once_when_the_feed_brings_it(yard: Yard) -> None:
    yard.admit(KEY)
    yard.gate.ring.apply([row()])
    yard.gate.learned()
    assert isinstance(yard.gate.known(KEY), Principal)


def test_a_key_that_only_the_store_knows_is_let_in_and_remembered(yard: Yard) -> None:
    yard.answers[digest(PEPPER, KEY)] = row()
    assert isinstance(yard.admit(KEY), Principal)
    assert isinstance(yard.gate.known(KEY), Principal)
    assert len(yard.asked) == 1


def test_a_key_revoked_in_the_store_is_401(yard: Yard) -> None:
    yard.answers[digest(PEPPER, KEY)] = row(revoked_at=1)
    assert "revoked" in refusal(yard.admit(KEY)).message
    assert "revoked" in refusal(yard.gate.known(KEY)).message
    assert len(yard.asked) == 1


def test_a_store_that_cannot_say_is_503_with_a_delay_and_never_401(yard: Yard) -> None:
    yard.down = True
    failure = refusal(yard.admit(KEY))
    assert (http_status(failure), failure.kind, failure.delay) == (503, Kind.NO_CANDIDATE, 2.0)
    assert yard.gate.known(KEY) is None


def test_after_a_failed_look_up_the_store_is_left_alone_for_a_moment(yard: Yard) -> None:
    yard.down = True
    for _ in range(5):
        assert http_status(refusal(yard.admit(KEY))) == 503
    assert len(yard.asked) == 1
    yard.down = False
    yard.answers[digest(PEPPER, KEY)] = row()
    yard.now += 0.75
    assert isinstance(yard.admit(KEY), Principal)


def test_known_keys_do_not_notice_that_the_store_is_down(yard: Yard) -> None:
    yard.gate.ring.apply([row(OTHER)])
    yard.down = True
    yard.admit(KEY)
    assert isinstance(yard.admit(OTHER), Principal)


def test_a_hundred_callers_with_one_unknown_key_are_one_look_up(yard: Yard) -> None:
    yard.answers[digest(PEPPER, KEY)] = row()

    async def main() -> list[Principal | Failure]:
        yard.hold = asyncio.Event()
        callers = [asyncio.create_task(yard.gate.admit(KEY)) for _ in range(100)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yard.hold.set()
        return await asyncio.gather(*callers)

    assert all(isinstance(v, Principal) for v in asyncio.run(main()))
    assert len(yard.asked) == 1


def test_a_caller_that_leaves_does_not_take_the_answer_from_the_others(yard: Yard) -> None:
    yard.answers[digest(PEPPER, KEY)] = row()

    async def main() -> Principal | Failure:
        yard.hold = asyncio.Event()
        first, second = (asyncio.create_task(yard.gate.admit(KEY)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        yard.hold.set()
        return await second

    assert isinstance(asyncio.run(main()), Principal)


def test_a_flood_of_unknown_keys_is_bounded(yard: Yard) -> None:
    async def main() -> list[Principal | Failure]:
        yard.hold = asyncio.Event()
        keys = [mint() for _ in range(FLIGHTS_MAX + 10)]
        callers = [asyncio.create_task(yard.gate.admit(key)) for key in keys]
        for _ in range(3):
            await asyncio.sleep(0)
        yard.hold.set()
        return await asyncio.gather(*callers)

    statuses = [http_status(refusal(v)) for v in asyncio.run(main())]
    assert len(yard.asked) == FLIGHTS_MAX
    assert statuses == [401] * FLIGHTS_MAX + [503] * 10


def test_what_was_denied_takes_bounded_memory(yard: Yard) -> None:
    async def main() -> None:
        for n in range(DENIED_MAX + 100):
            await yard.gate.admit(mint(lambda k, n=n: n.to_bytes(k, "big")))

    asyncio.run(main())
    assert len(yard.gate._denied) == DENIED_MAX


def test_a_key_expires_by_itself(yard: Yard) -> None:
    yard.gate.ring.apply([row(expires_at=1_001_000_000)])
    assert isinstance(yard.gate.known(KEY), Principal)
    yard.now = 1001.0
    assert "expired" in refusal(yard.gate.known(KEY)).message


def test_when_the_keys_are_too_old_nobody_is_vouched_for_and_nobody_is_called_unknown(yard: Yard) -> None:
    yard.gate.ring.apply([row(), KeyRow(key_id="key_2", digest=digest(PEPPER, OTHER), revoked_at=1)])
    yard.gate.stale = True
    assert http_status(refusal(yard.gate.known(KEY))) == 503
    assert http_status(refusal(yard.gate.known(OTHER))) == 401


def test_before_the_store_is_connected_unknown_keys_are_503() -> None:
    gate = Gate(PEPPER)
    assert http_status(refusal(asyncio.run(gate.admit(KEY)))) == 503
