"""An event loop whose time is virtual: a wait of five minutes takes as long as what happens in it.

Sockets are real. When no callback is ready and no socket of this process has anything to say, the clock jumps to
the next timer. Gateway, provider twin and client can run in one such loop over loopback and stay in step, because
the kernel delivers loopback data before `send` returns (and a jump looks twice before it leaps).
"""

from __future__ import annotations

import asyncio
import os
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

START = 1000.0  # not 0, so that a forgotten "never" of 0.0 differs from now
LOOK = 0.001  # seconds of real time that a long jump grants the sockets first
LONG_JUMP = 0.05  # virtual seconds; shorter jumps look at the sockets without waiting
PATIENCE = 30.0  # real seconds without event or timer after which the test is taken for stuck


class Stuck(RuntimeError):
    """Nothing is ready, no timer is set and no socket says anything: this program would wait for ever."""


class _Selector(selectors.DefaultSelector):
    """Asks the real sockets; where the loop would sleep, moves its clock instead."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        loop = self.loop
        events = self._look(LONG_JUMP if timeout is None else timeout)
        if events:
            return events
        if loop.outstanding:  # a thread works for us: its time is real, so ours stands still
            return super().select(PATIENCE)
        if timeout is None:
            events = super().select(loop.patience)
            if not events:
                raise Stuck(f"nothing happened for {loop.patience:g} s of real time and no timer is set")
            return events
        loop.advance(timeout)
        return []

    def _look(self, jump: float) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or len(self.get_map() or ()) <= 1:  # the loop's own wake-up socket is always there
            return events
        os.sched_yield()
        events = super().select(0)
        if not events and jump >= LONG_JUMP:
            events = super().select(LOOK)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` starts at 1000 s and moves only by jumps. `outstanding` counts executor jobs, which are waited for.

    Threads started by hand and other processes are not known here: time may jump while they work.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._virtual = START
        self.outstanding = 0
        self.patience = patience
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual

    def advance(self, seconds: float) -> None:
        self._virtual += seconds

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]  # typeshed spells *args as a TypeVarTuple
        future = super().run_in_executor(executor, func, *args)
        self.outstanding += 1
        future.add_done_callback(self._job_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109  # the loop's own
        self.outstanding += 1  # joining the threads takes real time
        try:
            await super().shutdown_default_executor()
        finally:
            self.outstanding -= 1

    def _job_done(self, future: asyncio.Future[Any]) -> None:
        self.outstanding -= 1


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on a `VirtualLoop`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
