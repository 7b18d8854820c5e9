"""A leg: the request as one candidate gets it. Same dialect: spliced bytes; otherwise translated, with its losses."""

from __future__ import annotations

import msgspec

from trunkline.dialects.contract import Dialect, StreamOptions, StreamRelay
from trunkline.dialects.dropping import bare, without
from trunkline.dialects.translate import Translation
from trunkline.engine.deciding import barred
from trunkline.engine.exchange import Exchange
from trunkline.providers.contract import Outgoing
from trunkline.transport.contract import Outbound
from trunkline.types.envelope import SOFT_NEEDS
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Candidate
from trunkline.types.wire import Loss

DEFAULT_OUTPUT_TOKENS = 8192  # fills a limit that the upstream dialect requires and the caller left open
EVENT_BYTES = 1 << 20
MEDIA_EVENT_BYTES = 32 << 20  # Gemini may stream images inside an event


class Leg(msgspec.Struct, frozen=True):
    outbound: Outbound
    upstream: Dialect
    same: bool
    losses: tuple[Loss, ...]


def build(x: Exchange, candidate: Candidate) -> Leg | Failure:
    """Pure but for the exchange's caches: the decoded request and the last spliced body are kept for retries."""
    facts, route, house = x.facts, x.route, x.house
    assert facts is not None and route is not None
    deployment = candidate.deployment
    if not deployment.dialects:
        return no_chat(deployment.model)
    bar = barred(x, candidate)
    if bar is not None:
        return bar
    same = facts.dialect in deployment.dialects
    upstream = x.chat if same else house.dialects[deployment.dialects[0]]
    losses: tuple[Loss, ...] = ()
    if same:
        body = _spliced(x, deployment.model)
        if isinstance(body, Failure):
            return body
        soft = facts.needs & deployment.lacks & SOFT_NEEDS
        if soft and route.on_unsupported == "drop":
            body, losses = without(body, facts.dialect, soft, deployment.model)
    else:
        encoded = _translated(x, upstream, candidate)
        if isinstance(encoded, Failure):
            return encoded
        body, losses = encoded
    prepared = house.providers[deployment.provider.kind].prepare(
        Outgoing(
            candidate=candidate,
            dialect=upstream.name,
            operation=facts.operation,
            stream=facts.stream,
            same_dialect=same,
            api_version=facts.api_version if same else "",
            secret=house.secrets.current(deployment.provider.name, candidate.credential),
            client_headers=x.call.headers if same else [],
            body=body,
            now=x.wall,
        )
    )
    outbound = Outbound(
        origin=prepared.origin,
        method=prepared.method,
        target=prepared.target,
        headers=prepared.headers,
        body=prepared.body,
        tls=deployment.provider.tls,
        proxy=deployment.provider.proxy,
        connect_timeout=route.timeouts.connect,
    )
    return Leg(outbound, upstream, same, losses)


def no_chat(model: str) -> Failure:
    """For a candidate whose model is made for something else."""
    return Failure(
        kind=Kind.CAPABILITY,
        fault=FaultClass.CAPABILITY,
        source="gateway",
        message=f"{model} makes videos and does not chat: ask /v1/videos or /api/v3/contents/generations/tasks",
        param="model",
        code="unsupported_value",
    )


def relay_for(x: Exchange, leg: Leg, candidate: Candidate) -> StreamRelay | None:
    """None for a call that is not streamed."""
    facts, route = x.facts, x.route
    assert facts is not None and route is not None
    if not facts.stream:
        return None
    options = options_for(x, leg, candidate)
    if leg.same:
        return x.chat.tap(options)
    return Translation(leg.upstream.reader(options), x.chat.writer(options))


def options_for(x: Exchange, leg: Leg, candidate: Candidate) -> StreamOptions:
    """How this leg's stream is read and written."""
    facts, route = x.facts, x.route
    assert facts is not None and route is not None
    return StreamOptions(
        strip_usage=leg.same and not facts.wants_usage,
        on_malformed=route.stream.on_malformed,
        max_event=MEDIA_EVENT_BYTES if leg.upstream.name == "gemini_generate" else EVENT_BYTES,
        sse=facts.sse,
        created=int(x.wall),
        id=x.id,
        model=candidate.deployment.model,
        include_usage=facts.wants_usage,
        choices=facts.choices,
        structured=facts.output_schema,
    )


def _spliced(x: Exchange, model: str) -> bytes | Failure:
    assert x.facts is not None
    if x.spliced is not None and x.spliced[0] == model:
        return x.spliced[1]
    body = x.chat.splice(x.call.body, x.facts, model)
    if isinstance(body, Failure):
        return body
    x.spliced = (model, body)
    return body


def _translated(x: Exchange, upstream: Dialect, candidate: Candidate) -> tuple[bytes, tuple[Loss, ...]] | Failure:
    assert x.facts is not None
    if x.request is None:
        request = x.chat.decode_request(x.call.body, x.facts)
        if isinstance(request, Failure):
            return request
        x.request = request
    limit = candidate.deployment.max_output_tokens or DEFAULT_OUTPUT_TOKENS
    request = x.request
    soft = x.facts.needs & candidate.deployment.lacks & SOFT_NEEDS
    if soft and x.route is not None and x.route.on_unsupported != "pass":
        request = bare(request, soft, candidate.deployment.model)
    encoded = upstream.encode_request(request, candidate.deployment.model, max_output_tokens=limit)
    if isinstance(encoded, Failure):
        return encoded
    return encoded.body, request.losses + encoded.losses
