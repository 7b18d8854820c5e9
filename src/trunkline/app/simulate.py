"""The twins as a supervised process (`serve --twins`) or in the foreground (`trunkline twins`)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

import uvloop

from trunkline.app.boot import Boot
from trunkline.app.log import write
from trunkline.app.orphan import when_orphaned
from trunkline.app.sockets import raise_descriptor_limit
from trunkline.twins.serve import PORTS, start_twins


def simulate(boot: Boot) -> int:
    when_orphaned(lambda: os.kill(os.getpid(), signal.SIGTERM))
    return run_twins({name: boot.twin_ports[name] for name in PORTS})


def run_twins(ports: Mapping[str, int], scenario: str | None = None) -> int:
    """Serve until SIGTERM or SIGINT. `ports` maps twin name to port."""
    raise_descriptor_limit()

    async def main() -> int:
        leaving = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, leaving.set)
        twins = await start_twins(ports)
        write("twins", "info", "ready", {name: f"127.0.0.1:{port}" for name, port in ports.items()})
        if scenario is not None:
            twins.play(scenario)
        await leaving.wait()
        await twins.close()
        return 0

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())
