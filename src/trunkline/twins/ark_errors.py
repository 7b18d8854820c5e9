"""Ark's error words (wire-formats.md D.5)."""

from __future__ import annotations

from trunkline.twins.ask import Problem

#: `type` of each HTTP status.
TYPES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    413: "RequestEntityTooLarge",
    429: "TooManyRequests",
    500: "InternalServerError",
}

#: Code and message of plain status errors.
STATUS = {
    400: ("InvalidParameter", "A parameter specified in the request is not valid."),
    401: ("AuthenticationError", "The API key or AK/SK in the request is missing or invalid."),
    403: ("AccessDenied", "The request failed because you do not have access to the requested resource."),
    404: ("InvalidEndpointOrModel.NotFound", "The model or endpoint does not exist or you do not have access to it."),
    413: ("InvalidParameter", "The request body is too large."),
    429: ("AccountRateLimitExceeded", "The request has exceeded the account rate limit."),
    500: ("InternalServiceError", "The service encountered an unexpected internal error."),
    503: ("ServerOverloaded", "The service is currently overloaded. Please try again later."),
}

#: The same of the store that results lie in; it speaks XML.
STORE_STATUS = {
    400: ("BadRequest", "The request is not valid."),
    403: ("AccessDenied", "Access Denied."),
    404: ("NoSuchKey", "The specified key does not exist."),
    429: ("ExceedAccountQPSLimit", "Please reduce your request rate."),
    500: ("InternalError", "We encountered an internal error. Please try again."),
    503: ("SlowDown", "Please reduce your request rate."),
}

_MISSING = {"missing_required_parameter", "empty_array"}


def translate(problem: Problem) -> tuple[str, str]:
    """Code and message for a mistake found by the shared reader."""
    if problem.code in _MISSING:
        return "MissingParameter", f"The request failed because it is missing `{problem.param}` parameter."
    if problem.code == "context_length_exceeded":
        return "OutofContextError", "The input tokens exceed the maximum context length of the model."
    if problem.param:
        text = f"The parameter `{problem.param}` specified in the request is not valid: {problem.message}"
        return "InvalidParameter", text
    return "InvalidParameter", f"A parameter specified in the request is not valid: {problem.message}"
