"""The same-dialect tap of Chat Completions streams: bytes pass, and it knows where the stream stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.dialects.openai_chat.stream import ChatTap
from trunkline.types.usage import Usage

OPENAI = OpenAIChat()
DONE = b"data: [DONE]\n\n"
USED = {"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 2}}
USAGE = Usage(input_uncached=9, output=5, reasoning=2)


def tap(**options: Any) -> ChatTap:
    return OPENAI.tap(StreamOptions(**options))


def event(value: Any, compact: bool = True) -> bytes:
    text = json.dumps(value, separators=(",", ":")) if compact else json.dumps(value)
    return b"data: " + text.encode() + b"\n\n"


def chunk(delta: Any, finish: Any = None, index: int = 0, compact: bool = True, **fields: Any) -> bytes:
    choices = [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-6", "choices": choices}
    return event({**head, **fields}, compact)


def call(index: int = 0, compact: bool = True, **function: str) -> bytes:
    return chunk({"tool_calls": [{"index": index, "function": function}]}, compact=compact)


ROLE = chunk({"role": "assistant", "content": ""})
TEXT = chunk({"content": "Hi"})
FINISH = chunk({}, "stop")
METER = event({"id": "c1", "choices": [], "usage": USED})


@pytest.mark.parametrize("compact", [True, False])
def test_a_whole_stream_passes_untouched_and_is_understood(compact: bool) -> None:
    stream = b"".join(
        [
            chunk({"role": "assistant", "content": ""}, compact=compact, usage=None),
            chunk({"content": "Hi"}, compact=compact, usage=None),
            chunk({"content": ' "finish_reason":"stop" "usage" \u00e9'}, compact=compact, usage=None),
            chunk({}, "length", compact=compact, usage=None),
            event({"id": "c1", "choices": [], "usage": USED}, compact),
            DONE,
        ]
    )
    t = tap()
    assert t.feed(stream) + t.finalise() == stream
    assert (t.content, t.contents, t.finished, t.terminated, t.events) == (True, 2, True, True, 6)
    assert (t.answer.id, t.answer.model, t.answer.finish, t.answer.usage) == ("c1", "gpt-6", "length", USAGE)
    assert not t.answer.empty and not t.answer.blocked and not t.blind


@pytest.mark.parametrize(
    "delta",
    [
        {"role": "assistant"},
        {"role": "assistant", "content": ""},
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": None, "audio": None},
        {},
        {"tool_calls": []},
        {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "", "arguments": ""}}]},
    ],
)
def test_what_says_nothing_is_preamble(delta: dict[str, Any]) -> None:
    t = tap()
    assert t.feed(chunk(delta)) == chunk(delta)
    assert not t.content and t.progress == 1


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "x"},
        {"content": [{"type": "text", "text": "x"}]},
        {"refusal": "x"},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"audio": {"id": "a"}},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
        {"tool_calls": [{"index": 0, "type": "custom", "custom": {"name": "c"}}]},
        {"function_call": {"name": "f"}},
    ],
)
def test_what_says_something_is_content(delta: dict[str, Any]) -> None:
    t = tap()
    t.feed(chunk(delta))
    assert t.content and t.contents == 1


def test_the_unasked_usage_chunk_is_left_out_and_still_counts() -> None:
    t = tap(strip_usage=True)
    assert t.feed(ROLE + TEXT + FINISH + METER + DONE) == ROLE + TEXT + FINISH + DONE
    assert t.answer.usage == USAGE and t.events == 4


def test_usage_beside_choices_is_read_and_stays() -> None:
    t = tap(strip_usage=True)
    last = chunk({}, "stop", usage=USED)
    assert t.feed(TEXT + last + DONE) == TEXT + last + DONE
    assert t.answer.usage == USAGE


def test_running_usage_on_every_chunk_is_read_to_the_last() -> None:
    t = tap()
    t.feed(chunk({"content": "a"}, usage={"prompt_tokens": 9, "completion_tokens": 1}))
    t.feed(chunk({"content": "b"}, usage=USED))
    assert t.answer.usage == USAGE and t.contents == 2


def test_an_empty_chunk_without_usage_stays_even_when_usage_is_stripped() -> None:
    filtered = event({"id": "", "model": "", "choices": [], "prompt_filter_results": []})
    t = tap(strip_usage=True)
    assert t.feed(filtered) == filtered
    assert (t.answer.id, t.answer.model) == ("", "")
    t.feed(TEXT)
    assert (t.answer.id, t.answer.model) == ("c1", "gpt-6")


def test_a_missing_terminator_is_supplied() -> None:
    t = tap()
    t.feed(TEXT + FINISH)
    assert t.finished and not t.terminated
    assert t.finalise() == DONE


def test_a_terminator_without_its_blank_line_is_completed() -> None:
    t = tap()
    t.feed(TEXT + FINISH + b"data: [DONE]")
    assert t.finalise() == DONE


def test_usage_without_its_blank_line_still_counts() -> None:
    t = tap(strip_usage=True)
    t.feed(TEXT + FINISH + METER.rstrip(b"\n"))
    assert t.finalise() == DONE
    assert t.answer.usage == USAGE


@pytest.mark.parametrize("before", [b"", ROLE, ROLE + TEXT, METER])
def test_a_terminator_before_the_finish_does_not_pass(before: bytes) -> None:
    t = tap()
    assert t.feed(before + DONE) == before
    assert (t.broken, t.finished, t.terminated) == ("unfinished", False, False)


def test_what_follows_the_terminator_is_ignored() -> None:
    t = tap()
    assert t.feed(TEXT + FINISH + DONE + TEXT) == TEXT + FINISH + DONE
    assert t.feed(TEXT) == b"" and t.finalise() == b""


@pytest.mark.parametrize(
    "error",
    [
        event({"error": {"message": "no", "type": "server_error", "param": None, "code": "boom"}}),
        b"event: error\n" + event({"error": {"message": "no", "type": "server_error", "code": "boom"}}),
        b"event: error\n" + event({"message": "no", "type": "server_error", "code": "boom"}),
        event({"object": "error", "message": "no", "type": "server_error", "code": "boom"}),
        chunk({"content": ""}, "error", error={"message": "no", "type": "server_error", "code": "boom"}),
        event({"choices": "x", "error": {"message": "no", "type": "server_error", "code": "boom"}}),
    ],
)
@pytest.mark.parametrize("before", [b"", ROLE + TEXT, TEXT + call(name="f")])
def test_an_error_event_stays_back_and_is_read(before: bytes, error: bytes) -> None:
    t = tap()
    assert t.feed(before + error + TEXT) == before
    assert t.error is not None
    assert (t.error.message, t.error.type, t.error.code) == ("no", "server_error", "boom")
    assert not t.finished and t.finalise() == b""


@pytest.mark.parametrize("nothing", [None, "", False, {}, []])
def test_an_error_field_that_says_nothing_is_none_as_for_the_sdk(nothing: Any) -> None:
    t = tap()
    read = chunk({"content": "x"}, error=nothing)
    assert t.feed(read) == read and t.error is None and t.content


def test_the_word_error_in_the_text_is_no_error() -> None:
    t = tap()
    read = TEXT + chunk({"content": '"error":{"message":"x"}'}) + chunk({"content": "error"})
    assert t.feed(read) == read and t.error is None


def test_several_choices_are_finished_when_all_of_them_are() -> None:
    t = tap(choices=2)
    t.feed(chunk({"content": "a"}) + chunk({}, "stop"))
    assert not t.finished
    t.feed(chunk({"content": "b"}, index=1) + chunk({}, "length", index=1))
    assert t.finished and t.answer.finish == "stop"


def test_choices_that_interleave_are_told_apart_even_when_only_one_was_known_of() -> None:
    t = tap()
    t.feed(ROLE + chunk({"content": "a"}) + chunk({"content": "b"}, index=1) + chunk({}, "stop"))
    assert not t.finished
    t.feed(chunk({}, "stop", index=1))
    assert t.finished


def test_a_server_that_gives_fewer_choices_is_finished_with_its_terminator() -> None:
    t = tap(choices=3)
    assert t.feed(TEXT + FINISH + DONE) == TEXT + FINISH + DONE
    assert t.finished and t.terminated


def test_an_empty_answer_is_finished_and_empty() -> None:
    t = tap()
    t.feed(ROLE + FINISH)
    assert t.finished and t.answer.empty and not t.content


def test_a_filtered_answer_is_blocked() -> None:
    t = tap()
    t.feed(TEXT + chunk({}, "content_filter"))
    assert t.finished and t.answer.blocked and not t.answer.empty


def test_an_empty_finish_reason_is_none() -> None:
    t = tap()
    t.feed(chunk({"content": "x"}, ""))
    assert not t.finished and t.answer.finish == ""


@pytest.mark.parametrize("compact", [True, False])
def test_a_malformed_event_inside_a_tool_call_breaks_the_stream(compact: bool) -> None:
    t = tap()
    before = TEXT + call(name="f", compact=compact) + call(arguments="{", compact=compact)
    assert t.feed(before + b'data: {"choices":[{\n\n' + TEXT) == before
    assert t.broken == "malformed"


def test_a_malformed_event_in_text_is_left_out_with_a_comment_that_no_sdk_trips_over() -> None:
    t = tap()
    out = t.feed(TEXT + b'data: {"choices":[{\n\n' + TEXT + FINISH + DONE)
    assert out == TEXT + b": trunkline dropped a malformed event\n" + TEXT + FINISH + DONE
    assert (t.malformed, t.broken, t.finished) == (1, "", True)


def test_a_malformed_event_after_the_call_is_finished_is_left_out() -> None:
    t = tap()
    t.feed(call(name="f") + chunk({}, "tool_calls") + b"data: {\n\n")
    assert (t.malformed, t.broken) == (1, "")


@pytest.mark.parametrize(
    "odd",
    [
        event(5),
        event([]),
        event({}),
        event({"choices": {"a": 1}}),
        event({"choices": [5, None]}),
        chunk({"content": 5}),
        chunk("x"),
        chunk({"content": "x"}, usage="many"),
        chunk({"content": "x"}, id=5, model=7),
        chunk({"content": "x", "tool_calls": {"0": {}}}),
        chunk({"content": "\ud83d"}),
        b"event: strange\n" + TEXT,
        b"id: 7\nretry: 5\n" + TEXT,
    ],
)
def test_json_of_another_shape_passes_and_the_watch_goes_on(odd: bytes) -> None:
    t = tap()
    stream = odd + TEXT + odd + FINISH + METER + DONE
    assert t.feed(stream) == stream
    assert (t.finished, t.blind, t.answer.usage) == (True, False, USAGE)


def test_a_blind_tap_lets_the_stream_end() -> None:
    t = tap()
    t.blind = True
    assert t.feed(TEXT + FINISH + DONE) == TEXT + FINISH + DONE
    assert t.finished and t.terminated
