"""Writes Messages answers: the whole message, or the beats of the stream (wire-formats.md B.3, B.4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from trunkline.twins.anthropic_thinking import signature_of
from trunkline.twins.ask import Answer, Ask, arguments_text, pieces
from trunkline.twins.wire import CLOSING, CONTENT, STRUCTURE, TERMINATOR, Beat

_encode = msgspec.json.Encoder().encode

STOP_REASON = {
    "end": "end_turn",
    "stop": "stop_sequence",
    "length": "max_tokens",
    "tools": "tool_use",
    "refusal": "refusal",
}
_REFUSED = {
    "type": "refusal",
    "category": "general_harms",
    "explanation": "The request touches an area that was determined as harmful.",
}


def usage_of(prompt: int, output: int, thinking: int = 0) -> dict[str, Any]:
    """Nothing is cached, so `input_tokens` is the whole input; `output_tokens` includes thinking."""
    return {
        "input_tokens": prompt,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"thinking_tokens": thinking},
        "service_tier": "standard",
        "inference_geo": "global",
    }


def whole(message_id: str, ask: Ask, answer: Answer) -> bytes:
    """The body of a message."""
    content: list[dict[str, Any]] = []
    if answer.reasoning:
        signature = signature_of(ask.model, answer.reasoning, ask.seed)
        content.append({"type": "thinking", "thinking": answer.reasoning, "signature": signature})
    if answer.text:
        content.append({"type": "text", "text": answer.text, "citations": None})
    for call in answer.calls:
        content.append({"type": "tool_use", "id": f"toolu_01{call.id}", "name": call.name, "input": call.arguments})
    body = _message(message_id, ask.model, usage_of(ask.prompt_tokens, answer.output_tokens, answer.reasoning_tokens))
    body["content"] = content
    body.update(_ending(answer))
    return _encode(body)


def _message(message_id: str, model: str, usage: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def _ending(answer: Answer) -> dict[str, Any]:
    ending: dict[str, Any] = {
        "stop_reason": STOP_REASON[answer.finish],
        "stop_sequence": answer.stop or None,
    }
    if answer.finish == "refusal":
        ending["stop_details"] = _REFUSED
    return ending


def event(name: str, data: dict[str, Any]) -> bytes:
    """One named event; `data.type` is the name."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode({"type": name, **data}))


def beats(message_id: str, ask: Ask, answer: Answer) -> Iterator[Beat]:
    """message_start, ping, the blocks one after the other, message_delta with cumulative usage, message_stop."""
    started = _message(message_id, ask.model, usage_of(ask.prompt_tokens, 1))
    yield STRUCTURE, 0, event("message_start", {"message": started})
    blocks = list(_blocks(ask, answer))
    for index, (opening, deltas) in enumerate(blocks):
        named = opening["type"] == "tool_use"
        start = event("content_block_start", {"index": index, "content_block": opening})
        yield (CONTENT, 1, start) if named else (STRUCTURE, 0, start)
        if index == 0:
            yield STRUCTURE, 0, event("ping", {})
        front = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % index
        for kind, tokens, delta in deltas:
            yield kind, tokens, front + delta + b"}\n\n"
        yield STRUCTURE, 0, event("content_block_stop", {"index": index})
    ending = _ending(answer)
    output = usage_of(ask.prompt_tokens, answer.output_tokens, answer.reasoning_tokens)
    usage = {
        name: output[name]
        for name in (
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
            "output_tokens",
            "output_tokens_details",
        )
    }
    yield CLOSING, 0, event("message_delta", {"delta": ending, "usage": usage})
    yield TERMINATOR, 0, event("message_stop", {})


#: A content block as it opens, and its deltas as beats that lack their event frame.
_Block = tuple[dict[str, Any], Iterator[Beat]]


def _blocks(ask: Ask, answer: Answer) -> Iterator[_Block]:
    if answer.reasoning:
        yield {"type": "thinking", "thinking": "", "signature": ""}, _thinking(ask, answer.reasoning)
    if answer.text:
        yield {"type": "text", "text": ""}, _text(answer.text)
    for call in answer.calls:
        opening = {"type": "tool_use", "id": f"toolu_01{call.id}", "name": call.name, "input": {}}
        yield opening, _arguments(arguments_text(call))


def _thinking(ask: Ask, reasoning: str) -> Iterator[Beat]:
    for piece in pieces(reasoning):
        yield CONTENT, 1, b'{"type":"thinking_delta","thinking":' + _encode(piece) + b"}"
    yield CONTENT, 0, _encode({"type": "signature_delta", "signature": signature_of(ask.model, reasoning, ask.seed)})


def _text(text: str) -> Iterator[Beat]:
    for piece in pieces(text):
        yield CONTENT, 1, b'{"type":"text_delta","text":' + _encode(piece) + b"}"


def _arguments(written: str) -> Iterator[Beat]:
    yield STRUCTURE, 0, b'{"type":"input_json_delta","partial_json":""}'
    for piece in pieces(written):
        yield CONTENT, 1, b'{"type":"input_json_delta","partial_json":' + _encode(piece) + b"}"
