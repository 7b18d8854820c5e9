"""Drives one exchange's coroutine without a Task: the line sleeps on one kind of thing only, a `Signal`.

A Task costs a weak set, a future and two trips through the loop for each exchange; this costs one trip for each wake-up.
Where something of asyncio's own has to be awaited (an unknown key asks the store), the exchange runs in a Task instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from trunkline.transport.turn import EndOfTurn


class Signal:
    """Awaited once by the line, fired at most once by whoever ends the wait; resumes at the end of the turn."""

    __slots__ = ("_fired", "_future", "_resume", "_turn")

    def __init__(self, loop: asyncio.AbstractEventLoop, turn: EndOfTurn, light: bool) -> None:
        self._turn = turn
        self._fired = False
        self._resume: Callable[[], None] | None = None
        self._future: asyncio.Future[None] | None = None if light else loop.create_future()

    def fire(self) -> None:
        if self._fired:
            return
        self._fired = True
        if self._future is not None:
            if not self._future.done():
                self._future.set_result(None)
        elif self._resume is not None:
            self._turn.work(self._resume)

    def __await__(self) -> Generator[Any, None, None]:
        if self._future is not None:
            yield from self._future.__await__()
        elif not self._fired:
            yield self

    def wait(self, resume: Callable[[], None]) -> None:
        """For the driver: what to call when the signal fires."""
        self._resume = resume


class Flight:
    """Runs a coroutine that awaits nothing but light signals."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, None, None]) -> None:
        self._coroutine = coroutine

    def step(self) -> None:
        try:
            signal = self._coroutine.send(None)
        except StopIteration:
            return
        signal.wait(self.step)
