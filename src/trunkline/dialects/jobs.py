"""What a dialect of durable jobs offers (video tasks). Pure, like every dialect: bytes and values in, bytes and values out.

Client side: requests are read into a `VideoRequest`, jobs are written as the caller's SDK expects them. Upstream side:
requests are written for the provider, its tasks are read. A dialect that is only ever spoken upstream refuses the client
side with a Failure. Facts: wire-formats.md A.8, C.6, D, E.13.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trunkline.dialects.contract import Voice
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.job import Job, Links
from trunkline.types.video import JobState, Task, VideoRequest
from trunkline.types.wire import Loss


def unusable(message: str) -> Failure:
    """A 2xx answer that cannot be read (F1)."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=message,
        retry="backoff",
        penalty="endpoint",
        signal="502",
        code="unreadable",
    )


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What of ours goes into a create request. `marker` finds the task again in the provider's list if the answer is
    lost; `callback` is our own unguessable URL, "" for none."""

    marker: str
    callback: str = ""


class EncodedJob(msgspec.Struct, frozen=True):
    """A request for the provider, and what it could not carry."""

    body: bytes
    content_type: str = "application/json"
    losses: tuple[Loss, ...] = ()


class ListAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller wants listed. `after` is a job id (32 hex digits) of the page before, or `page` counts from 1.
    `ids` are job ids; an id that is none of ours is left out by the dialect. `states` empty: any."""

    limit: int
    after: str = ""
    page: int = 1
    newest_first: bool = True
    states: frozenset[JobState] = frozenset()
    model: str = ""
    tier: str = ""
    ids: tuple[str, ...] | None = None


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """One page. `total` counts all that match (only where the dialect shows it), `more` says that others follow."""

    jobs: Sequence[tuple[Job, Links]]
    total: int
    more: bool


class JobDialect(Voice, Protocol):
    # --- client side ---------------------------------------------------------------------------------------------
    def decode_create(self, body: bytes, content_type: str) -> VideoRequest | Failure:
        """Bad input is a Failure that names the field and what would be right. Parameters written into the prompt's text
        are lifted out of it: a field of the body wins, and what was overridden is a loss."""
        ...

    def decode_remix(self, body: bytes, content_type: str) -> str | Failure:
        """The new prompt."""
        ...

    def decode_list(self, query: bytes) -> ListAsk | Failure: ...

    def job_id(self, shown: str) -> str | None:
        """32 hex digits from an id as this dialect shows it; None: no id of ours."""
        ...

    def shown_id(self, job_id: str) -> str: ...

    def encode_created(self, job: Job) -> bytes:
        """The answer to a create. Made only of what never changes, so that a repeated request gets the same bytes."""
        ...

    def encode_job(self, job: Job, links: Links, now: float) -> bytes:
        """The job as it stands; `now` is epoch seconds. Fields that only the provider knows come from `job.native` when
        it is this dialect's."""
        ...

    def encode_list(self, listing: Listing, now: float) -> bytes: ...

    def encode_deleted(self, job: Job) -> bytes: ...

    def encode_event(self, job: Job, links: Links, event_id: str, now: float) -> bytes:
        """What a webhook to the caller carries."""
        ...

    # --- upstream side -------------------------------------------------------------------------------------------
    def encode_create(self, request: VideoRequest, model: str, marks: Marks) -> EncodedJob | Failure:
        """For the provider's model `model`. A request of this same dialect keeps every field it had (`native`), but for
        the model, explicit nulls, the callback and the mark. A Failure is of kind `capability`: it cannot be said in
        this dialect at all."""
        ...

    def encode_poll(self, upstream_id: str) -> bytes:
        """The body of a request that asks after a task; empty where that is a plain GET."""
        ...

    def read_created(self, body: bytes) -> Task | Failure:
        """A 2xx answer to a create. A Failure (F1, unparseable) when it is none."""
        ...

    def read_task(self, body: bytes) -> Task | Failure: ...

    def read_tasks(self, body: bytes) -> tuple[Task, ...] | Failure:
        """A list; () where the provider has none."""
        ...
