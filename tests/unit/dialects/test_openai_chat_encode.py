"""Requests that leave the hub as Chat Completions."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from trunkline.dialects.contract import Encoded
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Part,
    Refusal,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trunkline.types.failure import Failure, FaultClass, Kind

OPENAI = OpenAIChat()


def turn(role: Role, *parts: Part) -> Turn:
    return Turn(role, parts)


def encoded(*turns: Turn, **fields: Any) -> Encoded:
    request = ChatRequest(turns=turns or (turn("user", Text("Hello")),), **fields)
    made = OPENAI.encode_request(request, "gpt-6", max_output_tokens=4096)
    assert isinstance(made, Encoded)
    return made


def body(*turns: Turn, **fields: Any) -> dict[str, Any]:
    found = json.loads(encoded(*turns, **fields).body)
    assert isinstance(found, dict)
    return found


def messages(*turns: Turn) -> list[dict[str, Any]]:
    found = body(*turns)["messages"]
    assert isinstance(found, list)
    return found


def lost(*turns: Turn, **fields: Any) -> list[str]:
    return [loss.field for loss in encoded(*turns, **fields).losses]


def test_the_smallest_request_has_nothing_that_nobody_asked_for() -> None:
    assert body() == {"model": "gpt-6", "messages": [{"role": "user", "content": "Hello"}]}


def test_system_text_keeps_its_place_and_its_paragraphs() -> None:
    assert messages(
        turn("system", Text("Be brief."), Text("Be kind.")), turn("user", Text("Hi")), turn("system", Text("Now."))
    ) == [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "Hi"},
        {"role": "system", "content": "Now."},
    ]


def test_an_empty_system_or_assistant_turn_is_not_sent() -> None:
    assert messages(turn("system"), turn("user", Text("Hi")), turn("assistant")) == [{"role": "user", "content": "Hi"}]


def test_images_go_as_address_or_as_data_url() -> None:
    assert messages(
        turn("user", Text("See"), Image(url="https://x/y"), Image(data="AAAA", media_type="image/gif", detail="low"))
    ) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "See"},
                {"type": "image_url", "image_url": {"url": "https://x/y"}},
                {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AAAA", "detail": "low"}},
            ],
        }
    ]


def test_calls_and_results_of_one_turn_become_messages_of_their_own() -> None:
    found = messages(
        turn("assistant", Text("Let me "), Text("look."), ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")),
        turn(
            "user",
            ToolResult(call_id="a", name="f", parts=(Text("one"), Text("two"))),
            ToolResult(call_id="b", parts=(Text("no"),), is_error=True),
            Text("And?"),
        ),
    )
    assert found == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "one\ntwo"},
        {"role": "tool", "tool_call_id": "b", "content": "Error: no"},
        {"role": "user", "content": "And?"},
    ]


def test_results_in_several_turns_come_before_any_text_between_them() -> None:
    found = messages(
        turn("assistant", ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
        turn("user", ToolResult(call_id="a", parts=(Text("one"),)), Text("first")),
        turn("user", ToolResult(call_id="b", parts=(Text("two"),)), Text("second")),
    )
    assert [(m["role"], m["content"]) for m in found] == [
        ("assistant", None),
        ("tool", "one"),
        ("tool", "two"),
        ("user", "first"),
        ("user", "second"),
    ]


def test_an_image_in_a_result_moves_into_a_user_message_behind_all_results() -> None:
    turns = (
        turn("assistant", ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
        turn(
            "user",
            ToolResult(call_id="a", parts=(Text("see"), Image(url="https://x/y"))),
            ToolResult(call_id="b", parts=(Text("ok"),)),
        ),
    )
    assert messages(*turns)[1:] == [
        {"role": "tool", "tool_call_id": "a", "content": "see"},
        {"role": "tool", "tool_call_id": "b", "content": "ok"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]},
    ]
    assert lost(*turns) == ["tool_result.image"]


def test_ids_that_are_too_long_stay_the_same_for_call_and_result_and_different_from_each_other() -> None:
    one, two = "x" * 391 + "1", "x" * 391 + "2"
    found = messages(
        turn("assistant", ToolCall(one, "f", "{}"), ToolCall(two, "f", "{}")),
        turn("user", ToolResult(call_id=one), ToolResult(call_id=two)),
    )
    sent = [call["id"] for call in found[0]["tool_calls"]]
    assert sent == [found[1]["tool_call_id"], found[2]["tool_call_id"]]
    assert len(set(sent)) == 2 and all(len(id) == 64 for id in sent)


def test_a_refusal_goes_back_as_one_and_thinking_does_not_go_back() -> None:
    turns = (turn("assistant", Thinking(text="hm", origin="anthropic_messages"), Refusal("No.")),)
    assert messages(*turns) == [{"role": "assistant", "content": None, "refusal": "No."}]
    assert lost(*turns) == ["thinking"]


def test_parts_that_a_role_cannot_have_are_reported_once() -> None:
    assert lost(
        turn("system", Image(url="u")),
        turn("assistant", Image(url="u"), ToolResult(call_id="a"), ToolCall("a", "f", "{}", signature="s")),
        turn("user", ToolCall("a", "f", "{}"), Thinking(text="t"), Thinking(text="t"), Refusal("r"), Text("x")),
    ) == [
        "system",
        "assistant.image",
        "assistant.tool_result",
        "thought_signature",
        "user.toolcall",
        "user.thinking",
        "user.refusal",
    ]


def test_tools_go_with_their_schema_untouched() -> None:
    schema = msgspec.Raw(b'{"type": "object", "x": 1e400}')
    made = encoded(tools=(Tool(name="f", description="d", schema=schema, strict=True), Tool(name="g")))
    assert b'"parameters":{"type": "object", "x": 1e400}' in made.body
    assert b'{"type":"function","function":{"name":"g"}}' in made.body
    assert b'"strict":true' in made.body


@pytest.mark.parametrize("name", ["a.b", "x" * 65, "", "f\n", "é"])
def test_a_tool_name_that_does_not_fit_is_a_capability_failure(name: str) -> None:
    request = ChatRequest(turns=(turn("user", Text("x")),), tools=(Tool(name=name),))
    found = OPENAI.encode_request(request, "gpt-6", max_output_tokens=1)
    assert isinstance(found, Failure)
    assert (found.kind, found.fault, found.param) == (Kind.CAPABILITY, FaultClass.CAPABILITY, "tools")


def test_more_than_one_choice_is_a_capability_failure() -> None:
    found = OPENAI.encode_request(
        ChatRequest(turns=(turn("user", Text("x")),), choices=2), "gpt-6", max_output_tokens=1
    )
    assert isinstance(found, Failure) and (found.kind, found.param) == (Kind.CAPABILITY, "n")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice(mode="auto"), {"tool_choice": "auto"}),
        (ToolChoice(mode="none"), {"tool_choice": "none"}),
        (ToolChoice(mode="required", parallel=True), {"tool_choice": "required", "parallel_tool_calls": True}),
        (ToolChoice(parallel=False), {"tool_choice": "auto", "parallel_tool_calls": False}),
        (
            ToolChoice(mode="tool", name="f"),
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
    ],
)
def test_every_form_of_tool_choice(choice: ToolChoice, expected: dict[str, Any]) -> None:
    found = body(tools=(Tool(name="f"),), tool_choice=choice)
    assert {name: found[name] for name in ("tool_choice", "parallel_tool_calls") if name in found} == expected


def test_without_tools_no_choice_is_sent() -> None:
    assert "tool_choice" not in body(tool_choice=ToolChoice(parallel=False))
    assert lost(tool_choice=ToolChoice(mode="required")) == ["tool_choice"]
    assert lost(tool_choice=ToolChoice(mode="none")) == []


def test_limits_sampling_and_streaming() -> None:
    made = encoded(
        max_output_tokens=9,
        stop=("a", "b", "c", "d", "e"),
        sampling=Sampling(temperature=0.5, top_p=0.9, top_k=4, presence_penalty=1, frequency_penalty=-1, seed=7),
        user="u",
        stream=True,
    )
    assert json.loads(made.body) == {
        "model": "gpt-6",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 9,
        "stop": ["a", "b", "c", "d"],
        "temperature": 0.5,
        "top_p": 0.9,
        "presence_penalty": 1,
        "frequency_penalty": -1,
        "seed": 7,
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert [loss.field for loss in made.losses] == ["stop", "top_k"]
