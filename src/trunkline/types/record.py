"""The record: one immutable value per exchange, and its attempts. Frozen as docs/reference/record.schema.json.

Times are integer microseconds on the monotonic clock; `started_at` is the only wall-clock value (microseconds
since the epoch, UTC). No prompt, answer, secret, key or client address ever enters a record. Fields that later
parts of the product fill (cost, evidence, drill) stand here from the first day as null or empty, so that
`schema: 1` need not change.

Journal and store hold a record without the fields that have their default, which is two thirds of its bytes; whoever
reads one for somebody else gives it back whole (`ledger.encoding.whole`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Outcome = Literal[
    "ok",
    "ok_saved",
    "client_fault",
    "refused_access",
    "refused_limit",
    "refused_budget",
    "overloaded",
    "failed",
    "broken",
    "cancelled",
    "unknown",
]


class Count(msgspec.Struct, frozen=True):
    """A number of tokens and where it comes from: provider, counted or estimated."""

    tokens: int
    provenance: str


class Partition(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Where the time went; disjoint, and the sum is `total` (observability.md section 1). Microseconds."""

    admit: int = 0
    body: int = 0
    queue: int = 0
    failed: int = 0
    backoff: int = 0
    connect: int = 0
    first_token: int = 0
    hold: int = 0
    generate: int = 0
    client: int = 0
    finish: int = 0
    other: int = 0
    total: int = 0


class AttemptRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One try. `started_us` is the offset from the exchange's start; `class_` is "ok" or F1–F13."""

    number: int
    deployment: str
    provider: str
    model: str
    region: str = ""
    credential_id: str = ""
    address: str = ""
    reason: str = "first"
    started_us: int = 0
    connect_us: int = 0
    first_token_us: int | None = None
    total_us: int = 0
    reused: bool = False
    upstream_request_id: str = ""
    status: int = 0
    class_: str = msgspec.field(default="ok", name="class")
    kind: str = ""
    stated_delay_ms: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    usage: dict[str, Count] = {}
    finish_reason: str = ""
    cancelled_by: str = ""
    rate_limit: dict[str, str] = {}
    cost: dict[str, Any] | None = None


class Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One exchange. `id` is a UUIDv7 in hex form with dashes, also `x-trunkline-request-id`."""

    schema: int = 1
    id: str
    started_at: int
    clock_offset_us: int = 0
    worker: int = 0
    version: str = ""
    snapshot: int = 0
    trace_id: str = ""
    span_id: str = ""
    client_request_id: str = ""
    # caller
    key_id: str = ""
    user: str = ""
    team: str = ""
    organisation: str = ""
    feature: str = ""
    session: str = ""
    metadata: dict[str, str] = {}
    client: str = ""
    # request
    surface: str = ""
    operation: str = ""
    dialect: str = ""
    alias: str = ""
    stream: bool = False
    body_bytes: int = 0
    input_tokens_counted: int | None = None
    max_output_tokens: int | None = None
    tools: int = 0
    images: bool = False
    output_schema: bool = False
    fingerprints: dict[str, str] = {}
    # decision
    task: str = ""
    task_confidence: float | None = None
    route: str = ""
    rule: int | None = None
    rule_text: str = ""
    strategy: str = ""
    dropped: list[dict[str, str]] = []
    plan: list[str] = []
    constraints: list[dict[str, Any]] = []
    # outcome
    outcome: Outcome = "unknown"
    fault: str = ""
    kind: str = ""
    status: int = 0
    finish_reason: str = ""
    committed: bool = False
    saved: bool = False
    losses: list[dict[str, str]] = []
    malformed_events: int = 0
    spliced: bool = False
    terminator: str = ""
    empty: bool = False
    # latency
    latency: Partition = msgspec.field(default_factory=Partition)
    first_token_us: int | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    events: int = 0
    longest_gap_us: int = 0
    # usage, money
    usage: dict[str, Count] = {}
    cost: dict[str, Any] | None = None
    evidence: list[dict[str, Any]] = []
    drill: dict[str, Any] | None = None
    folded: int = 1
    correction_of: str = ""
    job: str = ""
    attempts: list[AttemptRecord] = []


class Intent(msgspec.Struct, kw_only=True):
    """Journalled at dispatch: enough to write an `unknown` record should the worker die before the outcome."""

    id: str
    started_at: int
    worker: int
    snapshot: int
    key_id: str
    user: str
    team: str
    organisation: str
    feature: str
    dialect: str
    operation: str
    alias: str
    stream: bool
    route: str
    deployment: str
    provider: str
    model: str
    credential_id: str
    body_bytes: int
    input_tokens: int
