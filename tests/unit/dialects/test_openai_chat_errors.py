"""Errors of Chat Completions: what callers get for each kind, and what providers' errors say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import ErrorFacts
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.failure import Failure, FaultClass, Kind

OPENAI = OpenAIChat()

#: reliability.md 1.14
TABLE = {
    Kind.UNAUTHENTICATED: ("authentication_error", "invalid_api_key"),
    Kind.FORBIDDEN: ("permission_error", "forbidden"),
    Kind.UNKNOWN_MODEL: ("invalid_request_error", "model_not_found"),
    Kind.INVALID_REQUEST: ("invalid_request_error", "own_code"),
    Kind.CONTEXT_LENGTH: ("invalid_request_error", "context_length_exceeded"),
    Kind.CAPABILITY: ("invalid_request_error", "unsupported_value"),
    Kind.REFUSED_CONTENT: ("invalid_request_error", "content_policy_violation"),
    Kind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    Kind.OVER_BUDGET: ("insufficient_quota", "insufficient_quota"),
    Kind.THROTTLED: ("rate_limit_error", "provider_rate_limited"),
    Kind.OVERLOADED: ("service_unavailable_error", "server_is_overloaded"),
    Kind.NO_CANDIDATE: ("service_unavailable_error", "no_candidate"),
    Kind.UNREACHABLE: ("server_error", "unreachable"),
    Kind.UPSTREAM_ERROR: ("server_error", "upstream_error"),
    Kind.STREAM_BROKEN: ("server_error", "stream_broken"),
    Kind.TIMED_OUT: ("server_error", "timeout"),
    Kind.CANCELLED: ("server_error", "internal"),
    Kind.INTERNAL: ("server_error", "internal"),
}


def failure(kind: Kind, **fields: Any) -> Failure:
    return Failure(
        kind=kind, fault=FaultClass.TRANSIENT, source="gateway", message='It "broke".\n', code="own_code", **fields
    )


def test_the_table_names_every_kind() -> None:
    assert set(TABLE) == set(Kind)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_its_type_and_code(kind: Kind) -> None:
    type, code = TABLE[kind]
    expected = {"error": {"message": 'It "broke".\n', "type": type, "param": None, "code": code}}
    assert json.loads(OPENAI.error_body(failure(kind), "r")) == expected
    event = OPENAI.error_event(failure(kind), "r")
    assert event.startswith(b"data: {") and event.endswith(b"}\n\n") and event.count(b"\n") == 2
    assert json.loads(event[6:]) == expected


def test_the_field_at_fault_is_named_and_a_missing_code_is_null() -> None:
    wrong = Failure(kind=Kind.INVALID_REQUEST, fault=FaultClass.CLIENT, source="client", message="no", param="n")
    assert json.loads(OPENAI.error_body(wrong, "r"))["error"] == {
        "message": "no",
        "type": "invalid_request_error",
        "param": "n",
        "code": None,
    }


def test_the_keep_alive_is_a_comment_and_the_id_header_is_the_sdks() -> None:
    assert OPENAI.keepalive() == b": keep-alive\n\n"
    assert OPENAI.answer_headers("r-1") == [(b"x-request-id", b"r-1")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}},
            ErrorFacts(message="m", type="t", param="p", code="c"),
        ),
        (
            {"error": {"code": "AccountOverdueError", "message": "Pay. Request ID: 413", "type": "Forbidden"}},
            ErrorFacts(message="Pay. Request ID: 413", type="Forbidden", code="AccountOverdueError"),
        ),
        ({"error": {"message": "m", "code": 429, "param": None}}, ErrorFacts(message="m", code="429")),
        ({"object": "error", "message": "m", "type": "t", "code": 400}, ErrorFacts(message="m", type="t", code="400")),
        ({"error": "m"}, ErrorFacts(message="m")),
        ({"error": {"error": {"message": "m"}}}, ErrorFacts(message="m")),
        ({"errors": [{"message": "m", "code": "c"}]}, ErrorFacts(message="m", code="c")),
        ([{"error": {"message": "m"}}], ErrorFacts(message="m")),
        ({"detail": "m"}, ErrorFacts(message="m")),
        ({"detail": [{"loc": ["body"], "msg": "m"}]}, ErrorFacts(message='[{"loc": ["body"], "msg": "m"}]')),
        ({"error": {"message": ["m"]}}, ErrorFacts(message='["m"]')),
        ({"error": None, "message": "m"}, ErrorFacts(message="m")),
        ({}, ErrorFacts(message="{}")),
        ([], ErrorFacts(message="[]")),
        (None, ErrorFacts()),
        (5, ErrorFacts(message="5")),
        ("m", ErrorFacts(message="m")),
    ],
)
def test_every_known_shape_of_an_error_is_read(body: Any, expected: ErrorFacts) -> None:
    assert OPENAI.read_error(0, json.dumps(body).encode()) == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b" upstream connect\n error ", "upstream connect error"),
        (b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body>", "502 Bad Gateway"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b'{"error":{"message":"m"', '{"error":{"message":"m"'),
        (b"x" * 5000, "x" * 500),
        (b"[" * 2000, "[" * 500),
        (b"9" * 5000, "9" * 500),
    ],
)
def test_anything_else_gives_its_text(body: bytes, message: str) -> None:
    assert OPENAI.read_error(502, body) == ErrorFacts(message=message, status=502)


def test_nothing_makes_the_reading_of_an_error_fail() -> None:
    for body in (b"[" * 100_000 + b"]" * 100_000, b'{"error":"\\ud83d"}', b'{"error":{"message":NaN}}'):
        assert OPENAI.read_error(500, body).message.encode()
