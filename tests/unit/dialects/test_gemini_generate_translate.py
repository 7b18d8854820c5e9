"""Translated streams: generateContent chunks to canonical events, and canonical events to chunks (wire-formats.md E.10)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import ErrorFacts, StreamOptions
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.gemini_generate.reader import GenerateReader
from trunkline.dialects.gemini_generate.stream import GenerateWriter
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, FinishReason, Start, Used
from trunkline.types.usage import Usage

GEMINI = GeminiGenerate()
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def reader(**options: Any) -> GenerateReader:
    return GEMINI.reader(StreamOptions(id="fallback", model="asked", **options))


def writer(**options: Any) -> GenerateWriter:
    return GEMINI.writer(StreamOptions(id="fallback", model="asked", **options))


def chunk(*parts: dict[str, Any], finish: str | None = None, index: int = 0, **fields: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    value = {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r1", **fields}
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


START = Start("r1", "gemini-x")


# --- reading ----------------------------------------------------------------------------------------------------
def test_text_comes_in_pieces_of_one_block_and_usage_with_the_finish() -> None:
    r = reader()
    used = {"promptTokenCount": 9, "candidatesTokenCount": 2}
    assert r.feed(chunk({"text": "It "})) == [
        START,
        BlockStart(index=0, kind="text"),
        Delta(index=0, kind="text", text="It "),
    ]
    assert r.feed(chunk({"text": "is"})) == [Delta(index=0, kind="text", text="is")]
    assert (r.content, r.contents, r.finished) == (True, 2, False)
    assert r.feed(chunk({"text": ""}, finish="STOP", usageMetadata=used)) == [
        Used(Usage(input_uncached=9, output=2)),
        BlockStop(0),
        Finish(reason="stop"),
    ]
    assert r.finished and r.terminated
    assert r.eof() == [End()]
    assert (r.answer.finish, r.answer.empty, r.answer.model) == ("STOP", False, "gemini-x")


def test_a_function_call_is_a_whole_block_and_makes_the_finish_a_tool_call() -> None:
    r = reader()
    call = {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    assert r.feed(chunk({"text": "let me"}, call)) == [
        START,
        BlockStart(index=0, kind="text"),
        Delta(index=0, kind="text", text="let me"),
        BlockStop(0),
        BlockStart(index=1, kind="tool", id="c1", name="f"),
        Delta(index=1, kind="json", text='{"a": 1}'),
        Delta(index=1, kind="signature", text="c2ln"),
        BlockStop(1),
    ]
    assert r.feed(chunk({"text": ""}, finish="STOP")) == [Finish(reason="tool_calls")]


def test_parallel_calls_without_ids_get_the_ids_of_the_complete_answer() -> None:
    calls = [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "f", "args": {}}}]
    starts = [e for e in reader().feed(chunk(*calls, finish="STOP")) if isinstance(e, BlockStart)]
    whole = json.dumps(
        {"candidates": [{"content": {"parts": calls}, "finishReason": "STOP"}], "responseId": "r1"}
    ).encode()
    complete = GEMINI.decode_response(whole)
    assert [s.id for s in starts] == [p.id for p in complete.parts]  # type: ignore[union-attr]  # both are calls
    assert len({s.id for s in starts}) == 2


def test_thoughts_are_a_block_of_their_own() -> None:
    r = reader()
    events = r.feed(chunk({"text": "hm", "thought": True}) + chunk({"text": "ok"}))
    assert [(e.kind, e.index) for e in events if isinstance(e, BlockStart)] == [("thinking", 0), ("text", 1)]
    assert BlockStop(0) in events


@pytest.mark.parametrize(
    ("word", "reason"), [("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("CONTINUATION", "paused")]
)
def test_finish_words_become_canonical_reasons(word: str, reason: FinishReason) -> None:
    assert reader().feed(chunk({"text": "x"}, finish=word))[-1] == Finish(reason=reason)


def test_a_blocked_prompt_is_a_content_filter() -> None:
    r = reader()
    blocked = b'data: {"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}\n\n'
    usage = Usage(input_uncached=4)
    assert r.feed(blocked) == [Start("fallback", "asked", usage), Used(usage), Finish(reason="content_filter")]
    assert r.finished and r.answer.blocked and r.answer.empty and r.answer.finish == "SAFETY"


def test_usage_after_the_finish_is_told() -> None:
    r = reader()
    r.feed(chunk({"text": "x"}, finish="STOP"))
    assert r.feed(b'data: {"usageMetadata":{"promptTokenCount":7}}\n\n') == [Used(Usage(input_uncached=7))]


def test_a_finish_that_lacks_nothing_but_its_blank_line_still_counts() -> None:
    r = reader()
    r.feed(chunk({"text": "x"}) + chunk(finish="STOP").rstrip())
    assert not r.finished
    assert r.eof() == [BlockStop(0), Finish(reason="stop"), End()]
    assert r.finished and r.terminated


def test_errors_stop_the_reading() -> None:
    r = reader()
    r.feed(chunk({"text": "x"}))
    assert r.feed(b'data: {"error":{"code":500,"message":"m","status":"INTERNAL"}}\n\n' + chunk({"text": "y"})) == []
    assert r.error == ErrorFacts(message="m", type="INTERNAL", status=500)
    assert r.feed(chunk({"text": "z"})) == []


def test_a_disowned_generation_is_an_error_before_content_and_a_break_after() -> None:
    early, late = reader(), reader()
    assert early.feed(chunk(finish="MALFORMED_FUNCTION_CALL")) == []
    assert early.error is not None and early.error.code == "MALFORMED_FUNCTION_CALL"
    late.feed(chunk({"text": "x"}) + chunk(finish="MALFORMED_FUNCTION_CALL"))
    assert (late.error, late.broken, late.finished) == (None, "malformed_generation", False)


def test_events_that_cannot_be_understood_count_as_malformed() -> None:
    r = reader()
    r.feed(chunk({"text": "a"}) + b'data: {"candidates":5}\n\n')
    assert (r.malformed, r.broken) == (1, "")
    r.feed(b"data: {\n\n" + chunk({"text": "b"}))
    assert (r.malformed, r.broken) == (2, "malformed")


def test_what_has_no_place_in_a_translated_stream_is_told_once() -> None:
    r = reader()
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    r.feed(chunk(picture) + chunk(picture, {"executableCode": {}}) + chunk({"text": "b"}, index=1))
    r.feed(chunk({"text": "", "thoughtSignature": "c2ln"}) + chunk({"functionCall": {"partialArgs": [{}]}}))
    assert [loss.field for loss in r.losses] == [
        "parts.inlineData",
        "parts",
        "candidates",
        "thoughtSignature",
        "functionCall.partialArgs",
    ]
    assert not r.content


def test_blank_lines_are_no_progress() -> None:
    r = reader()
    assert r.feed(b"\n\r\n") == []
    assert r.progress == 0


# --- writing ----------------------------------------------------------------------------------------------------
def sent(w: GenerateWriter, *events: Event) -> bytes:
    return b"".join(w.send(event) for event in events) + w.end()


def chunks(wire: bytes) -> list[dict[str, Any]]:
    """The SDK's reading: every line is blank or begins with `data: `."""
    lines = [line for line in wire.decode().splitlines() if line]
    assert all(line.startswith("data: {") for line in lines)
    return [json.loads(line[6:]) for line in lines]


def test_text_leaves_at_once_and_the_finish_brings_usage() -> None:
    w = writer()
    assert w.send(Start("id1", "gpt")) == b""
    assert w.send(BlockStart(index=0, kind="text")) == b""
    assert (
        w.send(Delta(index=0, kind="text", text="Hé"))
        == (
            'data: {"candidates":[{"content":{"parts":[{"text":"Hé"}],"role":"model"},"index":0}],'
            '"modelVersion":"gpt","responseId":"id1"}\r\n\r\n'
        ).encode()
    )
    assert w.send(BlockStop(0)) + w.send(Finish(reason="length")) == b""
    assert w.send(Used(Usage(input_uncached=5, output=3, reasoning=1))) + w.send(End()) == b""
    assert chunks(w.end()) == [
        {
            "candidates": [
                {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "MAX_TOKENS", "index": 0}
            ],
            "usageMetadata": {
                "promptTokenCount": 5,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 1,
                "totalTokenCount": 8,
            },
            "modelVersion": "gpt",
            "responseId": "id1",
        }
    ]
    assert w.end() == b""


def test_calls_leave_whole_even_when_their_pieces_interleave() -> None:
    made = chunks(
        sent(
            writer(),
            Start("i", "m"),
            BlockStart(index=0, kind="tool", id="c1", name="f"),
            BlockStart(index=1, kind="tool", id="c2", name="g"),
            Delta(index=0, kind="json", text='{"a"'),
            Delta(index=1, kind="json", text="{}"),
            Delta(index=0, kind="json", text=":1}"),
            BlockStop(0),
            BlockStop(1),
            Finish(reason="tool_calls"),
        )
    )
    assert [c["candidates"][0]["content"]["parts"][0] for c in made] == [
        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": DUMMY},
        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
        {"text": ""},
    ]
    assert made[-1]["candidates"][0]["finishReason"] == "STOP"


def test_a_call_that_never_stopped_leaves_before_the_finish() -> None:
    made = chunks(sent(writer(), BlockStart(index=0, kind="tool", id="c1", name="f"), Finish(reason="tool_calls")))
    assert made[0]["candidates"][0]["content"]["parts"][0]["functionCall"]["name"] == "f"
    assert len(made) == 2


def test_thinking_is_marked_and_its_foreign_signature_is_a_loss() -> None:
    w = writer()
    made = chunks(
        sent(
            w,
            BlockStart(index=0, kind="thinking"),
            Delta(index=0, kind="text", text="hm"),
            Delta(index=0, kind="signature", text="s"),
            BlockStop(0),
            BlockStart(index=1, kind="refusal"),
            Delta(index=1, kind="text", text="no"),
            Finish(reason="content_filter"),
        )
    )
    parts = [c["candidates"][0]["content"]["parts"][0] for c in made]
    assert parts == [{"text": "hm", "thought": True}, {"text": "no"}, {"text": ""}]
    assert made[-1]["candidates"][0]["finishReason"] == "SAFETY"
    assert [loss.field for loss in w.losses] == ["thoughtSignature"]


def test_without_sse_chunks_are_elements_of_one_array() -> None:
    w = writer(sse=False)
    wire = sent(w, BlockStart(index=0, kind="text"), Delta(index=0, kind="text", text="a"), Finish(reason="stop"))
    assert [c["candidates"][0]["content"]["parts"][0]["text"] for c in json.loads(wire)] == ["a", ""]


def test_a_stream_without_any_content_still_ends_well() -> None:
    assert [c["candidates"][0]["finishReason"] for c in chunks(writer().end())] == ["STOP"]
    assert len(json.loads(writer(sse=False).end())) == 1


def test_halves_of_a_character_are_joined_and_a_lone_half_is_replaced() -> None:
    made = chunks(
        sent(
            writer(),
            BlockStart(index=0, kind="text"),
            Delta(index=0, kind="text", text="a\ud83d"),
            Delta(index=0, kind="text", text="\ude00b"),
            Delta(index=0, kind="text", text="c\ud83d"),
            BlockStop(0),
            BlockStart(index=1, kind="tool", id="c1", name="f"),
            Delta(index=1, kind="json", text='{"a":"\ud83d'),
            Delta(index=1, kind="json", text='\ude00"}'),
            BlockStop(1),
        )
    )
    parts = [c["candidates"][0]["content"]["parts"][0] for c in made]
    assert [p.get("text") for p in parts] == ["a", "😀b", "c", "�", None, ""]
    assert parts[4]["functionCall"]["args"] == {"a": "😀"}


def test_pieces_for_blocks_that_were_never_opened_do_not_crash() -> None:
    w = writer()
    assert w.send(Delta(index=9, kind="json", text="{}")) + w.send(BlockStop(9)) == b""
