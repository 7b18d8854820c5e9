"""Errors of Chat Completions, both ways. Shapes: wire-formats.md A.3, D.5; words per kind: reliability.md 1.14."""

from __future__ import annotations

import json
from typing import Any, assert_never

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure, Kind

PLAIN_TEXT = 500  # characters of a body that is no JSON


def words(failure: Failure) -> tuple[str, str | None]:
    """(type, code) of a failure."""
    match failure.kind:
        case Kind.UNAUTHENTICATED:
            return "authentication_error", "invalid_api_key"
        case Kind.FORBIDDEN:
            return "permission_error", "forbidden"
        case Kind.UNKNOWN_MODEL:
            return "invalid_request_error", failure.code or "model_not_found"
        case Kind.INVALID_REQUEST:
            return "invalid_request_error", failure.code or None
        case Kind.CONTEXT_LENGTH:
            return "invalid_request_error", "context_length_exceeded"
        case Kind.CAPABILITY:
            return "invalid_request_error", "unsupported_value"
        case Kind.REFUSED_CONTENT:
            return "invalid_request_error", "content_policy_violation"
        case Kind.RATE_LIMITED:
            return "rate_limit_error", "rate_limit_exceeded"
        case Kind.OVER_BUDGET:
            return "insufficient_quota", "insufficient_quota"
        case Kind.THROTTLED:
            return "rate_limit_error", "provider_rate_limited"
        case Kind.OVERLOADED:
            return "service_unavailable_error", "server_is_overloaded"
        case Kind.NO_CANDIDATE:
            return "service_unavailable_error", "no_candidate"
        case Kind.UNREACHABLE | Kind.UPSTREAM_ERROR | Kind.STREAM_BROKEN:
            return "server_error", failure.kind.value
        case Kind.TIMED_OUT:
            return "server_error", "timeout"
        case Kind.CANCELLED | Kind.INTERNAL:
            return "server_error", "internal"
        case _:
            assert_never(failure.kind)


def error_object(failure: Failure) -> dict[str, Any]:
    kind, code = words(failure)
    return {"message": failure.message, "type": kind, "param": failure.param or None, "code": code}


def error_body(failure: Failure) -> bytes:
    return json.dumps({"error": error_object(failure)}).encode()


def error_event(failure: Failure) -> bytes:
    """The SDK raises APIError on it (wire-formats.md A.3); no `[DONE]` follows."""
    return b"data: " + error_body(failure) + b"\n\n"


def read_error(status: int, body: bytes) -> ErrorFacts:
    """OpenAI, Ark and compatible servers; anything else gives its text."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorFacts(message=body[:PLAIN_TEXT].decode("utf-8", "replace").strip(), status=status)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, str):
        return ErrorFacts(message=error, status=status)
    if not isinstance(error, dict):
        return ErrorFacts(message=str(error)[:PLAIN_TEXT], status=status)
    return ErrorFacts(
        message=_text(error.get("message") or error.get("detail")),
        type=_text(error.get("type")),
        code=_text(error.get("code")),
        param=_text(error.get("param")),
        status=status,
    )


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)[:PLAIN_TEXT]
