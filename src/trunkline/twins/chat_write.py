"""Writes Chat Completions answers: the whole body, or the beats of the stream (wire-formats.md A.4, D.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from trunkline.twins.ask import Answer, ToolCall, arguments_text, pieces
from trunkline.twins.wire import CLOSING, CONTENT, STRUCTURE, TERMINATOR, Beat

_encode = msgspec.json.Encoder().encode

#: finish_reason of each way to end.
FINISH = {"end": "stop", "stop": "stop", "length": "length", "tools": "tool_calls", "refusal": "stop"}


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What all parts of one answer repeat. `extra` are the provider's own top-level fields; `moderation` is what
    Ark's choices say when the model refused (OpenAI's say it in `refusal` instead: `refusal_field`). `full_usage`:
    the details of usage name audio and predictions too, as OpenAI's do."""

    id: str
    created: int
    model: str
    extra: dict[str, Any]
    finish: dict[str, str]
    call_prefix: str = "call_"
    refusal_field: bool = True
    full_usage: bool = True
    moderation: str = ""


def usage_of(stamp: Stamp, prompt: int, answers: list[Answer]) -> dict[str, Any]:
    """`prompt_tokens` includes cached ones (always 0 here), `completion_tokens` includes reasoning."""
    output = sum(answer.output_tokens for answer in answers)
    cached: dict[str, int] = {"cached_tokens": 0}
    made = {"reasoning_tokens": sum(answer.reasoning_tokens for answer in answers)}
    if stamp.full_usage:
        cached["audio_tokens"] = 0
        made.update(audio_tokens=0, accepted_prediction_tokens=0, rejected_prediction_tokens=0)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": cached,
        "completion_tokens_details": made,
    }


def whole(stamp: Stamp, prompt: int, answers: list[Answer]) -> bytes:
    """The body of a `chat.completion`."""
    body: dict[str, Any] = {
        "id": stamp.id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": stamp.model,
        "choices": [_choice(stamp, index, answer) for index, answer in enumerate(answers)],
        "usage": usage_of(stamp, prompt, answers),
        **stamp.extra,
    }
    return _encode(body)


def _choice(stamp: Stamp, index: int, answer: Answer) -> dict[str, Any]:
    refused = answer.finish == "refusal" and stamp.refusal_field
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if answer.calls or refused else answer.text,
    }
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [_call(stamp, call) for call in answer.calls]
    if stamp.refusal_field:
        message["refusal"] = answer.text if refused else None
        message["annotations"] = []
    choice = {"index": index, "message": message, "logprobs": None, "finish_reason": stamp.finish[answer.finish]}
    if answer.finish == "refusal" and stamp.moderation:
        choice["moderation_hit_type"] = stamp.moderation
    return choice


def _call(stamp: Stamp, call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": arguments_text(call)}
    return {"id": stamp.call_prefix + call.id, "type": "function", "function": function}


def beats(stamp: Stamp, prompt: int, answers: list[Answer], *, include_usage: bool) -> Iterator[Beat]:
    """Role, then each choice's deltas in turn (interleaved by index), finish reasons, usage if asked, `[DONE]`."""
    chunk = _Chunk(stamp, include_usage)
    refusal: dict[str, Any] = {"refusal": None} if stamp.refusal_field else {}
    for index in range(len(answers)):
        yield STRUCTURE, 0, chunk.delta(index, _encode({"role": "assistant", "content": "", **refusal}))
    streams = [(index, _deltas(stamp, answer)) for index, answer in enumerate(answers)]
    while streams:
        for entry in list(streams):
            index, deltas = entry
            step = next(deltas, None)
            if step is None:
                streams.remove(entry)
            else:
                yield CONTENT, step[0], chunk.delta(index, step[1])
    for index, answer in enumerate(answers):
        hit = stamp.moderation if answer.finish == "refusal" else ""
        yield CLOSING, 0, chunk.delta(index, b"{}", stamp.finish[answer.finish], hit)
    if include_usage:
        yield CLOSING, 0, chunk.usage(usage_of(stamp, prompt, answers))
    yield TERMINATOR, 0, b"data: [DONE]\n\n"


def _deltas(stamp: Stamp, answer: Answer) -> Iterator[tuple[int, bytes]]:
    for piece in pieces(answer.reasoning):
        yield 1, b'{"content":"","reasoning_content":' + _encode(piece) + b"}"
    field = b"refusal" if answer.finish == "refusal" and stamp.refusal_field else b"content"
    for piece in pieces(answer.text):
        yield 1, b'{"' + field + b'":' + _encode(piece) + b"}"
    for index, call in enumerate(answer.calls):
        function = {"name": call.name, "arguments": ""}
        head = {"index": index, "id": stamp.call_prefix + call.id, "type": "function", "function": function}
        yield 1, _encode({"tool_calls": [head]})
        for piece in pieces(arguments_text(call)):
            yield 1, _encode({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})


class _Chunk:
    """Builds chunks around a fixed front and back, since only the delta differs from one to the next."""

    __slots__ = ("back", "front")

    def __init__(self, stamp: Stamp, include_usage: bool) -> None:
        top = {
            "id": stamp.id,
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": stamp.model,
            **stamp.extra,
        }
        self.front = b"data: " + _encode(top)[:-1] + b',"choices":['
        self.back = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"

    def delta(self, index: int, delta: bytes, finish: str = "", moderation: str = "") -> bytes:
        reason = b'"' + finish.encode() + b'"' if finish else b"null"
        if moderation:
            reason += b',"moderation_hit_type":"' + moderation.encode() + b'"'
        return b'%b{"index":%d,"delta":%b,"logprobs":null,"finish_reason":%b}%b' % (
            self.front,
            index,
            delta,
            reason,
            self.back,
        )

    def usage(self, usage: dict[str, Any]) -> bytes:
        return self.front + b'],"usage":' + _encode(usage) + b"}\n\n"
