"""The options of routes, rules and policies: where the sentences of a routing policy are written."""

from __future__ import annotations

from trunkline.config.kinds import (
    NAME,
    DurationOrOff,
    EitherWord,
    ListOf,
    MapOf,
    OneOf,
    OneOrMore,
    RowsOf,
    Text,
    boolean,
    dollars,
    duration,
    fraction,
    integer,
    percent,
)
from trunkline.config.sections import Option, Section

SIGNALS = ("connect", "408", "409", "429", "500", "502", "503", "504", "529")
CLASSES = ("F1", "F2", "F3", "F4", "F5", "F6", "F8", "F10")
CONDITION = Text("condition")
VALUE = Text("value", r"[ -~]{1,256}", "a value is printable ASCII, 256 characters at most")

RETRY = Section(
    {
        "on": Option(ListOf(OneOf(SIGNALS), empty=True), "Signals for which the same deployment is tried again.",
                     "[connect, 500, 502, 503, 504, 529]"),
        "times": Option(integer(high=7), "How often one deployment is tried again (8 attempts in all).", "1"),
        "backoff": Option(
            Section(
                {
                    "base": Option(duration(zero=True), "First backoff; full jitter, doubling.", "250ms"),
                    "cap": Option(duration(zero=True), "Longest backoff.", "8s"),
                },
                name="backoff",
            ),
            "Waits between tries on the same deployment.",
        ),
        "wait_for_retry_after": Option(
            duration(zero=True), "A stated delay up to this is waited out; a longer one fails over at once.", "5s"
        ),
    },
    name="retry",
)  # fmt: skip
TIMEOUTS = Section(
    {
        "connect": Option(duration(), "TCP and TLS, per address tried.", "2s"),
        "first_token": Option(
            EitherWord(("learned",), duration()),
            "Streamed: until the first content event, per attempt. `learned`: what the deployment has shown for requests of "
            "this size (p99.9), from 2s up to the default. By default 15s, and 120s where the model thinks before it shows "
            "anything (the catalogue knows which do) and the request has not told it not to.",
            "15s or 120s",
        ),
        "idle": Option(duration(), "Streamed: silence after content has begun (three times that with pings).", "20s"),
        "answer": Option(duration(), "Not streamed: until the complete answer.", "600s"),
        "total": Option(duration(), "From arrival to the first content, over all attempts and waits.", "1200s"),
    },
    name="timeouts",
)
STREAM = Section(
    {
        "hold": Option(
            Section(
                {
                    "tokens": Option(integer(1, 10_000), "Content events to keep back."),
                    "ms": Option(integer(1, 60_000), "Milliseconds to keep content back."),
                },
                short=OneOf(("first_content",)),
                name="`first_content` or {tokens, ms}",
            ),
            "How long the head (and content) is kept back so that failover stays invisible.",
            "first_content",
        ),
        "on_break": Option(
            OneOf(("error", "splice")),
            "What a break after commitment becomes: the dialect's error event, or another attempt that first has to repeat "
            "what was delivered.",
            "error",
        ),
        "splice_to": Option(OneOf(("same_model", "any")), "Who may go on after a break under `splice`.", "same_model"),
        "on_malformed": Option(OneOf(("drop", "break")), "What one event that is no JSON becomes.", "drop"),
        "keepalive_after": Option(DurationOrOff(), "While holding: when the head and keep-alives go out.", "25s"),
        "keepalive_answer": Option(boolean(), "The same for calls that are not streamed, as white space.", "false"),
    },
    name="stream",
)
PRICE = Section(
    {
        "input": Option(dollars(), "Dollars per million input tokens."),
        "output": Option(dollars(), "Dollars per million output tokens."),
    },
    name="price",
)
HEDGE = Section(
    {
        "after": Option(
            EitherWord(("p50", "p75", "p90", "p95", "p98", "p99"), duration()),
            "How long the first attempt may take to show content: a time, or where it is slower than usual.",
            required=True,
        ),
        "max_extra": Option(percent(20.0), "Hedges as a share of requests.", "2%"),
    },
    name="hedge",
)
SPLIT = Section(
    {
        "by": Option(OneOf(("user", "key", "session", "request")), "What an assignment sticks to.", "user"),
        "arms": Option(
            MapOf(
                Section(
                    {
                        "percent": Option(percent(), "Share of the requests.", required=True),
                        "use": Option(ListOf(NAME), "Where they go first.", required=True),
                    },
                    name="arm",
                ),
                "name → arm",
            ),
            "Name of the arm → its share; the rest goes on as if there were no split.",
            required=True,
        ),
    },
    name="split",
)
SHADOW = Section(
    {
        "use": Option(NAME, "The deployment that gets a copy.", required=True),
        "percent": Option(percent(), "Share of the requests that are copied.", "100%"),
        "max_inflight": Option(integer(1, 1024), "Copies under way at once per worker; more are left out.", "16"),
    },
    name="shadow",
)
_LABELS = MapOf(OneOrMore(VALUE), "label → values")
_LIMITS = {
    "require": Option(_LABELS, "Labels that a deployment must have, each with one of these values."),
    "forbid": Option(_LABELS, "Labels that a deployment must not have with these values."),
    "max_price": Option(
        PRICE, "Ceiling in dollars per million tokens; a deployment without a known price is above it."
    ),
}
_HOW = {
    "balance": Option(
        OneOf(("priority", "weighted", "round_robin", "least_busy", "least_latency", "least_cost")),
        "How the candidates are ordered.",
        "priority",
    ),
    "retry": Option(RETRY, "Tries on the same deployment before failing over."),
    "timeouts": Option(TIMEOUTS, "None of them ends a healthy call."),
    "stream": Option(STREAM, "Streaming behaviour."),
    "hedge": Option(HEDGE, "A second attempt when the first is slow to show content."),
    "sticky": Option(
        OneOf(("auto", "session", "user", "off")),
        "What a conversation stays with its deployment by. `auto`: provider state or cache hints in the request.",
        "auto",
    ),
    "on_unsupported": Option(
        OneOf(("refuse", "drop", "pass")),
        "When a model lacks something that the request uses: leave it out, drop fine-tuning parameters and say so, or send it "
        "as it is. Default: leave it out for what changes the meaning; fine-tuning parameters pass in the same dialect and are "
        "dropped with a loss in translation.",
    ),
}
POLICY = Section(
    {
        "when": Option(CONDITION, "A condition in CEL; without one it always applies."),
        **_LIMITS,
    },
    name="policy",
)
EXAMPLE = Text("example", r"[\s\S]{1,2000}", "an example has 2,000 characters at most")
TASK = Section(
    {
        "description": Option(EXAMPLE, "What belongs to it, in a sentence; counts as one more example."),
        "examples": Option(ListOf(EXAMPLE), "4 to 20 prompts, as people write them.", required=True),
        "not_examples": Option(ListOf(EXAMPLE, empty=True), "Prompts that look like it and are something else."),
        "min_confidence": Option(fraction(), "From which confidence it is believed; else fitted by leave-one-out."),
    },
    name="task",
)
RULE = Section(
    {
        "when": Option(CONDITION, "A condition in CEL.", required=True),
        "use": Option(ListOf(NAME), "Candidates; else those of the route."),
        "fallback": Option(
            ListOf(NAME, empty=True), "Candidates when those are degraded or exhausted; else the route's."
        ),
        "refuse": Option(Text("text"), "Refuse the request with these words instead of serving it."),
        "min_confidence": Option(
            fraction(), "From which confidence this rule believes a task; else where its measured precision is 0.93."
        ),
        **_LIMITS,
        **_HOW,
    },
    name="rule",
)
ROUTE = Section(
    {
        "rules": Option(RowsOf(RULE, "list of rules"), "Looked at in order; the first whose condition holds decides."),
        "use": Option(ListOf(NAME), "Candidates (short for `otherwise`)."),
        "otherwise": Option(ListOf(NAME), "Candidates."),
        "fallback": Option(ListOf(NAME, empty=True), "Candidates when those are degraded or exhausted, in order."),
        **_LIMITS,
        **_HOW,
        "split": Option(SPLIT, "Shares of the requests that go elsewhere first: canaries and experiments."),
        "shadow": Option(SHADOW, "Send a share of the requests to another deployment too; nobody waits for it."),
        "failover": Option(
            Section(
                {
                    "on": Option(
                        ListOf(OneOf((*CLASSES, "refusal")), empty=True),
                        "Failure classes that fail over; those that never do are not in the list.",
                        "all",
                    )
                },
                name="failover",
            ),
            "Which failures move on to the next candidate.",
        ),
        "resubmit": Option(
            integer(high=3), "How often a job that failed at its provider is made again, by the next candidate.", "0"
        ),
        "on_disconnect": Option(
            OneOf(("cancel", "drain")), "When the client leaves: stop, or read on for the usage.", "cancel"
        ),
    },
    later=("slo",),
    name="route",
)  # fmt: skip
