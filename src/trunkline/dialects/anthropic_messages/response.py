"""Complete answers of Messages. Source: wire-formats.md B.3, E.4, E.5."""

from __future__ import annotations

import hashlib
from typing import Any, assert_never

import msgspec

from trunkline.dialects.anthropic_messages.schema import Block, Message, UsageField
from trunkline.dialects.complaints import given
from trunkline.dialects.contract import Answer, Encoded
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

_message = msgspec.json.Decoder(Message)
_block = msgspec.json.Decoder(Block)
_object = msgspec.json.Decoder(dict[str, Any])

FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "paused",
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


def parse(body: bytes) -> Message | Failure:
    try:
        message = _message.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is not a message")
    if message.type != "message":
        return unusable("the provider's answer is not a message")
    if message.stop_reason is None:
        return unusable("the provider's answer is not finished")
    return message


def check(body: bytes) -> Answer | Failure:
    message = parse(body)
    if isinstance(message, Failure):
        return message
    return Answer(
        id=message.id,
        model=message.model,
        finish=message.stop_reason or "",
        usage=read_usage(message.usage),
        empty=not message.content,
        blocked=message.stop_reason == "refusal",
    )


def read_usage(field: UsageField | None, before: Usage | None = None) -> Usage | None:
    """`before` is what the stream said earlier: message_delta is cumulative and may leave numbers out (B.4)."""
    if field is None:
        return before
    if field.input_tokens is None and field.output_tokens is None and before is None:
        return None
    base = before or Usage()
    written = field.cache_creation_input_tokens
    hour = field.cache_creation.ephemeral_1h_input_tokens if field.cache_creation is not None else None
    five = base.cache_write_5m if written is None else max(0, written - (hour or 0))
    details = field.output_tokens_details
    return Usage(
        input_uncached=base.input_uncached if field.input_tokens is None else field.input_tokens,
        cache_read=base.cache_read if field.cache_read_input_tokens is None else field.cache_read_input_tokens,
        cache_write_5m=five,
        cache_write_1h=base.cache_write_1h if written is None else (hour or 0),
        output=base.output if field.output_tokens is None else field.output_tokens,
        reasoning=(details.thinking_tokens or 0) if details is not None else base.reasoning,
    )


def usage_object(usage: Usage | None) -> dict[str, Any]:
    """Three disjoint input numbers (E.5)."""
    u = usage or Usage()
    made: dict[str, Any] = {
        "input_tokens": u.input_uncached,
        "cache_creation_input_tokens": u.cache_write_5m + u.cache_write_1h,
        "cache_read_input_tokens": u.cache_read,
        "output_tokens": u.output,
    }
    if u.reasoning:
        made["output_tokens_details"] = {"thinking_tokens": u.reasoning}
    return made


def stop_word(reason: FinishReason) -> str:
    match reason:
        case "stop" | "malformed":
            return "end_turn"
        case "stop_sequence":
            return "stop_sequence"
        case "length":
            return "max_tokens"
        case "tool_calls":
            return "tool_use"
        case "content_filter":
            return "refusal"
        case "paused":
            return "pause_turn"
        case _:
            assert_never(reason)


def decode_response(body: bytes) -> ChatResponse | Failure:
    message = parse(body)
    if isinstance(message, Failure):
        return message
    parts: list[Part] = []
    losses: list[Loss] = []
    for at, raw in enumerate(message.content):
        try:
            part = read_part(_block.decode(raw))
        except msgspec.MsgspecError:
            part = None
        if part is None:
            losses.append(Loss(f"content[{at}]", "a block of this kind has no equivalent"))
        else:
            parts.append(part)
    return ChatResponse(
        id=message.id,
        model=message.model,
        parts=tuple(parts),
        finish=FINISH.get(message.stop_reason or "", "stop"),
        stop_sequence=message.stop_sequence,
        usage=read_usage(message.usage),
        losses=tuple(losses),
    )


def read_part(block: Block) -> Part | None:
    match block.type:
        case "text":
            return Text(block.text or "")
        case "tool_use":
            return ToolCall(block.id or "", block.name or "", bytes(block.input).decode() if given(block.input) else "")
        case "thinking":
            return Thinking(text=block.thinking or "", signature=block.signature, origin="anthropic_messages")
        case "redacted_thinking":
            return Thinking(text="", signature=block.data, redacted=True, origin="anthropic_messages")
        case _:
            return None


def message_id(id: str) -> str:
    """Anthropic's form; another provider's id is kept recognisable by a digest."""
    return id if id.startswith("msg_") else "msg_" + hashlib.sha256(id.encode()).hexdigest()[:24]


def arguments_object(text: str) -> tuple[dict[str, Any], bool]:
    """Tool arguments as an object, and whether they were one: invalid JSON is kept under `_raw`."""
    if not text.strip():
        return {}, True
    try:
        return _object.decode(text), True
    except (msgspec.MsgspecError, RecursionError):
        return {"_raw": text}, False


def encode_response(response: ChatResponse) -> Encoded:
    content: list[dict[str, Any]] = []
    losses: list[Loss] = []
    for part in response.parts:
        match part:
            case Text(text=text):
                if text:
                    content.append({"type": "text", "text": text, "citations": None})
            case Refusal(text=text):
                content.append({"type": "text", "text": text, "citations": None})
            case Thinking(text=text, signature=signature):
                if part.redacted:
                    losses.append(Loss("redacted_thinking", "belongs to another provider"))
                else:
                    content.append({"type": "thinking", "thinking": text, "signature": ""})
                    if signature:
                        losses.append(Loss("thinking.signature", "belongs to another provider"))
            case ToolCall():
                arguments, whole = arguments_object(part.arguments)
                if not whole:
                    losses.append(Loss(f"tool_use.{part.name}.input", "the arguments were not JSON; kept under _raw"))
                if part.signature:
                    losses.append(Loss("thought_signature", "no equivalent"))
                content.append({"type": "tool_use", "id": part.id, "name": part.name, "input": arguments})
            case Image() | ToolResult():
                losses.append(Loss(type(part).__name__.lower(), "not possible in an answer"))
            case _:
                assert_never(part)
    made = {
        "id": message_id(response.id),
        "type": "message",
        "role": "assistant",
        "model": response.model,
        "content": content,
        "stop_reason": stop_word(response.finish),
        "stop_sequence": response.stop_sequence,
        "usage": usage_object(response.usage),
    }
    return Encoded(msgspec.json.encode(made), tuple(losses))
