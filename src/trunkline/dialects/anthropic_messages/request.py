"""Requests of Messages: the peek, and the way to the hub. Source: wire-formats.md B.2, E.1-E.3."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.anthropic_messages.response import read_part
from trunkline.dialects.anthropic_messages.schema import Block, MessageField, Peeked, Request, ToolField
from trunkline.dialects.complaints import complain, given, sized_tokens, speaks, thread_of
from trunkline.dialects.contract import Target
from trunkline.types.canonical import ChatRequest, Image, Part, Sampling, Text, Tool, ToolChoice, ToolResult, Turn
from trunkline.types.envelope import NEED, Envelope
from trunkline.types.failure import Failure, invalid
from trunkline.types.wire import Loss

_peeked = msgspec.json.Decoder(Peeked)
_request = msgspec.json.Decoder(Request)
_block = msgspec.json.Decoder(Block)
_content = msgspec.json.Decoder(str | list[msgspec.Raw])
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])

_CARRIED = frozenset(Request.__struct_fields__) | {"stream"}
_HARMLESS: dict[str, tuple[bytes, ...]] = {"service_tier": (b'"auto"',), "thinking": (b'{"type":"disabled"}',)}


def peek(target: Target, body: bytes) -> Envelope | Failure:
    try:
        p = _peeked.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    if not p.model:
        return invalid("model must name a model of this gateway", param="model")
    if not p.messages:
        return invalid("messages: at least one message is required", param="messages")
    state = b'"signature"' in body or b'"redacted_thinking"' in body
    cached = b'"cache_control"' in body
    return Envelope(
        dialect="anthropic_messages",
        operation="chat",
        model=p.model,
        stream=bool(p.stream),
        body_bytes=len(body),
        input_tokens=sized_tokens(len(body)),
        max_output_tokens=p.max_tokens,
        tools=len(p.tools or ()),
        images=b'"image"' in body,
        output_schema=b"json_schema" in bytes(p.output_config),
        api_version=target.version,
        user=(p.metadata.user_id or "") if p.metadata is not None else "",
        needs=_needs(p, body),
        turns=len(p.messages),
        state=state,
        cached=cached,
        thread=thread_of(p.messages[0]) if state or cached else "",
    )


def _needs(p: Peeked, body: bytes) -> int:
    """Media are found by their block's type: in JSON, a text that mentions one has its quotes escaped."""
    bits = 0
    if b'"image"' in body:
        bits |= NEED["image"]
    if b'"document"' in body:
        bits |= NEED["file"]
    if p.tools:
        bits |= NEED["tools"]
        choice = bytes(p.tool_choice)
        if b'"any"' in choice or b'"tool"' in choice:
            bits |= NEED["forced_tool"]
    if b"json_schema" in bytes(p.output_config):
        bits |= NEED["schema"]
    if given(p.thinking) and b'"disabled"' not in bytes(p.thinking):
        bits |= NEED["reasoning"]
    if len(p.messages) > 1 and speaks(p.messages[-1], b"assistant"):
        bits |= NEED["prefill"]
    for value, need in ((p.temperature, "temperature"), (p.top_p, "top_p"), (p.top_k, "top_k")):
        if given(value):
            bits |= NEED[need]
    if given(p.stop_sequences) and bytes(p.stop_sequences) != b"[]":
        bits |= NEED["stop"]
    return bits


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
    system = _system(r, losses)
    if system:
        turns.append(Turn("system", system))
    for at, message in enumerate(r.messages):
        turn = _turn(message, f"messages[{at}]", losses)
        if isinstance(turn, Failure):
            return turn
        turns.append(turn)
    return ChatRequest(
        turns=tuple(turns),
        tools=_tools(r.tools or [], losses),
        tool_choice=_choice(r),
        max_output_tokens=r.max_tokens,
        stop=tuple(r.stop_sequences or ()),
        sampling=Sampling(temperature=r.temperature, top_p=r.top_p, top_k=r.top_k),
        stream=facts.stream,
        user=facts.user,
        losses=tuple(losses),
    )


def _system(r: Request, losses: list[Loss]) -> tuple[Part, ...]:
    if not r.system:
        return ()
    if isinstance(r.system, str):
        return (Text(r.system),)
    return tuple(_blocks(r.system, "system", losses))


def _turn(m: MessageField, where: str, losses: list[Loss]) -> Turn | Failure:
    if m.role not in ("user", "assistant", "system"):
        return invalid(f"{where}.role must be 'user', 'assistant' or 'system'", param=f"{where}.role")
    parts = [Text(m.content)] if isinstance(m.content, str) else _blocks(m.content, f"{where}.content", losses)
    role: Any = m.role
    return Turn(role, tuple(p for p in parts if not (isinstance(p, Text) and not p.text)))


def _blocks(raws: list[msgspec.Raw], where: str, losses: list[Loss]) -> list[Part]:
    parts: list[Part] = []
    for at, raw in enumerate(raws):
        place = f"{where}[{at}]"
        try:
            block = _block.decode(raw)
        except msgspec.MsgspecError:
            losses.append(Loss(place, "a block that could not be read"))
            continue
        if given(block.cache_control):
            _once(losses, Loss("cache_control", "no equivalent"))
        part = _part(block, place, losses)
        if part is None:
            losses.append(Loss(place, f"{block.type[:32]} has no equivalent"))
        else:
            parts.append(part)
    return parts


def _part(block: Block, place: str, losses: list[Loss]) -> Part | None:
    source = block.source
    match block.type:
        case "image" if source is not None:
            if source.type == "base64":
                return Image(media_type=source.media_type, data=source.data)
            return Image(url=source.url) if source.type == "url" else None
        case "document" if source is not None and source.type == "text":
            losses.append(Loss(place, "a text document became plain text"))
            return Text(source.data or "")
        case "tool_result":
            return _result(block, place, losses)
        case _:
            return read_part(block)


def _result(block: Block, place: str, losses: list[Loss]) -> ToolResult:
    parts: list[Text | Image] = []
    if given(block.content):
        try:
            content = _content.decode(block.content)
        except msgspec.MsgspecError:
            content = ""
            losses.append(Loss(f"{place}.content", "could not be read"))
        found = [Text(content)] if isinstance(content, str) else _blocks(content, f"{place}.content", losses)
        parts = [p for p in found if isinstance(p, Text | Image)]
    return ToolResult(call_id=block.tool_use_id or "", parts=tuple(parts), is_error=bool(block.is_error))


def _tools(fields: list[ToolField], losses: list[Loss]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for at, field in enumerate(fields):
        if field.type not in (None, "custom"):
            losses.append(Loss(f"tools[{at}]", f"server tool {str(field.type)[:40]} has no equivalent"))
            continue
        if given(field.cache_control):
            _once(losses, Loss("cache_control", "no equivalent"))
        tools.append(
            Tool(
                name=field.name,
                description=field.description,
                schema=field.input_schema if given(field.input_schema) else None,
                strict=field.strict,
            )
        )
    return tuple(tools)


def _choice(r: Request) -> ToolChoice | None:
    field = r.tool_choice
    if field is None:
        return None
    parallel = None if field.disable_parallel_tool_use is None else not field.disable_parallel_tool_use
    match field.type:
        case "any":
            return ToolChoice(mode="required", parallel=parallel)
        case "tool":
            return ToolChoice(mode="tool", name=field.name or "", parallel=parallel)
        case "none":
            return ToolChoice(mode="none", parallel=parallel)
        case _:
            return ToolChoice(mode="auto", parallel=parallel)


def _once(losses: list[Loss], loss: Loss) -> None:
    if loss not in losses:
        losses.append(loss)
