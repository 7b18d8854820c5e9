"""Complete generateContent answers: the terminal check, and the way to and from the hub (wire-formats.md C.4, E.4, E.5)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.contract import Answer
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.types.canonical import (
    ChatResponse,
    FinishReason,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
)
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.usage import Usage

GEMINI = GeminiGenerate()
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def body_of(*parts: dict[str, Any], finish: str | None = "STOP", **fields: Any) -> bytes:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return json.dumps({"candidates": [candidate], "responseId": "r1", "modelVersion": "gemini-x", **fields}).encode()


def answer(body: bytes) -> Answer:
    found = GEMINI.check(body)
    assert isinstance(found, Answer), found
    return found


def response(body: bytes) -> ChatResponse:
    found = GEMINI.decode_response(body)
    assert isinstance(found, ChatResponse), found
    return found


# --- check ------------------------------------------------------------------------------------------------------
def test_an_answer_says_who_answered_how_it_ended_and_what_it_used() -> None:
    usage = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 30,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 7,
        "totalTokenCount": 132,
    }
    assert answer(body_of({"text": "hi"}, usageMetadata=usage)) == Answer(
        id="r1",
        model="gemini-x",
        finish="STOP",
        usage=Usage(input_uncached=75, cache_read=30, output=27, reasoning=7),
        empty=False,
        blocked=False,
    )


def test_usage_of_zero_is_data_and_no_usage_is_none() -> None:
    zero = answer(body_of({"text": "hi"}, usageMetadata={"promptTokenCount": 0})).usage
    assert zero == Usage()
    assert answer(body_of({"text": "hi"})).usage is None
    assert answer(body_of({"text": "hi"}, usageMetadata={})).usage is None


def test_an_answer_without_content_is_complete_and_empty() -> None:
    assert answer(body_of({"text": ""})).empty
    assert answer(body_of()).empty
    assert not answer(body_of({"text": "", "thoughtSignature": "c2ln"})).empty


@pytest.mark.parametrize("finish", ["SAFETY", "RECITATION", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR"])
def test_a_filtered_answer_is_blocked(finish: str) -> None:
    found = answer(body_of(finish=finish))
    assert (found.finish, found.blocked) == (finish, True)


def test_a_blocked_prompt_is_an_answer() -> None:
    found = answer(b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}')
    assert (found.finish, found.blocked, found.empty) == ("SAFETY", True, True)
    assert found.usage == Usage(input_uncached=3)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "unusable_answer"),
        (b"<html>", "unusable_answer"),
        (b"[]", "unusable_answer"),
        (b'{"candidates":[{"content":{"parts":[{"text":"cut', "unusable_answer"),
        (b'{"candidates":[{"content":{"parts":[{"text":"\xff"}]}}]}', "unusable_answer"),
        (b"[" * 100_000, "unusable_answer"),
        (b"{}", "no_candidates"),
        (b'{"candidates":[]}', "no_candidates"),
        (b'{"promptFeedback":{"safetyRatings":[]}}', "no_candidates"),
        (body_of(finish="MALFORMED_FUNCTION_CALL"), "MALFORMED_FUNCTION_CALL"),
        (body_of(finish="MALFORMED_RESPONSE"), "MALFORMED_RESPONSE"),
        (body_of(finish="UNEXPECTED_TOOL_CALL"), "UNEXPECTED_TOOL_CALL"),
        (body_of(finish="TOO_MANY_TOOL_CALLS"), "TOO_MANY_TOOL_CALLS"),
        (body_of(finish="MISSING_THOUGHT_SIGNATURE"), "MISSING_THOUGHT_SIGNATURE"),
    ],
)
def test_what_is_no_answer_is_a_transient_failure_of_the_endpoint(body: bytes, code: str) -> None:
    for found in (GEMINI.check(body), GEMINI.decode_response(body)):
        assert isinstance(found, Failure)
        assert (found.kind, found.fault, found.code) == (Kind.UPSTREAM_ERROR, FaultClass.TRANSIENT, code)
        assert (found.source, found.retry, found.penalty) == ("upstream", "backoff", "endpoint")


def test_one_good_candidate_makes_an_answer() -> None:
    two = {
        "candidates": [
            {"content": {"parts": [{"text": "fine"}]}, "finishReason": "STOP"},
            {"finishReason": "MALFORMED_RESPONSE", "index": 1},
        ]
    }
    assert answer(json.dumps(two).encode()).finish == "STOP"


def test_words_and_fields_that_nobody_knows_are_passed_over() -> None:
    found = answer(body_of({"text": "hi", "future": {"a": 1}}, finish="BRAND_NEW", extra=[1]))
    assert (found.finish, found.blocked) == ("BRAND_NEW", False)


# --- to the hub -------------------------------------------------------------------------------------------------
def test_parts_become_parts_in_order() -> None:
    found = response(
        body_of(
            {"text": "let me ", "thought": True},
            {"text": "think", "thought": True},
            {"text": "It "},
            {"text": "is"},
            {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
            {"inlineData": {"mimeType": "image/png", "data": "_-8"}},
        )
    )
    assert found.parts == (
        Thinking(text="let me think", origin="gemini_generate"),
        Text("It is"),
        ToolCall("c1", "f", '{"a": 1}', "c2ln"),
        Image(media_type="image/png", data="/+8="),
    )
    assert (found.id, found.model, found.finish) == ("r1", "gemini-x", "tool_calls")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("ESCALATION", "content_filter"),
        ("CONTINUATION", "paused"),
        ("OTHER", "malformed"),
        ("BRAND_NEW", "stop"),
    ],
)
def test_finish_reasons_become_canonical(word: str, reason: FinishReason) -> None:
    assert response(body_of({"text": "x"}, finish=word)).finish == reason


def test_a_call_at_the_token_limit_stays_a_length_stop() -> None:
    call = {"functionCall": {"name": "f"}}
    assert response(body_of(call, finish="MAX_TOKENS")).finish == "length"


def test_a_blocked_prompt_is_a_content_filter_without_parts() -> None:
    found = response(b'{"promptFeedback":{"blockReason":"OTHER"}}')
    assert (found.parts, found.finish) == ((), "content_filter")


def test_calls_without_ids_get_ids_that_the_same_bytes_give_again() -> None:
    body = body_of({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}})
    first, second = response(body).parts
    assert isinstance(first, ToolCall) and isinstance(second, ToolCall)
    assert first.id != second.id
    assert response(body).parts == (first, second)


def test_only_the_first_candidate_is_carried() -> None:
    two = {"candidates": [{"content": {"parts": [{"text": t}]}, "finishReason": "STOP"} for t in "ab"]}
    found = response(json.dumps(two).encode())
    assert found.parts == (Text("a"),)
    assert [loss.field for loss in found.losses] == ["candidates"]


# --- from the hub -----------------------------------------------------------------------------------------------
def written(*parts: Part, finish: FinishReason = "stop", usage: Usage | None = None) -> tuple[dict[str, Any], set[str]]:
    made = GEMINI.encode_response(
        ChatResponse(id="id1", model="claude", parts=parts, finish=finish, usage=usage), created=0
    )
    body: dict[str, Any] = json.loads(made.body)
    return body, {loss.field for loss in made.losses}


def test_an_answer_of_another_dialect_becomes_one_candidate() -> None:
    usage = Usage(input_uncached=60, cache_read=30, cache_write_5m=10, output=27, reasoning=7)
    body, losses = written(Thinking(text="hm"), Text("It is sunny."), usage=usage)
    assert body == {
        "candidates": [
            {
                "content": {"parts": [{"text": "hm", "thought": True}, {"text": "It is sunny."}], "role": "model"},
                "finishReason": "STOP",
                "index": 0,
            }
        ],
        "usageMetadata": {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 30,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 7,
            "totalTokenCount": 127,
        },
        "modelVersion": "claude",
        "responseId": "id1",
    }
    assert losses == set()


def test_foreign_calls_carry_a_signature_that_a_later_gemini_accepts() -> None:
    body, _ = written(ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", ""), finish="tool_calls")
    assert body["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"id": "c1", "name": "f", "args": {"a": 1}}, "thoughtSignature": DUMMY},
        {"functionCall": {"id": "c2", "name": "g", "args": {}}},
    ]
    assert body["candidates"][0]["finishReason"] == "STOP"


def test_a_foreign_thinking_signature_is_a_loss() -> None:
    assert written(Thinking(text="hm", signature="sig", origin="anthropic_messages"))[1] == {"thoughtSignature"}


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "STOP"),
        ("stop_sequence", "STOP"),
        ("tool_calls", "STOP"),
        ("length", "MAX_TOKENS"),
        ("paused", "MAX_TOKENS"),
        ("content_filter", "SAFETY"),
        ("malformed", "OTHER"),
    ],
)
def test_canonical_reasons_become_finish_words(reason: FinishReason, word: str) -> None:
    assert written(Refusal("no"), finish=reason)[0]["candidates"][0]["finishReason"] == word


def test_an_empty_answer_has_an_empty_text_and_no_usage_if_none_is_known() -> None:
    body, _ = written()
    assert body["candidates"][0]["content"]["parts"] == [{"text": ""}]
    assert "usageMetadata" not in body


def test_a_filtered_answer_to_another_dialect_and_back_stays_filtered() -> None:
    body, _ = written(Text("I can"), finish="content_filter")
    assert answer(json.dumps(body).encode()).blocked
