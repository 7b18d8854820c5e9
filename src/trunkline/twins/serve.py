"""Starts twins inside this process: for tests, for `serve --twins`, and for `trunkline twins`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path

from trunkline.twins.control import Endpoint
from trunkline.twins.door import Door
from trunkline.twins.scenario import Step, play, read_scenario
from trunkline.twins.twin import Twin, surface_of
from trunkline.twins.wire import TwinName, twin_name

#: Where the twins listen unless told otherwise (design.md section 6).
PORTS: dict[str, int] = {"openai": 9101, "anthropic": 9102, "gemini": 9103, "ark": 9104}


class Twins:
    """Twins that are running. `twins["openai"]` is one of them."""

    def __init__(self, twins: dict[TwinName, Twin]) -> None:
        self.twins = twins
        self.control: Door | None = None
        self._scenario: asyncio.Task[None] | None = None

    def __getitem__(self, name: TwinName) -> Twin:
        return self.twins[name]

    def play(self, scenario: list[Step] | str | Path) -> asyncio.Task[None]:
        """Starts a scenario, given as steps or as the path of its file, in the background; it ends with the twins.
        Raises OSError or ValueError when the file cannot be read or understood."""
        steps = scenario if isinstance(scenario, list) else read_scenario(Path(scenario))
        self._scenario = asyncio.get_running_loop().create_task(play(steps, self.twins))
        return self._scenario

    async def close(self) -> None:
        """Closes listeners and connections."""
        if self._scenario is not None:
            self._scenario.cancel()
            await asyncio.gather(self._scenario, return_exceptions=True)
        for twin in self.twins.values():
            await twin.close()
        if self.control is not None:
            await self.control.close()


async def start_twins(
    ports: Mapping[str, int] = PORTS,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
    body_limit: int | None = None,
    control_port: int | None = None,
) -> Twins:
    """Starts a twin on each port (0: a free one); the keys are `TWIN_NAMES`. `tls` makes them speak HTTPS;
    `body_limit` (bytes) replaces the providers' own; `control_port` opens the control endpoint once more where no fault
    can close it (requests there say `?twin=`). Raises ValueError for a name that is no twin, and OSError when a port is
    taken, with nothing left running."""
    loop = asyncio.get_running_loop()
    endpoint = Endpoint(loop)
    running = Twins({})
    for name, port in [(twin_name(key), port) for key, port in ports.items()]:
        twin = Twin(surface_of(name, body_limit), endpoint, loop, tls)
        try:
            await twin.door.open(host, port)
        except OSError:
            await running.close()
            raise
        running.twins[name] = twin
        endpoint.twins[name] = twin
    if control_port is not None:
        running.control = Door(endpoint, loop, None)
        try:
            await running.control.open(host, control_port)
        except OSError:
            await running.close()
            raise
    return running
