"""Chat Completions streams on their way to the hub."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.dialects.openai_chat.reader import ChatReader
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used
from trunkline.types.usage import Usage

OPENAI = OpenAIChat()
DONE = b"data: [DONE]\n\n"


def reader(**options: Any) -> ChatReader:
    return OPENAI.reader(StreamOptions(id="own", model="asked", **options))


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def chunk(delta: Any, finish: Any = None, index: int = 0, **fields: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event({"id": "c1", "model": "gpt-6", "choices": [choice], **fields})


def call(index: int | None = 0, id: str | None = None, **function: Any) -> bytes:
    return chunk({"tool_calls": [{"index": index, "id": id, "function": function}]})


def read(*events: bytes) -> list[Event]:
    """What comes between the start and the end."""
    r = reader()
    found = r.feed(b"".join(events) + DONE)
    assert isinstance(found[0], Start) and found[-1] == End(), found
    assert r.finished and r.terminated and not r.broken
    return found[1:-1]


def text(index: int, *pieces: str) -> list[Event]:
    deltas: list[Event] = [Delta(index=index, kind="text", text=piece) for piece in pieces]
    return [BlockStart(index=index, kind="text"), *deltas, BlockStop(index)]


def tool(index: int, id: str, name: str, *pieces: str) -> list[Event]:
    deltas: list[Event] = [Delta(index=index, kind="json", text=piece) for piece in pieces]
    return [BlockStart(index=index, kind="tool", id=id, name=name), *deltas, BlockStop(index)]


STOPPED = Finish(reason="stop")
CALLED = Finish(reason="tool_calls")


def test_a_text_stream() -> None:
    r = reader()
    assert r.feed(chunk({"role": "assistant", "content": ""})) == [Start("c1", "gpt-6")]
    assert not r.content
    assert r.feed(chunk({"content": "Hel"})) == [
        BlockStart(index=0, kind="text"),
        Delta(index=0, kind="text", text="Hel"),
    ]
    assert (r.content, r.contents, r.progress) == (True, 1, 2)
    assert r.feed(chunk({"content": "lo"}, "length")) == [
        Delta(index=0, kind="text", text="lo"),
        BlockStop(0),
        Finish(reason="length"),
    ]
    assert r.finished and not r.terminated
    usage = Usage(input_uncached=3, output=2)
    meter = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    assert r.feed(meter + DONE + chunk({"content": "late"})) == [Used(usage), End()]
    assert r.answer.usage == usage and r.answer.finish == "length" and r.losses == ()


def test_without_an_id_or_model_the_own_ones_stand_in() -> None:
    assert reader().feed(event({"id": "", "model": None, "choices": []})) == [Start("own", "asked")]


def test_thinking_text_and_refusal_are_blocks_of_their_own() -> None:
    assert read(
        chunk({"reasoning_content": "Hm"}),
        chunk({"reasoning": "."}),
        chunk({"content": "No"}),
        chunk({"refusal": "Never"}, "stop"),
    ) == [
        BlockStart(index=0, kind="thinking"),
        Delta(index=0, kind="text", text="Hm"),
        Delta(index=0, kind="text", text="."),
        BlockStop(0),
        *text(1, "No"),
        BlockStart(index=2, kind="refusal"),
        Delta(index=2, kind="text", text="Never"),
        BlockStop(2),
        STOPPED,
    ]


def test_a_call_closes_the_text_and_comes_in_pieces() -> None:
    assert read(
        chunk({"content": "Look"}),
        call(id="a", name="f", arguments=""),
        call(arguments='{"x"'),
        call(arguments=":1}"),
        chunk({}, "tool_calls"),
    ) == [*text(0, "Look"), *tool(1, "a", "f", '{"x"', ":1}"), CALLED]


def test_id_and_name_may_be_repeated_or_come_later() -> None:
    assert read(
        call(id="a", arguments="{"),
        call(id="a", name="f", arguments=""),
        call(id="a", name="f", arguments="}"),
        chunk({}, "tool_calls"),
    ) == [*tool(0, "a", "f", "{", "}"), CALLED]


def test_a_call_may_come_complete_in_one_chunk_beside_another() -> None:
    calls = [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}},
        {"index": 1, "id": "b", "function": {"name": "g", "arguments": '{"y":2}'}},
    ]
    assert read(chunk({"tool_calls": calls}, "tool_calls")) == [
        *tool(0, "a", "f", "{}"),
        *tool(1, "b", "g", '{"y":2}'),
        CALLED,
    ]


def test_interleaved_calls_are_told_apart_by_index() -> None:
    assert read(
        call(0, "a", name="f", arguments="{"),
        call(1, "b", name="g", arguments="["),
        call(0, arguments="}"),
        call(1, arguments="]"),
        chunk({}, "tool_calls"),
    ) == [
        BlockStart(index=0, kind="tool", id="a", name="f"),
        Delta(index=0, kind="json", text="{"),
        BlockStart(index=1, kind="tool", id="b", name="g"),
        Delta(index=1, kind="json", text="["),
        Delta(index=0, kind="json", text="}"),
        Delta(index=1, kind="json", text="]"),
        BlockStop(0),
        BlockStop(1),
        CALLED,
    ]


def test_a_server_that_numbers_every_call_0_or_none_is_understood() -> None:
    expected = [*tool(0, "a", "f", "{}"), *tool(1, "b", "g", "{", "}"), CALLED]
    for index in (0, None):
        assert (
            read(
                call(index, "a", name="f", arguments="{}"),
                call(index, "b", name="g", arguments="{"),
                call(index, arguments="}") if index is None else call(index, "b", arguments="}"),
                chunk({}, "tool_calls"),
            )
            == expected
        )


def test_a_call_without_id_or_name_gets_what_can_be_made_up() -> None:
    assert read(call(arguments="{}"), chunk({}, "tool_calls")) == [*tool(0, "call_0", "", "{}"), CALLED]


def test_a_call_that_never_says_anything_is_none() -> None:
    assert read(call(id="a"), chunk({"tool_calls": [{}]}), chunk({}, "stop")) == [STOPPED]


def test_stop_after_a_call_means_the_call() -> None:
    assert read(call(id="a", name="f", arguments="{}"), chunk({}, "stop"))[-1] == CALLED


def test_a_retired_function_call_is_still_a_call() -> None:
    assert read(
        chunk({"function_call": {"name": "f", "arguments": ""}}),
        chunk({"function_call": {"arguments": "{}"}}),
        chunk({}, "function_call"),
    ) == [*tool(0, "call_0", "f", "{}"), CALLED]


def test_a_free_text_call_becomes_json_piece_by_piece() -> None:
    found = read(
        chunk({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "c", "input": 'x"'}}]}),
        chunk({"tool_calls": [{"index": 0, "custom": {"input": "\ny"}}]}),
        chunk({}, "tool_calls"),
    )
    pieces = [e.text for e in found if isinstance(e, Delta)]
    assert json.loads("".join(pieces)) == {"input": 'x"\ny'}


def test_a_surrogate_pair_may_be_split_over_two_deltas() -> None:
    assert read(chunk({"content": "a\ud83d"}), chunk({"content": "\ude00b"}, "stop")) == [
        *text(0, "a", "\U0001f600b"),
        STOPPED,
    ]
    assert read(chunk({"content": "\ud83d"}), chunk({}, "stop")) == [*text(0, "\ufffd"), STOPPED]


def test_text_in_parts_is_understood() -> None:
    delta = {"content": [{"type": "thinking", "thinking": [{"text": "Hm"}]}, {"type": "text", "text": "Hi"}]}
    kinds = [e.kind for e in read(chunk(delta, "stop")) if isinstance(e, BlockStart)]
    assert kinds == ["thinking", "text"]


def test_further_choices_audio_and_unknown_reasons_are_reported_once() -> None:
    r = reader()
    r.feed(chunk({"content": "a"}, index=1) + chunk({"content": "b"}, index=2) + chunk({"audio": {"id": "x"}}))
    r.feed(chunk({"content": "c"}, "tired"))
    assert [loss.field for loss in r.losses] == ["choices", "delta.audio", "finish_reason"]


def test_arguments_behind_a_whole_call_are_reported() -> None:
    r = reader()
    r.feed(
        call(0, "a", name="f", arguments="{}")
        + call(1, "b", name="g")
        + call(0, arguments=" ")
        + call(0, arguments="x")
    )
    assert [loss.field for loss in r.losses] == ["tool_calls.arguments"]


def test_an_error_event_stops_the_reading() -> None:
    r = reader()
    error = event({"error": {"message": "no", "type": "server_error", "code": "boom"}})
    assert len(r.feed(chunk({"content": "a"}) + error + chunk({"content": "b"}))) == 3
    assert r.error is not None and r.error.code == "boom"
    assert r.feed(chunk({"content": "c"})) == [] and not r.finished


def test_a_terminator_before_the_finish_breaks_the_stream() -> None:
    r = reader()
    assert End() not in r.feed(chunk({"content": "a"}) + DONE)
    assert (r.broken, r.terminated) == ("unfinished", False)


def test_json_of_another_shape_is_as_bad_as_no_json() -> None:
    r = reader()
    r.feed(event(5) + chunk({"content": "a"}))
    assert (r.malformed, r.broken) == (1, "")
    r.feed(event({"choices": {}}))
    assert (r.malformed, r.broken) == (2, "malformed")


def test_a_malformed_event_inside_a_call_breaks_the_stream() -> None:
    r = reader()
    r.feed(call(id="a", name="f", arguments="{") + b"data: {\n\n")
    assert r.broken == "malformed"


def test_at_the_end_usage_without_its_blank_line_still_counts() -> None:
    r = reader()
    r.feed(chunk({"content": "a"}, "stop") + b'data: {"choices":[],"usage":{"prompt_tokens":3}}')
    assert r.eof() == [Used(Usage(input_uncached=3))]


@pytest.mark.parametrize("delta", [None, {}, {"role": "assistant"}, {"content": ""}, {"tool_calls": []}])
def test_what_says_nothing_is_no_content(delta: Any) -> None:
    r = reader()
    assert r.feed(chunk(delta)) == [Start("c1", "gpt-6")]
    assert not r.content
