"""Errors of Chat Completions, both ways. Shapes: wire-formats.md A.3, D.5; words per kind: reliability.md 1.14."""

from __future__ import annotations

import json
import re
from typing import Any, assert_never

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure, Kind

PLAIN_TEXT = 500  # characters of a message that is no string, or of a body that is no JSON
PLAIN_BYTES = 4096  # where the title of an HTML page is looked for
_TITLE = re.compile(r"<title[^>]*>([^<]{1,500})</title", re.IGNORECASE)


def words(failure: Failure) -> tuple[str, str | None]:
    """(type, code) of a failure."""
    match failure.kind:
        case Kind.UNAUTHENTICATED:
            return "authentication_error", "invalid_api_key"
        case Kind.FORBIDDEN:
            return "permission_error", "forbidden"
        case Kind.UNKNOWN_MODEL:
            return "invalid_request_error", "model_not_found"
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
    """OpenAI, Ark and compatible servers: `{error: {…}}`, `{error: "…"}`, the bare object, `{detail: …}`, a list of
    one. Anything else gives its text, or the title of a page."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ErrorFacts(message=_plain(body), status=status)
    error = _innermost(value)
    if not isinstance(error, dict):
        return ErrorFacts(message=_text(error), status=status)
    return ErrorFacts(
        message=_text(error.get("message") or error.get("detail") or error.get("msg")) or _text(error),
        type=_text(error.get("type")),
        code=_text(error.get("code")),
        param=_text(error.get("param")),
        status=status,
    )


def _innermost(value: Any) -> Any:
    for _ in range(4):
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        elif isinstance(value, dict) and value.get("error"):
            value = value["error"]
        elif isinstance(value, dict) and isinstance(value.get("errors"), list) and len(value["errors"]) == 1:
            value = value["errors"][0]
        else:
            break
    return value


def _plain(body: bytes) -> str:
    text = body[:PLAIN_BYTES].decode("utf-8", "replace")
    title = _TITLE.search(text)
    return " ".join((title.group(1) if title else text).split())[:PLAIN_TEXT]


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return json.dumps(value)[:PLAIN_TEXT]
