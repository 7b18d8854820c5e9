"""Anthropic. Signals: wire-formats.md B.1, B.5, F.3."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.addresses import headers_for, origin_of, target_of
from trunkline.providers.classify import LACKS, Meaning, Phrase, Reading, classify, credential_down
from trunkline.providers.contract import Outgoing, Prepared, Provider, ProviderOption
from trunkline.types.failure import Failure
from trunkline.types.fleet import Deployment
from trunkline.types.wire import DialectName, Headers, Origin, header

PATH = "/v1/messages"
#: For translated requests, and for callers that send none: the version whose rules the translation follows.
VERSION = "2023-06-01"
BETA = b"anthropic-beta"

READING = Reading(
    codes={
        "authentication_error": Meaning.CREDENTIAL,
        "billing_error": Meaning.CREDENTIAL,
        "organization_on_hold": Meaning.CREDENTIAL,
        "enforced_spend_limit_reached": Meaning.QUOTA,
        "contract_spend_limit_reached": Meaning.QUOTA,
        "ramp_limit_exceeded": Meaning.THROTTLED,
    },
    # No code is given for these.
    phrases=(
        Phrase(400, re.compile(r"prompt is too long|exceed context limit"), Meaning.CONTEXT),
        Phrase(400, re.compile(r"specified (?:\w+ )?API usage limits|spend limit"), Meaning.QUOTA),
        Phrase(400, re.compile(r"credit balance is too low"), Meaning.CREDENTIAL),
        Phrase(400, re.compile(r"content filtering policy"), Meaning.REFUSAL),
        Phrase(400, LACKS, Meaning.CAPABILITY),
        Phrase(404, re.compile(r"^model\b|\bmodel: "), Meaning.ENDPOINT),
    ),
    statuses={
        "invalid_request_error": 400,
        "authentication_error": 401,
        "billing_error": 402,
        "permission_error": 403,
        "not_found_error": 404,
        "conflict_error": 409,
        "request_too_large": 413,
        "rate_limit_error": 429,
        "api_error": 500,
        "timeout_error": 504,
        "overloaded_error": 529,
    },
)


class Anthropic:
    kind = "anthropic"
    default_base_url = "https://api.anthropic.com"
    dialects: tuple[DialectName, ...] = ("anthropic_messages",)
    options: Mapping[str, ProviderOption] = {}
    needs_key = True

    def origin(self, deployment: Deployment) -> Origin:
        return origin_of(deployment.base_url, "/v1", "/messages")

    def prepare(self, outgoing: Outgoing) -> Prepared:
        headers = headers_for(outgoing.stream)
        version = VERSION
        if outgoing.secret:
            headers.append((b"x-api-key", outgoing.secret.encode()))
        if outgoing.same_dialect:
            version = outgoing.api_version or VERSION
            headers += [line for line in outgoing.client_headers if line[0] == BETA]
        headers.append((b"anthropic-version", version.encode("latin-1", "ignore")))
        return Prepared(
            origin=outgoing.candidate.origin,
            method=b"POST",
            target=target_of(outgoing.candidate.deployment.base_url, PATH),
            headers=headers,
            body=outgoing.body,
            framing="sse" if outgoing.stream else "plain",
        )

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        # Only the tier's spend cap sends a 429 that does not say when to come back (F.3). A ramp limit is a rate.
        silent = (
            status == 429 and header(headers, b"retry-after") is None and header(headers, b"retry-after-ms") is None
        )
        if silent and facts.reason != "ramp_limit_exceeded":
            return credential_down(status, facts, "credential_model")
        return classify(READING, status, headers, facts, now)


_guard: Provider = Anthropic()
