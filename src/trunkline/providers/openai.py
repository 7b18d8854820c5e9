"""OpenAI. Signals: wire-formats.md A.1, A.3, F.2."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.addresses import headers_for, origin_of, target_of
from trunkline.providers.classify import Meaning, Phrase, Reading, classify
from trunkline.providers.contract import Outgoing, Prepared, Provider, ProviderOption
from trunkline.types.failure import Failure
from trunkline.types.fleet import Deployment
from trunkline.types.wire import DialectName, Headers, Origin

PATH = "/chat/completions"

CODES: Mapping[str, Meaning] = {
    "invalid_api_key": Meaning.CREDENTIAL,
    "authentication_error": Meaning.CREDENTIAL,
    "account_deactivated": Meaning.CREDENTIAL,
    "billing_not_active": Meaning.CREDENTIAL,
    "credit_balance_exhausted": Meaning.CREDENTIAL,
    "insufficient_quota": Meaning.QUOTA,
    "organization_spend_limit_exceeded": Meaning.QUOTA,
    "project_spend_limit_exceeded": Meaning.QUOTA,
    "organization_usage_limit_exceeded": Meaning.QUOTA,
    "model_not_found": Meaning.ENDPOINT,
    "context_length_exceeded": Meaning.CONTEXT,
    "content_policy_violation": Meaning.REFUSAL,
    "image_content_policy_violation": Meaning.REFUSAL,
    "misalignment_policy_violation": Meaning.REFUSAL,
    "bio_policy": Meaning.REFUSAL,
    "content_filter": Meaning.REFUSAL,
    "invalid_prompt": Meaning.REFUSAL,
    "unsupported_parameter": Meaning.CAPABILITY,
    "unsupported_value": Meaning.CAPABILITY,
    "data_residency_mismatch": Meaning.CLIENT,
    "slow_down": Meaning.THROTTLED,
}
#: What the words of an error event inside a 200 stand for (A.3).
STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "requests": 429,
    "tokens": 429,
    "insufficient_quota": 429,
    "server_error": 500,
    "service_unavailable_error": 503,
    "server_is_overloaded": 503,
}
READING = Reading(
    codes=CODES,
    statuses=STATUSES,
    phrases=(
        # "Function tools with reasoning_effort are not supported … use /v1/responses" has no code (0.4).
        Phrase(400, re.compile(r"/v1/responses\b"), Meaning.CAPABILITY),
        # The path is ours, not the caller's.
        Phrase(404, re.compile(r"^Invalid URL"), Meaning.ENDPOINT),
    ),
)
_HEADERS = (("organization", b"openai-organization"), ("project", b"openai-project"))


class OpenAI:
    """The caller's own `openai-organization` and `openai-project` are not forwarded: they belong to its key."""

    kind = "openai"
    default_base_url = "https://api.openai.com/v1"
    dialects: tuple[DialectName, ...] = ("openai_chat",)
    options: Mapping[str, ProviderOption] = {
        "organization": ProviderOption("`OpenAI-Organization` of all requests."),
        "project": ProviderOption("`OpenAI-Project` of all requests."),
    }
    needs_key = True
    reading = READING

    def origin(self, deployment: Deployment) -> Origin:
        return origin_of(deployment.base_url, PATH)

    def prepare(self, outgoing: Outgoing) -> Prepared:
        deployment = outgoing.candidate.deployment
        headers = headers_for(outgoing.stream)
        if outgoing.secret:
            headers.append((b"authorization", b"Bearer " + outgoing.secret.encode()))
        options = deployment.provider.options
        if options:
            headers += [(header, options[name].encode()) for name, header in _HEADERS if name in options]
        return Prepared(
            origin=outgoing.candidate.origin,
            method=b"POST",
            target=target_of(deployment.base_url, PATH),
            headers=headers,
            body=outgoing.body,
            framing="sse" if outgoing.stream else "plain",
        )

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        return classify(self.reading, status, headers, facts, now)


_guard: Provider = OpenAI()
