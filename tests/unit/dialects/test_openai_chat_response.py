"""Complete answers of Chat Completions, read without building them, and both ways through the hub."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import Answer
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.canonical import (
    ChatResponse,
    FinishReason,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.usage import Usage

OPENAI = OpenAIChat()


def completion(message: Any, finish: Any = "stop", **fields: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps(
        {"id": "c1", "object": "chat.completion", "model": "gpt-6", "choices": [choice], **fields}
    ).encode()


SAID = {"role": "assistant", "content": "Hi", "refusal": None}
USED = {
    "prompt_tokens": 100,
    "completion_tokens": 30,
    "total_tokens": 130,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 12, "accepted_prediction_tokens": 0},
}
USAGE = Usage(input_uncached=30, cache_read=60, cache_write_5m=10, output=30, reasoning=12)


def answer(body: bytes) -> Answer:
    found = OPENAI.check(body)
    assert isinstance(found, Answer)
    return found


def hub(body: bytes) -> ChatResponse:
    found = OPENAI.decode_response(body)
    assert isinstance(found, ChatResponse)
    return found


def message(*parts: Part, finish: FinishReason = "stop", usage: Usage | None = None) -> dict[str, Any]:
    made = OPENAI.encode_response(
        ChatResponse(id="r", model="m", parts=parts, finish=finish, usage=usage), created=1_700_000_000
    )
    found = json.loads(made.body)["choices"][0]["message"]
    assert isinstance(found, dict)
    return found


# --- check -----------------------------------------------------------------------------------------------------------
def test_the_facts_of_a_complete_answer() -> None:
    assert answer(completion(SAID, usage=USED)) == Answer(id="c1", model="gpt-6", finish="stop", usage=USAGE)


def test_an_answer_without_usage_is_complete() -> None:
    assert answer(completion(SAID)).usage is None
    assert answer(completion(SAID, usage=None)).usage is None
    assert answer(completion(SAID, usage={})).usage is None


@pytest.mark.parametrize(
    "message", [{}, {"content": None}, {"content": ""}, {"content": "", "tool_calls": [], "refusal": None}]
)
def test_an_answer_that_says_nothing_is_empty(message: dict[str, Any]) -> None:
    assert answer(completion(message)).empty


@pytest.mark.parametrize(
    "message",
    [
        {"content": "x"},
        {"refusal": "x"},
        {"tool_calls": [{}]},
        {"reasoning_content": "x"},
        {"audio": {"id": "a"}},
        {"content": [{"text": "x"}]},
    ],
)
def test_an_answer_that_says_anything_is_not_empty(message: dict[str, Any]) -> None:
    assert not answer(completion(message)).empty


def test_a_filtered_answer_is_a_blocked_one() -> None:
    found = answer(completion({"content": None}, "content_filter"))
    assert (found.finish, found.blocked) == ("content_filter", True)


@pytest.mark.parametrize(
    "odd",
    [
        {"id": 5, "model": None},
        {"usage": "none"},
        {"usage": {"prompt_tokens": "many"}},
        {"choices": [{"message": SAID}]},
        {"choices": [{"message": SAID, "finish_reason": None, "index": "0"}]},
        {"choices": [{"message": SAID, "finish_reason": 5}]},
        {"choices": [{"message": {"content": {"deep": 1}}, "finish_reason": "stop"}]},
    ],
)
def test_an_odd_field_does_not_cost_a_good_answer(odd: dict[str, Any]) -> None:
    assert isinstance(OPENAI.check(completion(SAID, **odd)), Answer)


def test_half_of_a_surrogate_pair_does_not_cost_a_good_answer() -> None:
    body = completion({"content": "a\ud83d"})
    assert b"\\ud83d" in body and answer(body).finish == "stop"
    assert hub(body).parts == (Text("a\ufffd"),)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"null", b"[]", b"{}", b"<html>", b'{"choices":[]}', b'{"choices":{}}', b'{"choices":[{}]}'),
        *(
            b'{"choices":[{"message":null}]}',
            b'{"error":{"message":"no"}}',
            completion(SAID)[:-1],
            completion(SAID) + b"x",
        ),
        b'{"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_answer_is_a_transient_failure(body: bytes) -> None:
    for found in (OPENAI.check(body), OPENAI.decode_response(body)):
        assert isinstance(found, Failure)
        assert (found.kind, found.fault, found.source) == (Kind.UPSTREAM_ERROR, FaultClass.TRANSIENT, "upstream")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, Usage(input_uncached=5, output=7)),
        ({"prompt_tokens": 5.0, "completion_tokens": 7.0}, Usage(input_uncached=5, output=7)),
        ({"prompt_tokens": 5, "completion_tokens": None}, Usage(input_uncached=5)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Usage()),
        ({"prompt_tokens": -5, "completion_tokens": -7}, Usage()),
        ({"prompt_tokens": 2**70, "completion_tokens": 1}, Usage(input_uncached=2**53, output=1)),
        ({"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(cache_read=9)),
        ({"prompt_tokens": 3, "prompt_tokens_details": None}, Usage(input_uncached=3)),
        ({"prompt_tokens": "3", "completion_tokens": 4}, Usage(output=4)),
        ({"prompt_tokens": "x"}, None),
        ({"total_tokens": 3}, None),
    ],
)
def test_usage_is_read_as_far_as_it_goes_and_never_negative(field: dict[str, Any], expected: Usage | None) -> None:
    assert answer(completion(SAID, usage=field)).usage == expected


def test_an_endless_count_is_no_count() -> None:
    body = completion(SAID, usage={"prompt_tokens": 1, "completion_tokens": 0}).replace(
        b'"completion_tokens": 0', b'"completion_tokens": 1e309'
    )
    assert answer(body).usage == Usage(input_uncached=1)


# --- to the hub ------------------------------------------------------------------------------------------------------
def test_everything_an_answer_may_say_reaches_the_hub_in_order() -> None:
    found = hub(
        completion(
            {
                "content": "Hi",
                "reasoning_content": "Hm.",
                "refusal": "No.",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                    {"id": "b", "type": "custom", "custom": {"name": "c", "input": "free"}},
                    {"function": {"name": "g"}},
                ],
            },
            "tool_calls",
            usage=USED,
        )
    )
    assert found == ChatResponse(
        id="c1",
        model="gpt-6",
        parts=(
            Thinking(text="Hm.", origin="openai_chat"),
            Text("Hi"),
            Refusal("No."),
            ToolCall("a", "f", '{"x":1}'),
            ToolCall("b", "c", '{"input": "free"}'),
            ToolCall("call_2", "g", ""),
        ),
        finish="tool_calls",
        usage=USAGE,
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        (None, "stop"),
        ("", "stop"),
    ],
)
def test_finish_reasons_reach_the_hub(word: str | None, expected: FinishReason) -> None:
    found = hub(completion(SAID, word))
    assert (found.finish, found.losses) == (expected, ())


def test_an_unknown_finish_reason_is_reported() -> None:
    found = hub(completion(SAID, "tired"))
    assert (found.finish, [loss.field for loss in found.losses]) == ("stop", ["finish_reason"])


def test_a_server_that_says_stop_after_a_call_means_the_call() -> None:
    assert hub(completion({"tool_calls": [{"id": "a", "function": {"name": "f"}}]}, "stop")).finish == "tool_calls"


def test_what_compatible_servers_write_differently_is_understood() -> None:
    found = hub(
        completion(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": "Hi"},
                ],
                "tool_calls": [{"id": 7, "function": {"name": "f", "arguments": {"x": 1}}}],
            }
        )
    )
    assert found.parts == (Thinking(text="Hm.", origin="openai_chat"), Text("Hi"), ToolCall("7", "f", '{"x": 1}'))
    assert hub(completion({"function_call": {"name": "f", "arguments": "{}"}})).parts == (
        ToolCall("call_0", "f", "{}"),
    )
    assert hub(completion({"content": "Hi", "reasoning": "Hm."})).parts[0] == Thinking(text="Hm.", origin="openai_chat")


def test_audio_and_further_choices_are_reported() -> None:
    choice = {"message": {"content": "Hi", "audio": {"id": "a"}}, "finish_reason": "stop"}
    found = hub(completion(SAID, choices=[choice, choice]))
    assert [loss.field for loss in found.losses] == ["choices[0].message.audio", "choices"]


# --- from the hub ----------------------------------------------------------------------------------------------------
def test_a_whole_answer_as_the_caller_gets_it() -> None:
    response = ChatResponse(id="r", model="m", parts=(Text("a"), Text("b")), finish="stop_sequence", usage=USAGE)
    assert json.loads(OPENAI.encode_response(response, created=17).body) == {
        "id": "r",
        "object": "chat.completion",
        "created": 17,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "ab", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 30,
            "total_tokens": 130,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 12},
        },
    }


def test_calls_without_text_have_null_content() -> None:
    assert message(ToolCall("a", "f", ""), ToolCall("b", "g", '{"x":1}')) == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
        ],
    }


def test_thinking_goes_as_reasoning_content_and_a_refusal_as_one() -> None:
    found = message(Thinking(text="a"), Thinking(text="b"), Refusal("No."))
    assert (found["reasoning_content"], found["refusal"], found["content"]) == ("a\nb", "No.", None)
    assert message()["content"] == ""


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "stop"),
        ("stop_sequence", "stop"),
        ("length", "length"),
        ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"),
        ("paused", "length"),
        ("malformed", "stop"),
    ],
)
def test_finish_reasons_leave_the_hub(reason: FinishReason, word: str) -> None:
    made = OPENAI.encode_response(ChatResponse(id="r", model="m", parts=(), finish=reason), created=1)
    assert json.loads(made.body)["choices"][0]["finish_reason"] == word


def test_what_a_chat_answer_cannot_hold_is_reported() -> None:
    parts: tuple[Part, ...] = (
        Thinking(text="", signature="s"),
        Thinking(text="", redacted=True),
        ToolCall("a", "f", "{}", signature="s"),
        Image(url="u"),
        ToolResult(call_id="a"),
    )
    made = OPENAI.encode_response(ChatResponse(id="r", model="m", parts=parts, finish="stop"), created=1)
    assert [loss.field for loss in made.losses] == ["thinking.signature", "thought_signature", "image", "tool_result"]
