"""What each provider's signals mean. Every row is written by hand from reliability.md section 1 and wire-formats.md
A.3, B.5, C.5, D.5 and F; bodies go through the dialect that reads them, as in service."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from provider_samples import NOW, judge
from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.registry import DIALECTS
from trunkline.providers import PROVIDERS
from trunkline.types.failure import Failure, http_status
from trunkline.types.wire import Headers


def openai(message: str = "m", **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": None, "param": None, "code": None, **fields}}


def anthropic(type: str, message: str = "m", code: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {"type": type, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": "req_1"}


def gemini(code: int, status: str, message: str = "m", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def reason(word: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": word, "domain": "googleapis.com"}


def wait(seconds: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": seconds}


def quota(id: str, value: str = "1000") -> dict[str, Any]:
    violation = {"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": id, "quotaValue": value}
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


def ark(code: str, message: str = "m", type: str = "") -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "param": "", "type": type}}


class Case(NamedTuple):
    status: int
    body: Any
    fault: str
    kind: str
    penalty: str = "nothing"
    headers: Headers = []
    delay: float | None = None


def classified(kind: str, case: Case) -> Failure:
    provider = PROVIDERS[kind]
    body = case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()
    facts = DIALECTS[provider.dialects[0]].read_error(case.status, body)
    return provider.classify(case.status, case.headers, facts, now=NOW)


def check(kind: str, case: Case) -> None:
    failure = classified(kind, case)
    found = (failure.fault.value, failure.kind.value, failure.penalty, failure.delay)
    assert found == (case.fault, case.kind, case.penalty, case.delay)


IRE = "invalid_request_error"
OPENAI = [
    Case(400, openai(type=IRE, code="context_length_exceeded"), "F8", "context_length"),
    Case(400, openai(type=IRE, code="unsupported_value", param="temperature"), "F10", "capability"),
    Case(400, openai(type=IRE, code="unsupported_parameter", param="max_tokens"), "F10", "capability"),
    Case(400, openai(type=IRE, code="string_above_max_length"), "F7", "invalid_request"),
    Case(400, openai(type=IRE, code="invalid_image_url"), "F7", "invalid_request"),
    Case(400, openai(type=IRE, code="invalid_prompt"), "F9", "refused_content"),
    Case(400, openai(type=IRE, code="content_policy_violation"), "F9", "refused_content"),
    Case(400, openai(code="image_content_policy_violation"), "F9", "refused_content"),
    Case(400, openai(code="bio_policy"), "F9", "refused_content"),
    Case(400, openai(code="misalignment_policy_violation"), "F9", "refused_content"),
    Case(400, openai(code="data_residency_mismatch"), "F7", "invalid_request"),
    Case(
        400,
        openai(
            "Function tools with reasoning_effort are not supported for gpt-5.6-sol in /v1/chat/completions. "
            "To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
            type=IRE,
            param="reasoning_effort",
        ),
        "F10",
        "capability",
    ),
    Case(400, openai("you must provide a model parameter", type=IRE), "F7", "invalid_request"),
    Case(401, openai(type=IRE, code="invalid_api_key"), "F4", "no_candidate", "credential"),
    Case(401, openai(type="authentication_error"), "F4", "no_candidate", "credential"),
    Case(401, openai("Your IP is not allowed", type=IRE), "F4", "no_candidate", "credential_model"),
    Case(402, openai(), "F4", "no_candidate", "credential"),
    Case(403, openai("Country not supported"), "F4", "no_candidate", "credential_model"),
    Case(404, openai(type=IRE, code="model_not_found"), "F5", "no_candidate", "endpoint"),
    Case(404, openai("This is not a chat model", type=IRE, param="model"), "F5", "no_candidate", "endpoint"),
    Case(404, openai("Invalid URL (POST /v2/chat/completions)", type=IRE), "F5", "no_candidate", "endpoint"),
    Case(404, openai("No such File object: file-abc", type=IRE, param="file_id"), "F7", "invalid_request"),
    Case(404, b"<html>404 page not found</html>", "F5", "no_candidate", "endpoint"),
    Case(405, openai(type=IRE), "F7", "invalid_request"),
    Case(408, openai(), "F1", "upstream_error"),
    Case(409, openai(), "F1", "upstream_error"),
    Case(411, openai(type=IRE), "F7", "invalid_request"),
    Case(413, openai(type=IRE), "F7", "invalid_request"),
    Case(415, openai(type=IRE), "F7", "invalid_request"),
    Case(418, openai(), "F7", "invalid_request"),
    Case(422, openai(type=IRE), "F7", "invalid_request"),
    Case(429, openai(type="requests", code="rate_limit_exceeded"), "F3", "throttled", "credential_model"),
    Case(
        429,
        openai(type="tokens", code="rate_limit_exceeded"),
        "F2",
        "throttled",
        "credential_model",
        [(b"retry-after-ms", b"1250"), (b"retry-after", b"2")],
        1.25,
    ),
    Case(429, openai(type="rate_limit_error", code="slow_down"), "F3", "throttled", "credential_model"),
    Case(429, openai(type="insufficient_quota", code="insufficient_quota"), "F4", "no_candidate", "credential_model"),
    Case(429, openai(type="insufficient_quota"), "F4", "no_candidate", "credential_model"),
    Case(429, openai(code="credit_balance_exhausted"), "F4", "no_candidate", "credential"),
    Case(429, openai(code="organization_spend_limit_exceeded"), "F4", "no_candidate", "credential_model"),
    Case(429, openai(code="project_spend_limit_exceeded"), "F4", "no_candidate", "credential_model"),
    Case(429, openai(code="organization_usage_limit_exceeded"), "F4", "no_candidate", "credential_model"),
    Case(500, openai(type="server_error"), "F1", "upstream_error", "endpoint"),
    Case(502, b"<html>Bad gateway</html>", "F1", "upstream_error", "endpoint"),
    Case(503, openai(type="service_unavailable_error", code="server_is_overloaded"), "F1", "overloaded", "endpoint"),
    Case(503, openai(), "F2", "overloaded", "endpoint", [(b"retry-after", b"7")], 7.0),
    Case(504, b"", "F1", "upstream_error", "endpoint"),
    Case(520, b"cloudflare", "F1", "upstream_error", "endpoint"),
    Case(529, openai(), "F1", "overloaded", "endpoint"),
    Case(529, openai(), "F2", "overloaded", "endpoint", [(b"retry-after", b"3")], 3.0),
    Case(302, b"", "F1", "upstream_error", "endpoint"),
    # error events inside a 200
    Case(200, openai(type="server_error"), "F1", "upstream_error", "endpoint"),
    Case(200, openai(type="rate_limit_error", code="rate_limit_exceeded"), "F3", "throttled", "credential_model"),
    Case(200, openai(type="service_unavailable_error"), "F1", "overloaded", "endpoint"),
    Case(200, openai(type=IRE, code="context_length_exceeded"), "F8", "context_length"),
    Case(200, openai(type=IRE), "F7", "invalid_request"),
    Case(200, openai(type=IRE, code="invalid_api_key"), "F4", "no_candidate", "credential"),
    Case(200, b'{"error": "boom"}', "F1", "upstream_error", "endpoint"),
]
ANTHROPIC = [
    Case(400, anthropic(IRE, "prompt is too long: 201000 tokens > 200000 maximum"), "F8", "context_length"),
    Case(400, anthropic(IRE, "messages: field required"), "F7", "invalid_request"),
    Case(400, anthropic(IRE, "tool names must be unique", "tool_name_conflict"), "F7", "invalid_request"),
    Case(400, anthropic(IRE, "images", "image_dimensions_too_large"), "F7", "invalid_request"),
    Case(400, anthropic(IRE, "held", "organization_on_hold"), "F4", "no_candidate", "credential"),
    Case(
        400,
        anthropic(IRE, "You have reached your specified API usage limits. You will regain access on 2026-12-01."),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(
        400,
        anthropic(IRE, "You have reached your specified workspace API usage limits."),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(
        400,
        anthropic(IRE, "This model does not support assistant message prefill. The conversation must end with a user"),
        "F10",
        "capability",
    ),
    Case(
        400,
        anthropic(IRE, 'tool_choice: type "tool" and "any" are not supported for this model.'),
        "F10",
        "capability",
    ),
    Case(400, anthropic(IRE, "adaptive thinking is not supported on this model"), "F10", "capability"),
    Case(401, anthropic("authentication_error", "invalid x-api-key"), "F4", "no_candidate", "credential"),
    Case(402, anthropic("billing_error"), "F4", "no_candidate", "credential"),
    Case(403, anthropic("permission_error"), "F4", "no_candidate", "credential_model"),
    Case(404, anthropic("not_found_error", "model: claude-sonnet-9"), "F5", "no_candidate", "endpoint"),
    Case(404, anthropic("not_found_error", "File not found: file_011 for this model"), "F7", "invalid_request"),
    Case(404, b"nginx", "F5", "no_candidate", "endpoint"),
    Case(409, anthropic("conflict_error"), "F1", "upstream_error"),
    Case(413, anthropic("request_too_large"), "F7", "invalid_request"),
    Case(429, anthropic("rate_limit_error"), "F4", "no_candidate", "credential_model"),
    Case(429, anthropic("rate_limit_error"), "F2", "throttled", "credential_model", [(b"retry-after", b"12")], 12.0),
    Case(429, anthropic("rate_limit_error"), "F3", "throttled", "credential_model", [(b"retry-after", b"0")]),
    Case(429, anthropic("rate_limit_error", code="ramp_limit_exceeded"), "F3", "throttled", "credential_model"),
    Case(
        429,
        anthropic("rate_limit_error", code="enforced_spend_limit_reached"),
        "F4",
        "no_candidate",
        "credential_model",
        [(b"retry-after", b"60")],
        60.0,
    ),
    Case(
        429,
        anthropic("rate_limit_error", code="contract_spend_limit_reached"),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(500, anthropic("api_error"), "F1", "upstream_error", "endpoint"),
    Case(503, anthropic("api_error"), "F1", "overloaded", "endpoint"),
    Case(504, anthropic("timeout_error"), "F1", "upstream_error", "endpoint"),
    Case(529, anthropic("overloaded_error"), "F1", "overloaded", "endpoint"),
    Case(529, anthropic("overloaded_error"), "F2", "overloaded", "endpoint", [(b"retry-after", b"1")], 1.0),
    Case(200, anthropic("overloaded_error", "Overloaded"), "F1", "overloaded", "endpoint"),
    Case(200, anthropic("rate_limit_error"), "F3", "throttled", "credential_model"),
    Case(200, anthropic("api_error"), "F1", "upstream_error", "endpoint"),
    Case(200, anthropic("timeout_error"), "F1", "upstream_error", "endpoint"),
    Case(200, anthropic(IRE, "prompt is too long: 9 tokens > 8 maximum"), "F8", "context_length"),
    Case(200, anthropic("authentication_error"), "F4", "no_candidate", "credential"),
    Case(200, anthropic("news_to_us"), "F1", "upstream_error", "endpoint"),
]
DAY, MINUTE = quota("GenerateRequestsPerDayPerProjectPerModel"), quota("GenerateRequestsPerMinutePerProjectPerModel")
EXHAUSTED = "RESOURCE_EXHAUSTED"
GOOGLE = [
    Case(400, gemini(400, "INVALID_ARGUMENT", "* contents is not specified"), "F7", "invalid_request"),
    Case(
        400,
        gemini(400, "INVALID_ARGUMENT", "API key not valid.", reason("API_KEY_INVALID")),
        "F4",
        "no_candidate",
        "credential",
    ),
    Case(
        400,
        gemini(
            400, "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1)"
        ),
        "F8",
        "context_length",
    ),
    Case(
        400,
        gemini(400, "INVALID_ARGUMENT", "Image input modality is not enabled for models/gemini-3.8-flash"),
        "F10",
        "capability",
    ),
    Case(400, gemini(400, "INVALID_ARGUMENT", "Thinking is not supported by this model."), "F10", "capability"),
    Case(
        400,
        gemini(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(401, gemini(401, "UNAUTHENTICATED"), "F4", "no_candidate", "credential"),
    Case(402, gemini(402, EXHAUSTED, "prepay depleted"), "F4", "no_candidate", "credential"),
    Case(403, gemini(403, "PERMISSION_DENIED"), "F4", "no_candidate", "credential_model"),
    Case(
        403,
        gemini(403, "PERMISSION_DENIED", "off", reason("SERVICE_DISABLED")),
        "F4",
        "no_candidate",
        "credential",
    ),
    Case(
        403,
        gemini(403, "PERMISSION_DENIED", "You do not have permission to access the File abc or it may not exist."),
        "F7",
        "invalid_request",
    ),
    Case(
        404,
        gemini(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta, or is not supported"),
        "F5",
        "no_candidate",
        "endpoint",
    ),
    Case(404, gemini(404, "NOT_FOUND", "Requested entity was not found."), "F7", "invalid_request"),
    Case(429, gemini(429, EXHAUSTED, "m", MINUTE, wait("46s")), "F2", "throttled", "credential_model", delay=46.0),
    Case(429, gemini(429, EXHAUSTED, "m", MINUTE), "F3", "throttled", "credential_model"),
    Case(429, gemini(429, EXHAUSTED, "m", DAY), "F4", "no_candidate", "credential_model"),
    Case(
        429,
        gemini(429, EXHAUSTED, "m", DAY, wait("35652s")),
        "F4",
        "no_candidate",
        "credential_model",
        delay=35652.0,
    ),
    Case(
        429,
        gemini(429, EXHAUSTED, "Quota exceeded. Please retry in 9h54m12.5s."),
        "F4",
        "no_candidate",
        "credential_model",
        delay=35652.5,
    ),
    Case(429, gemini(429, EXHAUSTED, "Please retry in 12.5s."), "F2", "throttled", "credential_model", delay=12.5),
    Case(
        429,
        gemini(429, EXHAUSTED, "* Quota exceeded for metric: x, limit: 0, model: gemini-3.8-pro"),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(
        429,
        gemini(429, EXHAUSTED, "m", quota("GenerateRequestsPerMinutePerProjectPerModel", "0"), wait("46s")),
        "F4",
        "no_candidate",
        "credential_model",
        delay=46.0,
    ),
    Case(499, gemini(499, "CANCELLED"), "F1", "upstream_error"),
    Case(500, gemini(500, "INTERNAL"), "F1", "upstream_error", "endpoint"),
    Case(503, gemini(503, "UNAVAILABLE"), "F1", "overloaded", "endpoint"),
    Case(503, gemini(503, "UNAVAILABLE", "m", wait("3s")), "F2", "overloaded", "endpoint", delay=3.0),
    Case(504, gemini(504, "DEADLINE_EXCEEDED"), "F1", "upstream_error", "endpoint"),
    Case(503, [gemini(503, "UNAVAILABLE")], "F1", "overloaded", "endpoint"),
    Case(200, gemini(503, "UNAVAILABLE"), "F1", "overloaded", "endpoint"),
    Case(200, gemini(429, EXHAUSTED, "m", MINUTE, wait("2s")), "F2", "throttled", "credential_model", delay=2.0),
    Case(200, gemini(429, EXHAUSTED, "m", DAY), "F4", "no_candidate", "credential_model"),
    Case(200, {"error": {"status": "UNAVAILABLE", "message": "m"}}, "F1", "overloaded", "endpoint"),
    Case(200, gemini(400, "INVALID_ARGUMENT"), "F7", "invalid_request"),
]
MODELARK = [
    *[
        Case(429, ark(code), "F3", "throttled", "credential_model")
        for code in (
            "RateLimitExceeded.EndpointRPMExceeded",
            "RateLimitExceeded.EndpointTPMExceeded",
            "ModelAccountRpmRateLimitExceeded",
            "ModelAccountTpmRateLimitExceeded",
            "ModelAccountIpmRateLimitExceeded",
            "ServerOverloaded",
            "RequestBurstTooFast",
        )
    ],
    Case(429, ark("AccountRateLimitExceeded"), "F3", "throttled", "credential"),
    Case(429, ark("APIAccountRpmRateLimitExceeded"), "F3", "throttled", "credential"),
    Case(429, ark("InflightBatchsizeExceeded"), "F3", "throttled", "credential"),
    Case(429, ark("QuotaExceeded", "The request has exceeded the quota."), "F3", "throttled", "credential_model"),
    Case(
        429,
        ark("QuotaExceeded", "Your account has exhausted its free trial quota."),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(
        429,
        ark("QuotaExceeded", "You have used up your 5-hour usage quota; it will reset at 12:00."),
        "F4",
        "no_candidate",
        "credential_model",
    ),
    Case(429, ark("SetLimitExceeded"), "F4", "no_candidate", "credential_model"),
    Case(401, ark("AuthenticationError"), "F4", "no_candidate", "credential"),
    Case(401, ark("InvalidAccountStatus"), "F4", "no_candidate", "credential"),
    Case(403, ark("AccountOverdueError"), "F4", "no_candidate", "credential"),
    Case(403, ark("AccessDenied"), "F4", "no_candidate", "credential_model"),
    Case(403, ark("OperationDenied.ServiceNotOpen"), "F4", "no_candidate", "credential_model"),
    Case(403, ark("OperationDenied.ServiceOverdue"), "F4", "no_candidate", "credential"),
    Case(403, ark("OperationDenied.InvalidState"), "F4", "no_candidate", "credential_model"),
    Case(404, ark("ModelNotOpen"), "F5", "no_candidate", "endpoint"),
    Case(404, ark("InvalidEndpointOrModel.NotFound"), "F5", "no_candidate", "endpoint"),
    Case(404, ark("InvalidEndpointOrModel.ModelIDAccessDisabled"), "F5", "no_candidate", "endpoint"),
    Case(404, ark("UnsupportedModel"), "F5", "no_candidate", "endpoint"),
    Case(404, ark("NotFound.File"), "F7", "invalid_request"),
    Case(400, ark("InvalidEndpoint.ClosedEndpoint"), "F5", "no_candidate", "endpoint"),
    Case(400, ark("OutofContextError"), "F8", "context_length"),
    Case(400, ark("InvalidParameter"), "F7", "invalid_request"),
    Case(400, ark("MissingParameter.messages"), "F7", "invalid_request"),
    Case(400, ark("InvalidImageURL.InvalidFormat"), "F7", "invalid_request"),
    Case(400, ark("InvalidParameter.UnsupportedParameter"), "F10", "capability"),
    Case(400, ark("SensitiveContentDetected.Violence"), "F9", "refused_content"),
    Case(400, ark("InputTextSensitiveContentDetected.PolicyViolation"), "F9", "refused_content"),
    Case(400, ark("OutputImageRiskDetection"), "F9", "refused_content"),
    Case(400, ark("ContentSecurityDetectionError"), "F1", "upstream_error", "endpoint"),
    Case(500, ark("InternalServiceError"), "F1", "upstream_error", "endpoint"),
    Case(503, ark("ServerOverloaded"), "F1", "overloaded", "endpoint"),
    Case(200, ark("ServerOverloaded"), "F3", "throttled", "credential_model"),
    Case(200, ark("InternalServiceError"), "F1", "upstream_error", "endpoint"),
    Case(200, ark("InvalidParameter", type="BadRequest"), "F7", "invalid_request"),
]
COMPATIBLE = [
    # vLLM
    Case(
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        "F8",
        "context_length",
    ),
    Case(
        404,
        {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
        "F5",
        "no_candidate",
        "endpoint",
    ),
    Case(200, {"error": {"message": "m", "type": "BadRequestError", "code": 400}}, "F7", "invalid_request"),
    Case(200, {"error": {"message": "m", "code": 502}}, "F1", "upstream_error", "endpoint"),
    Case(401, {"error": "Unauthorized"}, "F4", "no_candidate", "credential_model"),
    # llama.cpp, Ollama, Groq, Mistral, DeepSeek
    Case(
        400,
        {"error": {"code": 400, "message": "the request exceeds", "type": "exceed_context_size_error"}},
        "F8",
        "context_length",
    ),
    Case(404, openai("model 'x' not found", type="api_error"), "F5", "no_candidate", "endpoint"),
    Case(404, openai(type=IRE, code="model_not_found"), "F5", "no_candidate", "endpoint"),
    Case(
        400, {"message": "Invalid model: x", "type": "invalid_model", "code": "1500"}, "F5", "no_candidate", "endpoint"
    ),
    Case(402, openai("Insufficient Balance"), "F4", "no_candidate", "credential"),
    Case(400, openai("registry/x does not support tools: this model does not support tools"), "F10", "capability"),
    Case(404, b"404 page not found", "F5", "no_candidate", "endpoint"),
    Case(422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "F7", "invalid_request"),
    Case(429, b"slow", "F3", "throttled", "credential_model"),
    Case(429, b"slow", "F2", "throttled", "credential_model", [(b"retry-after", b"1.5")], 1.5),
    Case(503, b"", "F1", "overloaded", "endpoint"),
]


@pytest.mark.parametrize("case", OPENAI, ids=str)
def test_openai_means(case: Case) -> None:
    check("openai", case)


@pytest.mark.parametrize("case", ANTHROPIC, ids=str)
def test_anthropic_means(case: Case) -> None:
    check("anthropic", case)


@pytest.mark.parametrize("case", GOOGLE, ids=str)
def test_google_means(case: Case) -> None:
    check("google", case)


@pytest.mark.parametrize("case", MODELARK, ids=str)
def test_modelark_means(case: Case) -> None:
    check("modelark", case)


@pytest.mark.parametrize("case", COMPATIBLE, ids=str)
def test_a_compatible_server_means(case: Case) -> None:
    check("openai_compatible", case)


# --- what follows from a class --------------------------------------------------------------------------------------------
ALL = [
    (kind, case)
    for kind, cases in (
        ("openai", OPENAI),
        ("anthropic", ANTHROPIC),
        ("google", GOOGLE),
        ("modelark", MODELARK),
        ("openai_compatible", COMPATIBLE),
    )
    for case in cases
]


@pytest.mark.parametrize(("kind", "case"), ALL, ids=str)
def test_an_infrastructure_failure_is_never_401_403_or_404(kind: str, case: Case) -> None:
    failure = classified(kind, case)
    assert http_status(failure) not in (401, 402, 403)
    if http_status(failure) == 404:
        assert failure.fault.value == "F7"


@pytest.mark.parametrize(("kind", "case"), ALL, ids=str)
def test_retry_and_blame_follow_from_the_class(kind: str, case: Case) -> None:
    failure = classified(kind, case)
    match failure.fault.value:
        case "F1":
            assert failure.source == "upstream"
            assert failure.retry == ("backoff" if failure.signal else "never")
        case "F2":
            assert (failure.source, failure.retry) == ("upstream", "after")
            assert failure.signal in ("429", "503", "529")
        case "F3":
            assert (failure.source, failure.retry, failure.signal) == ("upstream", "backoff", "429")
        case "F4" | "F5":
            assert (failure.source, failure.retry, failure.signal) == ("upstream", "never", "")
        case _:
            assert (failure.source, failure.retry, failure.signal) == ("client", "never", "")


@pytest.mark.parametrize(("kind", "case"), ALL, ids=str)
def test_what_the_provider_says_about_our_credential_is_not_told_to_the_caller(kind: str, case: Case) -> None:
    failure = classified(kind, case)
    if failure.source == "upstream":
        assert failure.message.startswith("the provider")


@pytest.mark.parametrize(
    ("status", "signal"),
    [(500, "500"), (501, "500"), (502, "502"), (503, "503"), (504, "504"), (520, "500"), (529, "529"), (599, "500")],
)
def test_a_5xx_answers_to_its_own_word_and_an_unknown_one_to_500(status: int, signal: str) -> None:
    assert judge(PROVIDERS["openai"], status).signal == signal


def test_408_and_409_answer_to_their_own_words_and_penalise_nothing() -> None:
    timeout, conflict = judge(PROVIDERS["openai"], 408), judge(PROVIDERS["openai"], 409)
    assert (timeout.signal, timeout.penalty, conflict.signal, conflict.penalty) == ("408", "nothing", "409", "nothing")


def test_anthropic_s_overloaded_event_counts_as_its_529() -> None:
    failure = judge(PROVIDERS["anthropic"], 200, type="overloaded_error")
    assert (failure.status, failure.signal) == (529, "529")


def test_a_client_fault_carries_message_code_param_and_status() -> None:
    failure = judge(PROVIDERS["openai"], 422, message="temperature is too high", code="too_big", param="temperature")
    assert (failure.message, failure.code, failure.param, failure.status) == (
        "temperature is too high",
        "too_big",
        "temperature",
        422,
    )


def test_a_status_repeated_as_code_is_no_code() -> None:
    assert judge(PROVIDERS["openai_compatible"], 400, message="m", code="400").code == ""


def test_a_very_long_message_is_read_and_told_in_part() -> None:
    failure = judge(PROVIDERS["anthropic"], 400, message="model " * 200_000, type=IRE)
    assert failure.fault.value == "F7"
    assert len(failure.message) == 4000


def test_a_phrase_counts_only_where_the_provider_gives_no_code() -> None:
    failure = judge(PROVIDERS["anthropic"], 400, message="prompt is too long", type=IRE, reason="request_body_x")
    assert failure.fault.value == "F7"


def test_a_header_of_the_200_is_no_delay_of_the_error_event_inside_it() -> None:
    facts = ErrorFacts(type="rate_limit_error", status=200)
    failure = PROVIDERS["anthropic"].classify(200, [(b"retry-after", b"9")], facts, now=NOW)
    assert (failure.fault.value, failure.delay) == ("F3", None)
