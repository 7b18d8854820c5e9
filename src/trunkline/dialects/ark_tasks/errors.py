"""Errors of ModelArk's task API, both ways. Shapes: wire-formats.md D.5; words per kind: reliability.md 1.14."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from trunkline.types.failure import Failure, Kind, http_status

#: `type` of each status (wire-formats.md D.5).
TYPES = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}


def word(failure: Failure) -> str:
    """The code of a failure."""
    match failure.kind:
        case Kind.UNAUTHENTICATED:
            return "AuthenticationError"
        case Kind.FORBIDDEN:
            return "AccessDenied"
        case Kind.UNKNOWN_MODEL:
            return "InvalidEndpointOrModel.NotFound"
        case Kind.INVALID_REQUEST:
            return "NotFound" if http_status(failure) == 404 else "InvalidParameter"
        case Kind.CONTEXT_LENGTH:
            return "OutofContextError"
        case Kind.CAPABILITY:
            return "InvalidParameter.UnsupportedParameter"
        case Kind.REFUSED_CONTENT:
            return failure.code or "SensitiveContentDetected"
        case Kind.RATE_LIMITED:
            return "AccountRateLimitExceeded"
        case Kind.OVER_BUDGET:
            return "SetLimitExceeded"
        case Kind.THROTTLED:
            return "RateLimitExceeded"
        case Kind.OVERLOADED | Kind.NO_CANDIDATE:
            return "ServerOverloaded"
        case Kind.UNREACHABLE | Kind.UPSTREAM_ERROR | Kind.STREAM_BROKEN | Kind.TIMED_OUT:
            return "InternalServiceError"
        case Kind.CANCELLED | Kind.INTERNAL:
            return "InternalServiceError"
        case _:
            assert_never(failure.kind)


def error_body(failure: Failure, request_id: str) -> bytes:
    """The request id stands inside the message, as Ark's does."""
    status = http_status(failure)
    message = f"{failure.message} Request id: {request_id}" if request_id else failure.message
    error: dict[str, Any] = {
        "code": word(failure),
        "message": message,
        "param": failure.param,
        "type": TYPES.get(status, "InternalServerError" if status >= 500 else "BadRequest"),
    }
    return msgspec.json.encode({"error": error})
