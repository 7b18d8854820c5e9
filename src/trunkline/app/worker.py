"""A worker: one event loop, one data plane, the drain state machine, and reload by SIGHUP."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket

from trunkline.app.boot import Boot
from trunkline.app.clock import PreciseLoop
from trunkline.app.log import write
from trunkline.app.orphan import orphaned
from trunkline.app.plane import Plane
from trunkline.app.sockets import raise_descriptor_limit

ORPHAN_CHECK = 1.0
LAST_WORDS = 5.0  # seconds for error events to reach clients that drain.limit has cut


def work(boot: Boot, index: int, descriptor: int) -> int:
    """Runs until SIGTERM has drained it; returns the exit code."""
    raise_descriptor_limit()
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    with asyncio.Runner(loop_factory=PreciseLoop) as runner:
        return runner.run(Worker(boot, index, sock).run())


class Worker:
    def __init__(self, boot: Boot, index: int, sock: socket.socket) -> None:
        self.boot = boot
        self.index = index
        self.sock = sock
        self.name = f"worker-{index}"
        self.leaving = asyncio.Event()
        self.plane: Plane | None = None
        self.reloading: asyncio.Task[None] | None = None
        self.heard = False  # a reload was asked for since the last one began

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        plane = self.plane = Plane(loop, self.boot, self.index)
        loop.add_signal_handler(signal.SIGTERM, self._leave)
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # blocked by the supervisor until now
        await plane.start(self.sock)
        # What lives now lives as long as the process: keep the collector from walking it under load.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        write(self.name, "info", "ready", {"snapshot": self.boot.number})
        loop.call_later(ORPHAN_CHECK, self._orphaned)
        if self.boot.behind:
            self._reload()  # it was published while this worker could not hear of it
        await self.leaving.wait()
        await drain(plane, self.boot.drain_grace, self.boot.drain_limit)
        await plane.close()
        write(self.name, "info", "drained", {})
        return 0

    def _leave(self) -> None:
        # Readiness fails within the same instant; the listener stays open for drain.grace.
        if self.plane is not None:
            self.plane.gateway.phase = "draining"
        self.leaving.set()

    def _orphaned(self) -> None:
        """A dead supervisor must not leave a worker behind that nobody can stop."""
        if orphaned():
            self._leave()
            return
        asyncio.get_running_loop().call_later(ORPHAN_CHECK, self._orphaned)

    def _reload(self) -> None:
        self.heard = True
        if self.reloading is None or self.reloading.done():
            self.reloading = asyncio.get_running_loop().create_task(self._reloaded())

    async def _reloaded(self) -> None:
        """Again, if something newer was published meanwhile."""
        while self.heard:
            self.heard = False
            problems = await asyncio.get_running_loop().run_in_executor(None, self.boot.reload)
            if problems or self.plane is None:
                write(self.name, "error", "configuration_refused", {"problem": "; ".join(problems[:3])})
                continue
            self.plane.swap()
            write(self.name, "info", "configuration_applied", {"snapshot": self.boot.number})


async def drain(plane: Plane, grace: float, limit: float) -> None:
    """reliability.md 4.5: readiness fails → grace → no new connections → live exchanges finish → the rest end with
    their dialect's error event → records flushed. The end of the server is never taken for the end of a client."""
    loop = asyncio.get_running_loop()
    plane.gateway.phase = "draining"
    if grace > 0:
        await asyncio.sleep(grace)
    plane.server.stop_accepting()
    plane.server.close_idle()
    until = loop.time() + limit
    while plane.busy and loop.time() < until:
        await asyncio.sleep(0.02)
    for exchange in list(plane.house.live):
        exchange.stop("drain")
    until = loop.time() + LAST_WORDS
    while plane.busy and loop.time() < until:
        await asyncio.sleep(0.02)
