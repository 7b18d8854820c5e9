"""Complete answers of Chat Completions, and the words that streams share. Source: wire-formats.md A.4, E.4, E.5."""

from __future__ import annotations

import json
from typing import Any, assert_never

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.contract import Answer, Encoded
from trunkline.dialects.openai_chat.loose import read_completion, read_usage_field, word
from trunkline.dialects.openai_chat.schema import Checked, CheckedMessage, DeltaField, ToolCallField
from trunkline.dialects.pairs import whole
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

_checked = msgspec.json.Decoder(Checked)

FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}

#: Counts beyond this are nobody's; it keeps every sum of them exact in JSON (reliability.md A12).
TOKENS_MAX = 2**53


def once(losses: list[Loss], field: str, reason: str) -> None:
    """The list travels in a header: one entry a field, however often it came."""
    if all(loss.field != field for loss in losses):
        losses.append(Loss(field, reason))


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


# --- the check -----------------------------------------------------------------------------------------------------
def check(body: bytes) -> Answer | Failure:
    """Contents are skipped, not built. A missing finish reason is no fault: the framing says that all is there."""
    try:
        checked = _checked.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return _check_loosely(body)
    finish, found, says, blocked = "", False, False, False
    for choice in checked.choices:
        reason, message = word(choice.finish_reason), choice.message
        finish = finish or reason
        blocked = blocked or reason == "content_filter"
        if message is not None:
            found = True
            says = says or _says(message)
    if not found:
        return unusable("the provider's answer has no choices")
    return Answer(
        id=word(checked.id),
        model=word(checked.model),
        finish=finish,
        usage=read_usage(checked.usage),
        empty=not says,
        blocked=blocked,
    )


def _says(message: CheckedMessage) -> bool:
    if bytes(message.content) not in _SILENT:
        return True
    return any(bytes(getattr(message, field)) not in _SILENT for field in CheckedMessage.__struct_fields__)


_SILENT = (b"", b"null", b'""', b"[]")


def _check_loosely(body: bytes) -> Answer | Failure:
    """As compatible servers write it, and what `msgspec` refuses though JSON allows it: half of a surrogate pair."""
    completion = read_completion(body)
    if completion is None or not completion.choices:
        return unusable("the provider's answer is not a chat completion")
    finishes = [choice.finish_reason or "" for choice in completion.choices]
    return Answer(
        id=word(completion.id),
        model=word(completion.model),
        finish=next(filter(None, finishes), ""),
        usage=read_usage(completion.usage),
        empty=not any(_parts(choice.message, []) for choice in completion.choices),
        blocked="content_filter" in finishes,
    )


# --- usage and finish ----------------------------------------------------------------------------------------------
def read_usage(raw: msgspec.Raw) -> Usage | None:
    """uncached = prompt − cached − cache writes; output already includes reasoning (E.5)."""
    field = read_usage_field(raw)
    if field is None or (field.prompt_tokens is None and field.completion_tokens is None):
        return None
    cached = written = reasoning = 0
    if field.prompt_tokens_details is not None:
        cached = _tokens(field.prompt_tokens_details.cached_tokens)
        written = _tokens(field.prompt_tokens_details.cache_write_tokens)
    if field.completion_tokens_details is not None:
        reasoning = _tokens(field.completion_tokens_details.reasoning_tokens)
    return Usage(
        input_uncached=max(0, _tokens(field.prompt_tokens) - cached - written),
        cache_read=cached,
        cache_write_5m=written,
        output=_tokens(field.completion_tokens),
        reasoning=reasoning,
    )


def _tokens(count: int | None) -> int:
    return min(max(count or 0, 0), TOKENS_MAX)


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


def finish_of(reason: str, called: bool, losses: list[Loss]) -> FinishReason:
    """Some servers say `stop` after a tool call; to the caller that would mean that there is nothing to run."""
    known = FINISH.get(reason)
    if known is None and reason:
        once(losses, "finish_reason", "an unknown reason became stop")
    known = known or "stop"
    return "tool_calls" if called and known == "stop" else known


# --- to the hub ----------------------------------------------------------------------------------------------------
def decode_response(body: bytes) -> ChatResponse | Failure:
    completion = read_completion(body)
    if completion is None or not completion.choices:
        return unusable("the provider's answer is not a chat completion")
    choice = completion.choices[0]
    losses: list[Loss] = []
    parts = _parts(choice.message, losses)
    if len(completion.choices) > 1:
        losses.append(Loss("choices", "only the first is carried"))
    called = any(isinstance(part, ToolCall) for part in parts)
    return ChatResponse(
        id=word(completion.id),
        model=word(completion.model),
        parts=tuple(parts),
        finish=finish_of(choice.finish_reason or "", called, losses),
        usage=read_usage(completion.usage),
        losses=tuple(losses),
    )


def _parts(m: DeltaField, losses: list[Loss]) -> list[Part]:
    parts: list[Part] = []
    thinking = m.reasoning_content or m.reasoning
    if thinking:
        parts.append(Thinking(text=whole(thinking), origin="openai_chat"))
    if m.content:
        parts.append(Text(whole(m.content)))
    if m.refusal:
        parts.append(Refusal(whole(m.refusal)))
    fields = m.tool_calls or ([] if m.function_call is None else [ToolCallField(function=m.function_call)])
    for at, field in enumerate(fields):
        call = read_call(field, at)
        if call.name or call.arguments:
            parts.append(call)
    if given(m.audio):
        losses.append(Loss("choices[0].message.audio", "no equivalent"))
    return parts


def read_call(call: ToolCallField, at: int) -> ToolCall:
    """Call number `at` of its turn. A free-text call becomes one with a single string (E.3)."""
    id = whole(call.id or f"call_{at}")
    if call.custom is not None:
        return ToolCall(id, whole(call.custom.name or ""), json.dumps({"input": whole(call.custom.input or "")}))
    if call.function is None:
        return ToolCall(id, "", "")
    return ToolCall(id, whole(call.function.name or ""), whole(call.function.arguments or ""))


# --- from the hub --------------------------------------------------------------------------------------------------
def call_object(part: ToolCall) -> dict[str, Any]:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments or "{}"}}


def encode_response(response: ChatResponse, created: int) -> Encoded:
    losses: list[Loss] = []
    made: dict[str, Any] = {
        "id": response.id,
        "object": "chat.completion",
        "created": created,
        "model": response.model,
        "choices": [
            {
                "index": 0,
                "message": _message(response.parts, losses),
                "logprobs": None,
                "finish_reason": finish_word(response.finish),
            }
        ],
    }
    if response.usage is not None:
        made["usage"] = usage_object(response.usage)
    return Encoded(msgspec.json.encode(made), tuple(losses))


def _message(parts: tuple[Part, ...], losses: list[Loss]) -> dict[str, Any]:
    text: list[str] = []
    thinking: list[str] = []
    refusal: list[str] = []
    calls: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case Text(text=value):
                text.append(value)
            case Thinking(text=value, signature=signature):
                if value:
                    thinking.append(value)
                if signature or part.redacted:
                    once(losses, "thinking.signature", "no equivalent")
            case Refusal(text=value):
                refusal.append(value)
            case ToolCall():
                calls.append(call_object(part))
                if part.signature:
                    once(losses, "thought_signature", "no equivalent")
            case Image():
                once(losses, "image", "not possible in a chat answer")
            case ToolResult():
                once(losses, "tool_result", "not possible in an answer")
            case _:
                assert_never(part)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(text) if text or not (calls or refusal) else None,
        "refusal": "".join(refusal) or None,
    }
    if thinking:
        message["reasoning_content"] = "\n".join(thinking)
    if calls:
        message["tool_calls"] = calls
    return message
