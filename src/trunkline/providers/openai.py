"""OpenAI. Signals: wire-formats.md A.3, F.2."""

from __future__ import annotations

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.addresses import headers_for, origin_of, path_of
from trunkline.providers.classify import Codes, capability, classify
from trunkline.providers.contract import Outgoing, Prepared, Provider
from trunkline.types.failure import Failure
from trunkline.types.fleet import Deployment
from trunkline.types.wire import DialectName, Headers, Origin

CODES = Codes(
    credential=frozenset({"invalid_api_key", "account_deactivated", "billing_not_active", "credit_balance_exhausted"}),
    quota=frozenset(
        {
            "insufficient_quota",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
        }
    ),
    endpoint=frozenset({"model_not_found"}),
    context=frozenset({"context_length_exceeded"}),
    refusal=frozenset({"content_policy_violation", "content_filter", "invalid_prompt"}),
    capability=frozenset({"unsupported_parameter", "unsupported_value"}),
    throttled=frozenset({"rate_limit_exceeded", "slow_down"}),
    overloaded=frozenset({"server_is_overloaded", "service_unavailable_error"}),
    transient=frozenset({"server_error"}),
)


class OpenAI:
    kind = "openai"
    default_base_url = "https://api.openai.com/v1"
    dialects: tuple[DialectName, ...] = ("openai_chat",)
    codes = CODES

    def origin(self, deployment: Deployment) -> Origin:
        return origin_of(deployment.base_url)

    def prepare(self, outgoing: Outgoing) -> Prepared:
        headers = headers_for(outgoing.stream)
        if outgoing.secret:
            headers.append((b"authorization", b"Bearer " + outgoing.secret.encode()))
        return Prepared(
            origin=outgoing.candidate.origin,
            method=b"POST",
            target=(path_of(outgoing.candidate.deployment.base_url) + "/chat/completions").encode(),
            headers=headers,
            body=outgoing.body,
            framing="sse" if outgoing.stream else "plain",
        )

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        if status == 400 and facts.param == "reasoning_effort" and "/v1/responses" in facts.message:
            # No code is given for it (wire-formats.md 0.4).
            return capability(status, facts)
        return classify(self.codes, status, headers, facts, now)


_guard: Provider = OpenAI()
