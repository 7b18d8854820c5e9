"""The key feed: keeps a worker's keys equal to the store's, through the store's outages and a start without it.

Every second it asks for what changed, so a revocation takes effect within two (K5). While the store is silent the last
good keys stand, for at most `keys.max_stale`; `state_dir/keys.jsonl` holds them (digests only) for a start without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from trunkline.policy.admit import Gate, Unanswered
from trunkline.policy.keys import Held, held
from trunkline.policy.lane import StoreLane
from trunkline.policy.pepper import PepperError, confirm
from trunkline.policy.snapshot import KeySnapshot
from trunkline.storage.contract import Changes, KeyRow, Store

POLL_EVERY = 1.0  # seconds
LOOKUP_TIMEOUT = 1.0  # seconds that a caller with an unknown key waits at most (reliability.md D3)
POLL_TIMEOUT = 1.0
LOAD_TIMEOUT = 30.0  # reading 100k keys takes a second or two
MAX_STALE = 86_400.0  # `keys.max_stale`, seconds
SNAPSHOT = "keys.jsonl"
#: The snapshot's time says when the store was last heard; it need not be exact.
TOUCH_EVERY = 60.0
#: A rewrite is work when there are many keys: new keys wait so many times its duration, revocations do not.
REST = 20.0

_log = logging.getLogger("trunkline.policy")


class _News(msgspec.Struct, frozen=True):
    """`everything` is set when all keys were read, ready for the ring."""

    changes: Changes
    everything: dict[bytes, Held] | None


class KeyFeed:
    """One per worker, on its loop."""

    def __init__(
        self,
        gate: Gate,
        open_store: Callable[[], Store],
        state_dir: Path,
        loop: asyncio.AbstractEventLoop,
        max_stale: float = MAX_STALE,
    ) -> None:
        self.healthy = True
        self._gate = gate
        self._lane = StoreLane(open_store, loop)
        self._snapshot = KeySnapshot(state_dir / SNAPSHOT)
        self._loop = loop
        self._max_stale = max_stale
        self._heard: float | None = None  # loop time of the last word from the store
        self._store_id = ""
        self._upto = -1  # -1: everything has to be read
        self._confirmed = False
        self._dirty = False
        self._urgent = False
        self._save_not_before = 0.0
        self._touched = 0.0
        self._saving: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None

    async def start(self, patience: float = 2.0) -> None:
        """Returns with the store's keys, or after `patience` seconds with those of the snapshot, if any.

        A store that is down is no error. Raises PepperError if its keys were made under another pepper.
        """
        found = await self._loop.run_in_executor(None, self._snapshot.load)
        if found is not None and found[1] <= self._max_stale:
            self._gate.ring.load(found[0])
            self._heard = self._loop.time() - found[1]
        self._gate.connect(self._find)
        first = self._loop.create_task(self.refresh())
        done, _ = await asyncio.wait({first}, timeout=patience)
        if done and isinstance(error := first.exception(), PepperError):
            await self._lane.close()
            raise error
        self._following = self._loop.create_task(self._follow(first))

    async def stop(self) -> None:
        tasks = {task for task in (self._following, self._saving) if task is not None}
        if self._following is not None:
            self._following.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._lane.close()

    @property
    def heard_ago(self) -> float | None:
        """Seconds since the last word from the store; None: never heard, and no snapshot."""
        return None if self._heard is None else self._loop.time() - self._heard

    async def _follow(self, poll: Awaitable[None]) -> None:
        while True:
            try:
                await poll
            except PepperError as error:
                self._turn(healthy=False, problem=str(error))
            except Exception as bug:
                # Whatever it is, the next poll has to come: revocations depend on it.
                self._turn(healthy=False, problem=f"a bug: {type(bug).__name__}: {bug}")
            self._age()
            await asyncio.sleep(POLL_EVERY)
            poll = self.refresh()

    # --- asking ------------------------------------------------------------------------------------------------------
    async def refresh(self) -> None:
        """Asks the store now; the feed does so every second. Raises PepperError."""
        try:
            news = await self._lane.ask(self._read, LOAD_TIMEOUT if self._upto < 0 else POLL_TIMEOUT)
        except Unanswered as problem:
            self._turn(healthy=False, problem=str(problem))
            return
        changes = news.changes
        if news.everything is None and (changes.store_id != self._store_id or changes.upto < self._upto):
            # Another store, or an older backup of it: what is known from before does not count.
            self._upto, self._confirmed = -1, False
            await self.refresh()
            return
        self._heard = self._loop.time()
        self._apply(news)
        self._turn(healthy=True)
        self._keep()

    def _read(self, store: Store) -> _News:
        """In the lane's thread."""
        self._confirm(store)
        if self._upto >= 0:
            return _News(store.changes_since(self._upto), None)
        changes = store.all_keys()
        return _News(changes, {row.digest: held(row) for row in changes.keys})

    async def _find(self, key_digest: bytes) -> KeyRow | None:
        """The gate's question."""
        try:
            return await self._lane.ask(lambda store: self._found(store, key_digest), LOOKUP_TIMEOUT)
        except PepperError as error:
            raise Unanswered(str(error)) from None

    def _found(self, store: Store, key_digest: bytes) -> KeyRow | None:
        """In the lane's thread. Under a wrong pepper "not found" would mean nothing."""
        self._confirm(store)
        return store.find_key(key_digest)

    def _confirm(self, store: Store) -> None:
        if not self._confirmed:
            confirm(store, self._gate.pepper)
            self._confirmed = True

    # --- applying ----------------------------------------------------------------------------------------------------
    def _apply(self, news: _News) -> None:
        changes = news.changes
        if news.everything is not None:
            self._gate.ring.load(news.everything)
        else:
            self._gate.ring.apply(changes.keys)
        if changes.keys:
            self._gate.learned()
        if changes.keys or news.everything is not None:
            self._dirty = True
            self._urgent = self._urgent or any(row.revoked_at is not None for row in changes.keys)
        self._store_id, self._upto = changes.store_id, changes.upto

    def _age(self) -> None:
        heard_ago = self.heard_ago
        stale = heard_ago is not None and heard_ago > self._max_stale
        if stale != self._gate.stale:
            self._gate.stale = stale
            _log.error("keys_stale" if stale else "keys_fresh", extra={"fields": {"seconds": round(heard_ago or 0)}})

    def _keep(self) -> None:
        now = self._loop.time()
        if self._saving is not None:
            return
        if self._dirty and (self._urgent or now >= self._save_not_before):
            self._dirty = self._urgent = False
            self._touched = now
            self._saving = self._loop.create_task(self._save())
        elif now - self._touched > TOUCH_EVERY:
            self._touched = now
            self._saving = self._loop.create_task(self._touch())

    async def _save(self) -> None:
        try:
            took = await self._loop.run_in_executor(None, self._snapshot.save, self._gate.ring.items())
            self._save_not_before = self._loop.time() + REST * took
        except OSError as error:
            self._dirty = True
            self._save_not_before = self._loop.time() + TOUCH_EVERY
            _log.error("keys_not_kept", extra={"fields": {"problem": error.strerror}})
        finally:
            self._saving = None

    async def _touch(self) -> None:
        try:
            await self._loop.run_in_executor(None, self._snapshot.touch)
        except OSError:
            self._dirty = True
        finally:
            self._saving = None

    def _turn(self, *, healthy: bool, problem: str = "") -> None:
        """One line for each change of state."""
        if healthy == self.healthy:
            return
        self.healthy = healthy
        if healthy:
            _log.info("store_reached", extra={"fields": {}})
        else:
            _log.warning("store_unreachable", extra={"fields": {"problem": problem}})
