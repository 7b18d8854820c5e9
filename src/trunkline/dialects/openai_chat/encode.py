"""Requests from the hub to Chat Completions. Source: wire-formats.md A.4, E.1-E.3, E.6."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable
from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Encoded
from trunkline.dialects.openai_chat.response import call_object, once
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.wire import Loss

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
STOP_MAX = 4
CALL_ID = 64  # longer ids of calls are refused (E.3, E.14.7)

Message = dict[str, Any]


def unable(message: str, param: str = "") -> Failure:
    """The target's format cannot express this request at all."""
    return Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param=param, status=400
    )


def encode_request(request: ChatRequest, model: str) -> Encoded | Failure:
    """The limit goes out as `max_completion_tokens`: reasoning models refuse `max_tokens`."""
    if request.choices > 1:
        return unable("more than one choice cannot be asked for across formats", "n")
    for tool in request.tools:
        if TOOL_NAME.match(tool.name) is None:
            return unable(f"the tool name '{tool.name[:80]}' does not fit: at most 64 of A-Z a-z 0-9 _ -", "tools")
    losses: list[Loss] = []
    made: dict[str, Any] = {"model": model, "messages": _messages(request.turns, losses)}
    if request.tools:
        made["tools"] = [_tool_object(tool) for tool in request.tools]
    _write_choice(request, made, losses)
    if request.max_output_tokens is not None:
        made["max_completion_tokens"] = request.max_output_tokens
    if request.stop:
        made["stop"] = list(request.stop[:STOP_MAX])
        if len(request.stop) > STOP_MAX:
            losses.append(Loss("stop", f"only the first {STOP_MAX} are carried"))
    s = request.sampling
    for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"):
        value = getattr(s, name)
        if value is not None:
            made[name] = value
    if s.top_k is not None:
        losses.append(Loss("top_k", "no equivalent"))
    if request.user:
        made["user"] = request.user
    if request.stream:
        made["stream"] = True
        made["stream_options"] = {"include_usage": True}
    return Encoded(msgspec.json.encode(made), tuple(losses))


def _tool_object(tool: Tool) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.schema is not None:
        function["parameters"] = tool.schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _write_choice(request: ChatRequest, made: dict[str, Any], losses: list[Loss]) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    if not request.tools:
        # Both fields are refused without tools.
        if choice.mode not in ("auto", "none"):
            losses.append(Loss("tool_choice", "there are no tools"))
        return
    if choice.mode == "tool":
        made["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    else:
        made["tool_choice"] = choice.mode
    if choice.parallel is not None:
        made["parallel_tool_calls"] = choice.parallel


# --- messages ------------------------------------------------------------------------------------------------------
def _messages(turns: Iterable[Turn], losses: list[Loss]) -> list[Message]:
    messages: list[Message] = []
    for role, run in itertools.groupby(turns, key=lambda turn: turn.role):
        match role:
            case "system":
                messages += [message for turn in run if (message := _system(turn, losses)) is not None]
            case "assistant":
                messages += [message for turn in run if (message := _assistant(turn, losses)) is not None]
            case "user":
                messages += _user(run, losses)
            case _:
                assert_never(role)
    return messages


def _system(turn: Turn, losses: list[Loss]) -> Message | None:
    """`system`, not `developer`: compatible servers know only that one. Its blocks are paragraphs of their own."""
    text: list[str] = []
    for part in turn.parts:
        if isinstance(part, Text):
            text.append(part.text)
        else:
            once(losses, "system", "only text is possible in a system message")
    return {"role": "system", "content": "\n\n".join(text)} if any(text) else None


def _user(turns: Iterable[Turn], losses: list[Loss]) -> list[Message]:
    """Results of a run of user turns come first, as the calls before them demand; images among them follow in a user
    message (E.2)."""
    results: list[Message] = []
    shown: list[Message] = []
    others: list[Message] = []
    for turn in turns:
        content: list[Message] = []
        for part in turn.parts:
            match part:
                case ToolResult():
                    results.append(_result(part))
                    shown += [_image_object(image) for image in part.parts if isinstance(image, Image)]
                case Text(text=text):
                    content.append({"type": "text", "text": text})
                case Image():
                    content.append(_image_object(part))
                case ToolCall() | Thinking() | Refusal():
                    once(losses, f"user.{type(part).__name__.lower()}", "not possible in a user message")
                case _:
                    assert_never(part)
        if len(content) == 1 and content[0]["type"] == "text":
            others.append({"role": "user", "content": content[0]["text"]})
        elif content:
            others.append({"role": "user", "content": content})
    if shown:
        once(losses, "tool_result.image", "moved into a user message")
        others.insert(0, {"role": "user", "content": shown})
    return results + others


def _result(part: ToolResult) -> Message:
    text = "\n".join(piece.text for piece in part.parts if isinstance(piece, Text))
    if part.is_error:
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": call_id(part.call_id), "content": text}


def _assistant(turn: Turn, losses: list[Loss]) -> Message | None:
    text: list[str] = []
    refusal: list[str] = []
    calls: list[Message] = []
    for part in turn.parts:
        match part:
            case Text(text=value):
                text.append(value)
            case Refusal(text=value):
                refusal.append(value)
            case ToolCall():
                calls.append({**call_object(part), "id": call_id(part.id)})
                if part.signature:
                    once(losses, "thought_signature", "belongs to another provider")
            case Thinking():
                once(losses, "thinking", "reasoning is not replayed in this format")
            case Image():
                once(losses, "assistant.image", "not possible in an assistant message")
            case ToolResult():
                once(losses, "assistant.tool_result", "not possible in an assistant message")
            case _:
                assert_never(part)
    if not text and not refusal and not calls:
        return None
    message: Message = {"role": "assistant", "content": "".join(text) if text else None}
    if refusal:
        message["refusal"] = "".join(refusal)
    if calls:
        message["tool_calls"] = calls
    return message


def call_id(id: str) -> str:
    """The id, or one made of its beginning and its digest where it is too long: the same for call and result."""
    if len(id) <= CALL_ID:
        return id
    return f"{id[:39]}_{hashlib.sha256(id.encode()).hexdigest()[:24]}"


def _image_object(image: Image) -> Message:
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data or ''}"
    made: Message = {"url": url}
    if image.detail is not None:
        made["detail"] = image.detail
    return {"type": "image_url", "image_url": made}
