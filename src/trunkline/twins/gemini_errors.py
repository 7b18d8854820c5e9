"""Google's error bodies (wire-formats.md C.5)."""

from __future__ import annotations

from typing import Any

from trunkline.twins.gemini_fields import Violation
from trunkline.twins.wire import Trouble

_RPC = "type.googleapis.com/google.rpc."

#: `status` of each HTTP status.
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MESSAGES = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    402: "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    413: "Request payload size exceeds the limit: 20971520 bytes.",
    429: "Resource exhausted. Please try again later.",
    500: "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    503: "The model is overloaded. Please try again later.",
    504: "Deadline expired before operation could complete.",
}


def plain(code: int, message: str, details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The body of an error with HTTP status `code`."""
    error: dict[str, Any] = {"code": code, "message": message, "status": _STATUS.get(code, "UNKNOWN")}
    if details:
        error["details"] = details
    return {"error": error}


def overloaded() -> dict[str, Any]:
    return plain(503, _MESSAGES[503])


def no_key() -> dict[str, Any]:
    return plain(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
        "form of API consumer identity to call this API.",
    )


def bad_key() -> dict[str, Any]:
    """Google says 400, not 401."""
    text = "API key not valid. Please pass a valid API key."
    info = {
        "@type": _RPC + "ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    localized = {"@type": _RPC + "LocalizedMessage", "locale": "en-US", "message": text}
    return plain(400, text, [info, localized])


def violations(found: list[Violation]) -> dict[str, Any]:
    """What the parser of the body did not like, all of it."""
    fields = [{"field": one.field, "description": one.description} for one in found]
    text = "\n".join(one.description for one in found)
    return plain(400, text, [{"@type": _RPC + "BadRequest", "fieldViolations": fields}])


def of_trouble(trouble: Trouble, model: str) -> dict[str, Any]:
    match trouble.kind:
        case "bad_credential":
            return bad_key()
        case "context_length":
            text = "The input token count (1048603) exceeds the maximum number of tokens allowed (1048576)."
            return plain(400, text)
        case "quota":
            return _exhausted(model, "generate_requests_per_model_per_day", "PerDay", 35640, "9h54m0s")
        case "throttle" if trouble.delay is None:
            return plain(429, _MESSAGES[429])
        case "throttle":
            delay = trouble.delay or 0
            return _exhausted(model, "generate_content_requests", "PerMinute", delay, f"{delay:g}s")
        case "status":
            return plain(trouble.status, _MESSAGES.get(trouble.status, "An error has occurred."))


def _exhausted(model: str, metric: str, period: str, delay: float, words: str) -> dict[str, Any]:
    """429 with the metric and the delay in RetryInfo, which is where Google puts it (there is no header)."""
    metric = f"generativelanguage.googleapis.com/{metric}"
    text = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        "error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. \n"
        f"* Quota exceeded for metric: {metric}, limit: 1000, model: {model}\nPlease retry in {words}."
    )
    violation = {
        "quotaMetric": metric,
        "quotaId": f"GenerateRequests{period}PerProjectPerModel",
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": "1000",
    }
    help_link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    return plain(
        429,
        text,
        [
            {"@type": _RPC + "Help", "links": [help_link]},
            {"@type": _RPC + "QuotaFailure", "violations": [violation]},
            {"@type": _RPC + "RetryInfo", "retryDelay": f"{delay:g}s"},
        ],
    )
