"""The jobs room, composed: for a worker, which creates and reads jobs, and for the recorder, which follows them."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from trunkline import __version__
from trunkline.app.boot import Boot
from trunkline.catalogue.contract import PriceSettings
from trunkline.dialects.registry import JOB_DIALECTS
from trunkline.jobs.contract import Ground, JobSettings, S3Settings, StoreAccess
from trunkline.jobs.house import JobHouse, OpenPurse
from trunkline.jobs.rows import Rows
from trunkline.providers import PROVIDERS
from trunkline.providers.tasks import TASKS
from trunkline.routing.fleet import Fleet
from trunkline.transport.contract import Upstreams
from trunkline.transport.egress import Egress

Log = Callable[[str, dict[str, object]], None]


def job_settings(boot: Boot) -> JobSettings:
    """`jobs:` and `prices:` of the file, with what they do not say."""
    jobs, prices = boot.tree.jobs, boot.tree.prices
    poll = jobs.get("poll", {})
    host, port = boot.listen_address
    scheme = "https" if boot.tree.tls is not None else "http"
    local = f"[{host}]" if ":" in host else host
    plain = ("create_timeout", "settle_wait", "unknown_for", "copy_media", "retention", "webhook")
    return JobSettings(
        **{name: jobs[name] for name in plain if name in jobs},
        poll_first=poll.get("first", 2.0),
        poll_cap=poll.get("cap", 15.0),
        poll_rate=float(poll.get("rate", 10)),
        media_dir=jobs.get("media_dir", str(Path(boot.state_dir) / "media")),
        s3=_s3(boot),
        public_url=str(jobs.get("public_url", "")).rstrip("/"),
        local_url=f"{scheme}://{local}:{port}",
        prices=PriceSettings(
            cny_per_usd=_millionths(prices.get("cny_per_usd", "7")),
            unknown_second=_millionths(prices.get("unknown_second", "1.00")),
        ),
    )


def egress_of(boot: Boot) -> Egress:
    """Where URLs that come from requests or answers may lead."""
    egress = boot.tree.egress
    return Egress(allow=tuple(egress.get("allow", ())), proxy=egress.get("proxy"))


class Place(msgspec.Struct, kw_only=True):
    """Where the room is set up: what the process has. `worker` is the name that it owns submissions under."""

    upstreams: Upstreams
    store: StoreAccess
    fleet: Fleet
    pepper: bytes
    log: Log
    worker: str
    number: int = 0


def job_house(boot: Boot, place: Place) -> JobHouse:
    """Make it while the loop runs."""
    ground = Ground(
        loop=asyncio.get_running_loop(),
        upstreams=place.upstreams,
        store=place.store,
        settings=job_settings(boot),
        wall=time.time,
        rand=random.random,
        log=place.log,
        pepper=place.pepper,
        state_dir=str(boot.state_dir),
    )
    return JobHouse(
        ground=ground,
        rows=Rows(place.store),
        dialects=JOB_DIALECTS,
        providers=PROVIDERS,
        tasks=TASKS,
        fleet=place.fleet,
        snapshot=lambda: boot.snapshot,
        secrets=lambda: boot.vault,
        read_url=egress_of(boot).read_url,
        purse=OpenPurse(),
        worker=place.worker,
        number=place.number,
        version=__version__,
    )


def refresh(house: JobHouse, boot: Boot) -> None:
    """Another snapshot is in force."""
    house.ground.settings = job_settings(boot)
    house.read_url = egress_of(boot).read_url


def _s3(boot: Boot) -> S3Settings | None:
    said = boot.tree.jobs.get("s3")
    if said is None:
        return None
    keys = {name: boot.vault.current("s3:", name) for name in ("access_key", "secret_key")}
    named = {name: said[name] for name in ("endpoint", "bucket", "region", "prefix") if name in said}
    return S3Settings(**named, **keys)


def _millionths(text: str) -> int:
    return int(Decimal(text) * 1_000_000)
