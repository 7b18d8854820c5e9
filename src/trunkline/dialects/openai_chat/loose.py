"""Answers of compatible servers that write a field differently than OpenAI does: read as far as it goes, so that one
odd field costs neither a good answer nor the watch over a stream.

Known ones: content as a list of parts (Mistral), arguments as an object, counts as 5.0, ids as numbers, half of a
surrogate pair at the end of a delta.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from trunkline.dialects.complaints import ABSENT, given
from trunkline.dialects.openai_chat.schema import (
    Choice,
    Chunk,
    ChunkChoice,
    Completion,
    CompletionDetails,
    CustomCall,
    DeltaField,
    FunctionCall,
    PromptDetails,
    ToolCallField,
    UsageField,
)

_chunk = msgspec.json.Decoder(Chunk)
_completion = msgspec.json.Decoder(Completion)
_usage = msgspec.json.Decoder(UsageField)

_FAILS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def read_chunk(data: bytes) -> Chunk | None:
    """None: JSON that is no chunk at all."""
    try:
        return _chunk.decode(data)
    except _FAILS:
        value = _loaded(data)
    choices = value.get("choices")
    if not isinstance(choices, list) and not {"error", "usage", "object"} & value.keys():
        return None
    return Chunk(
        choices=[
            ChunkChoice(
                delta=_delta(item.get("delta")), finish_reason=_text(item.get("finish_reason")), index=_at(item)
            )
            for item in _dicts(choices)
        ],
        id=value.get("id"),
        model=value.get("model"),
        object=value.get("object"),
        usage=_raw(value.get("usage")),
        error=_raw(value.get("error")),
    )


def read_completion(body: bytes) -> Completion | None:
    """None: no JSON object with at least one choice that has a message."""
    try:
        return _completion.decode(body)
    except _FAILS:
        value = _loaded(body)
    choices = [
        Choice(message=delta, finish_reason=_text(item.get("finish_reason")), index=_at(item))
        for item in _dicts(value.get("choices"))
        if (delta := _delta(item.get("message"))) is not None
    ]
    if not choices:
        return None
    return Completion(choices=choices, id=value.get("id"), model=value.get("model"), usage=_raw(value.get("usage")))


def read_usage_field(raw: msgspec.Raw) -> UsageField | None:
    if not given(raw):
        return None
    try:
        return _usage.decode(raw)
    except _FAILS:
        value = _loaded(bytes(raw))
    prompt, completion = value.get("prompt_tokens_details"), value.get("completion_tokens_details")
    return UsageField(
        prompt_tokens=_count(value.get("prompt_tokens")),
        completion_tokens=_count(value.get("completion_tokens")),
        prompt_tokens_details=PromptDetails(
            _count(prompt.get("cached_tokens")), _count(prompt.get("cache_write_tokens"))
        )
        if isinstance(prompt, dict)
        else None,
        completion_tokens_details=CompletionDetails(_count(completion.get("reasoning_tokens")))
        if isinstance(completion, dict)
        else None,
    )


def word(value: Any) -> str:
    """An id or model name: a string, or nothing."""
    return value if isinstance(value, str) else ""


def _loaded(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _raw(value: Any) -> msgspec.Raw:
    return ABSENT if value is None else msgspec.Raw(json.dumps(value).encode())


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _at(item: dict[str, Any]) -> int:
    index = item.get("index")
    return index if isinstance(index, int) else 0


def _delta(value: Any) -> DeltaField | None:
    if not isinstance(value, dict):
        return None
    content, thinking = _content(value.get("content"))
    return DeltaField(
        content=content,
        refusal=_text(value.get("refusal")),
        reasoning_content=_text(value.get("reasoning_content")) or thinking,
        reasoning=_text(value.get("reasoning")),
        tool_calls=[_call(call) for call in _dicts(value.get("tool_calls"))] or None,
        function_call=_function(value.get("function_call")),
        audio=_raw(value.get("audio")),
    )


def _content(value: Any) -> tuple[str | None, str | None]:
    """Text and thinking."""
    if not isinstance(value, list):
        return _text(value), None
    text: list[str] = []
    thinking: list[str] = []
    for part in value:
        if isinstance(part, str):
            text.append(part)
        elif isinstance(part, dict):
            text.append(_text(part.get("text")) or "")
            thinking.append(_content(part.get("thinking"))[0] or "")
    return "".join(text) or None, "".join(thinking) or None


def _call(value: dict[str, Any]) -> ToolCallField:
    custom, index = value.get("custom"), value.get("index")
    return ToolCallField(
        id=_text(value.get("id")),
        type=_text(value.get("type")),
        function=_function(value.get("function")),
        custom=CustomCall(_text(custom.get("name")), _text(custom.get("input"))) if isinstance(custom, dict) else None,
        index=index if isinstance(index, int) else None,
    )


def _function(value: Any) -> FunctionCall | None:
    if not isinstance(value, dict):
        return None
    arguments = value.get("arguments")
    if isinstance(arguments, dict):
        arguments = json.dumps(arguments)
    return FunctionCall(_text(value.get("name")), _text(arguments))


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
