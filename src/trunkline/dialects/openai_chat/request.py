"""Requests of Chat Completions: the peek, and the way to and from the hub. Source: wire-formats.md A.4, E."""

from __future__ import annotations

import re
from typing import Any, assert_never

import msgspec

from trunkline.dialects.complaints import complain, given, sized_tokens
from trunkline.dialects.contract import Encoded, Target
from trunkline.dialects.openai_chat.response import call_object, read_call
from trunkline.dialects.openai_chat.schema import ContentPart, MessageField, Peeked, Request, ToolField
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Part,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure, FaultClass, Kind, invalid
from trunkline.types.wire import Loss

_peeked = msgspec.json.Decoder(Peeked)
_request = msgspec.json.Decoder(Request)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w=.+-]+)*?)(;base64)?,(.*)\Z", re.DOTALL)
STOP_MAX = 4
CALL_ID = 64

#: Carried, or without effect on the answer's content.
_CARRIED = frozenset(Request.__struct_fields__) | {"stream", "stream_options"}
_HARMLESS: dict[str, tuple[bytes, ...]] = {
    "service_tier": (b'"auto"', b'"default"'),
    "store": (b"false",),
    "logprobs": (b"false",),
    "modalities": (b'["text"]',),
    "response_format": (b'{"type":"text"}', b'{"type": "text"}'),
}


def peek(target: Target, body: bytes) -> Envelope | Failure:
    try:
        p = _peeked.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    if not p.model:
        return invalid("model must name a model of this gateway", param="model")
    if not p.messages:
        return invalid("messages must have at least one message", param="messages")
    limit = p.max_completion_tokens if p.max_completion_tokens is not None else p.max_tokens
    stream = bool(p.stream)
    return Envelope(
        dialect="openai_chat",
        operation="chat",
        model=p.model,
        stream=stream,
        body_bytes=len(body),
        input_tokens=sized_tokens(len(body)),
        max_output_tokens=limit,
        tools=len(p.tools or ()) + len(p.functions or ()),
        images=b'"image_url"' in body,
        output_schema=b"json_schema" in bytes(p.response_format),
        choices=p.n or 1,
        wants_usage=not stream or (p.stream_options is not None and bool(p.stream_options.include_usage)),
        user=p.safety_identifier or p.user or "",
    )


# --- to the hub --------------------------------------------------------------------------------------------------
def decode_request(body: bytes, facts: Envelope) -> ChatRequest | Failure:
    try:
        r = _request.decode(body)
        fields = _fields.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    losses = [
        Loss(name, "no equivalent in the target's format")
        for name, value in fields.items()
        if name not in _CARRIED and bytes(value) != b"null" and bytes(value) not in _HARMLESS.get(name, ())
    ]
    turns: list[Turn] = []
    for at, message in enumerate(r.messages):
        turn = _turn(message, at, losses)
        if isinstance(turn, Failure):
            return turn
        turns.append(turn)
    tools = _tools(r.tools or (), losses)
    choice = _tool_choice(r, losses)
    if isinstance(choice, Failure):
        return choice
    stop = (r.stop,) if isinstance(r.stop, str) else tuple(r.stop or ())
    return ChatRequest(
        turns=tuple(turns),
        tools=tools,
        tool_choice=choice,
        max_output_tokens=facts.max_output_tokens,
        stop=stop,
        sampling=Sampling(
            temperature=r.temperature,
            top_p=r.top_p,
            presence_penalty=r.presence_penalty,
            frequency_penalty=r.frequency_penalty,
            seed=r.seed,
        ),
        choices=facts.choices,
        stream=facts.stream,
        user=facts.user,
        losses=tuple(losses),
    )


def _turn(m: MessageField, at: int, losses: list[Loss]) -> Turn | Failure:
    where = f"messages[{at}]"
    if m.name:
        losses.append(Loss(f"{where}.name", "no equivalent"))
    match m.role:
        case "system" | "developer":
            return Turn("system", tuple(_parts(m.content, where, losses)))
        case "user":
            return Turn("user", tuple(_parts(m.content, where, losses)))
        case "assistant":
            return _assistant(m, where, losses)
        case "tool":
            if not m.tool_call_id:
                return invalid(f"{where}.tool_call_id is required in a tool message", param=f"{where}.tool_call_id")
            content = tuple(p for p in _parts(m.content, where, losses) if isinstance(p, Text | Image))
            return Turn("user", (ToolResult(call_id=m.tool_call_id, parts=content),))
        case "function":
            return invalid(
                f"{where}: the role 'function' is retired; use role 'tool' with tool_call_id", param=f"{where}.role"
            )
        case _:
            return invalid(f"{where}.role must be system, developer, user, assistant or tool", param=f"{where}.role")


def _assistant(m: MessageField, where: str, losses: list[Loss]) -> Turn:
    parts: list[Part] = []
    if m.reasoning_content:
        parts.append(Thinking(text=m.reasoning_content, origin="openai_chat"))
    parts += _parts(m.content, where, losses)
    if m.refusal:
        parts.append(Refusal(m.refusal))
    if given(m.audio):
        losses.append(Loss(f"{where}.audio", "no equivalent"))
    if m.function_call is not None:
        losses.append(Loss(f"{where}.function_call", "retired; use tool_calls"))
    parts += [read_call(call) for call in m.tool_calls or ()]
    return Turn("assistant", tuple(parts))


def _parts(content: str | list[ContentPart] | None, where: str, losses: list[Loss]) -> list[Part]:
    if content is None:
        return []
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for at, part in enumerate(content):
        if part.type == "text" and part.text is not None:
            parts.append(Text(part.text))
        elif part.type == "refusal" and part.refusal is not None:
            parts.append(Refusal(part.refusal))
        elif part.type == "image_url" and part.image_url is not None:
            parts.append(read_image(part.image_url.url, part.image_url.detail))
        else:
            losses.append(Loss(f"{where}.content[{at}]", f"{part.type[:32]} has no equivalent"))
    return parts


def read_image(url: str, detail: str | None) -> Image:
    match = DATA_URL.match(url)
    if match is None or not match.group(3):
        return Image(url=url, detail=detail)
    return Image(media_type=match.group(1) or "image/png", data=match.group(4), detail=detail)


def _tools(fields: list[ToolField] | tuple[()], losses: list[Loss]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for at, field in enumerate(fields):
        if field.function is not None:
            f = field.function
            schema = f.parameters if given(f.parameters) else None
            tools.append(Tool(name=f.name, description=f.description, schema=schema, strict=f.strict))
        elif field.custom is not None:
            c = field.custom
            tools.append(Tool(name=c.name, description=c.description, schema=msgspec.Raw(_TEXT_INPUT)))
            losses.append(Loss(f"tools[{at}]", "a free-text tool became a function with one string"))
        else:
            losses.append(Loss(f"tools[{at}]", f"{field.type[:32]} has no equivalent"))
    return tuple(tools)


_TEXT_INPUT = b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'


def _tool_choice(r: Request, losses: list[Loss]) -> ToolChoice | Failure | None:
    choice, parallel = r.tool_choice, r.parallel_tool_calls
    if choice is None:
        return ToolChoice(parallel=parallel) if parallel is not None else None
    if choice in ("auto", "none", "required"):
        return ToolChoice(mode=choice, parallel=parallel)
    if isinstance(choice, dict):
        for kind in ("function", "custom"):
            named = choice.get(kind)
            if isinstance(named, dict) and isinstance(named.get("name"), str):
                return ToolChoice(mode="tool", name=named["name"], parallel=parallel)
        allowed = choice.get("allowed_tools")
        if isinstance(allowed, dict):
            losses.append(Loss("tool_choice.allowed_tools", "all tools stay allowed"))
            return ToolChoice(mode="required" if allowed.get("mode") == "required" else "auto", parallel=parallel)
    return invalid(
        "tool_choice must be 'none', 'auto', 'required' or {type: function, function: {name}}", param="tool_choice"
    )


# --- from the hub ------------------------------------------------------------------------------------------------
def unable(message: str, param: str = "") -> Failure:
    """The target's format cannot express this request at all."""
    return Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param=param, status=400
    )


def encode_request(request: ChatRequest, model: str) -> Encoded | Failure:
    if request.choices > 1:
        return unable("more than one choice cannot be asked for across formats", "n")
    losses: list[Loss] = []
    messages: list[dict[str, Any]] = []
    for turn in request.turns:
        _write_turn(turn, messages, losses)
    made: dict[str, Any] = {"model": model, "messages": messages}
    if request.tools:
        tools = []
        for tool in request.tools:
            if TOOL_NAME.match(tool.name) is None:
                return unable(f"the tool name '{tool.name[:80]}' does not fit: at most 64 of A-Z a-z 0-9 _ -", "tools")
            tools.append(_tool_object(tool))
        made["tools"] = tools
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
        if choice.mode not in ("auto", "none"):
            losses.append(Loss("tool_choice", "there are no tools"))
        return
    if choice.mode == "tool":
        made["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    else:
        made["tool_choice"] = choice.mode
    if choice.parallel is not None:
        made["parallel_tool_calls"] = choice.parallel


def _write_turn(turn: Turn, messages: list[dict[str, Any]], losses: list[Loss]) -> None:
    match turn.role:
        case "system":
            text = "".join(p.text for p in turn.parts if isinstance(p, Text))
            if text:
                messages.append({"role": "system", "content": text})
        case "assistant":
            message = _assistant_object(turn, losses)
            if message is not None:
                messages.append(message)
        case "user":
            _write_user(turn, messages, losses)
        case _:
            assert_never(turn.role)


def _write_user(turn: Turn, messages: list[dict[str, Any]], losses: list[Loss]) -> None:
    """Tool results become messages of their own, first; what they show as images follows as a user message (E.2)."""
    content: list[dict[str, Any]] = []
    for part in turn.parts:
        match part:
            case ToolResult():
                text = "".join(p.text for p in part.parts if isinstance(p, Text))
                images = [p for p in part.parts if isinstance(p, Image)]
                if part.is_error:
                    text = f"Error: {text}"
                messages.append({"role": "tool", "tool_call_id": part.call_id[:CALL_ID], "content": text})
                if images:
                    content += [_image_object(p) for p in images]
                    losses.append(Loss("tool_result.image", "moved into a user message"))
            case Text(text=text):
                content.append({"type": "text", "text": text})
            case Image():
                content.append(_image_object(part))
            case ToolCall() | Thinking() | Refusal():
                losses.append(Loss(f"user.{type(part).__name__.lower()}", "not possible in a user turn"))
            case _:
                assert_never(part)
    if not content:
        return
    if all(part["type"] == "text" for part in content) and len(content) == 1:
        messages.append({"role": "user", "content": content[0]["text"]})
    else:
        messages.append({"role": "user", "content": content})


def _assistant_object(turn: Turn, losses: list[Loss]) -> dict[str, Any] | None:
    text: list[str] = []
    calls: list[dict[str, Any]] = []
    message: dict[str, Any] = {"role": "assistant"}
    for part in turn.parts:
        match part:
            case Text(text=value):
                text.append(value)
            case Refusal(text=value):
                message["refusal"] = value
            case ToolCall():
                call = call_object(part)
                call["id"] = part.id[:CALL_ID]
                calls.append(call)
            case Thinking():
                losses.append(Loss("thinking", "reasoning is not replayed in this format"))
            case Image():
                losses.append(Loss("assistant.image", "not possible in an assistant turn"))
            case ToolResult():
                losses.append(Loss("assistant.tool_result", "not possible in an assistant turn"))
            case _:
                assert_never(part)
    message["content"] = "".join(text) if text else None
    if calls:
        message["tool_calls"] = calls
    if message["content"] is None and not calls and "refusal" not in message:
        return None
    return message


def _image_object(image: Image) -> dict[str, Any]:
    url = image.url or f"data:{image.media_type or 'image/png'};base64,{image.data or ''}"
    made: dict[str, Any] = {"url": url}
    if image.detail is not None:
        made["detail"] = image.detail
    return {"type": "image_url", "image_url": made}
