"""Anthropic. Signals: wire-formats.md B.1, B.5, F.3."""

from __future__ import annotations

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.addresses import headers_for, origin_of, path_of
from trunkline.providers.classify import Codes, classify, context_length, credential_down, stated_delay
from trunkline.providers.contract import Outgoing, Prepared, Provider
from trunkline.types.failure import Failure
from trunkline.types.fleet import Deployment
from trunkline.types.wire import DialectName, Headers, Origin, header

#: For translated requests: the version whose rules the translation follows.
VERSION = b"2023-06-01"
FORWARDED = (b"anthropic-beta",)

CODES = Codes(
    credential=frozenset({"authentication_error", "billing_error", "organization_on_hold"}),
    quota=frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"}),
    overloaded=frozenset({"overloaded_error"}),
    transient=frozenset({"api_error", "timeout_error"}),
)


class Anthropic:
    kind = "anthropic"
    default_base_url = "https://api.anthropic.com"
    dialects: tuple[DialectName, ...] = ("anthropic_messages",)

    def origin(self, deployment: Deployment) -> Origin:
        return origin_of(deployment.base_url)

    def prepare(self, outgoing: Outgoing) -> Prepared:
        headers = headers_for(outgoing.stream)
        headers.append((b"x-api-key", outgoing.secret.encode()))
        version = outgoing.api_version.encode() if outgoing.same_dialect and outgoing.api_version else VERSION
        headers.append((b"anthropic-version", version))
        if outgoing.same_dialect:
            for name in FORWARDED:
                value = header(outgoing.client_headers, name)
                if value is not None:
                    headers.append((name, value))
        return Prepared(
            origin=outgoing.candidate.origin,
            method=b"POST",
            target=(path_of(outgoing.candidate.deployment.base_url) + "/v1/messages").encode(),
            headers=headers,
            body=outgoing.body,
            framing="sse" if outgoing.stream else "plain",
        )

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        if status == 400 and "prompt is too long" in facts.message:
            return context_length(status, facts)  # no code is given for it (B.5)
        if status == 404 and facts.type == "not_found_error" and "model" in facts.message:
            return classify(_MODEL_GONE, status, headers, facts, now)
        if status == 429 and facts.reason != "ramp_limit_exceeded" and stated_delay(headers, facts, now) is None:
            return credential_down(status, facts, "credential_model")  # the tier's spend cap (F.3)
        if facts.type == "rate_limit_error" and status < 400:
            return classify(_THROTTLED, status, headers, facts, now)
        return classify(CODES, status, headers, facts, now)


_MODEL_GONE = Codes(endpoint=frozenset({"not_found_error"}))
_THROTTLED = Codes(throttled=frozenset({"rate_limit_error"}))

_guard: Provider = Anthropic()
