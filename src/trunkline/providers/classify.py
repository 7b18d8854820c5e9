"""An error answer to its class of reliability.md section 1. Providers give code tables; the rules are here, once.

Order: codes first (they are proof), then the status. Message text is read only where a provider gives no code.
"""

from __future__ import annotations

import email.utils

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure, FaultClass, Kind, Penalty, Signal
from trunkline.types.wire import Headers, header

MAX_DELAY = 1e7  # seconds; anything longer is a mistake of the other side


class Codes(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's machine-readable words, by what they mean. Compared with `code`, `type` and `reason`."""

    credential: frozenset[str] = frozenset()  # F4, the whole credential: key, account, billing
    quota: frozenset[str] = frozenset()  # F4 as 429: a spent quota, this model's
    endpoint: frozenset[str] = frozenset()  # F5
    context: frozenset[str] = frozenset()  # F8
    refusal: frozenset[str] = frozenset()  # F9
    capability: frozenset[str] = frozenset()  # F10
    transient: frozenset[str] = frozenset()  # F1 whatever the status
    throttled: frozenset[str] = frozenset()  # 429 whatever the status
    overloaded: frozenset[str] = frozenset()  # like 503 whatever the status


def classify(codes: Codes, status: int, headers: Headers, facts: ErrorFacts, now: float) -> Failure:
    """`status` 200 means an error event inside a stream: the words decide, or the status the facts carry."""
    said = {w for w in (facts.code, facts.type, facts.reason) if w}
    delay = stated_delay(headers, facts, now)
    if status < 400 and facts.status >= 400:
        status = facts.status
    by_code = _by_code(codes, said, status, facts, delay)
    return by_code if by_code is not None else _by_status(status, facts, delay)


def _by_code(codes: Codes, said: set[str], status: int, facts: ErrorFacts, delay: float | None) -> Failure | None:
    if said & codes.credential:
        return credential_down(status, facts, "credential")
    if said & codes.quota:
        return credential_down(status, facts, "credential_model")
    if said & codes.endpoint:
        return endpoint_down(status, facts)
    if said & codes.context:
        return context_length(status, facts)
    if said & codes.refusal:
        return _client(Kind.REFUSED_CONTENT, FaultClass.REFUSAL, status, facts)
    if said & codes.capability:
        return capability(status, facts)
    if said & codes.throttled:
        return throttled(429, facts, delay)
    if said & codes.overloaded:
        return transient(status if status in (503, 529) else 503, facts, delay)
    if said & codes.transient:
        return transient(status if status >= 500 else 500, facts, delay)
    return None


def _by_status(status: int, facts: ErrorFacts, delay: float | None) -> Failure:
    if status in (401, 402, 403):
        return credential_down(status, facts, "credential" if status == 401 else "credential_model")
    if status == 429:
        return throttled(status, facts, delay)
    if status == 408:
        return _quiet(status, facts, "408")
    if status == 409:
        return _quiet(status, facts, "409")
    if 400 <= status < 500:
        return _client(Kind.INVALID_REQUEST, FaultClass.CLIENT, status, facts)
    return transient(status, facts, delay)


# --- one constructor per class -----------------------------------------------------------------------------------
def credential_down(status: int, facts: ErrorFacts, penalty: Penalty) -> Failure:
    """F4: our key, not the caller's; with nothing left the caller gets 503."""
    return Failure(
        kind=Kind.NO_CANDIDATE,
        fault=FaultClass.CREDENTIAL,
        source="upstream",
        message="the provider refused this gateway's credential",
        penalty=penalty,
        status=status,
        code=facts.code or facts.reason or facts.type,
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
        code=facts.code or facts.reason or facts.type,
    )


def context_length(status: int, facts: ErrorFacts) -> Failure:
    return _client(Kind.CONTEXT_LENGTH, FaultClass.CONTEXT, status, facts)


def capability(status: int, facts: ErrorFacts) -> Failure:
    return _client(Kind.CAPABILITY, FaultClass.CAPABILITY, status, facts)


def throttled(status: int, facts: ErrorFacts, delay: float | None) -> Failure:
    """F2 with a stated delay, F3 without."""
    return Failure(
        kind=Kind.THROTTLED,
        fault=FaultClass.THROTTLED_UNKNOWN if delay is None else FaultClass.THROTTLED_KNOWN,
        source="upstream",
        message="the provider's rate limit is reached",
        retry="backoff" if delay is None else "after",
        penalty="credential_model",
        signal="429",
        status=status,
        delay=delay,
        code=facts.code or facts.type,
    )


def transient(status: int, facts: ErrorFacts, delay: float | None) -> Failure:
    """F1; 503 and 529 with a stated delay are F2 of the endpoint."""
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
        code=facts.code or facts.type,
    )


def _quiet(status: int, facts: ErrorFacts, signal: Signal) -> Failure:
    """408 and 409: transient, but they say nothing about the endpoint's health."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message="the provider did not take the request in time"
        if status == 408
        else "the provider reported a conflict",
        retry="backoff",
        signal=signal,
        status=status,
        code=facts.code or facts.type,
    )


def _client(kind: Kind, fault: FaultClass, status: int, facts: ErrorFacts) -> Failure:
    return Failure(
        kind=kind,
        fault=fault,
        source="client",
        message=facts.message or "the provider refused the request",
        status=status if 400 <= status < 500 else 400,
        code=facts.code or facts.reason,
        param=facts.param,
    )


# --- stated delays ---------------------------------------------------------------------------------------------------
def stated_delay(headers: Headers, facts: ErrorFacts, now: float) -> float | None:
    """Seconds from `retry-after-ms`, `retry-after` (seconds or HTTP date) or the body's RetryInfo."""
    millis = header(headers, b"retry-after-ms")
    if millis is not None:
        found = _number(millis.decode("latin-1"))
        if found is not None:
            return _bounded(found / 1000.0)
    value = header(headers, b"retry-after")
    if value is not None:
        text = value.decode("latin-1").strip()
        found = _number(text)
        if found is not None:
            return _bounded(found)
        moment = email.utils.parsedate_tz(text)
        if moment is not None:
            return _bounded(email.utils.mktime_tz(moment) - now)
    return None if facts.delay is None else _bounded(facts.delay)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _bounded(delay: float) -> float | None:
    return min(max(delay, 0.0), MAX_DELAY) if delay == delay else None
