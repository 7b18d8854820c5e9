"""The supervisor: owns the listening sockets, keeps workers and recorder alive, drains them, reloads them.

It does no traffic of its own but `/healthz` and `/metrics` on the metrics listener, so that those outlive
everything else. Children are this interpreter again (`python -m trunkline.app.child`), never a shell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable

from trunkline.app.boot import Boot
from trunkline.app.history import History
from trunkline.app.log import write
from trunkline.app.status import StatusPage
from trunkline.config.load import fingerprint
from trunkline.transport.contract import ServerLimits
from trunkline.transport.server import Server

RESPAWN_FIRST = 0.1  # seconds; well under the one second that a killed worker may take
RESPAWN_CAP = 5.0
STABLE_AFTER = 10.0  # a child that lived this long starts again without backoff
WATCH_EVERY = 1.0
RECORDER_GRACE = 30.0


class Child:
    """One supervised process and the reason it may be started again."""

    def __init__(self, role: str, index: int, sock: socket.socket | None) -> None:
        self.role = role
        self.index = index
        self.sock = sock
        self.process: asyncio.subprocess.Process | None = None
        self.started_at = 0.0
        self.restarts = 0
        self.backoff = RESPAWN_FIRST
        self.leaving = False

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}" if self.role == "worker" else self.role

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None


class Supervisor:
    def __init__(self, boot: Boot, sockets: list[socket.socket]) -> None:
        self.boot = boot
        self.workers = [Child("worker", i, sock) for i, sock in enumerate(sockets)]
        self.recorder = Child("recorder", 0, None)
        self.twins = Child("twins", 0, None) if boot.twins else None
        self.stopping = asyncio.Event()
        self.signals = 0
        self.status = StatusPage(self)
        self.config_invalid = bool(boot.refused)
        self.reloading = asyncio.Lock()
        self.seen = ""  # the files as they were when they were last loaded
        self.tasks: set[asyncio.Task[None]] = set()

    # --- life ------------------------------------------------------------------------------------------------------
    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        metrics = await self._metrics_listener()
        keepers = [self._spawn_task(self._keep(child)) for child in self._children()]
        watcher = self._spawn_task(self._watch_file())
        await self.stopping.wait()
        watcher.cancel()
        self._signal(self.workers, signal.SIGTERM)
        # From here on only the workers hold the sockets: when they stop accepting, the kernel refuses.
        for child in self.workers:
            if child.sock is not None:
                child.sock.close()
        await asyncio.wait(keepers[: len(self.workers)])
        await self._end_rest(keepers[len(self.workers) :])
        if metrics is not None:
            metrics.abort_all()
        return 0

    def _children(self) -> list[Child]:
        return [*self.workers, self.recorder, *([self.twins] if self.twins is not None else [])]

    async def _end_rest(self, keepers: list[asyncio.Task[None]]) -> None:
        """Recorder and twins go last: the recorder drains what the workers' end has written."""
        rest = [self.recorder, *([self.twins] if self.twins is not None else [])]
        self._signal(rest, signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=RECORDER_GRACE)
        if late:
            self._signal(rest, signal.SIGKILL)
            await asyncio.wait(keepers)

    async def _keep(self, child: Child) -> None:
        while not self.stopping.is_set():
            child.started_at = time.monotonic()
            code = await self._life(child)
            if self.stopping.is_set():
                return
            lived = time.monotonic() - child.started_at
            child.backoff = RESPAWN_FIRST if lived >= STABLE_AFTER else min(RESPAWN_CAP, child.backoff * 2)
            child.restarts += 1
            write("supervisor", "error", "child_died", {"child": child.name, "code": code, "lived_s": round(lived, 1)})
            wait = RESPAWN_FIRST if child.restarts == 1 else child.backoff
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), wait)

    async def _life(self, child: Child) -> int | str:
        """One process from start to end; its exit code, or why there was none."""
        try:
            child.process = await self._start(child)
        except OSError as error:
            return f"not started: {error.strerror}"
        if self.stopping.is_set() and child.role == "worker":
            # The signal to drain was sent while there was nobody to receive it.
            self._signal([child], signal.SIGTERM)
        return await child.process.wait()

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        arguments = [sys.executable, "-m", "trunkline.app.child", child.role, str(child.index)]
        descriptors: tuple[int, ...] = ()
        if child.sock is not None:
            arguments.append(str(child.sock.fileno()))
            descriptors = (child.sock.fileno(),)
        environment = {**os.environ, **self.boot.environment(), "MALLOC_ARENA_MAX": "2"}
        # Children inherit the mask: a reload must not end a worker that is not yet ready to hear of it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return await asyncio.create_subprocess_exec(
                *arguments, pass_fds=descriptors, env=environment, start_new_session=True
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    # --- signals ---------------------------------------------------------------------------------------------------
    def _stop(self) -> None:
        self.signals += 1
        if self.signals == 1:
            write("supervisor", "info", "draining", {})
            self.stopping.set()
            return
        self._signal(self._children(), signal.SIGKILL)

    def _reload(self) -> None:
        self._spawn_task(self._reloaded())

    async def _reloaded(self) -> None:
        """Validate here first; an invalid file changes nothing and stays visible. One at a time."""
        boot = self.boot
        loop = asyncio.get_running_loop()
        async with self.reloading:
            self.seen = await loop.run_in_executor(None, self._fingerprint)
            if boot.pinned is not None and History(boot.state_dir).pinned() == boot.pinned:
                write("supervisor", "warning", "configuration_pinned", {"snapshot": boot.pinned})
                return
            problems = await loop.run_in_executor(None, boot.reload)
            self.config_invalid = bool(problems)
            if problems:
                for problem in problems[:20]:
                    write("supervisor", "error", "configuration_refused", {"problem": problem})
                return
            boot.publish()
        write("supervisor", "info", "configuration_applied", {"snapshot": boot.number, "digest": boot.digest[:12]})
        self._signal([*self.workers, self.recorder], signal.SIGHUP)

    def _signal(self, children: list[Child], number: signal.Signals) -> None:
        for child in children:
            if child.alive and child.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(number)

    async def _watch_file(self) -> None:
        """Compares with what was last loaded, whoever asked for that."""
        loop = asyncio.get_running_loop()
        if not self.seen:
            self.seen = await loop.run_in_executor(None, self._fingerprint)
        while True:
            await asyncio.sleep(WATCH_EVERY)
            now = await loop.run_in_executor(None, self._fingerprint)
            if now != self.seen and not self.reloading.locked():
                self._reload()

    def _fingerprint(self) -> str:
        """Of the file and of the pin: a change of either is looked into."""
        return f"{fingerprint(self.boot.path)} {History(self.boot.state_dir).pinned()}"

    # --- the third listener ------------------------------------------------------------------------------------------
    async def _metrics_listener(self) -> Server | None:
        if self.boot.metrics_address is None:
            return None
        server = Server(self.status, ServerLimits(body_bytes=0, connections=256), loop=asyncio.get_running_loop())
        await server.listen(*self.boot.metrics_address)
        return server

    def _spawn_task(self, coroutine: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def supervise(boot: Boot, sockets: list[socket.socket], ready: Callable[[], None] | None = None) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code."""

    async def main() -> int:
        supervisor = Supervisor(boot, sockets)
        if ready is not None:
            ready()
        return await supervisor.run()

    return asyncio.run(main())
