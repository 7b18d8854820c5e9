"""What the parts of the jobs room need of each other and of the rooms below."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, Protocol, TypeVar

import msgspec

from trunkline.catalogue.contract import PriceSettings
from trunkline.storage.contract import Store
from trunkline.transport.contract import Upstreams

T = TypeVar("T")


class S3Settings(msgspec.Struct, frozen=True, kw_only=True):
    """An S3-compatible bucket. `endpoint` is scheme, host and port; the secret is read when it is used."""

    endpoint: str
    bucket: str
    region: str = "us-east-1"
    prefix: str = ""
    access_key: str = ""
    secret_key: str = ""

    def __repr__(self) -> str:
        return f"S3Settings({self.bucket})"


class JobSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`jobs:` of the configuration. Durations are seconds.

    `copy_media`: where results are copied to before the provider's URL expires. `public_url` is this gateway as callers
    and providers reach it, without a slash at the end ("" if nobody has said), `local_url` where it listens. `webhook` is
    told of every job, beside the caller's own callback. `create_timeout` bounds one submission, `settle_wait` how long a
    lost one is looked for while the caller waits, `unknown_for` how long in all.
    """

    poll_first: float = 2.0
    poll_cap: float = 15.0
    poll_rate: float = 10.0
    poll_timeout: float = 10.0
    create_timeout: float = 60.0
    settle_wait: float = 8.0
    unknown_for: float = 86_400.0
    copy_media: Literal["off", "local", "s3"] = "off"
    media_dir: str = ""
    retention: float = 7 * 86_400.0
    s3: S3Settings | None = None
    public_url: str = ""
    local_url: str = ""
    webhook: str = ""
    prices: PriceSettings = PriceSettings()


class StoreAccess(Protocol):
    """The store, asked from an event loop. Raises `policy.admit.Unanswered` when it cannot be reached in time."""

    async def ask(self, question: Callable[[Store], T], patience: float) -> T: ...


class Ground(msgspec.Struct, kw_only=True, eq=False):
    """What every part stands on. `wall` gives epoch seconds, `rand` numbers in [0, 1)."""

    loop: asyncio.AbstractEventLoop
    upstreams: Upstreams
    store: StoreAccess
    settings: JobSettings
    wall: Callable[[], float]
    rand: Callable[[], float]
    log: Callable[[str, dict[str, object]], None]
    #: From this, secrets of single purposes are derived (signatures of webhooks, of our own URLs).
    pepper: bytes
    state_dir: str = ""
