"""The record of an exchange, built once at its end from what the exchange and its attempts remember."""

from __future__ import annotations

from trunkline.engine.attempt import Attempt
from trunkline.engine.exchange import Exchange
from trunkline.engine.latency import micros, partition
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.record import AttemptRecord, Count, Outcome, Record
from trunkline.types.usage import Usage

CAP = 64  # length of every caller-supplied label in a record
_RATE_LIMIT_PREFIXES = (b"x-ratelimit-remaining", b"anthropic-ratelimit-")
_UPSTREAM_IDS = frozenset({b"x-request-id", b"request-id"})


def record(x: Exchange) -> Record:
    call, facts, principal, route, plan = x.call, x.facts, x.principal, x.route, x.plan
    row = Record(
        id=x.id,
        started_at=int(x.wall * 1e6),
        worker=x.house.worker,
        version=x.house.version,
        snapshot=x.snapshot.number,
        surface=x.surface,
        operation="chat",
        dialect=x.dialect.name,
        body_bytes=len(call.body),
        outcome=outcome(x),
        status=x.status,
        committed=x.state == "committed" or (x.serving is not None and x.serving.committed),
        bytes_in=len(call.body),
        bytes_out=call.bytes_out,
        terminator=x.terminator,
        latency=partition(x),
    )
    if principal is not None:
        row.key_id, row.user, row.team = principal.key_id, principal.user, principal.team
        row.organisation, row.feature = principal.organisation, principal.feature
    if x.labels:
        _labels(x, row)
    if facts is not None:
        row.alias, row.stream = facts.model[:CAP], facts.stream
        row.max_output_tokens, row.tools = facts.max_output_tokens, facts.tools
        row.images, row.output_schema = facts.images, facts.output_schema
    if route is not None and plan is not None:
        row.route, row.strategy = route.name, plan.strategy
        row.plan = [c.deployment.name for c in plan.order]
        if plan.dropped:
            row.dropped = [
                {"deployment": d.candidate.deployment.name, "reason": d.reason, "detail": d.detail}
                for d in plan.dropped
            ]
    if x.failure is not None:
        row.fault, row.kind = x.failure.fault.value, x.failure.kind.value
    losses = x.losses
    if x.serving is not None:
        _served(x, x.serving, row)
        losses = losses or x.serving.leg.losses
    if losses:
        row.losses = [{"field": loss.field, "reason": loss.reason} for loss in losses]
    row.attempts = [_attempt(x, a) for a in x.attempts]
    if row.stream:
        row.malformed_events = sum(a.relay.malformed for a in x.attempts if a.relay is not None)
    return row


def outcome(x: Exchange) -> Outcome:
    failure = x.failure
    if x.gone or (failure is not None and failure.kind is Kind.CANCELLED):
        return "cancelled"
    if failure is None:
        return "ok" if len(x.attempts) == 1 else "ok_saved"
    if x.serving is not None and x.serving.committed:
        return "broken"
    return _refusal(failure)


def _refusal(failure: Failure) -> Outcome:
    match failure.kind:
        case Kind.UNAUTHENTICATED | Kind.FORBIDDEN | Kind.UNKNOWN_MODEL:
            return "refused_access"
        case Kind.RATE_LIMITED:
            return "refused_limit"
        case Kind.OVER_BUDGET:
            return "refused_budget"
        case Kind.INVALID_REQUEST | Kind.CONTEXT_LENGTH | Kind.CAPABILITY | Kind.REFUSED_CONTENT:
            return "client_fault"
        case _:
            return "overloaded" if failure.fault is FaultClass.OVERLOAD else "failed"


def _served(x: Exchange, attempt: Attempt, row: Record) -> None:
    row.saved = len(x.attempts) > 1 and attempt.failure is None
    if attempt.first_at:
        row.first_token_us = micros(attempt.first_at - x.call.head_at)
    row.longest_gap_us = micros(attempt.longest_gap)
    if attempt.relay is not None:
        row.events = attempt.relay.events
    answer = attempt.answer or (attempt.relay.answer if attempt.relay is not None else None)
    if answer is not None:
        row.finish_reason, row.empty = answer.finish, answer.empty
        if answer.usage is not None:
            row.usage = counts(answer.usage)
    if not row.usage and attempt.failure is not None:
        row.usage = estimated(x, attempt)


def _attempt(x: Exchange, a: Attempt) -> AttemptRecord:
    deployment, failure = a.candidate.deployment, a.failure
    row = AttemptRecord(
        number=a.number,
        deployment=deployment.name,
        provider=deployment.provider.name,
        model=deployment.model,
        region=deployment.labels.get("region", ""),
        credential_id=a.candidate.secret,
        address=a.upstream.address if a.upstream is not None else "",
        reason=a.reason,
        started_us=micros(a.started_at - x.call.head_at),
        connect_us=micros(a.connected_at - a.started_at) if a.connected_at else 0,
        total_us=micros(a.ended_at - a.started_at),
        reused=a.upstream.reused if a.upstream is not None else False,
        status=a.status,
        bytes_in=a.bytes_in,
        bytes_out=len(a.leg.outbound.body),
    )
    if a.first_at:
        row.first_token_us = micros(a.first_at - a.started_at)
    if failure is not None:
        row.class_, row.kind = failure.fault.value, failure.kind.value
        if failure.delay is not None:
            row.stated_delay_ms = int(failure.delay * 1000)
        if failure.fault is FaultClass.CANCELLED:
            row.cancelled_by = failure.code
    for name, value in a.headers:
        if name in _UPSTREAM_IDS:
            row.upstream_request_id = value.decode("latin-1")[:128]
        elif name.startswith(_RATE_LIMIT_PREFIXES):
            row.rate_limit = {**row.rate_limit, name.decode("latin-1"): value.decode("latin-1")[:CAP]}
    answer = a.answer or (a.relay.answer if a.relay is not None else None)
    if answer is not None:
        row.finish_reason = answer.finish
        if answer.usage is not None:
            row.usage = counts(answer.usage)
    if not row.usage and failure is not None and a.connected_at:
        row.usage = estimated(x, a)
    return row


def counts(usage: Usage) -> dict[str, Count]:
    """Zero kinds other than input and output are left out: absent means zero."""
    source = usage.provenance
    found = {"input_uncached": Count(usage.input_uncached, source), "output": Count(usage.output, source)}
    if usage.cache_read:
        found["cache_read"] = Count(usage.cache_read, source)
    if usage.cache_write_5m:
        found["cache_write_5m"] = Count(usage.cache_write_5m, source)
    if usage.cache_write_1h:
        found["cache_write_1h"] = Count(usage.cache_write_1h, source)
    if usage.reasoning:
        found["reasoning"] = Count(usage.reasoning, source)
    return found


def estimated(x: Exchange, attempt: Attempt) -> dict[str, Count]:
    """A failed, lost or cancelled attempt that reported nothing (reliability.md 2.12): what a 2xx head proves was read,
    and one token for each content event seen."""
    if not 200 <= attempt.status < 300 or x.facts is None:
        return {}
    output = attempt.relay.contents if attempt.relay is not None else 0
    return {
        "input_uncached": Count(x.facts.input_tokens, "estimated"),
        "output": Count(output, "estimated"),
    }


def _labels(x: Exchange, row: Record) -> None:
    labels = x.labels
    row.feature = row.feature or labels.get("feature", "")
    row.user = row.user or labels.get("user", "")
    row.session = labels.get("session", "")
    row.client = labels.get("client", "")
    row.client_request_id = labels.get("client_request_id", "")
    row.trace_id, row.span_id = labels.get("trace_id", ""), labels.get("span_id", "")
    pairs = {k[9:]: v for k, v in labels.items() if k.startswith("metadata.")}
    if pairs:
        row.metadata = pairs
