"""Chat Completions requests on their way to the hub."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from trunkline.dialects.contract import Target
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Refusal,
    Sampling,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure, Kind
from trunkline.types.wire import Loss

OPENAI = OpenAIChat()
HELLO = {"role": "user", "content": "Hello"}
F = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
G = {"type": "function", "function": {"name": "g"}}


def decode(*messages: dict[str, Any], **fields: Any) -> ChatRequest | Failure:
    body = json.dumps({"model": "m", "messages": list(messages) or [HELLO], **fields}).encode()
    facts = OPENAI.peek(Target(dialect="openai_chat"), body)
    assert isinstance(facts, Envelope), facts
    return OPENAI.decode_request(body, facts)


def request(*messages: dict[str, Any], **fields: Any) -> ChatRequest:
    found = decode(*messages, **fields)
    assert isinstance(found, ChatRequest), found
    return found


def lost(*messages: dict[str, Any], **fields: Any) -> list[str]:
    return [loss.field for loss in request(*messages, **fields).losses]


def refused(*messages: dict[str, Any], **fields: Any) -> Failure:
    found = decode(*messages, **fields)
    assert isinstance(found, Failure)
    assert found.kind is Kind.INVALID_REQUEST
    return found


def test_system_and_developer_messages_keep_their_place() -> None:
    found = request(
        {"role": "developer", "content": "Be brief."},
        HELLO,
        {"role": "system", "content": [{"type": "text", "text": "Now"}, {"type": "text", "text": "then"}]},
    )
    assert found.turns == (
        Turn("system", (Text("Be brief."),)),
        Turn("user", (Text("Hello"),)),
        Turn("system", (Text("Now"), Text("then"))),
    )


def test_parallel_calls_and_their_results_find_each_other() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": ""}},
    ]
    found = request(
        HELLO,
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "two"}]},
        {"role": "tool", "tool_call_id": "c", "content": ""},
    )
    assert found.turns[1] == Turn("assistant", (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", "")))
    assert found.turns[2] == Turn("user", (ToolResult(call_id="a", name="f", parts=(Text("one"),)),))
    assert found.turns[3] == Turn("user", (ToolResult(call_id="b", name="g", parts=(Text("two"),)),))
    assert found.turns[4] == Turn("user", (ToolResult(call_id="c"),))
    assert found.losses == ()


def test_an_assistant_message_keeps_reasoning_text_refusal_and_calls_in_order() -> None:
    found = request(
        {
            "role": "assistant",
            "reasoning_content": "Hm.",
            "content": [{"type": "text", "text": "No"}, {"type": "refusal", "refusal": "never"}],
            "refusal": "ever",
            "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "c", "input": 'x"y'}}],
        }
    )
    assert found.turns[0].parts == (
        Thinking(text="Hm.", origin="openai_chat"),
        Text("No"),
        Refusal("never"),
        Refusal("ever"),
        ToolCall("a", "c", '{"input": "x\\"y"}'),
    )


@pytest.mark.parametrize(
    ("url", "image"),
    [
        ("https://x.example/a.png?b=1,2", Image(url="https://x.example/a.png?b=1,2", detail="low")),
        ("data:image/png;base64,AAAA", Image(media_type="image/png", data="AAAA", detail="low")),
        ("DATA:Image/JPEG;name=x;BASE64,AAA=", Image(media_type="image/jpeg", data="AAA=", detail="low")),
        ("data:;base64,AAAA", Image(media_type="image/png", data="AAAA", detail="low")),
        ("data:image/png;base64,-_-_\nAA", Image(media_type="image/png", data="+/+/AA==", detail="low")),
        ("data:image/png;base64,A%2BA%3D", Image(media_type="image/png", data="A+A=", detail="low")),
        ("data:nothing", Image(url="data:nothing", detail="low")),
    ],
)
def test_images_come_as_address_or_as_standard_base64(url: str, image: Image) -> None:
    found = request({"role": "user", "content": [{"type": "image_url", "image_url": {"url": url, "detail": "low"}}]})
    assert found.turns[0].parts == (image,)


def test_a_data_url_that_is_not_base64_becomes_so() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%3Eé"}}
    (image,) = request({"role": "user", "content": [part]}).turns[0].parts
    assert isinstance(image, Image) and image.data is not None
    assert (image.media_type, base64.b64decode(image.data)) == ("image/svg+xml", "<svg>é".encode())


def test_limits_sampling_and_the_user_are_carried() -> None:
    found = request(
        max_tokens=9,
        stop=["a", "b"],
        temperature=0.5,
        top_p=1,
        presence_penalty=-2,
        frequency_penalty=2,
        seed=-7,
        user="u",
        n=2,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert (found.max_output_tokens, found.stop, found.user, found.choices) == (9, ("a", "b"), "u", 2)
    assert found.sampling == Sampling(temperature=0.5, top_p=1, presence_penalty=-2, frequency_penalty=2, seed=-7)
    assert found.stream and found.losses == ()
    assert request(stop="x").stop == ("x",)


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (None, None, None),
        (None, False, ToolChoice(mode="auto", parallel=False)),
        ("auto", None, ToolChoice(mode="auto")),
        ("none", None, ToolChoice(mode="none")),
        ("required", True, ToolChoice(mode="required", parallel=True)),
        ({"type": "function", "function": {"name": "f"}}, None, ToolChoice(mode="tool", name="f")),
        ({"type": "custom", "custom": {"name": "f"}}, None, ToolChoice(mode="tool", name="f")),
    ],
)
def test_every_form_of_tool_choice(choice: Any, parallel: bool | None, expected: ToolChoice | None) -> None:
    assert request(tools=[F], tool_choice=choice, parallel_tool_calls=parallel).tool_choice == expected


def test_allowed_tools_are_carried_by_offering_only_those() -> None:
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}
    found = request(tools=[F, G], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert [tool.name for tool in found.tools] == ["g"]
    assert (found.tool_choice, found.losses) == (ToolChoice(mode="required"), ())


def test_allowed_tools_that_name_none_of_the_tools_are_reported() -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"name": "x"}]}}
    assert lost(tools=[F], tool_choice=choice) == ["tool_choice.allowed_tools"]


def test_tools_keep_their_schema_as_it_was_written() -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"a"}],"tools":[{"type":"function","function":'
    body += b'{"name":"f","description":"d","strict":true,"parameters":{"type": "object", "x":1e400}}}]}'
    facts = OPENAI.peek(Target(dialect="openai_chat"), body)
    assert isinstance(facts, Envelope)
    found = OPENAI.decode_request(body, facts)
    assert isinstance(found, ChatRequest)
    (tool,) = found.tools
    assert tool.schema is not None and bytes(tool.schema) == b'{"type": "object", "x":1e400}'
    assert (tool.name, tool.description, tool.strict) == ("f", "d", True)


def test_a_free_text_tool_becomes_a_function_with_one_string() -> None:
    found = request(tools=[{"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}}])
    (tool,) = found.tools
    assert tool.name == "c" and tool.schema is not None
    assert json.loads(bytes(tool.schema))["required"] == ["input"]
    assert [loss.field for loss in found.losses] == ["tools[].custom"]
    grammar = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}
    assert "tools[].custom.format" in lost(tools=[{"type": "custom", "custom": {"name": "c", "format": grammar}}])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("response_format", {"type": "json_object"}),
        ("reasoning_effort", "low"),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"5": 1}),
        ("metadata", {"a": "b"}),
        ("store", True),
        ("service_tier", "flex"),
        ("functions", [{"name": "g"}]),
        ("modalities", ["text", "audio"]),
        ("thinking", {"type": "disabled"}),
        ("anything_new", 0),
    ],
)
def test_what_the_hub_cannot_carry_is_reported(field: str, value: Any) -> None:
    assert lost(**{field: value}) == [field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("service_tier", "auto"),
        ("store", False),
        ("logprobs", False),
        ("metadata", {}),
        ("metadata", None),
        ("modalities", ["text"]),
        ("response_format", {"type": "text"}),
        ("stream_options", {"include_usage": False}),
        ("prediction", None),
        ("function_call", "auto"),
    ],
)
def test_what_asks_for_nothing_is_not_reported(field: str, value: Any) -> None:
    body = json.dumps({field: value}, separators=(",", ":"))[1:-1]
    whole = ('{"model":"m","messages":[{"role":"user","content":"a"}],' + body + "}").encode()
    facts = OPENAI.peek(Target(dialect="openai_chat"), whole)
    assert isinstance(facts, Envelope)
    found = OPENAI.decode_request(whole, facts)
    assert isinstance(found, ChatRequest) and found.losses == ()


def test_what_is_lost_inside_messages_is_reported_once_a_kind() -> None:
    parts = [
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "https://x/y", "x": 1}},
    ]
    assert lost(
        {"role": "user", "name": "ann", "content": parts},
        {"role": "user", "name": "bob", "content": parts},
        {"role": "assistant", "content": "x", "audio": {"id": "a"}, "annotations": [], "function_call": None},
    ) == [
        "messages[].name",
        "messages[].content[].prompt_cache_breakpoint",
        "messages[].content[].image_url.x",
        "messages[].audio",
        "messages[].content[type=input_audio]",
    ]
    assert lost(tools=[{**F, "cache_control": {"type": "x"}}]) == ["tools[].cache_control"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "judge", "content": "x"}, "messages[1].role"),
        ({"role": "function", "name": "f", "content": "x"}, "messages[1].role"),
        ({"role": "tool", "content": "x"}, "messages[1].tool_call_id"),
        ({"role": "user"}, "messages[1].content"),
        ({"role": "user", "content": None}, "messages[1].content"),
        ({"role": "user", "content": 5}, "messages[1].content"),
        ({"content": "x"}, "messages[1].role"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
            "messages[1].content[0].image_url.url",
        ),
    ],
)
def test_a_wrong_message_is_named(message: dict[str, Any], param: str) -> None:
    assert refused(HELLO, message).param == param


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.1),
        ("temperature", "1e309"),
        ("top_p", -1),
        ("presence_penalty", 3),
        ("seed", 2**63),
        ("seed", 1.5),
        ("stop", 5),
        ("tool_choice", "any"),
        ("tool_choice", {"type": "function"}),
        ("tool_choice", 5),
        ("parallel_tool_calls", "yes"),
        ("user", 5),
    ],
)
def test_a_wrong_value_is_named(field: str, value: Any) -> None:
    body = json.dumps({"model": "m", "messages": [HELLO], field: value}).encode()
    found = OPENAI.decode_request(
        body, Envelope(dialect="openai_chat", operation="chat", model="m", stream=False, body_bytes=1, input_tokens=1)
    )
    assert isinstance(found, Failure)
    assert (found.kind, found.param) == (Kind.INVALID_REQUEST, field)


def test_losses_do_not_repeat_what_they_could_not_carry() -> None:
    assert request(metadata={"secret": "s3cr3t"}).losses == (Loss("metadata", "no equivalent"),)
