"""Errors of generateContent, both ways. Shapes: wire-formats.md C.5; words per kind: reliability.md 1.14."""

from __future__ import annotations

import json
import math
from typing import Any, assert_never

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure, Kind, http_status

PLAIN_TEXT = 500
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
            return "NOT_FOUND" if failure.status == 404 else "INVALID_ARGUMENT"
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


def error_body(failure: Failure) -> bytes:
    error: dict[str, Any] = {"code": http_status(failure), "message": failure.message, "status": word(failure)}
    details: list[dict[str, Any]] = []
    if failure.code:
        details.append({"@type": _RPC + "ErrorInfo", "reason": failure.code.upper(), "domain": "trunkline"})
    if failure.delay is not None and failure.kind in (Kind.RATE_LIMITED, Kind.THROTTLED):
        details.append({"@type": _RPC + "RetryInfo", "retryDelay": f"{max(1, math.ceil(failure.delay))}s"})
    if details:
        error["details"] = details
    return json.dumps({"error": error}).encode()


def error_event(failure: Failure) -> bytes:
    return b"data: " + error_body(failure) + b"\r\n\r\n"


def read_error(status: int, body: bytes) -> ErrorFacts:
    """Never raises. A stream that is no SSE wraps its error into a list of one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorFacts(message=body[:PLAIN_TEXT].decode("utf-8", "replace").strip(), status=status)
    if isinstance(value, list) and value:
        value = value[-1]
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return ErrorFacts(message=str(error)[:PLAIN_TEXT], status=status)
    code = error.get("code")
    details = error.get("details")
    found = [d for d in details if isinstance(d, dict)] if isinstance(details, list) else []
    return ErrorFacts(
        message=str(error.get("message") or ""),
        type=str(error.get("status") or ""),
        code=str(code) if isinstance(code, str) else "",
        reason=_reason(found),
        status=code if isinstance(code, int) and 100 <= code <= 599 else status,
        delay=_delay(found),
        quota=_quota(found),
    )


def _reason(details: list[dict[str, Any]]) -> str:
    return next((str(d["reason"]) for d in details if isinstance(d.get("reason"), str)), "")


def _delay(details: list[dict[str, Any]]) -> float | None:
    for detail in details:
        text = detail.get("retryDelay")
        if isinstance(text, str) and text.endswith("s"):
            try:
                delay = float(text[:-1])
            except ValueError:
                continue
            return delay if 0 <= delay < 1e7 else None
    return None


def _quota(details: list[dict[str, Any]]) -> tuple[str, ...]:
    found = []
    for detail in details:
        violations = detail.get("violations")
        for violation in violations if isinstance(violations, list) else ():
            if isinstance(violation, dict):
                found.append(str(violation.get("quotaId") or violation.get("quotaMetric") or ""))
                if str(violation.get("quotaValue")) == "0":
                    found.append("limit:0")
    return tuple(found)
