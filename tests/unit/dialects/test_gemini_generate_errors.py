"""Errors of generateContent, both ways (wire-formats.md C.5, reliability.md 1.14)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.types.failure import Failure, FaultClass, Kind, invalid, refused

GEMINI = GeminiGenerate()
RPC = "type.googleapis.com/google.rpc."


def failure(kind: Kind, **fields: Any) -> Failure:
    return Failure(kind=kind, fault=FaultClass.OURS, source="gateway", message="m", **fields)


def written(fault: Failure, request_id: str = "") -> dict[str, Any]:
    error: dict[str, Any] = json.loads(GEMINI.error_body(fault, request_id))["error"]
    return error


def details(fault: Failure, request_id: str = "") -> dict[str, dict[str, Any]]:
    return {d.pop("@type").removeprefix(RPC): d for d in written(fault, request_id)["details"]}


# --- writing ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "status", "word"),
    [
        (Kind.UNAUTHENTICATED, 401, "UNAUTHENTICATED"),
        (Kind.FORBIDDEN, 403, "PERMISSION_DENIED"),
        (Kind.UNKNOWN_MODEL, 404, "NOT_FOUND"),
        (Kind.INVALID_REQUEST, 400, "INVALID_ARGUMENT"),
        (Kind.CONTEXT_LENGTH, 400, "INVALID_ARGUMENT"),
        (Kind.CAPABILITY, 400, "INVALID_ARGUMENT"),
        (Kind.REFUSED_CONTENT, 400, "INVALID_ARGUMENT"),
        (Kind.RATE_LIMITED, 429, "RESOURCE_EXHAUSTED"),
        (Kind.OVER_BUDGET, 429, "RESOURCE_EXHAUSTED"),
        (Kind.THROTTLED, 429, "RESOURCE_EXHAUSTED"),
        (Kind.OVERLOADED, 503, "UNAVAILABLE"),
        (Kind.NO_CANDIDATE, 503, "UNAVAILABLE"),
        (Kind.UNREACHABLE, 502, "UNAVAILABLE"),
        (Kind.UPSTREAM_ERROR, 502, "UNAVAILABLE"),
        (Kind.STREAM_BROKEN, 502, "UNAVAILABLE"),
        (Kind.TIMED_OUT, 504, "DEADLINE_EXCEEDED"),
        (Kind.CANCELLED, 499, "INTERNAL"),
        (Kind.INTERNAL, 500, "INTERNAL"),
    ],
)
def test_every_kind_has_its_status_and_word(kind: Kind, status: int, word: str) -> None:
    error = written(failure(kind))
    assert (error["code"], error["status"], error["message"]) == (status, word, "m")


@pytest.mark.parametrize(("status", "word"), [(404, "NOT_FOUND"), (413, "INVALID_ARGUMENT"), (415, "INVALID_ARGUMENT")])
def test_a_client_fault_keeps_its_status(status: int, word: str) -> None:
    error = written(invalid("m", status=status))
    assert (error["code"], error["status"]) == (status, word)


def test_a_known_delay_is_a_retry_info_in_whole_seconds() -> None:
    assert details(failure(Kind.RATE_LIMITED, delay=1.2))["RetryInfo"] == {"retryDelay": "2s"}
    assert details(failure(Kind.THROTTLED, delay=0.0))["RetryInfo"] == {"retryDelay": "1s"}
    assert "RetryInfo" not in details(failure(Kind.THROTTLED))


@pytest.mark.parametrize("delay", [float("nan"), float("inf"), -1.0])
def test_a_delay_that_is_no_duration_is_left_out(delay: float) -> None:
    assert "RetryInfo" not in details(failure(Kind.THROTTLED, delay=delay))


def test_the_field_and_the_request_id_stand_in_the_details() -> None:
    found = details(invalid("contents is required", param="contents", code="missing_field"), "req-1")
    assert found["ErrorInfo"] == {"reason": "MISSING_FIELD", "domain": "trunkline"}
    assert found["BadRequest"] == {"fieldViolations": [{"field": "contents", "description": "contents is required"}]}
    assert found["RequestInfo"] == {"requestId": "req-1"}


def test_what_a_provider_said_about_our_key_is_not_repeated_to_the_caller() -> None:
    ours = Failure(
        kind=Kind.NO_CANDIDATE, fault=FaultClass.CREDENTIAL, source="upstream", message="m", code="API_KEY_INVALID"
    )
    assert details(ours)["ErrorInfo"]["reason"] == "NO_CANDIDATE"


def test_our_own_word_is_the_reason() -> None:
    assert (
        details(refused(Kind.UNAUTHENTICATED, "m", code="invalid_api_key"))["ErrorInfo"]["reason"] == "INVALID_API_KEY"
    )


def test_an_error_inside_a_stream_is_one_data_event() -> None:
    event = GEMINI.error_event(failure(Kind.STREAM_BROKEN), "r")
    assert event.startswith(b'data: {"error":{"code":502,') and event.endswith(b"}\r\n\r\n")
    assert event.count(b"\n") == 2


def test_an_error_inside_an_array_is_its_last_element() -> None:
    fault = failure(Kind.STREAM_BROKEN)
    assert json.loads(b'[{"a":1}' + GEMINI.error_event(fault, "r", sse=False))[-1]["error"]["code"] == 502
    assert json.loads(GEMINI.error_event(fault, "r", sse=False, opened=False))[0]["error"]["code"] == 502


def test_the_keep_alive_is_a_blank_line_and_no_header_carries_the_id() -> None:
    assert GEMINI.keepalive() == b"\n"
    assert GEMINI.answer_headers("r") == []


# --- reading ----------------------------------------------------------------------------------------------------
QUOTA = {
    "error": {
        "code": 429,
        "message": "You exceeded your current quota",
        "status": "RESOURCE_EXHAUSTED",
        "details": [
            {
                "@type": RPC + "QuotaFailure",
                "violations": [
                    {"quotaMetric": "m/requests", "quotaId": "GenerateRequestsPerDayPerProjectPerModel"},
                    {"quotaMetric": "m/tokens", "quotaValue": "0"},
                ],
            },
            {"@type": RPC + "ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"},
            {"@type": RPC + "RetryInfo", "retryDelay": "46s"},
        ],
    }
}
READ = ErrorFacts(
    message="You exceeded your current quota",
    type="RESOURCE_EXHAUSTED",
    reason="RATE_LIMIT_EXCEEDED",
    status=429,
    delay=46.0,
    quota=("GenerateRequestsPerDayPerProjectPerModel", "m/tokens", "limit:0"),
)


def test_quota_reason_and_delay_are_read() -> None:
    assert GEMINI.read_error(429, json.dumps(QUOTA).encode()) == READ


def test_an_error_in_a_list_of_one_is_the_same_error() -> None:
    assert GEMINI.read_error(429, json.dumps([QUOTA]).encode()) == READ


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("46s", 46.0),
        ("1.5s", 1.5),
        ("0s", 0.0),
        ("35640s", 35640.0),
        *[(odd, None) for odd in ("46", "s", "nans", "infs", "-1s", "1e300s", 46, None)],
    ],
)
def test_a_delay_is_decimal_seconds_or_nothing(text: object, delay: float | None) -> None:
    body = json.dumps({"error": {"details": [{"retryDelay": text}]}}).encode()
    assert GEMINI.read_error(429, body).delay == delay


def test_an_invalid_key_is_told_by_its_reason() -> None:
    body = b'{"error":{"code":400,"status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}'
    found = GEMINI.read_error(400, body)
    assert (found.type, found.reason, found.status) == ("INVALID_ARGUMENT", "API_KEY_INVALID", 400)


def test_a_violated_field_is_the_parameter() -> None:
    body = b'{"error":{"code":400,"details":[{"fieldViolations":[{"field":"contents[0].role","description":"x"}]}]}}'
    assert GEMINI.read_error(400, body).param == "contents[0].role"


def test_an_event_of_a_200_carries_its_own_status() -> None:
    assert GEMINI.read_error(200, b'{"error":{"code":503,"status":"UNAVAILABLE"}}').status == 503


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"upstream connect error\n", "upstream connect error"),
        (b"\xff\xfe", "��"),
        (b"[]", "[]"),
        (b"null", "null"),
        (b'{"error":"nope"}', "nope"),
        (b'{"error":[]}', '{"error":[]}'),
        (b'{"message":"bare","status":7}', "bare"),
        (b'{"error":{"message":null,"code":"x","details":{"a":1}}}', ""),
        (b'{"error":{"message":"m","code":true,"details":[1,{"violations":[2],"fieldViolations":3,"reason":4}]}}', "m"),
        (b"[" * 100_000, "[" * 500),
        (b'{"error":{"message":' + b"[" * 900 + b"]" * 900 + b"}}", ""),
    ],
)
def test_no_shape_of_an_error_raises(body: bytes, message: str) -> None:
    found = GEMINI.read_error(502, body)
    assert (found.message, found.status) == (message, 502)
