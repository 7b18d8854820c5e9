"""One worker's data plane, composed: every room's concrete class meets here, on one event loop."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time

from trunkline import __version__
from trunkline.app.boot import Boot
from trunkline.app.jobs import Place, egress_of, job_house, refresh
from trunkline.app.log import write
from trunkline.credentials.vault import Vault
from trunkline.dialects.registry import DIALECTS
from trunkline.engine.house import House
from trunkline.engine.prober import Prober
from trunkline.jobs.content import Contents
from trunkline.jobs.media import Copier
from trunkline.jobs.serving import JobFront
from trunkline.ledger.journal import Ledger
from trunkline.policy.admit import Gate
from trunkline.policy.feed import KeyFeed
from trunkline.policy.lane import StoreLane
from trunkline.policy.pepper import load_pepper
from trunkline.providers import PROVIDERS
from trunkline.routing.fleet import Fleet
from trunkline.server.gateway import Gateway
from trunkline.storage.journal import JournalWriter
from trunkline.storage.open import open_store
from trunkline.transport.client import Client, ProxyRules
from trunkline.transport.server import Server
from trunkline.transport.timers import Deadlines
from trunkline.transport.turn import EndOfTurn

REFRESH_SECRETS = 1.0


class Plane:
    """Everything between the listening socket and the journal. `boot` supplies the snapshot and the secrets."""

    def __init__(self, loop: asyncio.AbstractEventLoop, boot: Boot, index: int = 0) -> None:
        self.loop = loop
        self.boot = boot
        self.index = index
        self.name = f"worker-{index}"
        self.feed: KeyFeed | None = None
        self.closed = False

    async def start(self, sock: socket.socket) -> None:
        boot, loop = self.boot, self.loop
        name = incarnation(self.index)
        self.ledger = Ledger(JournalWriter(boot.state_dir / "journal" / name), loop, boot.snapshot.durability)
        pepper = load_pepper(boot.state_dir)
        self.gate = Gate(pepper)
        self.feed = KeyFeed(
            self.gate, lambda: open_store(boot.store_url, 1.0), boot.state_dir, loop, boot.tree.keys_max_stale
        )
        await self.feed.start()
        deadlines = Deadlines(loop)
        turn = EndOfTurn(loop)
        self.client = Client(
            deadlines=deadlines, outbox=turn, proxies=ProxyRules.from_environ(os.environ), egress=egress_of(boot)
        )
        self.house = House(
            loop=loop,
            dialects=DIALECTS,
            providers=PROVIDERS,
            upstreams=self.client,
            gate=self.gate,
            books=self.ledger,
            secrets=boot.vault,
            fleet=Fleet(boot.workers),
            deadlines=deadlines,
            turn=turn,
            snapshot=boot.snapshot,
            wall=time.time,
            rand=random.random,
            log=self._log,
            worker=self.index,
            version=__version__,
        )
        self._know()
        self.prober = Prober(self.house)
        self.prober.start()
        self.lane = StoreLane(lambda: open_store(boot.store_url, 2.0), loop)
        self.jobs = job_house(
            boot,
            Place(
                upstreams=self.client,
                store=self.lane,
                fleet=self.house.fleet,
                pepper=pepper,
                log=self._log,
                worker=name,
                number=self.index,
            ),
        )
        front = JobFront(self.jobs, Contents(self.jobs, Copier(self.jobs.ground)))
        limits = boot.server_limits
        self.gateway = Gateway(self.house, body_bytes=limits.body_bytes, max_live=boot.max_live, jobs=front)
        self.server = Server(self.gateway, limits, loop=loop, error_body=self.gateway.error_body, outbox=turn)
        await self.server.serve_socket(sock, boot.listener_tls())
        self.gateway.phase = "ready"
        loop.call_later(REFRESH_SECRETS, self._refresh)

    @property
    def busy(self) -> bool:
        """Exchanges are open, or answers are still on their way out."""
        return bool(self.house.live) or self.server.live_calls > 0

    def swap(self) -> None:
        """Put the snapshot that `boot` has compiled in force; what is under way ends on the one it began with."""
        previous = self.house.secrets
        self.house.snapshot, self.house.secrets = self.boot.snapshot, self.boot.vault
        if isinstance(previous, Vault):
            self._renewed(self.boot.vault.follow(previous))
        refresh(self.jobs, self.boot)
        self.client.use_egress(egress_of(self.boot))
        self._know()

    async def close(self) -> None:
        self.closed = True
        self.prober.stop()
        self.server.abort_all()
        self.client.close()
        if self.feed is not None:
            await self.feed.stop()
        await self.lane.close()
        self.ledger.close()

    def _know(self) -> None:
        if self.boot.snapshot.guesser is not None:
            self.boot.snapshot.guesser.warm()
        for route in self.boot.snapshot.routes.values():
            for candidate in route.everyone():
                self.house.fleet.know(candidate)

    def _refresh(self) -> None:
        """Re-read `file:` secrets that changed; a new secret clears what was held against the old one."""
        if self.closed:
            return
        self._renewed(self.boot.vault.refresh(self.loop.time()))
        self.loop.call_later(REFRESH_SECRETS, self._refresh)

    def _renewed(self, changed: list[tuple[str, str, int]]) -> None:
        """A new secret voids what was held against the old one."""
        for provider, credential, generation in changed:
            self.house.fleet.renew(f"{provider}/{credential}", generation)
            self._log("secret_changed", {"provider": provider, "credential": credential})

    def _log(self, event: str, fields: dict[str, object]) -> None:
        write(self.name, "warning" if event == "fleet" else "info", event, fields)


def incarnation(index: int) -> str:
    """A directory of its own for each life of a worker: what a dead one has left is never appended to."""
    return f"w{index}-{time.time_ns()}"
