"""Writes GenerateContent answers: one response, SSE chunks, or a JSON array in pieces (wire-formats.md C.4)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from trunkline.twins.ask import Answer, ToolCall, call_tokens, pieces
from trunkline.twins.gemini_read import signature_of
from trunkline.twins.wire import CLOSING, CONTENT, STRUCTURE, TERMINATOR, Beat

_encode = msgspec.json.Encoder().encode

#: Tool calls finish with STOP.
FINISH = {"end": "STOP", "stop": "STOP", "length": "MAX_TOKENS", "tools": "STOP", "refusal": "SAFETY"}

_RATINGS = [
    {"category": f"HARM_CATEGORY_{name}", "probability": "HIGH" if name == "DANGEROUS_CONTENT" else "NEGLIGIBLE"}
    for name in ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
]


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What all parts of one answer repeat. `signed`: function calls carry ids and thought signatures."""

    model: str
    response_id: str
    prompt_tokens: int
    signed: bool


def usage_of(prompt: int, output: int, thoughts: int) -> dict[str, Any]:
    """`candidatesTokenCount` excludes thoughts, `totalTokenCount` includes them."""
    usage: dict[str, Any] = {"promptTokenCount": prompt}
    if output:
        usage["candidatesTokenCount"] = output
    usage["totalTokenCount"] = prompt + output + thoughts
    usage["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": prompt}]
    if thoughts:
        usage["thoughtsTokenCount"] = thoughts
    return usage


def whole(stamp: Stamp, answers: list[Answer]) -> bytes:
    """The body of a GenerateContentResponse."""
    candidates = [
        {
            "content": {"parts": _parts(stamp, answer), "role": "model"},
            "finishReason": FINISH[answer.finish],
            "index": index,
        }
        for index, answer in enumerate(answers)
    ]
    thoughts = sum(answer.reasoning_tokens for answer in answers)
    output = sum(answer.output_tokens for answer in answers) - thoughts
    return _encode({"candidates": candidates, **_tail(stamp, output, thoughts)})


def blocked(stamp: Stamp) -> bytes:
    """A prompt that was blocked: 200 without candidates."""
    feedback = {"blockReason": "SAFETY", "safetyRatings": _RATINGS}
    return _encode({"promptFeedback": feedback, **_tail(stamp, 0, 0)})


def nothing(stamp: Stamp) -> bytes:
    """A 200 with neither candidates nor a reason."""
    return _encode(_tail(stamp, 0, 0))


def _tail(stamp: Stamp, output: int, thoughts: int) -> dict[str, Any]:
    return {
        "usageMetadata": usage_of(stamp.prompt_tokens, output, thoughts),
        "modelVersion": stamp.model,
        "responseId": stamp.response_id,
    }


def _parts(stamp: Stamp, answer: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if answer.reasoning:
        parts.append({"text": answer.reasoning, "thought": True})
    if answer.text or not answer.calls:
        parts.append({"text": answer.text})
    return parts + [_call(stamp, call, number) for number, call in enumerate(answer.calls)]


def _call(stamp: Stamp, call: ToolCall, number: int) -> dict[str, Any]:
    """Only the first of parallel calls carries the signature (wire-formats.md C.3)."""
    if not stamp.signed:
        return {"functionCall": {"name": call.name, "args": call.arguments}}
    part: dict[str, Any] = {"functionCall": {"id": call.id[:8], "name": call.name, "args": call.arguments}}
    if number == 0:
        part["thoughtSignature"] = base64.b64encode(signature_of(stamp.model)).decode()
    return part


def chunks(stamp: Stamp, answers: list[Answer]) -> Iterator[Beat]:
    """The responses of a stream as beats without framing; usage is cumulative, the last chunk has the finish."""
    output = thoughts = 0
    streams = [(index, _steps(stamp, answer)) for index, answer in enumerate(answers)]
    while streams:
        for entry in list(streams):
            index, steps = entry
            step = next(steps, None)
            if step is None:
                streams.remove(entry)
                continue
            tokens, thought, part = step
            output, thoughts = (output, thoughts + tokens) if thought else (output + tokens, thoughts)
            candidate = {"content": {"parts": [part], "role": "model"}, "index": index}
            yield CONTENT, tokens, _encode({"candidates": [candidate], **_tail(stamp, output, thoughts)})
    for index, answer in enumerate(answers):
        candidate = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": FINISH[answer.finish],
            "index": index,
        }
        yield CLOSING, 0, _encode({"candidates": [candidate], **_tail(stamp, output, thoughts)})


def _steps(stamp: Stamp, answer: Answer) -> Iterator[tuple[int, bool, dict[str, Any]]]:
    """Tokens, whether it is a thought, and the part."""
    for piece in pieces(answer.reasoning):
        yield 1, True, {"text": piece, "thought": True}
    for piece in pieces(answer.text):
        yield 1, False, {"text": piece}
    for number, call in enumerate(answer.calls):
        yield call_tokens(call), False, _call(stamp, call, number)


def as_sse(responses: Iterator[Beat]) -> Iterator[Beat]:
    """Data-only events with CRLF, as Google sends them; there is no terminator."""
    for kind, tokens, response in responses:
        yield kind, tokens, b"data: " + response + b"\r\n\r\n"


def as_array(responses: Iterator[Beat]) -> Iterator[Beat]:
    """One JSON array, an element per piece; the closing bracket is its terminator."""
    yield STRUCTURE, 0, b"["
    comma = b""
    for kind, tokens, response in responses:
        yield kind, tokens, comma + response
        comma = b",\r\n"
    yield TERMINATOR, 0, b"]"
