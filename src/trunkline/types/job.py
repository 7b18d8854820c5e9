"""The job: one video that somebody asked for, from its receipt to its settlement. The durable row, and what surfaces show.

Times are integer microseconds since the epoch, money integer nano-dollars. No prompt, key or secret stands in it, but for
what the caller may read back: its own prompt (a Videos object repeats it) and its own callback URL.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.types.constraint import Constraint
from trunkline.types.record import AttemptRecord
from trunkline.types.video import FINAL, JobState, VideoFacts
from trunkline.types.wire import DialectName, Loss


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount and where it comes from. `units` of `unit` (token or second) at `price_micros` micro-`currency` per
    million units (tokens) or per second; `rate` is `currency` per dollar in millionths. `provenance`: `formula` (an
    estimate), `ceiling` (no price is known), `provider` (from its usage), `estimated` (its usage never came)."""

    nanos: int
    unit: str
    units: int
    price_micros: int
    currency: str = "USD"
    rate: int = 1_000_000
    catalogue: str = ""
    provenance: str = "formula"


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """Our own copy of a result. `place` is `local` or `s3`, `name` the file or object key there."""

    place: str
    name: str
    size: int
    sha256: str
    content_type: str
    at: int
    until: int


class Job(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One job. `id` is 32 hex digits (a UUIDv7 without dashes); dialects put their own prefix before it.

    asked       what the caller wrote: `dialect`, `alias`, `prompt`, the settings, `callback`
    made        what was sent: `deployment` … `secret` (provider entry/credential), `base_url`, `model`; `marker` is how
                the provider's list is searched, `upstream_id` the provider's task, `dispatched_at` when it was last sent
    stands      `state`, `checked_at` (when the provider last said so), `progress`, the error, the result's addresses
    next_at     when the recorder has to do something about it, None: never
    owner       the worker that submits (a journal incarnation), "" once the outcome of the submission is known
    """

    id: str
    version: int = 0
    # asked
    key_id: str
    organisation: str = ""
    team: str = ""
    user: str = ""
    feature: str = ""
    dialect: DialectName
    surface: str = ""
    alias: str = ""
    idempotency_key: str = ""
    digest: str = ""
    prompt: str = ""
    seconds: int | None = None
    size: str = ""
    resolution: str = ""
    ratio: str = ""
    remix_of: str = ""
    video_input: bool = False
    tier: str = ""
    callback: str = ""
    created_at: int = 0
    deleted_at: int | None = None
    # decided
    request_id: str = ""
    route: str = ""
    snapshot: int = 0
    resubmits: int = 0
    resubmitted: int = 0
    losses: list[Loss] = []
    rule: int = 0
    constraints: tuple[Constraint, ...] = ()
    evidence: list[dict[str, Any]] = []
    # made
    owner: str = ""
    deployment: str = ""
    provider: str = ""
    kind: str = ""
    credential: str = ""
    base_url: str = ""
    model: str = ""
    base_model: str = ""
    region: str = ""
    upstream_dialect: DialectName = "ark_tasks"
    marker: str = ""
    dispatched_at: int | None = None
    upstream_id: str = ""
    tried: list[str] = []
    attempts: list[AttemptRecord] = []
    # stands
    state: JobState = "submitting"
    changed_at: int = 0
    checked_at: int | None = None
    accepted_at: int | None = None
    finished_at: int | None = None
    progress: int = 0
    error_code: str = ""
    error_message: str = ""
    facts: VideoFacts = VideoFacts()
    native: bytes = b""
    video_url: str = ""
    last_frame_url: str = ""
    content_type: str = ""
    url_expires_at: int | None = None
    copy: Copy | None = None
    frame_copy: Copy | None = None
    copy_tries: int = 0
    cancel_asked: bool = False
    polls: int = 0
    failures: int = 0
    next_at: int | None = None
    # money
    estimate: Money | None = None
    cost: Money | None = None
    settled_at: int | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL

    @property
    def secret(self) -> str:
        """Provider entry and credential: who may see and bill the task."""
        return f"{self.provider}/{self.credential}"

    def __repr__(self) -> str:
        return f"Job({self.id}, {self.state}, {self.deployment or '-'})"


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """Where a result can be fetched, as the caller is told. `expires_at` in epoch seconds."""

    video_url: str = ""
    last_frame_url: str = ""
    expires_at: int | None = None
