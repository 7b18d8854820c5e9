"""Google's Gemini Developer API. Signals: wire-formats.md C.1, C.5, F.4."""

from __future__ import annotations

from urllib.parse import quote

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.addresses import headers_for, origin_of, path_of
from trunkline.providers.classify import (
    Codes,
    classify,
    context_length,
    credential_down,
    endpoint_down,
    stated_delay,
)
from trunkline.providers.contract import Outgoing, Prepared, Provider
from trunkline.types.failure import Failure
from trunkline.types.fleet import Deployment
from trunkline.types.wire import DialectName, Headers, Origin

#: For translated requests. `*-latest` aliases exist only there (wire-formats.md 0.7).
VERSION = "v1beta"
LONG_DELAY = 600.0  # a 429 that asks for more than this is a spent quota, not a rate (F.4)

CODES = Codes(
    credential=frozenset({"API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED", "CONSUMER_SUSPENDED", "BILLING_DISABLED"}),
    quota=frozenset({"FAILED_PRECONDITION"}),
    transient=frozenset({"INTERNAL", "DEADLINE_EXCEEDED"}),
    overloaded=frozenset({"UNAVAILABLE"}),
)
_THROTTLED = Codes(throttled=frozenset({"RESOURCE_EXHAUSTED"}))


class Google:
    kind = "google"
    default_base_url = "https://generativelanguage.googleapis.com"
    dialects: tuple[DialectName, ...] = ("gemini_generate",)

    def origin(self, deployment: Deployment) -> Origin:
        return origin_of(deployment.base_url)

    def prepare(self, outgoing: Outgoing) -> Prepared:
        deployment = outgoing.candidate.deployment
        version = outgoing.api_version if outgoing.same_dialect and outgoing.api_version else VERSION
        verb = "streamGenerateContent?alt=sse" if outgoing.stream else "generateContent"
        target = f"{path_of(deployment.base_url)}/{version}/models/{quote(deployment.model, safe='-._')}:{verb}"
        headers = headers_for(outgoing.stream)
        headers.append((b"x-goog-api-key", outgoing.secret.encode()))
        return Prepared(
            origin=outgoing.candidate.origin,
            method=b"POST",
            target=target.encode(),
            headers=headers,
            body=outgoing.body,
            framing="sse" if outgoing.stream else "plain",
        )

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        if status == 200:
            status = facts.status
        if status == 429 or (status == 200 and facts.type == "RESOURCE_EXHAUSTED"):
            return self._exhausted(headers, facts, now)
        if status == 400 and "exceeds the maximum number of tokens" in facts.message:
            return context_length(status, facts)  # no code is given for it (C.5)
        if status == 404 and facts.type == "NOT_FOUND" and "models/" in facts.message:
            return endpoint_down(status, facts)
        return classify(CODES, status, headers, facts, now)

    def _exhausted(self, headers: Headers, facts: ErrorFacts, now: float) -> Failure:
        """Per minute: throttled. Per day, no quota at all, or a wait of hours: the quota is spent."""
        delay = stated_delay(headers, facts, now)
        spent = any("PerDay" in q or q == "limit:0" for q in facts.quota) or "limit: 0" in facts.message
        if spent or (delay is not None and delay > LONG_DELAY):
            return credential_down(429, facts, "credential_model")
        return classify(_THROTTLED, 429, headers, facts, now)


_guard: Provider = Google()
