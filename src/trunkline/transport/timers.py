"""Deadlines of everything that waits in one worker, behind one timer of the event loop.

A hierarchical timer wheel: three levels of 64 slots (16 ms, 1 s, 65 s wide), the slots in use as bits of an
integer. Adding, moving and removing cost a few dictionary operations, whatever the number of entries. A deadline is
never reported early; it may be late by one slot of the first level (16 ms).
"""

from __future__ import annotations

import asyncio
from typing import Protocol

GRAIN = 0.016  # seconds per tick
BITS = 6
SLOTS = 1 << BITS
MASK = SLOTS - 1
LEVELS = 3
HORIZON = (1 << (BITS * LEVELS)) - 1 - SLOTS ** (LEVELS - 1)  # ticks; later ones are looked at again by then


class Entry(Protocol):
    """Something with a deadline. Entries are told apart by identity or their own hash."""

    def on_deadline(self, now: float) -> float | None:
        """The deadline has passed. Returns the next one (loop seconds), or None when there is none.

        Cheap lazy deadlines: leave the entry where it is when its deadline moves back, and return the true one here.
        """
        ...


class Deadlines:
    """All deadlines of one event loop. Not thread-safe.

    At most one `call_at` of the loop is alive. After the last entry is removed it is left to fire once into
    nothing (cancelling and arming it again for each request would cost more than the whole wheel).
    """

    __slots__ = ("_armed_at", "_handle", "_loop", "_slots", "_tick", "_used", "_where")

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._slots: list[list[dict[Entry, int]]] = [[{} for _ in range(SLOTS)] for _ in range(LEVELS)]
        self._used = [0] * LEVELS
        self._where: dict[Entry, dict[Entry, int]] = {}
        self._tick = int(loop.time() / GRAIN)
        self._handle: asyncio.TimerHandle | None = None
        self._armed_at = 0

    def __len__(self) -> int:
        return len(self._where)
