"""Errors of generateContent, both ways. Shapes: wire-formats.md C.5; words per kind: reliability.md 1.14."""

from __future__ import annotations

import json
import math
from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure, Kind, http_status

PLAIN_TEXT = 500
MAX_DELAY = 1e7  # seconds; anything longer is a mistake of the other side
_RPC = "type.googleapis.com/google.rpc."


def word(failure: Failure) -> str:
    match failure.kind:
        case Kind.UNAUTHENTICATED:
            return "UNAUTHENTICATED"
        case Kind.FORBIDDEN:
            return "PERMISSION_DENIED"
        case Kind.UNKNOWN_MODEL:
            return "NOT_FOUND"
        case Kind.INVALID_REQUEST:
            return "NOT_FOUND" if http_status(failure) == 404 else "INVALID_ARGUMENT"
        case Kind.CONTEXT_LENGTH | Kind.CAPABILITY | Kind.REFUSED_CONTENT:
            return "INVALID_ARGUMENT"
        case Kind.RATE_LIMITED | Kind.OVER_BUDGET | Kind.THROTTLED:
            return "RESOURCE_EXHAUSTED"
        case Kind.OVERLOADED | Kind.NO_CANDIDATE | Kind.UNREACHABLE | Kind.UPSTREAM_ERROR | Kind.STREAM_BROKEN:
            return "UNAVAILABLE"
        case Kind.TIMED_OUT:
            return "DEADLINE_EXCEEDED"
        case Kind.CANCELLED | Kind.INTERNAL:
            return "INTERNAL"
        case _:
            assert_never(failure.kind)


# --- writing -----------------------------------------------------------------------------------------------------
def error_body(failure: Failure, request_id: str) -> bytes:
    error: dict[str, Any] = {"code": http_status(failure), "message": failure.message, "status": word(failure)}
    error["details"] = _details(failure, request_id)
    if not error["details"]:
        del error["details"]
    return msgspec.json.encode({"error": error})


def error_event(failure: Failure, request_id: str) -> bytes:
    return b"data: " + error_body(failure, request_id) + b"\r\n\r\n"


def array_end(failure: Failure, request_id: str, *, opened: bool) -> bytes:
    """The error as the last element of an answer that is one JSON array."""
    return (b",\r\n" if opened else b"[") + error_body(failure, request_id) + b"]"


def _details(failure: Failure, request_id: str) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = [
        {"@type": _RPC + "ErrorInfo", "reason": _reason_of(failure), "domain": "trunkline"}
    ]
    if failure.delay is not None and 0 <= failure.delay <= MAX_DELAY:
        details.append({"@type": _RPC + "RetryInfo", "retryDelay": f"{max(1, math.ceil(failure.delay))}s"})
    if failure.param and failure.source != "upstream":
        violation = {"field": failure.param, "description": failure.message}
        details.append({"@type": _RPC + "BadRequest", "fieldViolations": [violation]})
    if request_id:
        details.append({"@type": _RPC + "RequestInfo", "requestId": request_id})
    return details


def _reason_of(failure: Failure) -> str:
    """Our word or the provider's. A provider's word about *our* key or quota would speak to the wrong party (an
    `API_KEY_INVALID` here is not the caller's key), so failures of upstream carry their kind alone."""
    if failure.source == "upstream" or not failure.code:
        return failure.kind.value.upper()
    return failure.code.upper()


# --- reading -----------------------------------------------------------------------------------------------------
def read_error(status: int, body: bytes) -> ErrorFacts:
    """Never raises. A stream that is no SSE wraps its error into a list; there it is the last element."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, list) and value:
        value = value[-1]
    error = value.get("error", value) if isinstance(value, dict) else None
    if not isinstance(error, dict):
        text = error if isinstance(error, str) else body[:PLAIN_TEXT].decode("utf-8", "replace")
        return ErrorFacts(message=text[:PLAIN_TEXT].strip(), status=status)
    code = error.get("code")
    given = error.get("details")
    details = [d for d in given if isinstance(d, dict)] if isinstance(given, list) else []
    real = isinstance(code, int) and not isinstance(code, bool) and 400 <= code <= 599
    return ErrorFacts(
        message=_words(error.get("message")),
        type=_words(error.get("status")),
        code=_words(code) if isinstance(code, str) else "",
        param=_field(details),
        reason=next((d["reason"] for d in details if isinstance(d.get("reason"), str)), ""),
        status=code if isinstance(code, int) and real else status,
        delay=_delay(details),
        quota=_quota(details),
    )


def _words(value: object) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else ""


def _delay(details: list[dict[str, Any]]) -> float | None:
    """`RetryInfo.retryDelay` is a protobuf Duration: decimal seconds with the letter s."""
    for detail in details:
        text = detail.get("retryDelay")
        if isinstance(text, str) and text.endswith("s"):
            try:
                delay = float(text[:-1])
            except ValueError:
                continue
            if 0 <= delay <= MAX_DELAY:
                return delay
    return None


def _lists(details: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for detail in details:
        values = detail.get(name)
        found += [v for v in values if isinstance(v, dict)] if isinstance(values, list) else []
    return found


def _field(details: list[dict[str, Any]]) -> str:
    return next((v["field"] for v in _lists(details, "fieldViolations") if isinstance(v.get("field"), str)), "")


def _quota(details: list[dict[str, Any]]) -> tuple[str, ...]:
    """Quota ids; `limit:0` says that there is no quota at all for this model."""
    found: list[str] = []
    for violation in _lists(details, "violations"):
        id = violation.get("quotaId") or violation.get("quotaMetric")
        if isinstance(id, str):
            found.append(id)
        if violation.get("quotaValue") in ("0", 0):
            found.append("limit:0")
    return tuple(found)
