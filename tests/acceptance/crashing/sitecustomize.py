"""Loaded by the gateway's processes in tests that kill them (PYTHONPATH): at a named point, and only while a fuse of that
name lies in TRUNKLINE_TEST_FUSES, the process dies as by `kill -9`, once.

A fuse named `POINT` kills the process that reaches it; its content `all` takes the supervisor along. `ledger.bug` raises
an exception where none should come from.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.util
import os
import signal
import sys
from typing import Any

FUSED = ("trunkline.jobs.rows", "trunkline.jobs.calls", "trunkline.jobs.fetch", "trunkline.ledger.recorder")
FUSES = os.environ.get("TRUNKLINE_TEST_FUSES", "")


def blown(point: str) -> None:
    path = os.path.join(FUSES, point)
    try:
        with open(path) as fuse:
            everybody = fuse.read().strip() == "all"
        os.rename(path, path + ".blown")
    except OSError:
        return
    if everybody:
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def around(owner: Any, name: str, point: str) -> None:
    """Fuses before and after an asynchronous function."""
    real = getattr(owner, name)

    @functools.wraps(real)
    async def fused(*args: Any, **kwargs: Any) -> Any:
        where = point + (f".{args[1].operation}" if name == "ask" else "")
        blown(f"{where}.before")
        result = await real(*args, **kwargs)
        blown(f"{where}.after")
        return result

    setattr(owner, name, fused)


def patch(module: Any) -> None:
    match module.__name__:
        case "trunkline.ledger.recorder":
            step = module.Recorder.step

            def failing(self: Any) -> Any:
                with contextlib.suppress(FileNotFoundError):
                    os.rename(os.path.join(FUSES, "ledger.bug"), os.path.join(FUSES, "ledger.bug.blown"))
                    raise RuntimeError("a bug in the ledger")
                return step(self)

            module.Recorder.step = failing
        case "trunkline.jobs.rows":
            for name in ("open", "change", "settle"):
                around(module.Rows, name, f"rows.{name}")
        case "trunkline.jobs.calls":
            around(module, "ask", "ask")
        case "trunkline.jobs.fetch":
            real = module._Collecting.on_connected

            def on_connected(self: Any) -> None:
                real(self)
                blown("fetch.sent")

            module._Collecting.on_connected = on_connected


class Hook(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name not in FUSED:
            return None
        sys.meta_path.remove(self)
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def executed(module: Any) -> None:
            execute(module)
            patch(module)

        spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


if FUSES:
    sys.meta_path.insert(0, Hook())
