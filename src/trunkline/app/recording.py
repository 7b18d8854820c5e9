"""The recorder process: drains the workers' journals into the store, and follows jobs to their end, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
import time
from pathlib import Path

from trunkline.app.boot import Boot
from trunkline.app.clock import PreciseLoop
from trunkline.app.following import Following
from trunkline.app.log import write
from trunkline.app.orphan import when_orphaned
from trunkline.app.sockets import raise_descriptor_limit
from trunkline.ledger.recorder import Recorder
from trunkline.storage.journal import JournalSet
from trunkline.storage.open import open_store

LOOK_EVERY = 0.5
"""Seconds between two looks at whether the ledger's thread still lives."""


def record(boot: Boot) -> int:
    """The ledger has a thread of its own: neither a slow disk nor a slow provider holds up the other."""
    raise_descriptor_limit()
    stop = threading.Event()
    ledger = threading.Thread(target=_drain, args=(boot, stop), name="ledger")
    with asyncio.Runner(loop_factory=PreciseLoop) as runner:
        return runner.run(_follow(boot, stop, ledger))


async def _follow(boot: Boot, stop: threading.Event, ledger: threading.Thread) -> int:
    """Work until told to leave (0), or until the ledger's thread has died of an error (1): then the supervisor
    starts another recorder, which drains what the journals still hold."""
    loop = asyncio.get_running_loop()
    leaving = asyncio.Event()

    def leave() -> None:
        loop.call_soon_threadsafe(leaving.set)

    loop.add_signal_handler(signal.SIGTERM, leaving.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    # What draining workers still write stays in their journals for the next start.
    when_orphaned(leave)
    following = Following(boot, loop, f"recorder-{os.getpid()}-{time.time_ns()}")
    loop.add_signal_handler(signal.SIGHUP, following.reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # blocked by the supervisor until now
    await following.start()
    ledger.start()
    write("recorder", "info", "ready", {})
    while ledger.is_alive() and not leaving.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await leaving.wait()
    died = not leaving.is_set()
    await following.stop()
    stop.set()
    while ledger.is_alive():
        await asyncio.sleep(0.02)
    write("recorder", "error" if died else "info", "ledger_died" if died else "drained", {})
    return 1 if died else 0


def _drain(boot: Boot, stop: threading.Event) -> None:
    store = open_store(boot.store_url)
    recorder = Recorder(store, JournalSet(Path(boot.state_dir) / "journal"))
    recorder.run(stop)
    while recorder.step():
        pass
    store.close()
