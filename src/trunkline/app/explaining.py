"""The decision for a request, made by the same code as in service, without sending anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from trunkline.app.boot import Boot
from trunkline.app.replaying import envelope_of, guess_of, labels_of, principal_of
from trunkline.dialects.contract import Dialect, Target
from trunkline.dialects.registry import DIALECTS
from trunkline.engine.deciding import Seen, asked_of, constraints_of, gather
from trunkline.engine.guessing import stated, weighed
from trunkline.engine.leg import DEFAULT_OUTPUT_TOKENS, no_chat
from trunkline.policy.keys import Held
from trunkline.providers import PROVIDERS
from trunkline.providers.contract import Outgoing
from trunkline.routing.conditions import TASK_VARIABLES
from trunkline.routing.fleet import Fleet
from trunkline.routing.plan import plan
from trunkline.types.canonical import ChatRequest
from trunkline.types.constraint import Constraint, dollars
from trunkline.types.envelope import Envelope, needs_named
from trunkline.types.facts import NO_GUESS, Guess, Judge
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import Plan
from trunkline.types.principal import Principal
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
    rule: str = ""
    task: str = ""
    arm: str = ""
    constraints: list[str] = []
    notes: list[str] = []
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


class Supposed(msgspec.Struct, frozen=True, kw_only=True):
    """Who is supposed to ask, with which headers (`x-trunkline-*` without the prefix), and when (epoch seconds)."""

    principal: Principal = Principal(key_id="explain")
    labels: dict[str, str] = {}
    headers: dict[str, str] = {}
    wall: float = 0.0
    ejected: tuple[str, ...] = ()


def explain_request(
    boot: Boot, dialect_name: str, body: bytes, supposed: Supposed, *, model: str = "", stream: bool = False
) -> Explanation:
    """Facts → rule → constraints → plan → legs. A refusal is said where it would happen."""
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
    guess = NO_GUESS
    if boot.snapshot.guesser is not None:
        said = stated(supposed.labels, facts) or supposed.principal.task
        guess = weighed(boot.snapshot.guesser, said, dialect.words(body))
    made = _decided(boot, facts, guess, supposed, shown)
    if made is not None:
        shown.legs = [_leg(dialect, facts, body, candidate) for candidate in made.order]
    return shown


def explain_record(boot: Boot, record: Mapping[str, Any], held: Held | None) -> Explanation:
    """What the configuration now in the file would do with the request of a record. Its words are gone, so nothing is said of
    what a translation would lose; what it was about is what was thought then."""
    facts = envelope_of(record)
    shown = Explanation(dialect=facts.dialect, model=facts.model, stream=facts.stream, facts=_facts(facts))
    supposed = Supposed(
        principal=principal_of(record, held),
        labels=labels_of(record),
        wall=float(record.get("started_at", 0)) / 1e6,
    )
    made = _decided(boot, facts, guess_of(record), supposed, shown)
    if made is not None:
        shown.legs = [_bare_leg(DIALECTS[facts.dialect], candidate)[0] for candidate in made.order]
    return shown


def _decided(boot: Boot, facts: Envelope, guess: Guess, supposed: Supposed, shown: Explanation) -> Plan | None:
    """Rule, constraints and plan, written into `shown`. None: refused before there is a plan."""
    route = boot.snapshot.routes.get(facts.model)
    if route is None:
        shown.refusal = f"no route is called '{facts.model}'; there are: {', '.join(sorted(boot.snapshot.routes))}"
        return None
    more = constraints_of(supposed.principal, supposed.labels)
    judge: Judge | None = boot.snapshot.judge
    if judge is not None:
        if judge.wants(route) & TASK_VARIABLES:
            shown.task = f"{guess.label} ({guess.confidence:.2f}, by {guess.source}), {guess.difficulty}"
        hour = int(supposed.wall // 3600) % 24
        seen = Seen(guess=guess, headers=supposed.headers, hour=hour, ejected=supposed.ejected)
        judged = judge.judge(route, gather(facts, supposed.principal, supposed.labels, seen))
        route, more = judged.route, judged.constraints + more
        shown.notes = [f"could not be evaluated: {when}" for when in judged.erred]
        if judged.refusal is not None:
            shown.rule = _rule(route)
            shown.refusal = judged.refusal.message
            return None
    shown.rule = _rule(route)
    asked = asked_of(facts, supposed.principal, supposed.labels, route, supposed.wall)
    made = plan(route, Fleet(), 0.0, lambda: DICE, asked, more)
    shown.route, shown.strategy, shown.arm = route.name, made.strategy, made.arm
    shown.constraints = [_constraint(constraint) for constraint in made.constraints]
    if made.refusal is not None:
        shown.refusal = made.refusal.message
    shown.dropped = [f"{d.candidate.deployment.name} ({d.reason}: {d.detail})" for d in made.dropped]
    shown.retry, shown.timeouts = _retry(route), _timeouts(route)
    return made


def _bare_leg(dialect: Dialect, candidate: Candidate) -> tuple[LegShown, Dialect]:
    """Without the request, and the dialect in which it would be asked."""
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
    return shown, upstream


def _leg(dialect: Dialect, facts: Envelope, body: bytes, candidate: Candidate) -> LegShown:
    deployment = candidate.deployment
    shown, upstream = _bare_leg(dialect, candidate)
    same = shown.same
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
    if facts.needs:
        parts.append(f"needs {', '.join(needs_named(facts.needs))}")
    return ", ".join(parts)


def _rule(route: Route) -> str:
    return (
        f"{route.rule}: {route.rule_text}" if route.rule else "none matched: otherwise" if route.use else "none matched"
    )


def _constraint(constraint: Constraint) -> str:
    said = [f"{name} is {' or '.join(values)}" for name, values in constraint.require.items()]
    said += [f"{name} is not {' or '.join(values)}" for name, values in constraint.forbid.items()]
    if constraint.max_price is not None:
        for words, most in (("input", constraint.max_price.input), ("output", constraint.max_price.output)):
            if most is not None:
                said.append(f"{words} at most {dollars(most)} a million tokens")
    return f"{constraint.origin}: {', '.join(said)}"


def _retry(route: Route) -> str:
    rule = route.retry
    return (
        f"{rule.times} on the same deployment for {', '.join(sorted(rule.on))}; backoff {rule.backoff_base:g}s doubling to "
        f"{rule.backoff_cap:g}s; a stated delay up to {rule.wait_for_retry_after:g}s is waited out"
    )


def _timeouts(route: Route) -> str:
    t = route.timeouts
    return f"connect {t.connect:g}s, first token {t.first_token:g}s, idle {t.idle:g}s, answer {t.answer:g}s, total {t.total:g}s"
