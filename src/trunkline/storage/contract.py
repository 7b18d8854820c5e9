"""The border to every store (`Documents` of design.md section 2): rows, questions, and how a store may fail.

A store is synchronous: the recorder, the command line and a worker's one background thread call it, never an event
loop. All times are integer microseconds since the epoch, UTC. Two exceptions leave a store, and nothing else:
`StoreUnavailable` (try again later; nothing was changed) and `RowRefused` (this row will never be accepted).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trunkline.types.job import Job

#: Default page of `query_records` and its bound (observability.md 4.5).
PAGE = 50
PAGE_MAX = 10_000


class StoreUnavailable(Exception):
    """The store is down, locked, full, hung or not ours to open. The text names no secret."""


class RowRefused(Exception):
    """The store works, but will never take this row (wrong type, out of range, a broken constraint)."""


class StoreUrlError(ValueError):
    """The `store:` URL cannot be used as written; the text says what would be right."""


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A virtual key as stored. `digest` is the keyed hash (32 bytes); the key itself is stored nowhere. `limits` is JSON:
    `{"require": {label: [value, …]}, "forbid": {…}}`, or "" for a key that is bound by nothing."""

    key_id: str
    digest: bytes
    name: str = ""
    team: str = ""
    user: str = ""
    feature: str = ""
    organisation: str = ""
    created_at: int = 0
    revoked_at: int | None = None
    expires_at: int | None = None
    limits: str = ""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Keys as they are now, and `upto`: the number to ask from next time.

    `store_id` tells one store from another (a restored backup keeps it, a fresh file has a new one). An `upto` below
    the number asked from, or another `store_id`, means that the caller has to read everything again.
    """

    store_id: str
    upto: int
    keys: tuple[KeyRow, ...]


class RecordRow(msgspec.Struct, frozen=True):
    """A record on its way into the store: the columns that are searched, and the whole as JSON."""

    id: str
    started_at: int
    key_id: str
    route: str
    deployment: str
    outcome: str
    status: int
    team: str
    user: str
    feature: str
    alias: str
    body: bytes


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    """None means "any". `since` is included, `until` is not (microseconds since the epoch)."""

    key_id: str | None = None
    route: str | None = None
    deployment: str | None = None
    outcome: str | None = None
    status: int | None = None
    team: str | None = None
    user: str | None = None
    feature: str | None = None
    alias: str | None = None
    since: int | None = None
    until: int | None = None


class Cursor(msgspec.Struct, frozen=True):
    """A place between two records, newest first: whatever is older than (`started_at`, `id`) comes next."""

    started_at: int
    id: str


class Page(msgspec.Struct, frozen=True):
    """Records as JSON, newest first. `older` is None on the last page."""

    bodies: tuple[bytes, ...]
    older: Cursor | None


class Keys(Protocol):
    """Virtual keys. Every change appends to one sequence, which workers poll."""

    def create_key(self, row: KeyRow) -> None:
        """Raises RowRefused if the key_id or the digest stands already."""
        ...

    def revoke_key(self, key_id: str, at: int) -> bool:
        """True: it was live until now. False: unknown, or revoked before."""
        ...

    def find_key(self, digest: bytes) -> KeyRow | None:
        """By full digest; revoked and expired keys are found too."""
        ...

    def list_keys(self) -> tuple[KeyRow, ...]:
        """All, oldest first."""
        ...

    def all_keys(self) -> Changes:
        """Every key and the sequence number that this view belongs to, from one transaction."""
        ...

    def changes_since(self, number: int) -> Changes:
        """The keys touched after `number`, as they are now, from one transaction."""
        ...


class Records(Protocol):
    """Records of exchanges: immutable, written once, searched newest first."""

    def insert_records(self, batch: Sequence[RecordRow]) -> int:
        """One transaction, all or nothing; an id that stands already is passed over. Returns how many were new."""
        ...

    def find_record(self, record_id: str) -> bytes | None: ...

    def query_records(self, match: RecordFilter, older_than: Cursor | None = None, limit: int = PAGE) -> Page: ...

    def count_records(self, match: RecordFilter) -> dict[str, int]:
        """Number of records per outcome."""
        ...


class JobMatch(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs. None: any; deleted ones (and submissions that nobody was told of) only with `hidden`."""

    key_id: str | None = None
    states: frozenset[str] = frozenset()
    alias: str | None = None
    ids: tuple[str, ...] | None = None
    hidden: bool = False


class Delivery(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A webhook on its way to a caller. `id` is the delivery's own and the same in every try; `seq` orders those of one
    job. `next_at` None: delivered, or given up. Times are microseconds since the epoch."""

    id: str
    job_id: str
    key_id: str
    url: str
    event: str
    body: bytes
    created_at: int
    seq: int = 0
    tries: int = 0
    next_at: int | None = None
    delivered_at: int | None = None
    status: int = 0
    problem: str = ""


class Jobs(Protocol):
    """Durable jobs. Every change is a comparison with the version that was read, so that nothing is done twice."""

    def open_job(self, job: Job, request: bytes) -> Job | None:
        """Writes a new job and the request to make it from. None: written. A job: (key_id, idempotency_key) stands
        already, nothing was written."""
        ...

    def find_job(self, job_id: str) -> Job | None: ...

    def job_request(self, job_id: str) -> bytes | None:
        """The request as `open_job` was given it, until `change_job` was told to drop it."""
        ...

    def change_job(self, job: Job, *, drop_request: bool = False, deliveries: Sequence[Delivery] = ()) -> bool:
        """Writes `job` if the store has `job.version`, and counts that up in both; False: somebody else was faster.
        Raises RowRefused when another job of the same secret has this `upstream_id`."""
        ...

    def settle_job(self, job: Job, record: RecordRow, deliveries: Sequence[Delivery] = ()) -> bool:
        """`change_job`, the job's record and its webhooks in one transaction: all or nothing."""
        ...

    def list_jobs(
        self, match: JobMatch, *, limit: int, after: str = "", offset: int = 0, newest_first: bool = True
    ) -> tuple[tuple[Job, ...], int]:
        """By creation; `after` is the id of the last one seen. Also how many match in all."""
        ...

    def due_jobs(self, now: int, limit: int, avoid: Sequence[str] = ()) -> tuple[Job, ...]:
        """Those with `next_at` ≤ `now`, the longest due first; without those of the secrets in `avoid`."""
        ...

    def next_due(self) -> int | None:
        """The earliest `next_at` of jobs and deliveries."""
        ...

    def owned_jobs(self) -> tuple[Job, ...]:
        """Those in `submitting` with an owner."""
        ...

    def claimed_tasks(self, secret: str, upstream_ids: Sequence[str]) -> frozenset[str]:
        """Which of these tasks belong to a job already."""
        ...

    def count_jobs(self) -> dict[str, int]:
        """Number of jobs per state."""
        ...

    def add_delivery(self, delivery: Delivery) -> bool:
        """False: it stands already."""
        ...

    def due_deliveries(self, now: int, limit: int) -> tuple[Delivery, ...]: ...

    def change_delivery(self, delivery: Delivery) -> None: ...

    def deliveries_of(self, job_id: str) -> tuple[Delivery, ...]:
        """In order."""
        ...


class Store(Keys, Records, Jobs, Protocol):
    """One store with everything in it."""

    def once(self, name: str, value: bytes) -> bytes:
        """Writes `value` under `name` unless something stands there; returns what stands there then."""
        ...

    def close(self) -> None: ...
