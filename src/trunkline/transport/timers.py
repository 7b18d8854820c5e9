"""Deadlines of everything that waits in one worker, behind one timer of the event loop.

A hierarchical timer wheel: each level has 64 slots, each 64 times as wide as those of the level below (16 ms, 1 s,
65 s, …), and the slots in use are the bits of an integer. Adding, moving and removing are a few dictionary
operations, whatever the number of entries. A deadline is never reported early; it may be late by one grain.

Most deadlines are far off and never come, because what they guard ends well and soon. So a far one is only noted at
first, and filed into the wheel when it has lived for a while.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

GRAIN = 0.016  # seconds per tick: what a deadline may be late
BITS = 6
MASK = (1 << BITS) - 1
LEVELS = 6  # 64**6 ticks are 34 years of loop time
LAST_TICK = (1 << (BITS * LEVELS)) - 1
ROUNDING = 0.001  # uvloop's timers are whole milliseconds and may fire half of one early

FAR = 1.0  # seconds: a deadline at least so far off is noted before it is filed
FILING = 0.75  # seconds after which those that were noted are filed; with the grain well below FAR

Slot = dict["Entry", int]


class Entry(Protocol):
    """Something with a deadline; hashable (usually by identity)."""

    def on_deadline(self, now: float) -> float | None:
        """The deadline has passed. Returns the next one (loop seconds), or None when there is none.

        A deadline that only ever moves back needs no `move`: leave the entry where it is and return the true
        deadline here.
        """
        ...


class Deadlines:
    """All deadlines of one event loop, in its seconds. Not thread-safe.

    At most one `call_at` is alive. When the last entry is removed, that one is left to fire once into nothing:
    cancelling and arming it anew for each request would cost more than the wheel itself.
    """

    __slots__ = ("_armed", "_filing", "_handle", "_loop", "_noted", "_slots", "_tick", "_used", "_where")

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._slots: list[list[Slot]] = [[{} for _ in range(1 << BITS)] for _ in range(LEVELS)]
        self._used = [0] * LEVELS
        self._where: dict[Entry, Slot] = {}
        self._tick = int(loop.time() / GRAIN)  # all ticks up to here have been looked at
        self._handle: asyncio.TimerHandle | None = None
        self._armed = 0  # the tick for which `_handle` is set
        self._noted: dict[Entry, float] = {}
        self._filing = _Filing(self)  # in the wheel while something is noted

    def __len__(self) -> int:
        return len(self._where) + len(self._noted) - (self._filing in self._where)

    def __contains__(self, entry: Entry) -> bool:
        return entry in self._noted or entry in self._where

    def note(self, entry: Entry, at: float, now: float) -> None:
        """`add` for an entry that is not here yet and will probably be removed soon."""
        if at - now < FAR:
            self.add(entry, at)
            return
        if not self._noted and self._filing not in self._where:
            self.add(self._filing, now + FILING)
        self._noted[entry] = at

    def file(self) -> None:
        """What was noted goes into the wheel."""
        noted, self._noted = self._noted, {}
        for entry, at in noted.items():
            self.add(entry, at)

    def add(self, entry: Entry, at: float) -> None:
        """Calls `entry.on_deadline` once `at` has passed; an entry that is in the wheel already is moved."""
        self._noted.pop(entry, None)
        slot = self._where.pop(entry, None)
        if slot is not None:
            del slot[entry]
        if self._handle is None and not self._where:
            self._tick = int(self._loop.time() / GRAIN)
        due = self._put(entry, int(at / GRAIN) + 1 if at < LAST_TICK * GRAIN else LAST_TICK)
        self._arm(due)

    move = add

    def remove(self, entry: Entry) -> None:
        """Forgets the entry; does nothing when it is not in the wheel."""
        if self._noted.pop(entry, None) is not None:
            return
        slot = self._where.pop(entry, None)
        if slot is not None:
            del slot[entry]

    def _put(self, entry: Entry, tick: int) -> int:
        """Files the entry; returns the tick at which its slot must be looked at.

        The level is that of the highest digit (to base 64) in which `tick` differs from the present, so a slot
        always lies ahead of the present within the block of the level above.
        """
        present = self._tick
        if tick <= present:
            tick = present + 1
        level = ((tick ^ present).bit_length() - 1) // BITS
        shift = level * BITS
        index = (tick >> shift) & MASK
        slot = self._slots[level][index]
        slot[entry] = tick
        self._where[entry] = slot
        self._used[level] |= 1 << index
        return tick >> shift << shift

    def _next(self) -> tuple[int, int, int] | None:
        """(tick, level, index) of the first slot in use, or None. A lower level always comes before a higher one."""
        for level, used in enumerate(self._used):
            while used:
                lowest = used & -used
                index = lowest.bit_length() - 1
                if self._slots[level][index]:
                    shift = level * BITS
                    return (self._tick >> (shift + BITS) << (shift + BITS)) | (index << shift), level, index
                used ^= lowest
                self._used[level] = used
        return None

    def _arm(self, tick: int) -> None:
        """Makes sure that `_fire` runs at `tick` or before."""
        if self._handle is not None:
            if self._armed <= tick:
                return
            self._handle.cancel()
        self._armed = tick
        self._handle = self._loop.call_at(tick * GRAIN + ROUNDING, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._loop.time()
        present = int(now / GRAIN)
        try:
            while (found := self._next()) is not None and found[0] <= present:
                tick, level, index = found
                self._tick = tick
                slot = self._slots[level][index]
                if level:
                    self._spread(slot)
                self._report(self._slots[0][tick & MASK], now)
            if self._tick < present:
                self._tick = present
        finally:
            following = self._next()
            if following is not None:
                self._arm(following[0])

    def _spread(self, slot: Slot) -> None:
        """Files the entries of a wide slot whose time has begun into narrower ones."""
        entries = list(slot.items())
        slot.clear()
        for entry, tick in entries:
            if tick > self._tick:
                self._put(entry, tick)
            else:  # due at this very tick
                first = self._slots[0][tick & MASK]
                first[entry] = tick
                self._where[entry] = first
                self._used[0] |= 1 << (tick & MASK)

    def _report(self, slot: Slot, now: float) -> None:
        while slot:
            entry, _ = slot.popitem()
            del self._where[entry]
            again = entry.on_deadline(now)
            if again is not None:
                self.add(entry, max(again, now))


class _Filing:
    """The entry that files what was noted."""

    __slots__ = ("_wheel",)

    def __init__(self, wheel: Deadlines) -> None:
        self._wheel = wheel

    def on_deadline(self, now: float) -> float | None:
        self._wheel.file()
        return None
