"""The worker's clock: finer than a millisecond, and moving within a turn of the loop."""

from __future__ import annotations

import asyncio
import time

from trunkline.app.clock import PreciseLoop


def test_time_is_told_in_microseconds_even_within_a_turn() -> None:
    async def look() -> list[float]:
        loop = asyncio.get_running_loop()
        return [loop.time() for _ in range(1000)]

    with asyncio.Runner(loop_factory=PreciseLoop) as runner:
        times = runner.run(look())
    assert times == sorted(times)
    assert len(set(times)) > 100


def test_timers_and_the_clock_agree() -> None:
    async def wait() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        fired: asyncio.Future[float] = loop.create_future()
        at = loop.time() + 0.03
        loop.call_at(at, lambda: fired.set_result(loop.time()))
        return at, await fired

    with asyncio.Runner(loop_factory=PreciseLoop) as runner:
        at, fired = runner.run(wait())
    assert fired >= at - 0.002
    assert abs(time.monotonic() - fired) < 5
