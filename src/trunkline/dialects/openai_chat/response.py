"""Complete answers of Chat Completions. Source: wire-formats.md A.4, E.4, E.5."""

from __future__ import annotations

import json
from typing import Any, assert_never

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.contract import Answer, Encoded
from trunkline.dialects.openai_chat.schema import Completion, ToolCallField, UsageField
from trunkline.types.canonical import (
    ChatResponse,
    FinishReason,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss

_completion = msgspec.json.Decoder(Completion)

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}


def unusable(message: str) -> Failure:
    """A 2xx whose body is no answer (F1)."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=message,
        retry="backoff",
        penalty="endpoint",
        signal="502",
        code="unusable_answer",
    )


def parse(body: bytes) -> Completion | Failure:
    try:
        completion = _completion.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is not a chat completion")
    if not completion.choices:
        return unusable("the provider's answer has no choices")
    return completion


def check(body: bytes) -> Answer | Failure:
    completion = parse(body)
    if isinstance(completion, Failure):
        return completion
    finish = ""
    empty = True
    for choice in completion.choices:
        if choice.finish_reason is None:
            return unusable("the provider's answer is not finished")
        finish = finish or choice.finish_reason
        m = choice.message
        empty = empty and not (m.content or m.refusal or m.tool_calls or m.reasoning_content or given(m.audio))
    return Answer(
        id=completion.id,
        model=completion.model,
        finish=finish,
        usage=read_usage(completion.usage),
        empty=empty,
        blocked=finish == "content_filter",
    )


def read_usage(field: UsageField | None) -> Usage | None:
    """uncached = prompt − cached − cache writes; output already includes reasoning (E.5)."""
    if field is None or (field.prompt_tokens is None and field.completion_tokens is None):
        return None
    prompt = field.prompt_tokens or 0
    details = field.prompt_tokens_details
    cached = (details.cached_tokens or 0) if details is not None else 0
    written = (details.cache_write_tokens or 0) if details is not None else 0
    reasoning = 0
    if field.completion_tokens_details is not None:
        reasoning = field.completion_tokens_details.reasoning_tokens or 0
    return Usage(
        input_uncached=max(0, prompt - cached - written),
        cache_read=cached,
        cache_write_5m=written,
        output=field.completion_tokens or 0,
        reasoning=reasoning,
    )


def usage_object(usage: Usage) -> dict[str, Any]:
    prompt = usage.input_total
    made: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    written = usage.cache_write_5m + usage.cache_write_1h
    if written:
        made["prompt_tokens_details"]["cache_write_tokens"] = written
    return made


def finish_word(reason: FinishReason) -> str:
    match reason:
        case "stop" | "stop_sequence" | "malformed":
            return "stop"
        case "length" | "paused":
            return "length"
        case "tool_calls" | "content_filter":
            return reason
        case _:
            assert_never(reason)


def decode_response(body: bytes) -> ChatResponse | Failure:
    completion = parse(body)
    if isinstance(completion, Failure):
        return completion
    choice = completion.choices[0]
    m = choice.message
    parts: list[Part] = []
    if m.reasoning_content:
        parts.append(Thinking(text=m.reasoning_content, origin="openai_chat"))
    if m.content:
        parts.append(Text(m.content))
    if m.refusal:
        parts.append(Refusal(m.refusal))
    parts += [read_call(call) for call in m.tool_calls or ()]
    losses: list[Loss] = []
    if given(m.audio):
        losses.append(Loss("choices[0].message.audio", "no equivalent"))
    if len(completion.choices) > 1:
        losses.append(Loss("choices", "only the first is carried"))
    return ChatResponse(
        id=completion.id,
        model=completion.model,
        parts=tuple(parts),
        finish=FINISH.get(choice.finish_reason or "", "stop"),
        usage=read_usage(completion.usage),
        losses=tuple(losses),
    )


def read_call(call: ToolCallField) -> ToolCall:
    if call.custom is not None:
        return ToolCall(call.id or "", call.custom.name or "", json.dumps({"input": call.custom.input or ""}))
    function = call.function
    if function is None:
        return ToolCall(call.id or "", "", "")
    return ToolCall(call.id or "", function.name or "", function.arguments or "")


def call_object(part: ToolCall) -> dict[str, Any]:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments or "{}"}}


def encode_response(response: ChatResponse, created: int) -> Encoded:
    text: list[str] = []
    thinking: list[str] = []
    refusal: list[str] = []
    calls: list[dict[str, Any]] = []
    losses: list[Loss] = []
    for part in response.parts:
        match part:
            case Text(text=value):
                text.append(value)
            case Thinking(text=value, signature=signature):
                if value:
                    thinking.append(value)
                if signature or part.redacted:
                    losses.append(Loss("thinking.signature", "no equivalent"))
            case Refusal(text=value):
                refusal.append(value)
            case ToolCall():
                calls.append(call_object(part))
                if part.signature:
                    losses.append(Loss("thought_signature", "no equivalent"))
            case Image():
                losses.append(Loss("image", "not possible in a chat answer"))
            case ToolResult():
                losses.append(Loss("tool_result", "not possible in an answer"))
            case _:
                assert_never(part)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(text) if text or not calls else None,
        "refusal": "".join(refusal) or None,
    }
    if thinking:
        message["reasoning_content"] = "\n".join(thinking)
    if calls:
        message["tool_calls"] = calls
    made: dict[str, Any] = {
        "id": response.id,
        "object": "chat.completion",
        "created": created,
        "model": response.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_word(response.finish)}],
    }
    if response.usage is not None:
        made["usage"] = usage_object(response.usage)
    return Encoded(msgspec.json.encode(made), tuple(losses))
