"""Candidates and failures for the routing tests, spelled out."""

from __future__ import annotations

from typing import Any

from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Candidate, Deployment, Limits, ProviderSettings, RetryRule, Route
from trunkline.types.wire import Origin


def candidate(
    name: str, *, weight: int = 1, context: int | None = None, concurrency: int = 1024, **more: Any
) -> Candidate:
    provider = ProviderSettings(name=name, kind="openai", base_url=f"http://{name}", credentials=("default",))
    deployment = Deployment(
        name=name,
        provider=provider,
        model=more.pop("model", "m"),
        base_url=f"http://{name}",
        weight=weight,
        context_tokens=context,
        limits=Limits(concurrency=concurrency),
        dialects=("openai_chat",),
        **more,
    )
    return Candidate(
        deployment=deployment,
        credential="default",
        origin=Origin("http", name, 80),
        address=f"{name}:80",
        endpoint=f"{name}/{name}:80/m",
        secret=f"{name}/default",
    )


def route(*use: Candidate, fallback: tuple[Candidate, ...] = (), **options: object) -> Route:
    return Route(name="r", use=use, fallback=fallback, **options)  # type: ignore[arg-type]


def retry(**options: object) -> RetryRule:
    return RetryRule(**options)  # type: ignore[arg-type]


REFUSED = Failure(
    kind=Kind.UNREACHABLE,
    fault=FaultClass.TRANSIENT,
    source="upstream",
    message="refused",
    retry="at_once",
    penalty="address",
    signal="connect",
    confirmed=True,
)
STATUS_500 = Failure(
    kind=Kind.UPSTREAM_ERROR,
    fault=FaultClass.TRANSIENT,
    source="upstream",
    message="500",
    retry="backoff",
    penalty="endpoint",
    signal="500",
    status=500,
)
SILENT = Failure(kind=Kind.TIMED_OUT, fault=FaultClass.SILENT, source="upstream", message="silent", penalty="endpoint")
BAD_KEY = Failure(
    kind=Kind.NO_CANDIDATE,
    fault=FaultClass.CREDENTIAL,
    source="upstream",
    message="401",
    penalty="credential",
    status=401,
    code="invalid_api_key",
)
CLIENT_400 = Failure(kind=Kind.INVALID_REQUEST, fault=FaultClass.CLIENT, source="client", message="bad", status=400)
CONTEXT = Failure(kind=Kind.CONTEXT_LENGTH, fault=FaultClass.CONTEXT, source="upstream", message="too long", status=400)


def throttled(delay: float | None) -> Failure:
    return Failure(
        kind=Kind.THROTTLED,
        fault=FaultClass.THROTTLED_UNKNOWN if delay is None else FaultClass.THROTTLED_KNOWN,
        source="upstream",
        message="429",
        retry="backoff" if delay is None else "after",
        penalty="credential_model",
        signal="429",
        status=429,
        delay=delay,
    )
