"""The key feed: a worker's keys follow the store's, outlive its outages, and survive a start without it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from trunkline.policy.admit import Gate, Unanswered
from trunkline.policy.feed import KeyFeed
from trunkline.policy.keys import digest, mint
from trunkline.policy.lane import StoreLane
from trunkline.policy.pepper import PepperError
from trunkline.storage.contract import KeyRow, Store, StoreUnavailable
from trunkline.storage.open import open_store
from trunkline.types.failure import Failure, http_status
from trunkline.types.principal import Principal

PEPPER = bytes(range(32))
KEYS = [mint(lambda n, x=x: bytes([x]) * n) for x in range(1, 6)]


class Shop:
    """A store in a file, which can be down, and workers that start and stop."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.down = False
        self.store = self.open()

    def open(self) -> Store:
        if self.down:
            raise StoreUnavailable("down")
        return open_store(f"sqlite:///{self.root}/t.db")

    def make(self, number: int) -> None:
        self.store.create_key(KeyRow(key_id=f"key_{number}", digest=digest(PEPPER, KEYS[number]), created_at=number))

    def worker(self, pepper: bytes = PEPPER, **options: float) -> tuple[Gate, KeyFeed]:
        gate = Gate(pepper)
        return gate, KeyFeed(gate, self.open, self.root, asyncio.get_running_loop(), **options)

    def known(self, gate: Gate) -> list[int]:
        return [n for n, key in enumerate(KEYS) if isinstance(gate.known(key), Principal)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(main(), 20))


async def kept(feed: KeyFeed) -> None:
    await eventually(lambda: feed._saving is None)


async def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(5_000):
        if condition():
            return
        await asyncio.sleep(0.002)
    raise AssertionError("it never happened")


def test_a_worker_starts_with_the_keys_of_the_store(shop: Shop) -> None:
    async def main() -> None:
        shop.make(0)
        shop.make(1)
        shop.store.revoke_key("key_1", 5)
        gate, feed = shop.worker()
        await feed.start()
        assert shop.known(gate) == [0]
        assert http_status(gate.known(KEYS[1])) == 401  # type: ignore[arg-type]  # a failure
        await feed.stop()

    run(main)


def test_new_and_revoked_keys_arrive_with_the_next_poll(shop: Shop) -> None:
    async def main() -> None:
        shop.make(0)
        gate, feed = shop.worker()
        await feed.start()
        shop.make(1)
        shop.store.revoke_key("key_0", 5)
        await feed.refresh()
        assert shop.known(gate) == [1]
        await feed.stop()

    run(main)


def test_polls_come_by_themselves(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.policy.feed.POLL_EVERY", 0.005)

    async def main() -> None:
        gate, feed = shop.worker()
        await feed.start()
        shop.make(0)
        await eventually(lambda: shop.known(gate) == [0])
        await feed.stop()

    run(main)


def test_a_key_made_just_now_is_found_before_the_next_poll(shop: Shop) -> None:
    async def main() -> None:
        gate, feed = shop.worker()
        await feed.start()
        shop.make(2)
        assert isinstance(await gate.admit(KEYS[2]), Principal)
        verdict = await gate.admit(KEYS[3])
        assert isinstance(verdict, Failure)
        assert http_status(verdict) == 401
        await feed.stop()

    run(main)


def test_a_start_without_the_store_has_the_last_good_keys(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        shop.make(0)
        shop.make(1)
        shop.store.revoke_key("key_1", 5)
        _, feed = shop.worker()
        await feed.start()
        await kept(feed)
        await feed.stop()
        shop.down = True
        gate, feed = shop.worker()
        await feed.start()
        assert shop.known(gate) == [0]
        assert not feed.healthy
        assert http_status(gate.known(KEYS[1])) == 401  # type: ignore[arg-type]  # a failure
        verdict = await gate.admit(KEYS[2])
        assert isinstance(verdict, Failure)
        assert http_status(verdict) == 503
        shop.down = False
        shop.make(2)
        await feed.refresh()
        assert shop.known(gate) == [0, 2]
        await feed.stop()

    run(main)
    assert [r.message for r in caplog.records] == ["store_unreachable", "store_reached"]


def test_the_snapshot_is_private_and_holds_no_key(shop: Shop) -> None:
    async def main() -> None:
        shop.make(0)
        _, feed = shop.worker()
        await feed.start()
        await kept(feed)
        await feed.stop()

    run(main)
    path = shop.root / "keys.jsonl"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert KEYS[0][3:30] not in path.read_text()
    assert json.loads(path.read_text().splitlines()[0]) == {"format": 1, "keys": 1}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: text.replace('"format":1', '"format":2'),
        lambda text: "\n".join(text.splitlines()[:-1]) + "\n",
        lambda text: "\x00" * 100,
    ],
)
def test_a_damaged_snapshot_is_not_used(shop: Shop, spoil: Callable[[str], str]) -> None:
    async def main() -> None:
        shop.make(0)
        shop.make(1)
        _, feed = shop.worker()
        await feed.start()
        await kept(feed)
        await feed.stop()
        path = shop.root / "keys.jsonl"
        path.write_text(spoil(path.read_text()))
        shop.down = True
        gate, feed = shop.worker()
        await feed.start()
        verdict = await gate.admit(KEYS[0])
        assert isinstance(verdict, Failure)
        assert http_status(verdict) == 503
        await feed.stop()

    run(main)


def test_a_snapshot_older_than_max_stale_is_not_used(shop: Shop) -> None:
    async def main() -> None:
        shop.make(0)
        _, feed = shop.worker()
        await feed.start()
        await kept(feed)
        await feed.stop()
        os.utime(shop.root / "keys.jsonl", (1, 1))
        shop.down = True
        gate, feed = shop.worker()
        await feed.start()
        assert shop.known(gate) == []
        await feed.stop()

    run(main)


def test_keys_grow_stale_while_the_store_is_silent_and_fresh_when_it_speaks(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.policy.feed.POLL_EVERY", 0.005)

    async def main() -> None:
        shop.make(0)
        gate, feed = shop.worker(max_stale=0.05)
        await feed.start()
        assert shop.known(gate) == [0]
        for name in ("t.db", "t.db-wal", "t.db-shm"):
            os.rename(shop.root / name, shop.root / f"away-{name}")
        await eventually(lambda: gate.stale)
        verdict = gate.known(KEYS[0])
        assert isinstance(verdict, Failure)
        assert http_status(verdict) == 503
        for name in ("t.db", "t.db-wal", "t.db-shm"):
            os.rename(shop.root / f"away-{name}", shop.root / name)
        await eventually(lambda: not gate.stale)
        assert shop.known(gate) == [0]
        await feed.stop()

    run(main)


def test_another_store_in_its_place_is_read_from_the_beginning(shop: Shop, tmp_path: Path) -> None:
    async def main() -> None:
        shop.make(0)
        shop.make(1)
        gate, feed = shop.worker()
        await feed.start()
        other = open_store(f"sqlite:///{tmp_path}/other.db")
        other.create_key(KeyRow(key_id="key_2", digest=digest(PEPPER, KEYS[2])))
        other.close()
        shop.store.close()
        for name in ("t.db-wal", "t.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        os.replace(tmp_path / "other.db", tmp_path / "t.db")
        await feed.refresh()
        assert shop.known(gate) == [2]
        await feed.stop()

    run(main)


def test_a_wrong_pepper_stops_the_start_and_never_answers_401(shop: Shop) -> None:
    async def main() -> None:
        shop.make(0)
        _, feed = shop.worker()
        await feed.start()
        await feed.stop()
        (shop.root / "keys.jsonl").unlink(missing_ok=True)
        _, wrong = shop.worker(pepper=b"\x09" * 32)
        with pytest.raises(PepperError, match="another pepper"):
            await wrong.start()

    run(main)


def test_a_hung_store_costs_an_unknown_key_its_timeout_and_a_known_one_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.policy.feed.LOOKUP_TIMEOUT", 0.05)
    hang = threading.Event()

    async def main() -> None:
        shop.make(0)
        gate, feed = shop.worker()
        await feed.start()
        stuck = asyncio.create_task(feed._lane.ask(lambda store: hang.wait(), 10))
        await asyncio.sleep(0)
        verdict = await gate.admit(KEYS[1])
        assert isinstance(verdict, Failure)
        assert http_status(verdict) == 503
        assert shop.known(gate) == [0]
        hang.set()
        await stuck
        await feed.stop()

    run(main)


def test_questions_given_up_are_not_asked_afterwards(shop: Shop) -> None:
    hang = threading.Event()
    asked: list[int] = []

    async def main() -> None:
        lane = StoreLane(shop.open, asyncio.get_running_loop())
        stuck = asyncio.create_task(lane.ask(lambda store: hang.wait(), 10))
        await asyncio.sleep(0)
        for n in range(5):
            with pytest.raises(Unanswered, match="in time"):
                await lane.ask(lambda store, n=n: asked.append(n), 0.001)
        hang.set()
        await stuck
        await lane.ask(lambda store: asked.append(99), 5)
        await lane.close()

    run(main)
    assert asked == [99]


def test_a_hung_store_is_not_queued_up_for_without_bound(shop: Shop) -> None:
    hang = threading.Event()

    async def main() -> None:
        lane = StoreLane(shop.open, asyncio.get_running_loop())
        asks = [asyncio.create_task(lane.ask(lambda store: hang.wait(), 10)) for _ in range(128)]
        await asyncio.sleep(0)
        with pytest.raises(Unanswered, match="too many"):
            await lane.ask(lambda store: None, 10)
        hang.set()
        await asyncio.gather(*asks)
        await lane.ask(lambda store: None, 10)
        await lane.close()

    run(main)
