"""The record of an exchange, built once at its end from what the exchange and its attempts remember."""

from __future__ import annotations

from typing import Any

from trunkline.engine.attempt import Attempt
from trunkline.engine.exchange import Exchange, Note
from trunkline.engine.latency import micros, partition
from trunkline.routing.prices import price_now
from trunkline.types.constraint import Constraint
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.record import AttemptRecord, Count, Outcome, Record
from trunkline.types.usage import Usage

RULE_CAP = 512  # length of a rule's condition there
CAP = 64  # length of every caller-supplied label in a record
_RATE_LIMIT_PREFIXES = (b"x-ratelimit-remaining", b"anthropic-ratelimit-")
_UPSTREAM_IDS = frozenset({b"x-request-id", b"request-id"})


def record(x: Exchange) -> Record:
    call, facts, principal, route, plan = x.call, x.facts, x.principal, x.route, x.plan
    house, serving = x.house, x.serving
    size = len(call.body)
    row = Record(
        id=x.id,
        started_at=int(x.wall * 1e6),
        worker=house.worker,
        version=house.version,
        snapshot=x.snapshot.number,
        surface=x.surface,
        operation="chat" if x.note is None else x.note.operation,
        dialect=x.dialect.name,
        body_bytes=size,
        outcome=outcome(x),
        status=x.status,
        committed=x.state == "committed" or (serving is not None and serving.committed),
        bytes_in=size,
        bytes_out=call.bytes_out or x.ending_bytes,
        terminator=x.terminator,
        latency=partition(x),
        attempts=[_attempt(x, a) for a in x.attempts],
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
    if x.note is not None:
        _told(x.note, row)
    if route is not None and plan is not None:
        row.route, row.strategy = route.name, plan.strategy
        if plan.constraints:
            row.constraints = [written(constraint) for constraint in plan.constraints]
            row.evidence = [_evidence(x, attempt) for attempt in x.attempts] if x.note is None else x.note.evidence
        row.plan = [c.deployment.name for c in plan.order]
        if plan.dropped:
            row.dropped = [
                {"deployment": d.candidate.deployment.name, "reason": d.reason, "detail": d.detail}
                for d in plan.dropped
            ]
    if route is not None and route.rule:
        row.rule, row.rule_text = route.rule, route.rule_text[:RULE_CAP]
    if x.guess is not None:
        row.task, row.task_confidence = x.guess.label, round(x.guess.confidence, 3)
    if x.failure is not None:
        row.fault, row.kind = x.failure.fault.value, x.failure.kind.value
    losses = x.losses
    if serving is not None:
        _served(x, serving, row)
        losses = losses or serving.leg.losses
    if losses:
        row.losses = [{"field": loss.field, "reason": loss.reason} for loss in losses]
    if x.splicing:
        row.spliced = any(a.reason == "splice" and a.committed for a in x.attempts)
    if row.stream:
        row.malformed_events = sum(a.relay.malformed for a in x.attempts if a.relay is not None)
    return row


def written(constraint: Constraint) -> dict[str, Any]:
    """A constraint as it stands in a record, so that it can be checked again without the configuration."""
    said: dict[str, Any] = {"origin": constraint.origin}
    if constraint.require:
        said["require"] = {name: list(values) for name, values in constraint.require.items()}
    if constraint.forbid:
        said["forbid"] = {name: list(values) for name, values in constraint.forbid.items()}
    if constraint.max_price is not None:
        said["max_price"] = {"input": constraint.max_price.input, "output": constraint.max_price.output}
    return said


def _evidence(x: Exchange, attempt: Attempt) -> dict[str, Any]:
    """Which labels (and price, where a ceiling applied) one hop had."""
    deployment = attempt.candidate.deployment
    said: dict[str, Any] = {"attempt": attempt.number, "deployment": deployment.name, "labels": dict(deployment.labels)}
    if x.plan is not None and any(c.max_price is not None for c in x.plan.constraints):
        price = price_now(deployment, x.asked.wall, x.asked.input_tokens)
        said["price"] = None if price is None else {"input": price.input, "output": price.output}
    return said


def outcome(x: Exchange) -> Outcome:
    failure = x.failure
    if x.gone or (failure is not None and failure.kind is Kind.CANCELLED):
        return "cancelled"
    if failure is None:
        tries = len(x.attempts) if x.note is None else len(x.note.attempts)
        return "ok" if tries <= 1 else "ok_saved"
    if x.serving is not None and x.serving.committed:
        return "broken"
    return _refusal(failure)


def _told(note: Note, row: Record) -> None:
    """What an exchange that is no chat says of itself."""
    row.job, row.alias, row.cost = note.job, note.alias[:CAP], note.cost
    row.attempts = note.attempts
    row.saved = len(note.attempts) > 1 and row.outcome == "ok_saved"
    row.losses = [{"field": loss.field, "reason": loss.reason} for loss in note.losses]


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
    tried = row.attempts[attempt.number - 1]
    row.usage, row.finish_reason = tried.usage, tried.finish_reason
    row.saved = len(x.attempts) > 1 and attempt.failure is None
    if attempt.first_at:
        row.first_token_us = micros(attempt.first_at - x.call.head_at)
    relay = attempt.relay
    if relay is not None:
        row.longest_gap_us = micros(attempt.longest_gap)
        row.events = relay.events
    answer = attempt.answer or (relay.answer if relay is not None else None)
    if answer is not None:
        row.empty = answer.empty


def _attempt(x: Exchange, a: Attempt) -> AttemptRecord:
    candidate, upstream, failure, started = a.candidate, a.upstream, a.failure, a.started_at
    deployment = candidate.deployment
    row = AttemptRecord(
        number=a.number,
        deployment=deployment.name,
        provider=deployment.provider.name,
        model=deployment.model,
        region=deployment.labels.get("region", ""),
        credential_id=candidate.secret,
        reason=a.reason,
        started_us=micros(started - x.call.head_at),
        total_us=micros(a.ended_at - started),
        status=a.status,
        bytes_in=a.bytes_in,
        bytes_out=len(a.leg.outbound.body),
    )
    if upstream is not None:
        row.address, row.reused = upstream.address, upstream.reused
    if a.connected_at:
        row.connect_us = micros(a.connected_at - started)
    if a.first_at:
        row.first_token_us = micros(a.first_at - started)
    if failure is not None:
        row.class_, row.kind = failure.fault.value, failure.kind.value
        if failure.delay is not None:
            row.stated_delay_ms = int(failure.delay * 1000)
        if failure.fault is FaultClass.CANCELLED:
            row.cancelled_by = failure.code
    _noted(a.fields, row)
    relay = a.relay
    answer = a.answer or (relay.answer if relay is not None else None)
    if answer is not None:
        row.finish_reason = answer.finish
        if answer.usage is not None:
            row.usage = counts(answer.usage)
    if failure is not None and not row.usage and a.connected_at:
        row.usage = estimated(x, a)
    return row


def _noted(found: dict[bytes, bytes], row: AttemptRecord) -> None:
    """What the provider says about itself in headers worth keeping."""
    for name in found.keys() & _UPSTREAM_IDS:
        row.upstream_request_id = found[name].decode("latin-1")[:128]
    limits = [name for name in found if name.startswith(_RATE_LIMIT_PREFIXES)]
    if limits:
        row.rate_limit = {name.decode("latin-1"): found[name].decode("latin-1")[:CAP] for name in limits}


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
