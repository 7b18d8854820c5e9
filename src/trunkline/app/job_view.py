"""Jobs for the command line: listed, shown, called off."""

from __future__ import annotations

import asyncio
import os
from typing import Any, TypeVar

import msgspec

from trunkline.app.boot import Boot
from trunkline.app.clock import PreciseLoop
from trunkline.app.jobs import Place, egress_of, job_house
from trunkline.app.log import write
from trunkline.jobs.serving import cancel
from trunkline.jobs.webhooks import secret_of
from trunkline.policy.lane import StoreLane
from trunkline.policy.pepper import load_pepper
from trunkline.routing.fleet import Fleet
from trunkline.storage.contract import Delivery, JobMatch
from trunkline.storage.open import open_store
from trunkline.transport.client import Client, ProxyRules
from trunkline.types.failure import Failure
from trunkline.types.job import Job

T = TypeVar("T")


class JobView:
    """A context manager over the store's jobs. Raises StoreUnavailable and StoreUrlError, whose texts say what to do."""

    def __init__(self, boot: Boot) -> None:
        self._boot = boot
        self._store = open_store(boot.store_url)

    def __enter__(self) -> JobView:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def list(self, match: JobMatch, limit: int) -> tuple[tuple[Job, ...], int]:
        """Newest first, and how many match."""
        return self._store.list_jobs(match, limit=limit)

    def find(self, shown: str) -> Job | None:
        """By its id, as any dialect or the log shows it."""
        return self._store.find_job(plain_id(shown))

    def deliveries(self, job: Job) -> tuple[Delivery, ...]:
        return self._store.deliveries_of(job.id)

    def cancel(self, job: Job) -> Failure | None:
        """With the credential that made it. None: cancelled."""
        with asyncio.Runner(loop_factory=PreciseLoop) as runner:
            return runner.run(_cancel(self._boot, job))


async def _cancel(boot: Boot, job: Job) -> Failure | None:
    loop = asyncio.get_running_loop()
    client = Client(proxies=ProxyRules.from_environ(os.environ), egress=egress_of(boot))
    lane = StoreLane(lambda: open_store(boot.store_url, 2.0), loop)
    house = job_house(
        boot,
        Place(
            upstreams=client,
            store=lane,
            fleet=Fleet(1),
            pepper=load_pepper(boot.state_dir),
            log=lambda event, fields: write("cli", "info", event, fields),
            worker="cli",
        ),
    )
    try:
        return await cancel(house, job)
    finally:
        client.close()
        await lane.close()


def plain_id(shown: str) -> str:
    """32 hex digits out of `video_…`, `cgt-…` or a UUID."""
    return shown.removeprefix("video_").removeprefix("cgt-").replace("-", "").lower()


def webhook_secret(boot: Boot, key_id: str) -> str:
    """What a receiver checks the signatures of this key's webhooks with."""
    return secret_of(load_pepper(boot.state_dir), key_id)


def as_plain(job: Job) -> dict[str, Any]:
    """A job as JSON says it, whole; without the provider's own object and the prompt, which are the caller's."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(Job):
        if field.name not in ("native", "prompt", "digest"):
            found[field.name] = msgspec.to_builtins(getattr(job, field.name))
    return found
