"""The same-dialect tap of generateContent streams: bytes pass, and it knows where the stream stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import ErrorFacts, StreamOptions
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.gemini_generate.stream import GenerateTap
from trunkline.types.usage import Usage

GEMINI = GeminiGenerate()


def tap(**options: Any) -> GenerateTap:
    return GEMINI.tap(StreamOptions(**options))


def chunk(*parts: dict[str, Any], finish: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1", **fields}


def event(value: dict[str, Any], end: str = "\r\n\r\n") -> bytes:
    return b"data: " + json.dumps(value).encode() + end.encode()


def text(words: str, **fields: Any) -> bytes:
    return event(chunk({"text": words}, **fields))


USED = {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 14}
FINISH = event(chunk({"text": ""}, finish="STOP", usageMetadata=USED))


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_bytes_pass_untouched_with_either_line_end(end: str) -> None:
    stream = event(chunk({"text": "It"}), end) + event(chunk({"text": "is"}), end) + event(chunk(finish="STOP"), end)
    t = tap()
    assert t.feed(stream) + t.finalise() == stream
    assert (t.content, t.contents, t.events, t.progress) == (True, 2, 3, 3)


def test_an_unfinished_tail_waits_for_the_rest() -> None:
    t = tap()
    whole = text("It")
    assert t.feed(whole[:-1]) == b""
    assert t.feed(whole[-1:]) == whole


def test_the_finish_completes_the_stream_and_there_is_no_other_terminator() -> None:
    t = tap()
    t.feed(text("It", usageMetadata={"promptTokenCount": 9, "candidatesTokenCount": 1}))
    assert not t.finished and not t.terminated
    t.feed(FINISH)
    assert t.finished and t.terminated
    assert t.finalise() == b""
    assert (t.answer.id, t.answer.model, t.answer.finish) == ("r1", "gemini-x", "STOP")
    assert not t.answer.empty and not t.answer.blocked


@pytest.mark.parametrize("missing", [b"\r\n", b"\r\n\r\n"])
def test_a_finish_that_lacks_nothing_but_its_blank_line_still_counts(missing: bytes) -> None:
    t = tap()
    passed = t.feed(text("It") + FINISH.removesuffix(missing))
    assert not t.finished
    assert (passed + t.finalise()).rstrip() == (text("It") + FINISH).rstrip()
    assert t.finished and t.terminated
    assert t.answer.usage == Usage(input_uncached=9, output=5, reasoning=2)


def test_half_an_event_at_the_end_does_not_count() -> None:
    t = tap()
    t.feed(text("It") + FINISH[:-10])
    assert t.finalise() == b""
    assert not t.finished


def test_usage_is_cumulative_and_the_last_one_counts() -> None:
    t = tap()
    t.feed(text("It", usageMetadata={"promptTokenCount": 9, "candidatesTokenCount": 1}) + FINISH)
    assert t.answer.usage == Usage(input_uncached=9, output=5, reasoning=2)


def test_usage_after_the_finish_still_passes_and_counts() -> None:
    late = event({"usageMetadata": USED})
    t = tap()
    assert t.feed(text("It") + text("", finish="STOP")) != b""
    assert t.finished
    assert t.feed(late) == late
    assert t.finished
    assert t.answer.usage == Usage(input_uncached=9, output=5, reasoning=2)


def test_a_stream_that_is_cut_still_knows_what_was_used_so_far() -> None:
    t = tap()
    t.feed(text("It", usageMetadata={"promptTokenCount": 9}) + text("is", usageMetadata=USED))
    assert not t.finished
    assert t.answer.usage == Usage(input_uncached=9, output=5, reasoning=2)


@pytest.mark.parametrize(
    "part",
    [
        {"text": "It"},
        {"text": "hm", "thought": True},
        {"text": "", "thoughtSignature": "c2ln"},
        {"functionCall": {"name": "f", "args": {}}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
        {"executableCode": {"code": "1"}},
    ],
)
def test_output_of_any_kind_is_content(part: dict[str, Any]) -> None:
    t = tap()
    t.feed(event(chunk(part)))
    assert t.content


def test_an_empty_text_and_a_chunk_with_usage_alone_are_preamble() -> None:
    t = tap()
    t.feed(text("") + event(chunk()) + event({"usageMetadata": USED}) + event({"candidates": [{"index": 0}]}))
    assert not t.content
    assert t.events == 4


def test_a_blank_line_passes_and_is_no_progress() -> None:
    t = tap()
    assert t.feed(b"\n") == b"\n"
    assert t.feed(b"\r\n") == b"\r\n"
    assert (t.progress, t.events, t.content) == (0, 0, False)


def test_a_comment_is_left_out_because_the_sdk_raises_on_it() -> None:
    t = tap()
    assert t.feed(b": ping\n\n" + text("It")) == text("It")


def test_a_blocked_prompt_finishes_the_stream() -> None:
    blocked = event({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}})
    t = tap()
    assert t.feed(blocked) == blocked
    assert t.finished and t.terminated and not t.content
    assert (t.answer.finish, t.answer.blocked, t.answer.empty) == ("PROHIBITED_CONTENT", True, True)
    assert t.answer.usage == Usage(input_uncached=4)


def test_a_filtered_ending_is_blocked() -> None:
    t = tap()
    t.feed(text("It") + event(chunk(finish="SAFETY")))
    assert t.finished and t.answer.blocked and not t.answer.empty


def test_an_answer_that_ends_without_content_is_empty() -> None:
    t = tap()
    t.feed(FINISH)
    assert t.finished and t.answer.empty


def test_a_continuation_is_the_clients_business() -> None:
    last = event({"candidates": [{"finishReason": "CONTINUATION", "continuationToken": "t", "index": 0}]})
    t = tap()
    assert t.feed(text("It") + last).endswith(last)
    assert t.finished and t.answer.finish == "CONTINUATION"


# --- several candidates -----------------------------------------------------------------------------------------
def test_the_stream_is_finished_when_every_candidate_is() -> None:
    t = tap()
    t.feed(text("a") + text("b", index=1))
    t.feed(event(chunk(finish="STOP")))
    assert not t.finished
    t.feed(text("c", index=1))
    assert not t.finished
    t.feed(event(chunk(finish="MAX_TOKENS", index=1)))
    assert t.finished
    assert t.answer.finish == "STOP"


@pytest.mark.parametrize("before", [b"", text("b", index=1)])
def test_one_disowned_candidate_of_two_does_not_end_the_stream(before: bytes) -> None:
    t = tap()
    t.feed(text("a") + before + event(chunk(finish="MALFORMED_RESPONSE", index=1)))
    assert t.error is None and t.broken == "" and not t.finished


# --- errors -----------------------------------------------------------------------------------------------------
OVERLOADED = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize("before", [b"", text("It")])
def test_an_error_event_stops_the_stream_and_is_not_forwarded(before: bytes) -> None:
    t = tap()
    assert t.feed(before + event(OVERLOADED) + text("more")) == before
    assert t.error == ErrorFacts(message="The model is overloaded.", type="UNAVAILABLE", status=503)
    assert not t.finished
    assert t.feed(FINISH) == b""


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL"])
def test_a_disowned_generation_before_content_is_an_error_that_can_fail_over(reason: str) -> None:
    t = tap()
    assert t.feed(event(chunk(finish=reason))) == b""
    assert t.error is not None and (t.error.code, t.error.status) == (reason, 502)
    assert not t.finished


def test_a_disowned_generation_after_content_is_a_broken_stream() -> None:
    t = tap()
    assert t.feed(text("It") + event(chunk(finish="MALFORMED_FUNCTION_CALL"))) == text("It")
    assert (t.broken, t.error, t.finished) == ("malformed_generation", None, False)


def test_text_that_speaks_of_errors_is_text() -> None:
    words = 'the key "error" and "finishReason": "STOP" and "promptFeedback"'
    t = tap()
    assert t.feed(text("It") + text(words)) == text("It") + text(words)
    assert t.error is None and not t.finished and t.contents == 2


# --- malformed --------------------------------------------------------------------------------------------------
BAD = b'data: {"candidates":[{"content":\r\n\r\n'


def test_one_malformed_event_is_left_out_silently_and_a_second_one_breaks() -> None:
    t = tap()
    assert t.feed(text("a") + BAD + text("b")) == text("a") + text("b")
    assert (t.malformed, t.broken) == (1, "")
    assert t.feed(BAD + text("c")) == b""
    assert (t.malformed, t.broken) == (2, "malformed")


def test_a_malformed_event_breaks_at_once_where_the_route_says_so() -> None:
    t = tap(on_malformed="break")
    assert t.feed(text("a") + BAD) == text("a")
    assert t.broken == "malformed"


def test_a_malformed_event_breaks_while_streamed_arguments_are_open() -> None:
    t = tap()
    open_call = event(chunk({"functionCall": {"name": "f", "willContinue": True}}))
    assert t.feed(open_call + BAD) == open_call
    assert t.broken == "malformed"


@pytest.mark.parametrize("data", [b"[]", b"7", b'{"candidates":5}', b'{"candidates":[{"content":{"parts":7}}]}'])
def test_json_of_another_shape_passes_without_being_understood(data: bytes) -> None:
    odd = b"data: " + data + b"\n\n"
    t = tap()
    assert t.feed(odd + text("a") + odd + FINISH) == odd + text("a") + odd + FINISH
    assert t.finished and t.malformed == 0


def test_an_event_above_the_limit_breaks_the_stream() -> None:
    t = tap(max_event=1000)
    t.feed(b"data: " + b"x" * 2000)
    assert t.broken == "oversized"


# --- the array framing ------------------------------------------------------------------------------------------
def test_without_sse_the_client_gets_one_json_array_with_the_data_as_it_stands() -> None:
    t = tap(sse=False)
    first = b'{"candidates":[{"content": {"parts":[{"text":"It"}]},  "index":0}]}'
    out = t.feed(b"data: " + first + b"\r\n\r\n")
    assert out == b"[" + first
    out += t.feed(b"\n" + text("is") + FINISH) + t.finalise()
    assert [c["candidates"][0]["content"]["parts"][0]["text"] for c in json.loads(out)] == ["It", "is", ""]
    assert out.endswith(b"]")


def test_an_array_broken_off_is_closed_by_the_error() -> None:
    from trunkline.types.failure import Failure, FaultClass, Kind

    t = tap(sse=False)
    out = t.feed(text("It") + event(OVERLOADED))
    fault = Failure(kind=Kind.STREAM_BROKEN, fault=FaultClass.TRANSIENT, source="upstream", message="broke")
    found = json.loads(out + GEMINI.error_event(fault, "r", sse=False))
    assert [next(iter(element)) for element in found] == ["candidates", "error"]


def test_after_the_commit_plain_events_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from trunkline.dialects.gemini_generate import stream

    t = tap()
    t.feed(text("It"))
    monkeypatch.setattr(stream, "_decoded", lambda data: pytest.fail("decoded"))
    assert t.feed(text("is", usageMetadata=USED)) == text("is", usageMetadata=USED)
