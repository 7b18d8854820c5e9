"""Streams that leave the hub as Chat Completions."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.dialects.openai_chat.writer import ChatWriter
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used
from trunkline.types.usage import Usage

OPENAI = OpenAIChat()


def writer(**options: Any) -> ChatWriter:
    return OPENAI.writer(StreamOptions(created=17, id="own", model="asked", **options))


def chunks(stream: bytes) -> list[dict[str, Any]]:
    found = []
    for event in stream.split(b"\n\n")[:-1]:
        assert event.startswith(b"data: {"), event
        found.append(json.loads(event[6:]))
    return found


def deltas(*events: Event, **options: Any) -> list[dict[str, Any]]:
    w = writer(**options)
    return [chunk["choices"][0]["delta"] for event in (Start("c", "m"), *events) for chunk in chunks(w.send(event))]


def text(text: str, index: int = 0) -> Delta:
    return Delta(index=index, kind="text", text=text)


def arguments(text: str, index: int) -> Delta:
    return Delta(index=index, kind="json", text=text)


def test_a_whole_text_stream() -> None:
    w = writer()
    events = [
        *(Start("c", "m"), BlockStart(index=0, kind="text"), text('H"i\n'), BlockStop(0)),
        *(Finish(reason="stop_sequence", stop_sequence="x"), Used(Usage(input_uncached=3, output=2)), End()),
    ]
    stream = b"".join(w.send(event) for event in events) + w.end()
    head = {"id": "c", "object": "chat.completion.chunk", "created": 17, "model": "m"}

    def chunk(delta: Any, finish: str | None = None) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return {**head, "choices": choices, "usage": None}

    assert stream.endswith(b"\n\ndata: [DONE]\n\n")
    assert chunks(stream.removesuffix(b"data: [DONE]\n\n")) == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": 'H"i\n'}),
        chunk({}, "stop"),
        {
            **head,
            "choices": [],
            "usage": {
                "prompt_tokens": 3,
                "completion_tokens": 2,
                "total_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 0},
            },
        },
    ]
    assert w.losses == () and w.end() == b""


def test_usage_is_sent_only_to_those_who_asked_and_when_it_is_known() -> None:
    unasked, unknown = writer(include_usage=False), writer()
    stream = unasked.send(Start("c", "m")) + unasked.send(Used(Usage(output=1))) + unasked.end()
    assert b"usage" not in stream and stream.endswith(b"data: [DONE]\n\n")
    unknown.send(Start("c", "m"))
    assert unknown.end() == b"data: [DONE]\n\n"


def test_usage_that_came_with_the_start_is_not_forgotten() -> None:
    w = writer()
    w.send(Start("c", "m", Usage(input_uncached=7)))
    assert b'"prompt_tokens":7' in w.end()


def test_the_own_id_and_model_stand_in_for_missing_ones() -> None:
    (chunk,) = chunks(writer().send(Start("", "")))
    assert (chunk["id"], chunk["model"]) == ("own", "asked")


def test_the_role_comes_first_even_without_a_start() -> None:
    found = chunks(writer().send(text("x")))
    assert [chunk["choices"][0]["delta"] for chunk in found] == [{"role": "assistant", "content": ""}, {"content": "x"}]


def test_thinking_and_refusals_have_fields_of_their_own() -> None:
    assert deltas(
        *(BlockStart(index=0, kind="thinking"), text("Hm"), BlockStop(0)),
        *(BlockStart(index=1, kind="refusal"), text("No", 1), BlockStop(1)),
        *(BlockStart(index=2, kind="text"), text("x", 2)),
    )[1:] == [{"reasoning_content": "Hm"}, {"refusal": "No"}, {"content": "x"}]


def test_calls_are_numbered_by_themselves_and_named_once() -> None:
    assert deltas(
        *(BlockStart(index=0, kind="text"), text("x"), BlockStop(0)),
        *(BlockStart(index=1, kind="tool", id="a", name="f"), arguments('{"x"', 1)),
        BlockStart(index=2, kind="tool", id="b", name="g"),
        *(arguments(":1}", 1), arguments("{}", 2), BlockStop(1), BlockStop(2)),
    )[2:] == [
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
        {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
    ]


def test_a_call_without_arguments_ends_as_an_empty_object() -> None:
    found = deltas(BlockStart(index=0, kind="tool", id="a", name="f"), arguments("", 0), BlockStop(0))
    assert found[2] == {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]}
    assert len(found) == 3


def test_a_signature_is_reported_once_and_not_sent() -> None:
    w = writer()
    w.send(Start("c", "m"))
    signature = Delta(index=0, kind="signature", text="c2ln")
    assert w.send(signature) + w.send(signature) == b""
    assert [loss.field for loss in w.losses] == ["thinking.signature"]


@pytest.mark.parametrize("id", ['a"b', "é\n", "\\"])
def test_odd_names_stay_json(id: str) -> None:
    (chunk,) = chunks(writer().send(Start(id, id)))
    assert (chunk["id"], chunk["model"]) == (id, id)


def test_an_empty_text_delta_is_not_sent() -> None:
    w = writer()
    w.send(Start("c", "m"))
    assert w.send(text("")) == b""
