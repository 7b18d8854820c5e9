"""From the hub to a Messages request. Source: wire-formats.md B.2 (turn and empty-content rules), B.9, E.1-E.6."""

from __future__ import annotations

import re
from typing import Any, assert_never

import msgspec

from trunkline.dialects.anthropic_messages.response import arguments_object
from trunkline.dialects.contract import Encoded
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Part,
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

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
_NOT_ID = re.compile(r"[^a-zA-Z0-9_-]")
_VERSION = re.compile(r"claude-[a-z]+-(\d+)(?:-(\d{1,2}))?(?:\D|\Z)")
_FORCED_REFUSED = re.compile(r"claude-(?:opus|sonnet)-5-5|claude-(?:fable|mythos)-5-[1-9]")
_NO_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}
OPENING = "(continue)"


def version_of(model: str) -> tuple[int, int]:
    """(major, minor) of a Claude model id; unknown names count as the newest generation, the strictest."""
    match = _VERSION.match(model)
    if match is None:
        return (3, 5) if model.startswith("claude-3") else (99, 0)
    return int(match.group(1)), int(match.group(2) or 0)


def takes_sampling(model: str) -> bool:
    """Models before 4.7 (B.9)."""
    return version_of(model) < (4, 7)


def takes_prefill(model: str) -> bool:
    return version_of(model) < (4, 6)


def takes_forced_tool(model: str) -> bool:
    return _FORCED_REFUSED.match(model) is None


def unable(message: str, param: str = "") -> Failure:
    return Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param=param, status=400
    )


def encode_request(request: ChatRequest, model: str, max_output_tokens: int) -> Encoded | Failure:
    if request.choices > 1:
        return unable("Claude gives one choice only; n must be 1", "n")
    losses: list[Loss] = []
    system, turns = _hoist(request.turns, losses)
    messages = _messages(turns, losses)
    if messages and messages[0]["role"] != "user":
        messages.insert(0, {"role": "user", "content": OPENING})
        losses.append(Loss("messages[0]", "a user turn was put before a leading assistant turn"))
    if not messages:
        messages = [{"role": "user", "content": OPENING}]
        losses.append(Loss("messages", "there was no user turn"))
    if messages[-1]["role"] == "assistant" and not takes_prefill(model):
        return unable(f"{model} does not continue an assistant message (prefill)", "messages")
    made: dict[str, Any] = {"model": model, "max_tokens": request.max_output_tokens or max_output_tokens}
    if system:
        made["system"] = system
    made["messages"] = messages
    refusal = _tools(request, model, made, losses)
    if refusal is not None:
        return refusal
    stop = [s for s in request.stop if s.strip()]
    if len(stop) < len(request.stop):
        losses.append(Loss("stop", "sequences of white space only are not accepted"))
    if stop:
        made["stop_sequences"] = stop
    _sampling(request, model, made, losses)
    if request.user:
        made["metadata"] = {"user_id": request.user}
    if request.stream:
        made["stream"] = True
    return Encoded(msgspec.json.encode(made), tuple(losses))


def _hoist(turns: tuple[Turn, ...], losses: list[Loss]) -> tuple[str, list[Turn]]:
    """Only the leading run of system turns becomes `system`; later ones stay in place as user text (E.1)."""
    lead = 0
    while lead < len(turns) and turns[lead].role == "system":
        lead += 1
    system = "\n\n".join(t for t in (_text(turn) for turn in turns[:lead]) if t.strip())
    rest: list[Turn] = []
    for turn in turns[lead:]:
        if turn.role == "system":
            losses.append(Loss("system", "a later system message became user text"))
            rest.append(Turn("user", turn.parts))
        else:
            rest.append(turn)
    return system, rest


def _text(turn: Turn) -> str:
    return "".join(p.text for p in turn.parts if isinstance(p, Text))


def _messages(turns: list[Turn], losses: list[Loss]) -> list[dict[str, Any]]:
    """Consecutive turns of a role are merged; tool results come first in their turn (B.2)."""
    messages: list[dict[str, Any]] = []
    for turn in turns:
        blocks = [b for b in (_block(p, turn.role, losses) for p in turn.parts) if b is not None]
        if not blocks:
            continue
        role = "assistant" if turn.role == "assistant" else "user"
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    for message in messages:
        if message["role"] == "user":
            message["content"].sort(key=lambda b: b["type"] != "tool_result")
        elif all(b["type"] == "text" and not b["text"].strip() for b in message["content"]):
            message["content"] = []
    return [m for m in messages if m["content"]]


def _block(part: Part, role: str, losses: list[Loss]) -> dict[str, Any] | None:
    match part:
        case Text(text=text) | Refusal(text=text):
            return {"type": "text", "text": text} if text else None
        case Image():
            return _image(part)
        case ToolCall():
            arguments, whole = arguments_object(part.arguments)
            if not whole:
                losses.append(Loss(f"tool_call.{part.name}", "the arguments were not JSON; kept under _raw"))
            return {"type": "tool_use", "id": tool_id(part.id), "name": part.name, "input": arguments}
        case ToolResult():
            content = [b for b in (_block(p, role, losses) for p in part.parts) if b is not None]
            made: dict[str, Any] = {"type": "tool_result", "tool_use_id": tool_id(part.call_id), "content": content}
            if part.is_error:
                made["is_error"] = True
            return made
        case Thinking():
            return _thinking(part, losses)
        case _:
            assert_never(part)


def _thinking(part: Thinking, losses: list[Loss]) -> dict[str, Any] | None:
    if part.origin != "anthropic_messages" or not part.signature:
        if ("thinking", "belongs to another provider") not in ((x.field, x.reason) for x in losses):
            losses.append(Loss("thinking", "belongs to another provider"))
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.signature}
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _image(image: Image) -> dict[str, Any]:
    if image.url is not None:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    media = image.media_type or "image/png"
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": image.data or ""}}


def tool_id(id: str) -> str:
    """Anthropic's alphabet; the same id always becomes the same one."""
    return _NOT_ID.sub("_", id) or "toolu_0"


def _tools(request: ChatRequest, model: str, made: dict[str, Any], losses: list[Loss]) -> Failure | None:
    tools = []
    for tool in request.tools:
        if TOOL_NAME.match(tool.name) is None:
            return unable(f"the tool name '{tool.name[:140]}' does not fit: at most 128 of A-Z a-z 0-9 _ -", "tools")
        tools.append(_tool(tool))
    if not tools:
        return None
    made["tools"] = tools
    choice = request.tool_choice
    if choice is None:
        return None
    mode = choice.mode
    if mode in ("required", "tool") and not takes_forced_tool(model):
        losses.append(Loss("tool_choice", f"{model} refuses a forced choice; the model decides"))
        mode = "auto"
    made["tool_choice"] = {"type": {"required": "any"}.get(mode, mode)}
    if mode == "tool":
        made["tool_choice"]["name"] = choice.name
    if choice.parallel is False and mode != "none":
        made["tool_choice"]["disable_parallel_tool_use"] = True
    return None


def _tool(tool: Tool) -> dict[str, Any]:
    made: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        made["description"] = tool.description
    made["input_schema"] = tool.schema if tool.schema is not None else _NO_SCHEMA
    if tool.strict:
        made["strict"] = True
    return made


def _sampling(request: ChatRequest, model: str, made: dict[str, Any], losses: list[Loss]) -> None:
    s = request.sampling
    for name in ("presence_penalty", "frequency_penalty", "seed"):
        if getattr(s, name) is not None:
            losses.append(Loss(name, "no equivalent"))
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(s, name)
        if value is None:
            continue
        if not takes_sampling(model):
            losses.append(Loss(name, f"{model} takes no sampling parameters"))
        elif name == "temperature" and value > 1.0:
            made[name] = 1.0
            losses.append(Loss(name, "clamped to 1"))
        elif name == "top_p" and "temperature" in made:
            losses.append(Loss(name, "not together with temperature"))
        else:
            made[name] = value
