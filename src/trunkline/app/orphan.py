"""The end of the supervisor, seen from its children: nobody may stay behind whom nobody can stop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

SUPERVISOR = "TRUNKLINE_CHILD_SUPERVISOR"  # its process id, in a child's environment
LOOK_EVERY = 0.5  # seconds


def orphaned() -> bool:
    """True when the supervisor that started this process is gone."""
    return os.getppid() != int(os.environ[SUPERVISOR])


def when_orphaned(leave: Callable[[], None]) -> None:
    """Calls `leave` once, in a thread of its own, when the supervisor is gone. For children without a loop to ask in."""

    def watch() -> None:
        while not orphaned():
            time.sleep(LOOK_EVERY)
        leave()

    threading.Thread(target=watch, name="orphan", daemon=True).start()
