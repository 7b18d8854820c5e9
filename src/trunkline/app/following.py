"""The recorder's part in jobs: polls, copies, webhooks, and the submissions that dead workers left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from trunkline.app.boot import Boot
from trunkline.app.jobs import Place, egress_of, job_house, refresh
from trunkline.app.log import write
from trunkline.jobs.follow import Follower
from trunkline.jobs.keeper import Keeper
from trunkline.jobs.media import Copier
from trunkline.jobs.poll import Poller
from trunkline.jobs.webhooks import Postman
from trunkline.policy.admit import Unanswered
from trunkline.policy.lane import StoreLane
from trunkline.policy.pepper import load_pepper
from trunkline.routing.fleet import Fleet
from trunkline.storage.open import open_store
from trunkline.transport.client import Client, ProxyRules

ORPHANS_EVERY = 0.5
POST_EVERY = 0.25
SWEEP_EVERY = 60.0
REFRESH_SECRETS = 1.0


class Following:
    """One per recorder, on its loop. `name` owns what is submitted here."""

    def __init__(self, boot: Boot, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self.boot = boot
        self.loop = loop
        self.name = name
        self.stopping = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.reloading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        boot = self.boot
        egress = egress_of(boot)
        self.client = Client(proxies=ProxyRules.from_environ(os.environ), egress=egress)
        self.lane = StoreLane(lambda: open_store(boot.store_url, 2.0), self.loop)
        self.house = house = job_house(
            boot,
            Place(
                upstreams=self.client,
                store=self.lane,
                fleet=Fleet(1),
                pepper=load_pepper(boot.state_dir),
                log=self._log,
                worker=self.name,
            ),
        )
        self.copier = Copier(house.ground)
        self.poller = Poller(house, Follower(house, Keeper(house, self.copier)))
        self.postman = Postman(house.ground, egress)
        self.tasks = [
            self.loop.create_task(self.poller.run(self.stopping)),
            self.loop.create_task(self._every(POST_EVERY, self._post)),
            self.loop.create_task(self._every(ORPHANS_EVERY, self._orphans)),
            self.loop.create_task(self._every(SWEEP_EVERY, self._sweep)),
            self.loop.create_task(self._every(REFRESH_SECRETS, self._refresh)),
        ]

    async def stop(self) -> None:
        self.stopping.set()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.postman.close()  # what was on its way is due again
        self.client.close()
        await self.lane.close()

    def reload(self) -> None:
        """A new snapshot was published."""
        if self.reloading is None or self.reloading.done():
            self.reloading = self.loop.create_task(self._reloaded())

    async def _reloaded(self) -> None:
        problems = await self.loop.run_in_executor(None, self.boot.reload)
        if problems:
            write("recorder", "error", "configuration_refused", {"problem": "; ".join(problems[:3])})
            return
        refresh(self.house, self.boot)
        egress = egress_of(self.boot)
        self.client.use_egress(egress)
        self.postman.egress = egress
        write("recorder", "info", "configuration_applied", {"snapshot": self.boot.number})

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while not self.stopping.is_set():
            try:
                await work()
            except Unanswered:
                pass  # the poller reports it
            except Exception as bug:
                self._log("job_error", {"problem": f"{type(bug).__name__}: {bug}"})
            try:
                async with asyncio.timeout(seconds):
                    await self.stopping.wait()
            except TimeoutError:
                pass

    async def _post(self) -> None:
        await self.postman.deliver_due(self.house.now_us)

    async def _sweep(self) -> None:
        await self.copier.sweep(self.house.ground.wall())

    async def _refresh(self) -> None:
        """`file:` secrets that changed."""
        self.boot.vault.refresh(self.loop.time())

    async def _orphans(self) -> None:
        """Submissions whose worker is dead: its journal has been drained and is gone. They are due at once."""
        for job in await self.house.rows.owned():
            if self._lives(job.owner):
                continue
            job.owner = ""
            job.next_at = self.house.now_us
            await self.house.rows.change(job)

    def _lives(self, owner: str) -> bool:
        return owner == self.name or (Path(self.boot.state_dir) / "journal" / owner).is_dir()

    def _log(self, event: str, fields: dict[str, object]) -> None:
        write("recorder", "info", event, fields)
