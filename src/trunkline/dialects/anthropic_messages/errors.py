"""Errors of Messages, both ways. Shapes: wire-formats.md B.4, B.5; words per kind: reliability.md 1.14."""

from __future__ import annotations

import json
from typing import Any, assert_never

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure, Kind

PLAIN_TEXT = 500
TOO_LONG = "prompt is too long"


def word(failure: Failure) -> str:
    match failure.kind:
        case Kind.UNAUTHENTICATED:
            return "authentication_error"
        case Kind.FORBIDDEN:
            return "permission_error"
        case Kind.UNKNOWN_MODEL:
            return "not_found_error"
        case Kind.INVALID_REQUEST:
            return {413: "request_too_large", 404: "not_found_error"}.get(failure.status, "invalid_request_error")
        case Kind.CONTEXT_LENGTH | Kind.CAPABILITY | Kind.REFUSED_CONTENT:
            return "invalid_request_error"
        case Kind.RATE_LIMITED | Kind.THROTTLED:
            return "rate_limit_error"
        case Kind.OVER_BUDGET:
            return "billing_error"
        case Kind.OVERLOADED | Kind.NO_CANDIDATE:
            return "overloaded_error"
        case Kind.TIMED_OUT:
            return "timeout_error"
        case Kind.UNREACHABLE | Kind.UPSTREAM_ERROR | Kind.STREAM_BROKEN | Kind.CANCELLED | Kind.INTERNAL:
            return "api_error"
        case _:
            assert_never(failure.kind)


def error_body(failure: Failure, request_id: str) -> bytes:
    message = failure.message
    if failure.kind is Kind.CONTEXT_LENGTH and TOO_LONG not in message:
        # Clients look for these words (wire-formats.md E.11).
        message = f"{TOO_LONG}: {message}"
    error = {"type": word(failure), "message": message}
    return json.dumps({"type": "error", "error": error, "request_id": request_id or None}).encode()


def error_event(failure: Failure, request_id: str) -> bytes:
    return b"event: error\ndata: " + error_body(failure, request_id) + b"\n\n"


def read_error(status: int, body: bytes) -> ErrorFacts:
    """Never raises; what is no Messages error gives its text."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorFacts(message=body[:PLAIN_TEXT].decode("utf-8", "replace").strip(), status=status)
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return ErrorFacts(message=str(error)[:PLAIN_TEXT], status=status)
    details = error.get("details")
    return ErrorFacts(
        message=_text(error.get("message")),
        type=_text(error.get("type")),
        code=_text(error.get("code")),
        reason=_text(details.get("error_code")) if isinstance(details, dict) else "",
        status=status,
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)[:PLAIN_TEXT]
