"""An error answer to its class of reliability.md section 1. A provider gives its words, the rules are here, once.

Order: the machine-readable words first (they are proof), then phrases of the message (only where the provider gave no
word), then the status. An unknown 5xx is F1, an unknown 4xx is F7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import assert_never

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.delays import stated_delay
from trunkline.types.failure import Failure, FaultClass, Kind, Penalty, Signal
from trunkline.types.wire import Headers

READ = 2000  # characters of a message that phrases are looked for in
TOLD = 4000  # characters of a message that a caller is told
UNKNOWN = 500  # what an error event that says nothing else stands for


class Meaning(Enum):
    """What a provider's word proves."""

    CREDENTIAL = "F4: the key, its account or its billing is bad, whatever the model"
    QUOTA = "F4: a quota or spend limit of this credential for this model is spent"
    ENDPOINT = "F5: the model or endpoint is gone, closed or not enabled"
    CLIENT = "F7: what the caller wrote, although status or code suggest otherwise"
    CONTEXT = "F8"
    REFUSAL = "F9"
    CAPABILITY = "F10: this model lacks what was asked for"
    THROTTLED = "429, whatever the status: of this credential for this model"
    THROTTLED_ACCOUNT = "429, whatever the status: of the whole credential"
    TRANSIENT = "F1, whatever the status"
    QUIET = "F1 that says nothing about the endpoint's health"


class Phrase(msgspec.Struct, frozen=True):
    """Words of a message, looked for in answers with this status."""

    status: int
    words: re.Pattern[str]
    meaning: Meaning


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider's errors read. `codes` are compared with code, reason and type, in this order; `families` are
    parts of a code. `statuses` say what the type or code of an error event inside a 200 stands for."""

    codes: Mapping[str, Meaning] = {}
    families: tuple[tuple[str, Meaning], ...] = ()
    phrases: tuple[Phrase, ...] = ()
    statuses: Mapping[str, int] = {}


#: "… is not supported for this model", "this model does not support …": F10 where no code says so.
LACKS = re.compile(
    r"\b(?:not (?:supported|available|enabled|allowed)|unsupported|deprecated) (?:for|by|on|with|in) (?:this|the) model\b"
    r"|\bmodel\b[^.\n]{0,60}\b(?:does not|doesn't) support\b",
    re.IGNORECASE,
)


def classify(reading: Reading, status: int, headers: Headers, facts: ErrorFacts, now: float) -> Failure:
    """`status` 200 means an error event inside a stream: the event's words stand for a status. `now`: epoch seconds."""
    event = status < 300
    if event:
        status = event_status(reading, facts)
    delay = stated_delay([] if event else headers, facts.delay, now)
    meaning = meaning_of(reading, status, facts)
    return _by_status(status, facts, delay) if meaning is None else judged(meaning, status, facts, delay)


def event_status(reading: Reading, facts: ErrorFacts) -> int:
    if facts.status >= 400:
        return facts.status
    for word in (facts.code, facts.type):
        found = reading.statuses.get(word)
        if found is not None:
            return found
        if len(word) == 3 and word.isascii() and word.isdigit() and 400 <= int(word) <= 599:
            return int(word)
    return UNKNOWN


def meaning_of(reading: Reading, status: int, facts: ErrorFacts) -> Meaning | None:
    for word in (facts.code, facts.reason, facts.type):
        found = reading.codes.get(word) if word else None
        if found is not None:
            return found
    for part, meaning in reading.families:
        if part in facts.code:
            return meaning
    if (facts.code and not facts.code.isdigit()) or facts.reason:
        return None
    message = facts.message[:READ]
    for phrase in reading.phrases:
        if phrase.status == status and phrase.words.search(message):
            return phrase.meaning
    return None


def judged(meaning: Meaning, status: int, facts: ErrorFacts, delay: float | None) -> Failure:
    match meaning:
        case Meaning.CREDENTIAL:
            return credential_down(status, facts, "credential", delay)
        case Meaning.QUOTA:
            return credential_down(status, facts, "credential_model", delay)
        case Meaning.ENDPOINT:
            return endpoint_down(status, facts)
        case Meaning.CLIENT:
            return _client(Kind.INVALID_REQUEST, FaultClass.CLIENT, status, facts)
        case Meaning.CONTEXT:
            return _client(Kind.CONTEXT_LENGTH, FaultClass.CONTEXT, status, facts)
        case Meaning.REFUSAL:
            return _client(Kind.REFUSED_CONTENT, FaultClass.REFUSAL, status, facts)
        case Meaning.CAPABILITY:
            return _client(Kind.CAPABILITY, FaultClass.CAPABILITY, status, facts)
        case Meaning.THROTTLED:
            return throttled(status, facts, delay, "credential_model")
        case Meaning.THROTTLED_ACCOUNT:
            return throttled(status, facts, delay, "credential")
        case Meaning.TRANSIENT:
            return transient(status if status >= 500 else UNKNOWN, facts, delay)
        case Meaning.QUIET:
            return _quiet(status, facts, "", "the provider gave the request up")
        case _:
            assert_never(meaning)


def _by_status(status: int, facts: ErrorFacts, delay: float | None) -> Failure:
    match status:
        case 401 | 403:
            # Not proved by a word: it may speak about this model only.
            return credential_down(status, facts, "credential_model", delay)
        case 402:
            return credential_down(status, facts, "credential", delay)
        case 404 | 410 if _nobody_home(facts):
            return endpoint_down(status, facts)
        case 408:
            return _quiet(status, facts, "408", "the provider did not get the request in time")
        case 409:
            return _quiet(status, facts, "409", "the provider reported a conflict")
        case 429:
            return throttled(status, facts, delay, "credential_model")
    if status < 400:
        return _redirected(status)
    if status < 500:
        return _client(Kind.INVALID_REQUEST, FaultClass.CLIENT, status, facts)
    return transient(status, facts, delay)


def _nobody_home(facts: ErrorFacts) -> bool:
    """A 404 in no provider's words comes from whatever else answers at that address; one about the parameter `model`
    speaks about ours. (A file or response that the caller named is named by the provider's own words.)"""
    return facts.param == "model" or not (facts.type or facts.code or facts.reason)


# --- one constructor per class -----------------------------------------------------------------------------------
def credential_down(status: int, facts: ErrorFacts, penalty: Penalty, delay: float | None = None) -> Failure:
    """F4: our key, not the caller's; with nothing left the caller gets 503. `delay` where one was stated."""
    return Failure(
        kind=Kind.NO_CANDIDATE,
        fault=FaultClass.CREDENTIAL,
        source="upstream",
        message="the provider refused this gateway's credential",
        penalty=penalty,
        status=status,
        delay=delay,
        code=_word(facts),
    )


def endpoint_down(status: int, facts: ErrorFacts) -> Failure:
    """F5: the model or endpoint id is gone."""
    return Failure(
        kind=Kind.NO_CANDIDATE,
        fault=FaultClass.ENDPOINT,
        source="upstream",
        message="the provider does not serve this model",
        penalty="endpoint",
        status=status,
        code=_word(facts),
    )


def throttled(status: int, facts: ErrorFacts, delay: float | None, penalty: Penalty) -> Failure:
    """F2 with a stated delay, F3 without."""
    return Failure(
        kind=Kind.THROTTLED,
        fault=FaultClass.THROTTLED_UNKNOWN if delay is None else FaultClass.THROTTLED_KNOWN,
        source="upstream",
        message="the provider's rate limit is reached",
        retry="backoff" if delay is None else "after",
        penalty=penalty,
        signal="429",
        status=status,
        delay=delay,
        code=_word(facts),
    )


def transient(status: int, facts: ErrorFacts, delay: float | None) -> Failure:
    """F1; 503 and 529 with a stated delay are F2 of the endpoint. An unknown 5xx is tried again like a 500."""
    overloaded = status in (503, 529)
    signals: dict[int, Signal] = {500: "500", 502: "502", 503: "503", 504: "504", 529: "529"}
    known = overloaded and delay is not None
    return Failure(
        kind=Kind.OVERLOADED if overloaded else Kind.UPSTREAM_ERROR,
        fault=FaultClass.THROTTLED_KNOWN if known else FaultClass.TRANSIENT,
        source="upstream",
        message="the provider is overloaded" if overloaded else "the provider failed",
        retry="after" if known else "backoff",
        penalty="endpoint",
        signal=signals.get(status, "500"),
        status=status,
        delay=delay if overloaded else None,
        code=_word(facts),
    )


def _quiet(status: int, facts: ErrorFacts, signal: Signal, message: str) -> Failure:
    """Transient, but nothing against the endpoint's health."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=message,
        retry="backoff" if signal else "never",
        signal=signal,
        status=status,
        code=_word(facts),
    )


def _redirected(status: int) -> Failure:
    """No provider redirects its API: the address is wrong or something stands in front of it. Never followed (the
    credential is bound to its host)."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message="the provider answered with a redirect",
        penalty="endpoint",
        status=status,
        code="redirect",
    )


def _client(kind: Kind, fault: FaultClass, status: int, facts: ErrorFacts) -> Failure:
    return Failure(
        kind=kind,
        fault=fault,
        source="client",
        message=facts.message[:TOLD] or "the provider refused the request",
        status=status if 400 <= status < 500 else 400,
        code=_code(facts),
        param=facts.param,
    )


def _word(facts: ErrorFacts) -> str:
    return (_code(facts) or facts.type)[:100]


def _code(facts: ErrorFacts) -> str:
    """Compatible servers repeat the status as code: that is no word."""
    return facts.reason if facts.code.isdigit() else facts.code or facts.reason
