"""The decision for a request, made by the same code as in service, without sending anything."""

from __future__ import annotations

import json

import msgspec

from trunkline.app.boot import Boot
from trunkline.dialects.contract import Dialect, Target
from trunkline.dialects.registry import DIALECTS
from trunkline.engine.leg import DEFAULT_OUTPUT_TOKENS, no_chat
from trunkline.providers import PROVIDERS
from trunkline.providers.contract import Outgoing
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.types.canonical import ChatRequest
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Route
from trunkline.types.wire import DialectName, Loss

DICE = 0.5  # `explain` is repeatable: a weighted route shows the order of the middle throw


class LegShown(msgspec.Struct, kw_only=True):
    """One candidate as it would be asked."""

    deployment: str
    provider: str
    model: str
    credential: str
    dialect: str
    same: bool
    request: str = ""
    losses: list[str] = []
    refusal: str = ""


class Explanation(msgspec.Struct, kw_only=True):
    """What `trunkline explain` prints; a value, so that it can be compared and stored."""

    dialect: str
    model: str
    stream: bool
    facts: str = ""
    refusal: str = ""
    route: str = ""
    strategy: str = ""
    legs: list[LegShown] = []
    dropped: list[str] = []
    retry: str = ""
    timeouts: str = ""


def prompt_request(dialect: str, model: str, prompt: str, stream: bool) -> bytes:
    """A minimal request of one user message."""
    message = {"role": "user", "content": prompt}
    if dialect == "gemini_generate":
        return json.dumps({"contents": [{"role": "user", "parts": [{"text": prompt}]}]}).encode()
    body: dict[str, object] = {"model": model, "messages": [message]}
    if dialect == "anthropic_messages":
        body["max_tokens"] = 1024
    if stream:
        body["stream"] = True
    return json.dumps(body).encode()


def explain_request(
    boot: Boot, dialect_name: str, body: bytes, *, model: str = "", stream: bool = False
) -> Explanation:
    """Facts → route → plan → legs. A refusal is said where it would happen."""
    dialect = DIALECTS[dialect_name]
    gemini = dialect_name == "gemini_generate"
    target = Target(
        dialect=dialect.name,
        model=model if gemini else "",
        version="v1beta" if gemini else "",
        stream=stream if gemini else None,
    )
    facts = dialect.peek(target, body)
    if isinstance(facts, Failure):
        return Explanation(dialect=dialect_name, model=model, stream=stream, refusal=facts.message)
    shown = Explanation(dialect=dialect_name, model=facts.model, stream=facts.stream, facts=_facts(facts))
    route = boot.snapshot.routes.get(facts.model)
    if route is None:
        shown.refusal = f"no route is called '{facts.model}'; there are: {', '.join(sorted(boot.snapshot.routes))}"
        return shown
    made = plan(route, Fleet(), 0.0, lambda: DICE)
    shown.route, shown.strategy = route.name, made.strategy
    shown.legs = [_leg(dialect, facts, body, candidate) for candidate in made.order]
    shown.dropped = [f"{d.candidate.deployment.name} ({d.reason} {d.detail})" for d in made.dropped]
    shown.retry, shown.timeouts = _retry(route), _timeouts(route)
    return shown


def _leg(dialect: Dialect, facts: Envelope, body: bytes, candidate: Candidate) -> LegShown:
    deployment = candidate.deployment
    same = dialect.name in deployment.dialects
    upstream = dialect if same or not deployment.dialects else DIALECTS[deployment.dialects[0]]
    shown = LegShown(
        deployment=deployment.name,
        provider=deployment.provider.name,
        model=deployment.model,
        credential=candidate.credential,
        dialect=upstream.name,
        same=same,
    )
    if not deployment.dialects:
        shown.refusal = no_chat(deployment.model).message
        return shown
    made = (
        dialect.splice(body, facts, deployment.model)
        if same
        else _translated(dialect, upstream, facts, body, candidate)
    )
    if isinstance(made, Failure):
        shown.refusal = made.message
        return shown
    data, losses = (made, ()) if isinstance(made, bytes) else made
    shown.losses = [f"{loss.field} ({loss.reason})" for loss in losses]
    shown.request = _request(candidate, upstream.name, facts, same, data)
    return shown


def _translated(
    dialect: Dialect, upstream: Dialect, facts: Envelope, body: bytes, candidate: Candidate
) -> tuple[bytes, tuple[Loss, ...]] | Failure:
    request: ChatRequest | Failure = dialect.decode_request(body, facts)
    if isinstance(request, Failure):
        return request
    limit = candidate.deployment.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    encoded = upstream.encode_request(request, candidate.deployment.model, max_output_tokens=limit)
    if isinstance(encoded, Failure):
        return encoded
    return encoded.body, request.losses + encoded.losses


def _request(candidate: Candidate, dialect: DialectName, facts: Envelope, same: bool, body: bytes) -> str:
    provider = PROVIDERS[candidate.deployment.provider.kind]
    prepared = provider.prepare(
        Outgoing(
            candidate=candidate,
            dialect=dialect,
            operation=facts.operation,
            stream=facts.stream,
            same_dialect=same,
            api_version=facts.api_version if same else "",
            secret="",
            client_headers=[],
            body=body,
            now=0.0,
        )
    )
    origin = prepared.origin
    return (
        f"{prepared.method.decode()} {origin.scheme}://{origin.authority}{prepared.target.decode()} ({len(body)} bytes)"
    )


def _facts(facts: Envelope) -> str:
    parts = [f"{facts.body_bytes} bytes", f"about {facts.input_tokens} input tokens"]
    if facts.max_output_tokens is not None:
        parts.append(f"at most {facts.max_output_tokens} output tokens")
    if facts.tools:
        parts.append(f"{facts.tools} tools")
    if facts.images:
        parts.append("images")
    if facts.output_schema:
        parts.append("output schema")
    return ", ".join(parts)


def _retry(route: Route) -> str:
    rule = route.retry
    return (
        f"{rule.times} on the same deployment for {', '.join(sorted(rule.on))}; backoff {rule.backoff_base:g}s doubling to "
        f"{rule.backoff_cap:g}s; a stated delay up to {rule.wait_for_retry_after:g}s is waited out"
    )


def _timeouts(route: Route) -> str:
    t = route.timeouts
    return f"connect {t.connect:g}s, first token {t.first_token:g}s, idle {t.idle:g}s, answer {t.answer:g}s, total {t.total:g}s"
