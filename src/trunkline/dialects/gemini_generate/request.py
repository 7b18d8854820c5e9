"""Requests of generateContent: the peek, and the way to the hub. Source: wire-formats.md C.2, C.3, E.1-E.6."""

from __future__ import annotations

import re

import msgspec

from trunkline.dialects.complaints import complain, given, sized_tokens, thread_of
from trunkline.dialects.contract import Target
from trunkline.dialects.gemini_generate.config import Settings, read_settings
from trunkline.dialects.gemini_generate.declarations import read_choice, read_tools
from trunkline.dialects.gemini_generate.parts import call_id, once, read_blob, read_call, read_file, read_part
from trunkline.dialects.gemini_generate.schema import (
    ContentField,
    PartField,
    Request,
    ResultField,
    fields_of,
    items_of,
    read_request,
)
from trunkline.types.canonical import ChatRequest, Image, Part, Text, ToolCall, ToolResult, Turn
from trunkline.types.envelope import NEED, Envelope
from trunkline.types.failure import Failure, FaultClass, Kind, invalid
from trunkline.types.wire import Loss

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)

#: First byte that a known field's value may have, and what to say if it has another.
_KINDS: dict[str, tuple[bytes, str]] = {
    "contents": (b"[{", "a list of {role, parts}"),
    "systemInstruction": (b"{", "an object with parts"),
    "tools": (b"[{", "a list of tools"),
    "toolConfig": (b"{", "an object"),
    "generationConfig": (b"{", "an object"),
    "safetySettings": (b"[{", "a list of {category, threshold}"),
    "cachedContent": (b'"', "a string"),
}
_EMPTY = re.compile(rb"\[\s*\]")
_MIME = re.compile(rb'"mime(?:T|_t)ype"\s*:\s*"([a-z]+)/')
_KIND_OF = {"image": "image", "audio": "audio", "video": "video"}
_MEDIA = (b'"inlineData"', b'"inline_data"', b'"fileData"', b'"file_data"')
#: Carried, or said by the URL.
_CARRIED = frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "model"})
_HARMLESS: dict[str, tuple[bytes, ...]] = {
    "safetySettings": (b"[]",),
    "labels": (b"{}",),
    "store": (b"false",),
    "serviceTier": (b'"standard"', b'"STANDARD"'),
}
#: Names under which a function's response conventionally is text alone (E.3).
_CONVENTIONAL = ("output", "result", "error")


def unable(message: str, param: str = "") -> Failure:
    """The target's format cannot express this request at all."""
    return Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param=param, status=400
    )


# --- facts -------------------------------------------------------------------------------------------------------
def peek(target: Target, body: bytes) -> Envelope | Failure:
    """Contents stay undecoded; only the settings are read, and the kinds of the known fields."""
    try:
        fields = fields_of(body)
        wrong = _wrong_kind(fields)
        if wrong is not None:
            return wrong
        tools = _count_tools(fields.get("tools"))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    settings = read_settings(fields.get("generationConfig"))
    if isinstance(settings, Failure):
        return settings
    state = b'"thoughtSignature"' in body or b'"thought_signature"' in body
    cached = "cachedContent" in fields
    return Envelope(
        dialect="gemini_generate",
        operation="chat",
        model=target.model,
        stream=bool(target.stream),
        body_bytes=len(body),
        input_tokens=sized_tokens(len(body)),
        max_output_tokens=settings.max_output_tokens,
        tools=tools,
        images=any(word in body for word in _MEDIA),
        output_schema=settings.output_schema,
        choices=settings.candidates,
        api_version=target.version,
        sse=target.sse,
        needs=_needs(settings, body, tools, fields),
        turns=body.count(b'"role"') or 1,
        state=state,
        cached=cached,
        thread=thread_of(*items_of(fields["contents"])[:1]) if state or cached else "",
    )


def _needs(settings: Settings, body: bytes, tools: int, fields: dict[str, msgspec.Raw]) -> int:
    """Media by their kind, as `mimeType` says it; one that says none may be any file."""
    bits = settings.needs
    if any(word in body for word in _MEDIA):
        kinds = {kind.decode() for kind in _MIME.findall(body)}
        found = {_KIND_OF.get(kind, "file") for kind in kinds} or {"file"}
        for word in found:
            bits |= NEED[word]
    if tools:
        bits |= NEED["tools"]
        choice = fields.get("toolConfig")
        if choice is not None and b'"ANY"' in bytes(choice):
            bits |= NEED["forced_tool"]
    return bits


def _wrong_kind(fields: dict[str, msgspec.Raw]) -> Failure | None:
    contents = fields.get("contents")
    if contents is None:
        return invalid("contents is required: a list of {role, parts}", param="contents", code="missing_field")
    for name, (first, right) in _KINDS.items():
        value = fields.get(name)
        if value is not None and memoryview(value)[0] not in first:
            return invalid(f"{name} must be {right}", param=name, code="invalid_type")
    if memoryview(contents)[0] == ord("[") and _EMPTY.fullmatch(contents):
        return invalid("contents must have at least one content", param="contents", code="invalid_value")
    return None


def _count_tools(raw: msgspec.Raw | None) -> int:
    """Function declarations, and each server tool as one."""
    count = 0
    for tool in items_of(raw) if raw is not None else ():
        for kind, value in fields_of(tool).items():
            count += len(items_of(value)) if kind == "functionDeclarations" else 1
    return count


# --- to the hub --------------------------------------------------------------------------------------------------
def decode_request(body: bytes, facts: Envelope) -> ChatRequest | Failure:
    try:
        request = read_request(body)
        fields = fields_of(body)
        settings = read_settings(fields.get("generationConfig"))
        if isinstance(settings, Failure):
            return settings
        return _to_hub(request, fields, settings, facts)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)


def _to_hub(
    request: Request, fields: dict[str, msgspec.Raw], settings: Settings, facts: Envelope
) -> ChatRequest | Failure:
    if "continuationToken" in fields:
        return unable("only the provider that gave a continuationToken can continue its answer", "continuationToken")
    losses = [
        Loss(name[:64], "lives at its provider" if name == "cachedContent" else "no equivalent")
        for name, value in fields.items()
        if name not in _CARRIED and bytes(value) not in _HARMLESS.get(name, ())
    ]
    losses += settings.losses
    turns: list[Turn] = []
    _system(request.system_instruction, turns, losses)
    refusal = _turns(request.contents, turns, losses)
    if refusal is not None:
        return refusal
    tools = read_tools(request.tools or [], fields.get("tools"), losses)
    losses += _beside_calling(fields.get("toolConfig"))
    choice = read_choice(request.tool_config, tools, losses)
    if isinstance(choice, Failure):
        return choice
    return ChatRequest(
        turns=tuple(turns),
        tools=choice[1],
        tool_choice=choice[0],
        max_output_tokens=settings.max_output_tokens,
        stop=settings.stop,
        sampling=settings.sampling,
        choices=settings.candidates,
        stream=facts.stream,
        losses=tuple(losses),
    )


def _beside_calling(raw: msgspec.Raw | None) -> list[Loss]:
    found = fields_of(raw) if raw is not None else {}
    return [Loss(f"toolConfig.{name[:64]}", "no equivalent") for name in found if name != "functionCallingConfig"]


def _system(content: ContentField | None, turns: list[Turn], losses: list[Loss]) -> None:
    """Its parts are lines of one text; the role that SDKs write there means nothing."""
    texts: list[str] = []
    for at, part in enumerate((content.parts or []) if content is not None else []):
        if part.text is None:
            losses.append(Loss(f"systemInstruction.parts[{at}]", "only text is carried"))
        elif part.text:
            texts.append(part.text)
    if texts:
        turns.append(Turn("system", (Text("\n".join(texts)),)))


def _turns(contents: list[ContentField], turns: list[Turn], losses: list[Loss]) -> Failure | None:
    open_calls: list[ToolCall] = []
    for at, content in enumerate(contents):
        where = f"contents[{at}]"
        parts = content.parts or []
        match content.role or "user":
            case "model":
                made = _model_parts(parts, where, losses)
                open_calls = [p for p in made if isinstance(p, ToolCall)]
                turns.append(Turn("assistant", tuple(made)))
            case "user" | "function":
                turns.append(Turn("user", tuple(_user_parts(parts, where, open_calls, losses))))
            case _:
                return invalid(f"{where}.role must be 'user' or 'model'", param=f"{where}.role", code="invalid_value")
    return None


def _model_parts(fields: list[PartField], where: str, losses: list[Loss]) -> list[Part]:
    parts: list[Part] = []
    calls = 0
    for at, field in enumerate(fields):
        if field.function_call is not None:
            parts.append(read_call(field, field.function_call, call_id(where, calls, field.function_call)))
            calls += 1
            continue
        part = read_part(field, f"{where}.parts[{at}]", losses)
        if part is not None:
            parts.append(part)
    return parts


def _user_parts(fields: list[PartField], where: str, calls: list[ToolCall], losses: list[Loss]) -> list[Part]:
    """`calls` are those of the model turn before that nothing has answered yet; answered ones are taken out."""
    parts: list[Part] = []
    for at, field in enumerate(fields):
        place = f"{where}.parts[{at}]"
        part = (
            _result(field.function_response, f"{place}.functionResponse", calls, losses)
            if field.function_response is not None
            else read_part(field, place, losses)
        )
        if part is not None:
            parts.append(part)
    return parts


def _result(field: ResultField, where: str, calls: list[ToolCall], losses: list[Loss]) -> ToolResult | None:
    call = _answered(field, calls)
    if call is None:
        losses.append(Loss(where, "answers no call of the turn before; dropped"))
        return None
    calls.remove(call)
    text, is_error = _response(field.response)
    parts: list[Text | Image] = [Text(text)] if text else []
    for at, part in enumerate(field.parts or ()):
        place = f"{where}.parts[{at}]"
        image: Image | None = None
        if part.inline_data is not None:
            image = read_blob(part.inline_data, place, losses)
        elif part.file_data is not None:
            image = read_file(part.file_data, place, losses)
        else:
            once(losses, Loss(place, "no equivalent"))
        if image is not None:
            parts.append(image)
    return ToolResult(call_id=call.id, name=call.name, parts=tuple(parts), is_error=is_error)


def _answered(field: ResultField, calls: list[ToolCall]) -> ToolCall | None:
    """By id, else the first open call of that name, else (no name given) the first open call (E.3)."""
    by_id = [c for c in calls if field.id and c.id == field.id]
    by_name = [c for c in calls if c.name == field.name or not field.name]
    return next(iter(by_id or by_name), None)


def _response(raw: msgspec.Raw) -> tuple[str, bool]:
    """Text of a function's response, and whether it is an error. An object under no conventional name stays JSON."""
    if not given(raw):
        return "", False
    if memoryview(raw)[0] != ord("{"):
        return bytes(raw).decode(), False
    fields = _object.decode(raw)
    name = next(iter(fields)) if len(fields) == 1 else ""
    if name not in _CONVENTIONAL:
        return bytes(raw).decode(), False
    value = fields[name]
    if not given(value):
        return "", name == "error"
    text = _text.decode(value) if memoryview(value)[0] == ord('"') else bytes(value).decode()
    return text, name == "error"
