"""What the gateway must do under each fault of a twin, written by hand from reliability.md; nothing here is computed
by the code under test. `docs/reference/faults.md` is generated from this table.

`paired` is what a caller sees on a route whose first deployment has the fault and whose second one is well:
  primary      answered by the first deployment                  backup  answered by the second, nothing noticed
  broken       content, then the dialect's error event (streams) or an aborted transfer
  400 …        that status
`tries` counts attempts. `alone` is the same with no second deployment: a status and the kind in the record.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    fault: str
    stream: str  # paired, streamed
    stream_tries: int
    plain: str  # paired, not streamed
    plain_tries: int
    alone: str  # streamed and not, unless alone_plain says otherwise
    why: str
    alone_plain: str = ""
    only: tuple[str, ...] = ("openai", "anthropic", "gemini")
    differs: dict[str, Row] = field(default_factory=dict)


ANTHROPIC_SPEND_CAP = Row(
    "throttle", "backup", 2, "backup", 2, "503 no_candidate", "Anthropic: 429 without retry-after is a spend cap (F4)"
)
GEMINI_EMPTY = Row(
    "empty",
    "backup",
    3,
    "backup",
    3,
    "502 stream_broken",
    "Gemini without candidates is F1: retry, then next",
    alone_plain="502 upstream_error",
)

ROWS = (
    Row("refuse", "backup", 3, "backup", 3, "502 unreachable", "F1, refused: once more at once, then the next"),
    Row("reset", "backup", 3, "backup", 3, "502 unreachable", "F1, reset before any byte: once more at once"),
    Row("tls", "backup", 3, "backup", 3, "502 upstream_error", "F1, not HTTP: once more after backoff"),
    Row("blackhole", "backup", 2, "backup", 2, "504 timed_out", "F6, silent: never again on the same deployment"),
    Row("latency:500", "primary", 1, "primary", 1, "200", "slow is not broken"),
    Row("slow:50", "primary", 1, "primary", 1, "200", "slow is not broken"),
    Row(
        "first_token:60000",
        "backup",
        2,
        "primary",
        1,
        "504 timed_out",
        "F6 for a stream after first_token (15 s); a complete answer has `answer` (600 s)",
        alone_plain="200",
    ),
    Row("stall:0", "backup", 2, "backup", 2, "504 timed_out", "F6: no content in time, or no complete answer in time"),
    Row(
        "stall:3",
        "broken",
        1,
        "backup",
        2,
        "broken",
        "committed, then idle for 20 s: the error event; held: F6",
        alone_plain="504 timed_out",
    ),
    Row("cut:0", "backup", 3, "backup", 3, "502 stream_broken", "F1 before commit", alone_plain="502 upstream_error"),
    Row(
        "cut:3", "broken", 1, "backup", 3, "broken", "after commit: honest; held: F1", alone_plain="502 upstream_error"
    ),
    Row(
        "eof:0",
        "backup",
        3,
        "backup",
        3,
        "502 stream_broken",
        "EOF alone ends nothing",
        alone_plain="502 upstream_error",
    ),
    Row("eof:3", "broken", 1, "backup", 3, "broken", "EOF without finish is broken", alone_plain="502 upstream_error"),
    Row(
        "malformed:0",
        "primary",
        1,
        "backup",
        3,
        "200",
        "one bad event is dropped and marked; a bad body is F1",
        alone_plain="502 upstream_error",
    ),
    Row(
        "malformed:3",
        "primary",
        1,
        "backup",
        3,
        "200",
        "one bad event is dropped and marked; a bad body is F1",
        alone_plain="502 upstream_error",
    ),
    Row(
        "error_event:0",
        "backup",
        3,
        "primary",
        1,
        "5xx",
        "an error event before content is an ordinary failure",
        alone_plain="200",
    ),
    Row("error_event:3", "broken", 1, "primary", 1, "broken", "after commit: the error event", alone_plain="200"),
    Row("no_terminator", "primary", 1, "primary", 1, "200", "finished without terminator is complete; it is supplied"),
    Row("no_terminator:open", "primary", 1, "primary", 1, "200", "finalised within 1 s of the finish"),
    Row("status:500", "backup", 3, "backup", 3, "502 upstream_error", "F1: A A B"),
    Row("status:502", "backup", 3, "backup", 3, "502 upstream_error", "F1: A A B"),
    Row("status:503", "backup", 3, "backup", 3, "503 overloaded", "F1 without a delay: A A B"),
    Row("status:504", "backup", 3, "backup", 3, "502 upstream_error", "F1: A A B"),
    Row("status:529", "backup", 3, "backup", 3, "503 overloaded", "F1 without a delay: A A B", only=("anthropic",)),
    Row("status:408", "backup", 2, "backup", 2, "502 upstream_error", "F1, but not in retry.on"),
    Row("status:409", "backup", 2, "backup", 2, "502 upstream_error", "F1, but not in retry.on"),
    Row("status:400", "400", 1, "400", 1, "400 invalid_request", "F7: what the caller wrote; never fails over"),
    Row("status:413", "413", 1, "413", 1, "413 invalid_request", "F7"),
    Row("status:422", "422", 1, "422", 1, "422 invalid_request", "F7"),
    Row("status:401", "backup", 2, "backup", 2, "503 no_candidate", "F4: our key, not the caller's"),
    Row("status:402", "backup", 2, "backup", 2, "503 no_candidate", "F4"),
    Row("status:403", "backup", 2, "backup", 2, "503 no_candidate", "F4"),
    Row("bad_credential", "backup", 2, "backup", 2, "503 no_candidate", "F4: never shown as the caller's 401"),
    Row("quota", "backup", 2, "backup", 2, "503 no_candidate", "F4: a spent quota is not a rate limit"),
    Row(
        "throttle",
        "backup",
        2,
        "backup",
        2,
        "429 throttled",
        "F3: fail over at once; alone: one backoff, then 429",
        differs={"anthropic": ANTHROPIC_SPEND_CAP},
    ),
    Row("throttle:2", "backup", 3, "backup", 3, "429 throttled", "F2: waited out once on the same deployment"),
    Row(
        "throttle:10",
        "backup",
        2,
        "backup",
        2,
        "429 throttled",
        "F2 longer than wait_for_retry_after: the next at once",
    ),
    Row("context_length", "400", 1, "400", 1, "400 context_length", "F8: no candidate with a larger declared context"),
    Row("refusal", "primary", 1, "primary", 1, "200", "F9 as 200 is a successful, billed answer"),
    Row(
        "empty",
        "primary",
        1,
        "primary",
        1,
        "200",
        "finished without content is complete",
        differs={"gemini": GEMINI_EMPTY},
    ),
)


def rows_for(twin: str) -> list[Row]:
    return [row.differs.get(twin, row) for row in ROWS if twin in row.only]
