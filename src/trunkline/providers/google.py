"""Google's Gemini Developer API. Signals: wire-formats.md C.1, C.5, F.4."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.addresses import headers_for, origin_of, path_of
from trunkline.providers.classify import LACKS, Meaning, Phrase, Reading, classify, judged
from trunkline.providers.contract import Outgoing, Prepared, Provider, ProviderOption
from trunkline.types.failure import Failure
from trunkline.types.fleet import Deployment
from trunkline.types.wire import DialectName, Headers, Origin

#: For translated requests, unless the option `api_version` says otherwise. `*-latest` aliases and the newest fields
#: exist only there (wire-formats.md 0.7).
VERSION = "v1beta"
LONG_DELAY = 600.0  # seconds; a 429 that asks for more is a spent quota, not a rate (F.4)
_COLLECTIONS = ("models", "tunedModels")

READING = Reading(
    # Reasons of google.rpc.ErrorInfo, and statuses.
    codes={
        "API_KEY_INVALID": Meaning.CREDENTIAL,  # as 400, not 401
        "API_KEY_SERVICE_BLOCKED": Meaning.CREDENTIAL,
        "API_KEY_IP_ADDRESS_BLOCKED": Meaning.CREDENTIAL,
        "API_KEY_HTTP_REFERRER_BLOCKED": Meaning.CREDENTIAL,
        "CONSUMER_INVALID": Meaning.CREDENTIAL,
        "CONSUMER_SUSPENDED": Meaning.CREDENTIAL,
        "SERVICE_DISABLED": Meaning.CREDENTIAL,
        "BILLING_DISABLED": Meaning.CREDENTIAL,
        "UNAUTHENTICATED": Meaning.CREDENTIAL,
        "FAILED_PRECONDITION": Meaning.QUOTA,  # location or billing: which of them is only said in words
        "CANCELLED": Meaning.QUIET,
    },
    # No code is given for these.
    phrases=(
        Phrase(400, re.compile(r"exceeds the maximum number of tokens"), Meaning.CONTEXT),
        Phrase(400, LACKS, Meaning.CAPABILITY),
        Phrase(400, re.compile(r"\bnot (?:enabled|supported) (?:for|by) (?:tunedM|m)odels/"), Meaning.CAPABILITY),
        # A file or cache that the caller named, not our key.
        Phrase(403, re.compile(r"\baccess the File\b|\bCachedContent not found\b"), Meaning.CLIENT),
        Phrase(404, re.compile(r"\b(?:tunedM|m)odels/"), Meaning.ENDPOINT),
    ),
    statuses={
        "INVALID_ARGUMENT": 400,
        "FAILED_PRECONDITION": 400,
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "NOT_FOUND": 404,
        "RESOURCE_EXHAUSTED": 429,
        "CANCELLED": 499,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504,
    },
)
#: "Please retry in 9h54m12.5s." The body's RetryInfo is not always there.
_RETRY_IN = re.compile(r"\bretry in (?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,6}(?:\.\d{1,12})?)s)?")


class Google:
    kind = "google"
    default_base_url = "https://generativelanguage.googleapis.com"
    dialects: tuple[DialectName, ...] = ("gemini_generate",)
    options: Mapping[str, ProviderOption] = {
        "api_version": ProviderOption(
            "Version in the path of translated requests; `v1beta` if not given.", "v1(?:beta)?"
        )
    }
    needs_key = True

    def origin(self, deployment: Deployment) -> Origin:
        return origin_of(deployment.base_url, "/v1", "/v1beta")

    def prepare(self, outgoing: Outgoing) -> Prepared:
        deployment = outgoing.candidate.deployment
        version = outgoing.api_version if outgoing.same_dialect else ""
        if not version:
            version = deployment.provider.options.get("api_version", VERSION)
        collection, _, model = deployment.model.rpartition("/")
        if collection not in _COLLECTIONS:
            collection, model = "models", deployment.model
        verb = "streamGenerateContent?alt=sse" if outgoing.stream else "generateContent"
        target = f"{path_of(deployment.base_url)}/{version}/{collection}/{quote(model, safe='-._~')}:{verb}"
        headers = headers_for(outgoing.stream)
        if outgoing.secret:
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
        if facts.type == "RESOURCE_EXHAUSTED" and facts.delay is None:
            facts = msgspec.structs.replace(facts, delay=_delay_in(facts.message))
        failure = classify(READING, status, headers, facts, now)
        if failure.signal == "429" and _spent(facts, failure.delay):
            return judged(Meaning.QUOTA, failure.status, facts, failure.delay)
        return failure


def _spent(facts: ErrorFacts, delay: float | None) -> bool:
    """Per minute: throttled. Per day, no quota at all, or a wait of many minutes: there is nothing left to wait for."""
    if any("PerDay" in quota or quota == "limit:0" for quota in facts.quota):
        return True
    return bool(_NO_QUOTA.search(facts.message[:2000])) or (delay is not None and delay > LONG_DELAY)


_NO_QUOTA = re.compile(r"\blimit: 0\b(?!\.)")


def _delay_in(message: str) -> float | None:
    match = _RETRY_IN.search(message[:2000])
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


_guard: Provider = Google()
