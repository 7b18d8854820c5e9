"""Requests of generateContent: the peek, and the way to the hub. Source: wire-formats.md C.2, C.3, E.1-E.6."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from trunkline.dialects.complaints import complain, sized_tokens
from trunkline.dialects.contract import Target
from trunkline.dialects.gemini_generate.response import call_id, read_parts
from trunkline.dialects.gemini_generate.schema import camel, fold, schema_from_proto, standard_base64
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Part,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure, invalid
from trunkline.types.wire import Loss

_split = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()

_TOP = {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
_CONFIG = {
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed", "presencePenalty",
    "frequencyPenalty",
}  # fmt: skip
_INTEGERS = ("maxOutputTokens", "candidateCount", "topK", "seed")
_NUMBERS = ("temperature", "topP", "presencePenalty", "frequencyPenalty")
_HARMLESS = {"responseMimeType": "text/plain"}


def peek(target: Target, body: bytes) -> Envelope | Failure:
    """Contents stay raw; only the generation settings are decoded."""
    try:
        top = {camel(k): v for k, v in _split.decode(body).items() if bytes(v) != b"null"}
        contents = bytes(top.get("contents", b""))
        config = fold(_any.decode(top["generationConfig"])) if "generationConfig" in top else {}
        tools = fold(_any.decode(top["tools"])) if "tools" in top else []
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    if not contents:
        return invalid("contents is required: a list of {role, parts}", param="contents", code="missing_field")
    if contents[:1] not in (b"[", b"{"):
        return invalid("contents must be a list of {role, parts}", param="contents", code="invalid_type")
    if contents.replace(b" ", b"") == b"[]":
        return invalid("contents must have at least one content", param="contents")
    if not isinstance(config, dict):
        return invalid("generationConfig must be an object", param="generationConfig", code="invalid_type")
    wrong = _check_config(config)
    if wrong is not None:
        return wrong
    declared = [t.get("functionDeclarations") for t in tools if isinstance(t, dict)] if isinstance(tools, list) else []
    return Envelope(
        dialect="gemini_generate",
        operation="chat",
        model=target.model,
        stream=bool(target.stream),
        body_bytes=len(body),
        input_tokens=sized_tokens(len(body)),
        max_output_tokens=config.get("maxOutputTokens"),
        tools=sum(len(d) if isinstance(d, list) else 1 for d in declared),
        images=b"inlineData" in body or b"inline_data" in body or b"fileData" in body or b"file_data" in body,
        output_schema="responseSchema" in config or "responseJsonSchema" in config,
        choices=config.get("candidateCount") or 1,
        api_version=target.version,
        sse=target.sse,
    )


def _check_config(config: dict[str, Any]) -> Failure | None:
    for name in _INTEGERS:
        value = config.get(name)
        if value is None:
            continue
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            config[name] = value = int(value)
        low = 0 if name != "seed" else -(2**53)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= 2**53:
            param = f"generationConfig.{name}"
            return invalid(f"{param} must be a whole number that is not negative", param=param, code="invalid_value")
    for name in _NUMBERS:
        value = config.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            param = f"generationConfig.{name}"
            return invalid(f"{param} must be a number", param=param, code="invalid_type")
    return None


def decode_request(body: bytes, facts: Envelope) -> ChatRequest | Failure:
    try:
        r = fold(_any.decode(body))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    losses = [Loss(name, "no equivalent in the target's format") for name in r if name not in _TOP]
    config = r.get("generationConfig", {})
    losses += [
        Loss(f"generationConfig.{name}", "no equivalent in the target's format")
        for name, value in config.items()
        if name not in _CONFIG and _HARMLESS.get(name) != value
    ]
    turns: list[Turn] = []
    system = r.get("systemInstruction")
    if system is not None:
        text = (
            system
            if isinstance(system, str)
            else "".join(p["text"] for p in _parts_of(system) if isinstance(p.get("text"), str))
        )
        if text:
            turns.append(Turn("system", (Text(text),)))
    contents = r["contents"] if isinstance(r["contents"], list) else [r["contents"]]
    refusal = _turns(contents, turns, losses)
    if refusal is not None:
        return refusal
    tools = _tools(r.get("tools", []), losses)
    choice, tools = _choice(r.get("toolConfig", {}), tools, losses)
    _check_config(config)
    return ChatRequest(
        turns=tuple(turns),
        tools=tools,
        tool_choice=choice,
        max_output_tokens=facts.max_output_tokens,
        stop=tuple(str(s) for s in config.get("stopSequences", ())),
        sampling=Sampling(
            temperature=config.get("temperature"),
            top_p=config.get("topP"),
            top_k=config.get("topK"),
            presence_penalty=config.get("presencePenalty"),
            frequency_penalty=config.get("frequencyPenalty"),
            seed=config.get("seed"),
        ),
        choices=facts.choices,
        stream=facts.stream,
        losses=tuple(losses),
    )


def _parts_of(content: Any) -> list[dict[str, Any]]:
    parts = content.get("parts", []) if isinstance(content, dict) else []
    if isinstance(parts, dict):
        parts = [parts]
    return [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []


def _turns(contents: list[Any], turns: list[Turn], losses: list[Loss]) -> Failure | None:
    """Function responses are matched to the calls before them by id, else by order and name (E.3)."""
    open_calls: list[ToolCall] = []
    for at, content in enumerate(contents):
        if isinstance(content, str):
            content = {"parts": [{"text": content}]}
        if not isinstance(content, dict):
            return invalid(f"contents[{at}] must be an object with role and parts", param=f"contents[{at}]")
        role = content.get("role", "user")
        if role not in ("user", "model", "function"):
            return invalid(f"contents[{at}].role must be 'user' or 'model'", param=f"contents[{at}].role")
        raw = _parts_of(content)
        if role == "model":
            parts = read_parts(raw, f"history|{at}", losses)
            open_calls = [p for p in parts if isinstance(p, ToolCall)]
            turns.append(Turn("assistant", tuple(parts)))
            continue
        turns.append(Turn("user", tuple(_user_parts(raw, at, open_calls, losses))))
    return None


def _user_parts(raw: list[dict[str, Any]], at: int, calls: list[ToolCall], losses: list[Loss]) -> list[Part]:
    parts: list[Part] = []
    for place, p in enumerate(raw):
        if isinstance(p.get("functionResponse"), dict):
            parts.append(_result(p["functionResponse"], at, calls))
        elif isinstance(p.get("fileData"), dict):
            uri = str(p["fileData"].get("fileUri", ""))
            if uri.startswith(("http://", "https://")) and "generativelanguage" not in uri:
                parts.append(Image(url=uri, media_type=p["fileData"].get("mimeType")))
            else:
                losses.append(Loss(f"contents[{at}].parts[{place}].fileData", "files belong to their provider"))
        elif isinstance(p.get("inlineData"), dict):
            data = p["inlineData"]
            media = str(data.get("mimeType", ""))
            if media.startswith("image/"):
                parts.append(Image(media_type=media, data=standard_base64(str(data.get("data", "")))))
            else:
                losses.append(Loss(f"contents[{at}].parts[{place}].inlineData", f"{media[:32]} has no equivalent"))
        else:
            parts += read_parts([p], f"history|{at}", losses)
    return parts


def _result(response: dict[str, Any], at: int, calls: list[ToolCall]) -> ToolResult:
    name, id = str(response.get("name", "")), response.get("id")
    matched = next((c for c in calls if id and c.id == id), None) or next((c for c in calls if c.name == name), None)
    if matched is not None:
        calls.remove(matched)
    call = matched.id if matched is not None else str(id or call_id(0, name, f"orphan|{at}"))
    value = response.get("response")
    is_error = isinstance(value, dict) and set(value) == {"error"}
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("output", "result", "error"):
        value = next(iter(value.values()))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value is not None else ""
    return ToolResult(call_id=call, name=name, parts=(Text(text),) if text else (), is_error=is_error)


def _tools(fields: Any, losses: list[Loss]) -> tuple[Tool, ...]:
    tools: list[Tool] = []
    for at, field in enumerate(fields if isinstance(fields, list) else [fields]):
        if not isinstance(field, dict):
            continue
        for kind, value in field.items():
            if kind != "functionDeclarations":
                losses.append(Loss(f"tools[{at}].{kind}", "no equivalent in the target's format"))
                continue
            for f in value if isinstance(value, list) else ():
                tools.append(_tool(f, losses))
    return tuple(tools)


def _tool(f: dict[str, Any], losses: list[Loss]) -> Tool:
    schema = f.get("parametersJsonSchema")
    if schema is None and f.get("parameters") is not None:
        schema = schema_from_proto(f["parameters"])
    for name in ("response", "responseJsonSchema", "behavior"):
        if f.get(name) is not None:
            losses.append(Loss(f"tools.{f.get('name', '')}.{name}"[:96], "no equivalent"))
    raw = msgspec.Raw(msgspec.json.encode(schema)) if schema is not None else None
    return Tool(name=str(f.get("name", "")), description=f.get("description"), schema=raw)


def _choice(field: Any, tools: tuple[Tool, ...], losses: list[Loss]) -> tuple[ToolChoice | None, tuple[Tool, ...]]:
    config = field.get("functionCallingConfig") if isinstance(field, dict) else None
    if not isinstance(config, dict):
        return None, tools
    mode = str(config.get("mode", "AUTO")).upper()
    names = config.get("allowedFunctionNames") or []
    if mode == "NONE":
        return ToolChoice(mode="none"), tools
    if len(names) == 1 and mode == "ANY":
        return ToolChoice(mode="tool", name=str(names[0])), tools
    if names:
        tools = tuple(t for t in tools if t.name in names)
        losses.append(Loss("toolConfig.allowedFunctionNames", "the list of tools was narrowed instead"))
    return ToolChoice(mode="required" if mode == "ANY" else "auto"), tools
