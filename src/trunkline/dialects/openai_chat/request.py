"""Requests of Chat Completions: the peek, and the way to the hub. Source: wire-formats.md A.4, E.1-E.3, E.6."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from trunkline.dialects.complaints import ABSENT, complain, flat, given, sized_tokens, speaks, thread_of
from trunkline.dialects.contract import Target
from trunkline.dialects.openai_chat.response import once, read_call
from trunkline.dialects.openai_chat.schema import (
    ContentPart,
    FunctionField,
    ImageUrl,
    MessageField,
    Peeked,
    Request,
    ToolField,
)
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
from trunkline.types.envelope import NEED, Envelope
from trunkline.types.failure import Failure, invalid
from trunkline.types.wire import Loss

_peeked = msgspec.json.Decoder(Peeked)
_request = msgspec.json.Decoder(Request)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])

_FAILS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

# Field names that are carried, or without effect on the answer's content.
_TOP = frozenset(Request.__struct_fields__) | {"stream", "stream_options"}
_MESSAGE = frozenset(MessageField.__struct_fields__)
_PART = frozenset(ContentPart.__struct_fields__)
_IMAGE = frozenset(ImageUrl.__struct_fields__)
_TOOL = frozenset(ToolField.__struct_fields__)
_FUNCTION = frozenset(FunctionField.__struct_fields__)
#: Values that ask for nothing.
_EMPTY = (b"null", b"[]", b"{}", b'""')
_HARMLESS: dict[str, tuple[bytes, ...]] = {
    "service_tier": (b'"auto"', b'"default"'),
    "store": (b"false",),
    "logprobs": (b"false",),
    "top_logprobs": (b"0",),
    "modalities": (b'["text"]',),
    "response_format": (b'{"type":"text"}', b'{"type": "text"}'),
    "function_call": (b'"auto"', b'"none"'),
}
#: What a part of a kind that is not carried holds; the part itself is reported.
_PART_WORDS = frozenset({"input_audio", "file", "video_url"})
_NOTHING = msgspec.Raw(b"null")
_TEXT_INPUT = b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}'


_NULL = (b"null",)
#: What is the same as not to have said it: reasoning models take these too (wire-formats.md A.4).
_UNSET: dict[str, tuple[bytes, ...]] = {
    "temperature": (b"null", b"1", b"1.0"),
    "top_p": (b"null", b"1", b"1.0"),
    "presence_penalty": (b"null", b"0", b"0.0"),
    "frequency_penalty": (b"null", b"0", b"0.0"),
    "stop": (b"null", b"[]"),
    "logprobs": (b"null", b"false"),
}
_SOFT = (
    ("temperature", NEED["temperature"]),
    ("top_p", NEED["top_p"]),
    ("top_k", NEED["top_k"]),
    ("presence_penalty", NEED["penalties"]),
    ("frequency_penalty", NEED["penalties"]),
    ("seed", NEED["seed"]),
    ("stop", NEED["stop"]),
    ("logprobs", NEED["logprobs"]),
)
_PARTS = (
    (b'"image_url"', NEED["image"]),
    (b'"input_audio"', NEED["audio"]),
    (b'"video_url"', NEED["video"]),
    (b'"file_data"', NEED["file"]),
    (b'"file_id"', NEED["file"]),
)


def peek(target: Target, body: bytes) -> Envelope | Failure:
    try:
        p = _peeked.decode(body)
    except _FAILS as error:
        return complain(error)
    if not p.model:
        return invalid("model must name a model of this gateway", param="model")
    if not p.messages:
        return invalid("messages must have at least one message", param="messages")
    limit = p.max_completion_tokens if p.max_completion_tokens is not None else p.max_tokens
    stream = bool(p.stream)
    needs = _needs(p, body)
    cached = given(p.prompt_cache_key)
    return Envelope(
        dialect="openai_chat",
        operation="chat",
        model=p.model,
        stream=stream,
        body_bytes=len(body),
        input_tokens=sized_tokens(len(body)),
        max_output_tokens=limit,
        tools=len(p.tools or ()) + len(p.functions or ()),
        images=bool(needs & NEED["image"]),
        output_schema=bool(needs & NEED["schema"]),
        choices=p.n or 1,
        wants_usage=not stream or (p.stream_options is not None and bool(p.stream_options.include_usage)),
        user=p.safety_identifier or p.user or "",
        metadata=flat(p.metadata) if p.metadata is not ABSENT else {},
        needs=needs,
        unthinking=p.reasoning_effort is not ABSENT and bytes(p.reasoning_effort) == b'"none"',
        turns=len(p.messages),
        cached=cached,
        thread=thread_of(p.prompt_cache_key, *p.messages[:2]) if cached else "",
    )


def _needs(p: Peeked, body: bytes) -> int:
    """Media are found by their part's type: in JSON, a text that mentions one has its quotes escaped."""
    bits = 0
    if b'"type"' in body:  # parts, tools and schemas all have one
        bits = _typed_needs(p, body)
    if p.n is not None and p.n > 1:
        bits |= NEED["n"]
    if p.reasoning_effort is not ABSENT and bytes(p.reasoning_effort) not in (b"null", b'"none"'):
        bits |= NEED["reasoning"]
    if len(p.messages) > 1 and speaks(p.messages[-1], b"assistant"):
        bits |= NEED["prefill"]
    if (
        p.temperature is not ABSENT
        or p.top_p is not ABSENT
        or p.top_k is not ABSENT
        or p.presence_penalty is not ABSENT
        or p.frequency_penalty is not ABSENT
        or p.seed is not ABSENT
        or p.stop is not ABSENT
        or p.logprobs is not ABSENT
    ):
        for name, bit in _SOFT:
            value = getattr(p, name)
            if value is not ABSENT and bytes(value) not in _UNSET.get(name, _NULL):
                bits |= bit
    return bits


def _typed_needs(p: Peeked, body: bytes) -> int:
    bits = 0
    for word, need in _PARTS:
        if word in body:
            bits |= need
    if p.tools or p.functions:
        bits |= NEED["tools"]
        if given(p.tool_choice) and bytes(p.tool_choice) not in (b'"auto"', b'"none"'):
            bits |= NEED["forced_tool"]
    if p.response_format is not ABSENT and b"json_schema" in bytes(p.response_format):
        bits |= NEED["schema"]
    return bits


# --- to the hub --------------------------------------------------------------------------------------------------
def decode_request(body: bytes, facts: Envelope) -> ChatRequest | Failure:
    losses: list[Loss] = []
    try:
        r = _request.decode(body)
        _report_unknown(body, losses)
    except _FAILS as error:
        return complain(error)
    turns = _turns(r.messages, losses)
    if isinstance(turns, Failure):
        return turns
    tools = _tools(r.tools or (), losses)
    choice = _tool_choice(r, losses)
    if isinstance(choice, Failure):
        return choice
    return ChatRequest(
        turns=turns,
        tools=_allowed(r.tool_choice, tools, losses),
        tool_choice=choice,
        max_output_tokens=facts.max_output_tokens,
        stop=(r.stop,) if isinstance(r.stop, str) else tuple(r.stop or ()),
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


def _report_unknown(body: bytes, losses: list[Loss]) -> None:
    """Every field that asks for something and is not carried. The structs have accepted the shapes already."""
    fields = _object.decode(body)
    _report(fields, _TOP, "", losses)
    for message in _objects.decode(fields["messages"]):
        _report(message, _MESSAGE, "messages[].", losses)
        content = message.get("content")
        if content is not None and memoryview(content)[0] == ord("["):
            for part in _objects.decode(content):
                _report(part, _PART, "messages[].content[].", losses)
                if given(part.get("image_url", _NOTHING)):
                    _report(_object.decode(part["image_url"]), _IMAGE, "messages[].content[].image_url.", losses)
    if given(fields.get("tools", _NOTHING)):
        for tool in _objects.decode(fields["tools"]):
            _report(tool, _TOOL, "tools[].", losses)
            if given(tool.get("function", _NOTHING)):
                _report(_object.decode(tool["function"]), _FUNCTION, "tools[].function.", losses)


def _report(fields: dict[str, msgspec.Raw], known: frozenset[str], place: str, losses: list[Loss]) -> None:
    for name, raw in fields.items():
        if name not in known:
            value = bytes(raw)
            if value not in _EMPTY and value not in _HARMLESS.get(name, ()) and name not in _PART_WORDS:
                once(losses, place + name[:64], "no equivalent")


def _turns(messages: list[MessageField], losses: list[Loss]) -> tuple[Turn, ...] | Failure:
    turns: list[Turn] = []
    names: dict[str, str] = {}  # of the functions called so far, by call id
    for at, message in enumerate(messages):
        turn = _turn(message, f"messages[{at}]", names, losses)
        if isinstance(turn, Failure):
            return turn
        turns.append(turn)
    return tuple(turns)


def _turn(m: MessageField, where: str, names: dict[str, str], losses: list[Loss]) -> Turn | Failure:
    match m.role:
        case "assistant":
            turn = _assistant(m, losses)
            names.update({part.id: part.name for part in turn.parts if isinstance(part, ToolCall)})
            return turn
        case "tool":
            if not m.tool_call_id:
                return invalid(f"{where}.tool_call_id is required in a tool message", param=f"{where}.tool_call_id")
            content = tuple(part for part in _parts(m.content, losses) if isinstance(part, Text | Image))
            result = ToolResult(call_id=m.tool_call_id, name=names.get(m.tool_call_id, ""), parts=content)
            return Turn("user", (result,))
        case "system" | "developer" | "user":
            if m.content is None:
                return invalid(f"{where}.content is required: a string or a list of parts", param=f"{where}.content")
            return Turn("user" if m.role == "user" else "system", tuple(_parts(m.content, losses)))
        case "function":
            return invalid(
                f"{where}: the role 'function' is retired; use role 'tool' with tool_call_id", param=f"{where}.role"
            )
        case _:
            return invalid(f"{where}.role must be system, developer, user, assistant or tool", param=f"{where}.role")


def _assistant(m: MessageField, losses: list[Loss]) -> Turn:
    parts: list[Part] = []
    if m.reasoning_content:
        parts.append(Thinking(text=m.reasoning_content, origin="openai_chat"))
    parts += _parts(m.content, losses)
    if m.refusal:
        parts.append(Refusal(m.refusal))
    parts += [read_call(call, at) for at, call in enumerate(m.tool_calls or ())]
    return Turn("assistant", tuple(parts))


def _parts(content: str | list[ContentPart] | None, losses: list[Loss]) -> list[Part]:
    if isinstance(content, str):
        return [Text(content)] if content else []
    parts: list[Part] = []
    for part in content or ():
        if part.type == "text" and part.text is not None:
            parts.append(Text(part.text))
        elif part.type == "refusal" and part.refusal is not None:
            parts.append(Refusal(part.refusal))
        elif part.type == "image_url" and part.image_url is not None:
            parts.append(read_image(part.image_url.url, part.image_url.detail))
        else:
            once(losses, f"messages[].content[type={part.type[:32]}]", "no equivalent; left out")
    return parts


def read_image(url: str, detail: str | None) -> Image:
    """A data URL becomes standard base64 with padding, however it was written; any other URL stays one."""
    head, comma, data = url[5:].partition(",")
    if url[:5].lower() != "data:" or not comma:
        return Image(url=url, detail=detail)
    words = [word.strip() for word in head.split(";")]
    if words[-1].lower() != "base64":
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    elif len(data) % 4 or any(sign in data for sign in "%-_ \n\r\t"):
        data = "".join(unquote(data).split()).rstrip("=").replace("-", "+").replace("_", "/")
        data += "=" * (-len(data) % 4)
    media = words[0].lower() if "/" in words[0] else "image/png"
    return Image(media_type=media, data=data, detail=detail)


# --- tools ---------------------------------------------------------------------------------------------------------
def _tools(fields: Iterable[ToolField], losses: list[Loss]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for field in fields:
        if field.function is not None:
            f = field.function
            schema = f.parameters if given(f.parameters) else None
            tools.append(Tool(name=f.name, description=f.description, schema=schema, strict=f.strict))
        elif field.custom is not None:
            c = field.custom
            tools.append(Tool(name=c.name, description=c.description, schema=msgspec.Raw(_TEXT_INPUT)))
            once(losses, "tools[].custom", "a free-text tool became a function with one string")
            if b'"grammar"' in bytes(c.format):
                once(losses, "tools[].custom.format", "no equivalent")
        else:
            once(losses, f"tools[type={field.type[:32]}]", "no equivalent; left out")
    return tuple(tools)


def _tool_choice(r: Request, losses: list[Loss]) -> ToolChoice | Failure | None:
    choice, parallel = r.tool_choice, r.parallel_tool_calls
    if choice is None:
        return ToolChoice(parallel=parallel) if parallel is not None else None
    match choice:
        case "auto" | "none" | "required":
            return ToolChoice(mode=choice, parallel=parallel)
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return ToolChoice(mode="tool", name=name, parallel=parallel)
        case {"allowed_tools": {"mode": "auto" | "required" as mode}}:
            return ToolChoice(mode=mode, parallel=parallel)
        case _:
            return invalid(
                "tool_choice must be 'none', 'auto', 'required', {type: function, function: {name}} or"
                " {type: allowed_tools, allowed_tools: {mode, tools}}",
                param="tool_choice",
            )


def _allowed(choice: Any, tools: tuple[Tool, ...], losses: list[Loss]) -> tuple[Tool, ...]:
    """`allowed_tools` is carried by offering only those (E.3)."""
    match choice:
        case {"allowed_tools": {"tools": list(items)}}:
            names = {_tool_name(item) for item in items}
            left = tuple(tool for tool in tools if tool.name in names)
            if not left:
                once(losses, "tool_choice.allowed_tools", "names no tool of this request; all stay allowed")
            return left or tools
        case _:
            return tools


def _tool_name(item: Any) -> str:
    match item:
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}} | {"name": str(name)}:
            return name
        case _:
            return ""
