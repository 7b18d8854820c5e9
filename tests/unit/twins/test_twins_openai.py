"""The OpenAI twin: shapes, stream, validation and errors as wire-formats.md A says."""

from __future__ import annotations

from typing import Any

import pytest

from twins_stage import OPENAI_HEADERS, ask, body_of, events, perform

PIXEL = "iVBORw0KGgo="
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}]
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
USER = {"role": "user", "content": "Hello"}


def error(call: Any) -> dict[str, Any]:
    found: dict[str, Any] = call.json["error"]
    return found


def test_a_completion_has_the_documented_shape_and_usage_that_adds_up() -> None:
    call = ask("openai", body_of("openai", 'Say exactly "abcdefgh"'))
    assert call.status == 200
    body = call.json
    assert body["object"] == "chat.completion"
    assert body["id"].startswith("chatcmpl-")
    assert body["model"] == "gpt-4.1"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "abcdefgh", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    # 22 characters are 6 tokens, the turn costs 4; 8 characters are 2 tokens.
    assert (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"]) == (10, 2)
    assert body["usage"]["total_tokens"] == 12


def test_answers_carry_request_id_and_rate_limit_headers() -> None:
    call = ask("openai", body_of("openai"))
    assert (call.header("x-request-id") or "").startswith("req_")
    assert call.header("x-ratelimit-remaining-requests") == "9999"
    assert call.header("openai-version") == "2020-10-01"
    assert call.header("content-type") == "application/json"


def test_a_stream_is_role_content_finish_and_done_without_usage() -> None:
    call, _ = perform("openai", prompt='Say exactly "abcdefgh"')
    assert call.header("content-type") == "text/event-stream; charset=utf-8"
    chunks = events(call)
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "abcd"},
        {"content": "efgh"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    assert all("usage" not in chunk for chunk in chunks)
    assert call.writes[-1] == b"data: [DONE]\n\n"
    assert call.ended == "end"


def test_with_include_usage_every_chunk_has_the_field_and_the_last_one_the_totals() -> None:
    body = body_of("openai", 'Say exactly "abcdefgh"', stream=True, stream_options={"include_usage": True})
    chunks = events(ask("openai", body))
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 4
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 12


def test_streamed_tool_calls_name_the_call_once_and_concatenate_to_json() -> None:
    tools = [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
            },
        }
    ]
    body = body_of("openai", "Call get_weather for two cities: Paris and Rome", stream=True, tools=tools)
    deltas = [chunk["choices"][0]["delta"] for chunk in events(ask("openai", body))]
    calls = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert [call["index"] for call in calls if "id" in call] == [0, 1]
    written = ["".join(c["function"]["arguments"] for c in calls if c["index"] == index) for index in (0, 1)]
    assert written == ['{"city":"Paris"}', '{"city":"Rome"}']


def test_several_choices_interleave_by_index() -> None:
    chunks = events(ask("openai", body_of("openai", stream=True, n=2)))
    indexes = [chunk["choices"][0]["index"] for chunk in chunks]
    assert indexes[:6] == [0, 1, 0, 1, 0, 1]
    finishes = [chunk["choices"][0]["index"] for chunk in chunks if chunk["choices"][0]["finish_reason"]]
    assert finishes == [0, 1]


@pytest.mark.parametrize(
    ("fields", "param", "code", "words"),
    [
        ({"messages": None}, "messages", "missing_required_parameter", "Missing required parameter: 'messages'."),
        ({"messages": []}, "messages", "empty_array", "Invalid 'messages': empty array."),
        ({"messages": "hi"}, "messages", "invalid_type", "expected an array of objects, but got a string instead."),
        ({"messages": ["hi"]}, "messages[0]", "invalid_type", "expected an object, but got a string instead."),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter", "Missing required"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value", "'wizard'"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_type", "an integer"),
        ({"messages": [{"role": "user"}]}, "messages.[0].content", None, "expected a string, got null."),
        (
            {"messages": [{"role": "user", "content": [{"type": "x"}]}]},
            "messages[0].content[0].type",
            "invalid_value",
            "'x'",
        ),
        ({"temperature": 3}, "temperature", "decimal_above_max_value", "Expected a value <= 2, but got 3 instead."),
        ({"temperature": -1}, "temperature", "decimal_below_min_value", "Expected a value >= 0, but got -1 instead."),
        ({"temperature": "hot"}, "temperature", "invalid_type", "expected a decimal, but got a string instead."),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value", "Expected a value >= 1, but got 0 instead."),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type", "expected an integer"),
        ({"max_tokens": 99999}, "max_tokens", "invalid_value", "max_tokens is too large: 99999."),
        ({"n": True}, "n", "invalid_type", "a boolean"),
        ({"stream": "yes"}, "stream", "invalid_type", "expected a boolean"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length", "maximum length 4"),
        ({"stop": 5}, "stop", "invalid_type", "a string or an array of strings"),
        ({"colour": "red"}, "colour", "unknown_parameter", "Unknown parameter: 'colour'."),
        ({"tools": []}, "tools", "empty_array", "Invalid 'tools': empty array."),
        ({"tools": [{}]}, "tools[0].type", "missing_required_parameter", "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter", "tools[0].function"),
        ({"tool_choice": "auto"}, "tool_choice", None, "only allowed when 'tools' are specified."),
        ({"parallel_tool_calls": False}, "parallel_tool_calls", None, "only allowed when 'tools' are specified."),
        ({"tools": TOOLS, "tool_choice": "maybe"}, "tool_choice", "invalid_value", "'maybe'"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None, "when 'stream' is enabled."),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value", "'xml'"),
        ({"response_format": {"type": "json_object"}}, "messages", None, "must contain the word 'json'"),
        ({"reasoning_effort": "huge"}, "reasoning_effort", "invalid_value", "'huge'"),
    ],
)
def test_a_wrong_field_is_named_in_openais_words(
    fields: dict[str, Any], param: str, code: str | None, words: str
) -> None:
    call = ask("openai", {**body_of("openai"), **fields})
    assert call.status == 400
    found = error(call)
    assert (found["type"], found["param"], found["code"]) == ("invalid_request_error", param, code)
    assert words in found["message"]


def test_a_tool_choice_must_name_an_offered_tool() -> None:
    choice = {"type": "function", "function": {"name": "other"}}
    assert "not found in 'tools'" in error(ask("openai", body_of("openai", tools=TOOLS, tool_choice=choice)))["message"]


@pytest.mark.parametrize(
    ("messages", "param", "words"),
    [
        ([USER, {"role": "tool", "tool_call_id": "call_1", "content": "x"}], "messages.[1].role", "must be a response"),
        ([USER, {"role": "assistant", "tool_calls": [CALL]}, USER], "messages.[2].role", "call_1"),
        ([USER, {"role": "assistant", "tool_calls": [CALL]}], "messages", "call_1"),
        (
            [
                USER,
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_2", "content": ""},
            ],
            "messages.[2].role",
            "must be a response",
        ),
        ([USER, {"role": "assistant", "content": "x", "tool_calls": []}], "messages[1].tool_calls", "empty array"),
        (
            [USER, {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f"}}]}],
            "messages[1].tool_calls[0].function.arguments",
            "Missing required parameter",
        ),
    ],
)
def test_tool_results_must_answer_the_calls_before_them(messages: list[Any], param: str, words: str) -> None:
    found = error(ask("openai", body_of("openai", messages=messages)))
    assert found["param"] == param
    assert words in found["message"]


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [
        (f"data:image/png;base64,{PIXEL}", 200, "image/png of 8 bytes"),
        ("https://example.com/a.png", 200, "https://example.com/a.png"),
        ("data:image/png;base64,%%%", 400, "Invalid base64 image_url."),
        ("data:image/png;base64,", 400, "Invalid base64 image_url."),
        ("data:text/plain;base64,aGk=", 400, "unsupported MIME type 'text/plain'"),
        ("ftp://example.com/a.png", 400, "without the 'data:' prefix"),
    ],
)
def test_images_come_by_https_or_as_valid_base64(url: str, status: int, words: str) -> None:
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    call = ask("openai", body_of("openai", messages=[{"role": "user", "content": content}]))
    assert call.status == status
    assert words in call.text


@pytest.mark.parametrize(
    ("model", "fields", "param", "code"),
    [
        ("gpt-5.1", {"max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        ("gpt-5.1", {"stop": "x"}, "stop", "unsupported_parameter"),
        ("gpt-5.1", {"temperature": 0.2}, "temperature", "unsupported_value"),
        ("gpt-5.6-sol", {"tools": TOOLS}, "reasoning_effort", None),
        ("gpt-5.6-sol", {"tools": TOOLS, "reasoning_effort": "low"}, "reasoning_effort", None),
        ("gpt-6.2-sol", {"reasoning_effort": "none"}, "reasoning_effort", "unsupported_value"),
        ("gpt-4.1", {"reasoning_effort": "low"}, "reasoning_effort", "unsupported_parameter"),
    ],
)
def test_models_refuse_what_they_lack(model: str, fields: dict[str, Any], param: str, code: str | None) -> None:
    call = ask("openai", body_of("openai", model=model, **fields))
    assert call.status == 400
    assert (error(call)["param"], error(call)["code"]) == (param, code)


def test_models_accept_what_they_have() -> None:
    assert ask("openai", body_of("openai", model="gpt-5.1", temperature=1, max_completion_tokens=5)).status == 200
    assert ask("openai", body_of("openai", model="gpt-5.1", temperature=0.2, reasoning_effort="none")).status == 200
    assert ask("openai", body_of("openai", model="gpt-5.6-sol", tools=TOOLS, reasoning_effort="none")).status == 200


def test_explicit_nulls_count_as_absent() -> None:
    assert ask("openai", body_of("openai", temperature=None, tools=None, stop=None, stream=None)).status == 200


def test_unknown_and_retired_models_are_404() -> None:
    unknown, retired = (ask("openai", body_of("openai", model=name)) for name in ("gpt-9", "gpt-4"))
    assert (unknown.status, retired.status) == (404, 404)
    assert error(unknown)["message"] == "The model `gpt-9` does not exist or you do not have access to it."
    assert "deprecated" in error(retired)["message"]
    assert error(unknown)["code"] == error(retired)["code"] == "model_not_found"


def test_a_missing_model_is_400() -> None:
    assert error(ask("openai", {"messages": [USER]}))["message"] == "you must provide a model parameter"


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    call = ask("openai", body)
    assert call.status == 400
    assert "We could not parse the JSON body" in error(call)["message"]


def test_keys_missing_and_bad_are_401_with_different_words() -> None:
    missing = ask("openai", body_of("openai"), headers=[])
    bad = ask("openai", body_of("openai"), headers=[(b"authorization", b"Bearer bad-key-0123456789")])
    assert (missing.status, bad.status) == (401, 401)
    assert error(missing)["code"] is None
    assert error(bad)["code"] == "invalid_api_key"
    assert "bad-key-0123456789" not in bad.text


def test_other_paths_and_methods_are_refused_in_openais_words() -> None:
    assert error(ask("openai", {}, path="/v1/nope"))["message"] == "Invalid URL (POST /v1/nope)"
    call = ask("openai", None, method="GET")
    assert (call.status, error(call)["code"]) == (405, "method_not_supported")


def test_the_model_list_and_one_model() -> None:
    listed = ask("openai", None, path="/v1/models", method="GET").json
    assert listed["object"] == "list"
    assert {"id": "gpt-4.1", "object": "model", "created": 1768435200, "owned_by": "system"} in listed["data"]
    assert ask("openai", None, path="/v1/models/gpt-4.1", method="GET").json["id"] == "gpt-4.1"
    assert ask("openai", None, path="/v1/models/nope", method="GET").status == 404


def test_a_prompt_beyond_the_context_is_refused_with_both_numbers() -> None:
    call = ask("openai", body_of("openai", "x" * 600_000, model="gpt-4o"), headers=OPENAI_HEADERS)
    assert call.status == 400
    assert error(call)["code"] == "context_length_exceeded"
    assert "maximum context length is 128000 tokens" in error(call)["message"]
    assert "150004 tokens" in error(call)["message"]
