"""Streams of Messages: what the tap sees, what the reader makes of it, what the writer says (wire-formats.md B.4, E.10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.registry import DIALECTS
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used
from trunkline.types.usage import Usage

MESSAGES = DIALECTS["anthropic_messages"]


def options(**fields: Any) -> StreamOptions:
    return StreamOptions(id="x1", model="claude", created=1, **fields)


def event(name: str, **fields: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


def text(words: str, index: int = 0) -> bytes:
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": words})


USAGE = {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 0, "output_tokens": 1}
BEGIN = event(
    "message_start",
    message={"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "usage": USAGE},
)
BLOCK = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
CLOSE = event("content_block_stop", index=0)
FINISH = event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 7})
STOP = event("message_stop")
PING = event("ping")
WHOLE = BEGIN + BLOCK + PING + text("Hel") + text("lo") + CLOSE + FINISH + STOP


# --- the tap ---------------------------------------------------------------------------------------------------------
def test_the_tap_passes_every_byte_and_knows_how_it_ended() -> None:
    tap = MESSAGES.tap(options())
    assert b"".join(tap.feed(WHOLE[at : at + 7]) for at in range(0, len(WHOLE), 7)) + tap.finalise() == WHOLE
    assert (tap.finished, tap.terminated, tap.content, tap.contents, tap.malformed) == (True, True, True, 2, 0)
    answer = tap.answer
    assert (answer.id, answer.model, answer.finish, answer.empty) == ("msg_1", "claude-x", "end_turn", False)
    assert answer.usage == Usage(input_uncached=10, cache_read=4, output=7)


def test_a_ping_is_no_progress_and_nothing_is_content_before_the_first_text() -> None:
    tap = MESSAGES.tap(options())
    tap.feed(BEGIN + BLOCK)
    before = tap.progress
    tap.feed(PING)
    assert (tap.progress, tap.content) == (before, False)
    tap.feed(text(""))
    assert not tap.content
    tap.feed(text("Hi"))
    assert tap.content


def test_a_finished_stream_without_its_stop_is_given_one() -> None:
    tap = MESSAGES.tap(options())
    tap.feed(WHOLE.removesuffix(STOP))
    assert (tap.finished, tap.terminated) == (True, False)
    assert tap.finalise() == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


def test_an_error_event_is_kept_from_the_client_and_ends_the_stream() -> None:
    tap = MESSAGES.tap(options())
    passed = tap.feed(
        BEGIN + event("error", error={"type": "overloaded_error", "message": "Overloaded"}) + text("late")
    )
    assert passed == BEGIN
    assert tap.error is not None
    assert (tap.error.type, tap.error.message) == ("overloaded_error", "Overloaded")
    assert tap.feed(STOP) == b""


def test_a_tool_call_is_content_and_open_until_its_block_stops() -> None:
    tap = MESSAGES.tap(options())
    tap.feed(
        BEGIN
        + event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}})
    )
    assert (tap.content, tap.open_structured) == (True, True)
    tap.feed(CLOSE)
    assert not tap.open_structured


def test_one_malformed_event_is_left_out_with_a_comment() -> None:
    tap = MESSAGES.tap(options())
    passed = tap.feed(BEGIN + BLOCK + text("a") + b"event: content_block_delta\ndata: {broken\n\n" + text("b"))
    assert b"broken" not in passed
    assert passed.count(b"text_delta") == 2
    assert (tap.malformed, tap.broken) == (1, "")


# --- the reader ------------------------------------------------------------------------------------------------------
def read(data: bytes) -> tuple[list[Event], Any]:
    reader = MESSAGES.reader(options())
    return [found for at in range(len(data)) for found in reader.feed(data[at : at + 1])], reader


def test_the_reader_tells_the_whole_story() -> None:
    events, reader = read(WHOLE)
    begun = Usage(input_uncached=10, cache_read=4, output=1)
    assert events == [
        Start("msg_1", "claude-x", begun),
        BlockStart(index=0, kind="text"),
        Delta(index=0, kind="text", text="Hel"),
        Delta(index=0, kind="text", text="lo"),
        BlockStop(0),
        Used(Usage(input_uncached=10, cache_read=4, output=7)),
        Finish(reason="stop"),
        End(),
    ]
    assert (reader.finished, reader.terminated) == (True, True)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("stop_sequence", "stop_sequence"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "paused"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons(word: str, reason: str) -> None:
    events, _ = read(BEGIN + event("message_delta", delta={"stop_reason": word}, usage={"output_tokens": 1}))
    assert [e.reason for e in events if isinstance(e, Finish)] == [reason]


def test_an_unknown_block_is_left_out_and_reported_and_its_neighbours_close_ranks() -> None:
    data = (
        BEGIN
        + event("content_block_start", index=0, content_block={"type": "server_tool_use", "id": "s", "name": "web"})
        + event("content_block_stop", index=0)
        + event("content_block_start", index=1, content_block={"type": "text", "text": ""})
        + text("Found.", index=1)
    )
    events, reader = read(data)
    assert [(e.index, e.text) for e in events if isinstance(e, Delta)] == [(0, "Found.")]
    assert [loss.field for loss in reader.losses] == ["content[0]"]


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [("\\ud83d", "\\ude00!", "\U0001f600!"), ("\\ud83d", "b", "\ufffdb"), ("a\\ude00", "b", "a\ufffdb")],
    ids=["a pair", "a lone first half", "a lone second half"],
)
def test_halves_of_a_surrogate_pair_cost_no_stream(first: str, second: str, said: str) -> None:
    halves = (text("HALF").replace(b"HALF", half.encode()) for half in (first, second))
    data = BEGIN + BLOCK + b"".join(halves) + CLOSE + FINISH + STOP
    events, reader = read(data)
    assert "".join(e.text for e in events if isinstance(e, Delta)) == said
    assert (reader.finished, reader.broken) == (True, "")
    tap = MESSAGES.tap(options())
    assert tap.feed(data) == data
    assert not tap.blind and tap.finished


# --- the writer ------------------------------------------------------------------------------------------------------
def written(*events: Event) -> list[dict[str, Any]]:
    writer = MESSAGES.writer(options())
    wire = b"".join(writer.send(e) for e in events) + writer.end()
    found = []
    for block in wire.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        found.append(value)
    return found


def test_the_writer_speaks_in_the_order_that_sdks_demand() -> None:
    said = written(
        Start("chatcmpl-7", "gpt-x", None),
        BlockStart(index=0, kind="text"),
        Delta(index=0, kind="text", text="Hi"),
        BlockStop(0),
        Finish(reason="stop"),
        Used(Usage(input_uncached=3, output=2)),
    )
    assert [s["type"] for s in said] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert said[0]["message"]["id"].startswith("msg_")
    assert said[4]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert (said[4]["usage"]["input_tokens"], said[4]["usage"]["output_tokens"]) == (3, 2)


def test_parallel_tool_calls_that_arrive_interleaved_leave_one_after_the_other() -> None:
    said = written(
        Start("c", "m", None),
        BlockStart(index=0, kind="tool", id="a", name="first"),
        BlockStart(index=1, kind="tool", id="b", name="second"),
        Delta(index=1, kind="json", text='{"y":'),
        Delta(index=0, kind="json", text='{"x":1}'),
        Delta(index=1, kind="json", text="2}"),
        BlockStop(0),
        BlockStop(1),
        Finish(reason="tool_calls"),
    )
    blocks: dict[int, list[str]] = {}
    order = []
    for s in said[1:-2]:
        order.append((s["type"].removeprefix("content_block_"), s["index"]))
        if s["type"] == "content_block_delta":
            blocks.setdefault(s["index"], []).append(s["delta"]["partial_json"])
    assert {at: json.loads("".join(parts)) for at, parts in blocks.items()} == {0: {"x": 1}, 1: {"y": 2}}
    assert [at for _, at in order] == sorted(at for _, at in order)
    assert said[-2]["delta"]["stop_reason"] == "tool_use"


def test_an_answer_without_anything_is_still_a_message() -> None:
    assert [s["type"] for s in written()] == ["message_start", "message_delta", "message_stop"]


def test_a_signature_of_another_provider_is_a_loss() -> None:
    writer = MESSAGES.writer(options())
    writer.send(BlockStart(index=0, kind="thinking"))
    assert writer.send(Delta(index=0, kind="signature", text="proof")) == b""
    assert [loss.field for loss in writer.losses] == ["thinking.signature"]
