"""Requests of Messages: what the peek refuses and finds, and what reaches the hub (wire-formats.md B.2, E.1-E.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import Target
from trunkline.dialects.registry import DIALECTS
from trunkline.types.canonical import ChatRequest, Image, Sampling, Text, ToolCall, ToolChoice, ToolResult, Turn
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.wire import Loss

MESSAGES = DIALECTS["anthropic_messages"]
TARGET = Target(dialect="anthropic_messages", version="2023-06-01")
HELLO = {"role": "user", "content": "Hello"}


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "claude", "max_tokens": 64, "messages": [HELLO], **fields}).encode()


def peek(data: bytes) -> Envelope:
    facts = MESSAGES.peek(TARGET, data)
    assert isinstance(facts, Envelope), facts
    return facts


def hub(**fields: Any) -> ChatRequest:
    data = body(**fields)
    request = MESSAGES.decode_request(data, peek(data))
    assert isinstance(request, ChatRequest), request
    return request


# --- the peek --------------------------------------------------------------------------------------------------------
def test_the_peek_finds_the_facts() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    facts = peek(
        body(
            stream=True,
            tools=[{"name": "a", "input_schema": {}}, {"name": "b", "input_schema": {}}],
            messages=[{"role": "user", "content": [image]}],
            metadata={"user_id": "ann"},
        )
    )
    assert (facts.model, facts.stream, facts.max_output_tokens, facts.tools) == ("claude", True, 64, 2)
    assert (facts.images, facts.user, facts.api_version, facts.wants_usage) == (True, "ann", "2023-06-01", True)


@pytest.mark.parametrize(
    ("data", "param"),
    [
        (b'{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"","max_tokens":1,"messages":[{"role":"user","content":"x"}]}', "model"),
        (b'{"model":"m","max_tokens":1,"messages":[]}', "messages"),
        (b'{"model":"m","messages":[{"role":"user","content":"x"}]}', "max_tokens"),
        (b'{"model":"m","max_tokens":"9","messages":[{"role":"user","content":"x"}]}', "max_tokens"),
        (b'{"model":"m","max_tokens":1,"stream":"yes","messages":[{"role":"user","content":"x"}]}', "stream"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, param: str) -> None:
    failure = MESSAGES.peek(TARGET, data)
    assert isinstance(failure, Failure)
    assert (failure.status, failure.param) == (400, param)
    assert param in failure.message


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b'{"model":"m",}', b"[" * 100_000])
def test_what_is_no_object_is_a_400(data: bytes) -> None:
    failure = MESSAGES.peek(TARGET, data)
    assert isinstance(failure, Failure)
    assert failure.status == 400


# --- to the hub ------------------------------------------------------------------------------------------------------
def test_text_system_and_sampling() -> None:
    request = hub(system="Be brief.", stop_sequences=["END"], temperature=0.5, top_p=0.9, top_k=40)
    assert request.turns == (Turn("system", (Text("Be brief."),)), Turn("user", (Text("Hello"),)))
    assert (request.max_output_tokens, request.stop) == (64, ("END",))
    assert request.sampling == Sampling(temperature=0.5, top_p=0.9, top_k=40)
    assert request.losses == ()


def test_system_blocks_lose_their_cache_control_once() -> None:
    block = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}
    request = hub(system=[block, block])
    assert request.turns[0] == Turn("system", (Text("Long."), Text("Long.")))
    assert [loss.field for loss in request.losses] == ["cache_control"]


def test_images_by_url_and_by_data() -> None:
    data = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    url = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    request = hub(messages=[{"role": "user", "content": [data, url, {"type": "text", "text": "What?"}]}])
    assert request.turns[0].parts == (
        Image(media_type="image/png", data="aGk="),
        Image(url="https://x/y.png"),
        Text("What?"),
    )


def test_tool_calls_and_their_results() -> None:
    request = hub(
        messages=[
            HELLO,
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "sum", "input": {"a": 1}}]},
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "3"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "t2",
                        "content": [{"type": "text", "text": "no"}],
                        "is_error": True,
                    },
                ],
            },
        ]
    )
    (call,) = request.turns[1].parts
    assert isinstance(call, ToolCall)
    assert (call.id, call.name, json.loads(call.arguments)) == ("t1", "sum", {"a": 1})
    assert request.turns[2].parts == (
        ToolResult(call_id="t1", parts=(Text("3"),)),
        ToolResult(call_id="t2", parts=(Text("no"),), is_error=True),
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, ToolChoice(mode="auto")),
        ({"type": "any"}, ToolChoice(mode="required")),
        ({"type": "none"}, ToolChoice(mode="none")),
        ({"type": "tool", "name": "sum"}, ToolChoice(mode="tool", name="sum")),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(mode="auto", parallel=False)),
    ],
)
def test_tool_choice(choice: dict[str, Any], expected: ToolChoice) -> None:
    tool = {"name": "sum", "description": "Adds.", "input_schema": {"type": "object"}}
    request = hub(tools=[tool], tool_choice=choice)
    assert request.tool_choice == expected
    assert [(t.name, t.description, bytes(t.schema or b"")) for t in request.tools] == [
        ("sum", "Adds.", b'{"type": "object"}')
    ]


def test_what_has_no_equivalent_is_a_loss_and_never_silence() -> None:
    request = hub(
        container="c1",
        thinking={"type": "enabled", "budget_tokens": 1024},
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
                    {"type": "text", "text": "Read."},
                ],
            }
        ],
    )
    assert request.turns[0].parts == (Text("Read."),)
    assert request.tools == ()
    assert {loss.field for loss in request.losses} >= {"container", "thinking", "tools[0]", "messages[0].content[0]"}


def test_what_asks_for_nothing_is_no_loss() -> None:
    assert hub(service_tier="auto", container=None).losses == ()


def test_a_text_document_becomes_text_and_says_so() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "The plan."}}
    request = hub(messages=[{"role": "user", "content": [document]}])
    assert request.turns[0].parts == (Text("The plan."),)
    assert request.losses == (Loss("messages[0].content[0]", "a text document became plain text"),)


def test_an_unknown_role_is_named() -> None:
    data = body(messages=[HELLO, {"role": "tool", "content": "x"}])
    failure = MESSAGES.decode_request(data, peek(data))
    assert isinstance(failure, Failure)
    assert (failure.status, failure.param) == (400, "messages[1].role")
