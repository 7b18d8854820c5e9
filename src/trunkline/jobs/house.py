"""The rooms that jobs work with, as one object that the composition root fills: once in a worker, once in the recorder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from trunkline.dialects.jobs import JobDialect
from trunkline.engine.house import Secrets
from trunkline.jobs.contract import Ground
from trunkline.jobs.rows import Rows
from trunkline.providers.contract import Provider
from trunkline.providers.tasks import TaskProvider
from trunkline.routing.fleet import Fleet
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Deployment, Snapshot
from trunkline.types.job import Job
from trunkline.types.principal import Principal
from trunkline.types.wire import Origin

#: Origin and request target of a URL from a request or an answer, or the reason in words why it is refused.
ReadUrl = Callable[[str], tuple[Origin, bytes] | str]


class Purse(Protocol):
    """Budgets as jobs see them: held against before, trued up after. Amounts in nano-dollars.

    `hold` is asked before anything is sent, and again when a dearer candidate is about to be tried (with the whole new
    amount); a Failure refuses. `settle` is told exactly once what the job cost; 0 releases.
    """

    async def hold(self, principal: Principal, job_id: str, nanos: int) -> Failure | None: ...

    async def settle(self, job_id: str, nanos: int) -> None: ...


class OpenPurse:
    """No budgets: everything is granted."""

    async def hold(self, principal: Principal, job_id: str, nanos: int) -> Failure | None:
        return None

    async def settle(self, job_id: str, nanos: int) -> None:
        """Nothing was held."""


class JobHouse(msgspec.Struct, kw_only=True, eq=False):
    """`worker` is the incarnation that owns submissions of this process, `number` its number in records."""

    ground: Ground
    rows: Rows
    dialects: dict[str, JobDialect]
    providers: dict[str, Provider]
    tasks: dict[str, TaskProvider]
    fleet: Fleet
    snapshot: Callable[[], Snapshot]
    secrets: Callable[[], Secrets]
    read_url: ReadUrl
    purse: Purse
    worker: str
    number: int = 0
    version: str = ""

    @property
    def now_us(self) -> int:
        """Wall clock, microseconds since the epoch."""
        return int(self.ground.wall() * 1e6)


def candidate_of(house: JobHouse, job: Job) -> Candidate | None:
    """What the job was submitted to, whatever the routes say now. None: its provider has left the configuration, and
    with it the credential."""
    settings = house.snapshot().providers.get(job.provider)
    if settings is None or settings.kind != job.kind or job.credential not in settings.credentials:
        return None
    deployment = Deployment(
        name=job.deployment,
        provider=settings,
        model=job.model,
        base_url=job.base_url,
        credential=job.credential,
        base_model=job.base_model,
    )
    origin = house.providers[settings.kind].origin(deployment)
    address = f"{origin.host}:{origin.port}"
    return Candidate(
        deployment=deployment,
        credential=job.credential,
        origin=origin,
        address=address,
        endpoint=f"{settings.name}/{address}/{job.model}",
        secret=job.secret,
    )
