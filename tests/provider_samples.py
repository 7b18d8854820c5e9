"""A candidate and a request for any provider."""

from __future__ import annotations

from typing import Any

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.contract import Outgoing, Provider
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Deployment, ProviderSettings
from trunkline.types.wire import Headers

NOW = 1_800_000_000.0  # Fri, 15 Jan 2027 08:00:00 GMT


def candidate(provider: Provider, base_url: str = "", model: str = "m-1", **options: str) -> Candidate:
    url = base_url or provider.default_base_url or "http://127.0.0.1:8000/v1"
    settings = ProviderSettings(
        name="p", kind=provider.kind, base_url=url, credentials=("default",), options=dict(options)
    )
    deployment = Deployment(name="d", provider=settings, model=model, base_url=url, dialects=provider.dialects)
    origin = provider.origin(deployment)
    address = f"{origin.host}:{origin.port}"
    return Candidate(
        deployment=deployment,
        credential="default",
        origin=origin,
        address=address,
        endpoint=f"p/{address}/{model}",
        secret="p/default",
    )


def outgoing(provider: Provider, chosen: Candidate | None = None, **changes: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "candidate": chosen or candidate(provider),
        "dialect": provider.dialects[0],
        "operation": "chat",
        "stream": False,
        "same_dialect": True,
        "api_version": "",
        "secret": "sk-1",
        "client_headers": [],
        "body": b"{}",
        "now": NOW,
    }
    return Outgoing(**{**fields, **changes})


def judge(provider: Provider, status: int, headers: Headers | None = None, **facts: Any) -> Failure:
    return provider.classify(status, headers or [], ErrorFacts(**facts), now=NOW)
