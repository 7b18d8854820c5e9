"""From the hub to a generateContent request. Source: wire-formats.md C.2 (turn rules), C.3, E.1-E.6."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Encoded
from trunkline.dialects.gemini_generate.response import function_call
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.wire import Loss

NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}\Z")
STOP_MAX = 5
#: Passes validation for calls whose history came from elsewhere (C.3).
DUMMY_SIGNATURE = base64.b64encode(b"skip_thought_signature_validator").decode()
#: Sampling is deprecated from 3.6 on and marked unsupported for these (C.2); whether it is refused is unverified.
_NO_SAMPLING = re.compile(r"gemini-(?:3\.5-flash-lite|3\.[6-9]|[4-9])")
_MEDIA = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}


def unable(message: str, param: str = "") -> Failure:
    return Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param=param, status=400
    )


def encode_request(request: ChatRequest, model: str) -> Encoded | Failure:
    if request.choices > 1:
        return unable("more than one choice cannot be asked for across formats", "n")
    losses: list[Loss] = []
    system, contents = _contents(request.turns, losses)
    if not contents:
        return unable("there is no user message", "messages")
    if contents[-1]["role"] == "model":
        return unable(f"{model} does not continue an assistant message (prefill)", "messages")
    made: dict[str, Any] = {"contents": contents}
    if system:
        made["systemInstruction"] = {"parts": [{"text": system}]}
    declarations = []
    for tool in request.tools:
        if NAME.match(tool.name) is None:
            return unable(f"the tool name '{tool.name[:140]}' does not fit Gemini", "tools")
        declaration: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            declaration["description"] = tool.description
        if tool.schema is not None:
            declaration["parametersJsonSchema"] = tool.schema
        declarations.append(declaration)
        if tool.strict:
            losses.append(Loss(f"tools.{tool.name}.strict", "no equivalent"))
    if declarations:
        made["tools"] = [{"functionDeclarations": declarations}]
        _choice(request, made, losses)
    config = _config(request, model, losses)
    if config:
        made["generationConfig"] = config
    if request.user:
        losses.append(Loss("user", "no equivalent"))
    return Encoded(msgspec.json.encode(made), tuple(losses))


def _contents(turns: tuple[Turn, ...], losses: list[Loss]) -> tuple[str, list[dict[str, Any]]]:
    lead = 0
    while lead < len(turns) and turns[lead].role == "system":
        lead += 1
    system = "\n\n".join(t for t in (_text(turn) for turn in turns[:lead]) if t.strip())
    merged: list[tuple[str, list[Part]]] = []
    for turn in turns[lead:]:
        if turn.role == "system":
            losses.append(Loss("system", "a later system message became user text"))
        role = "model" if turn.role == "assistant" else "user"
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(turn.parts)
        else:
            merged.append((role, list(turn.parts)))
    contents: list[dict[str, Any]] = []
    calls: list[ToolCall] = []
    for role, parts in merged:
        if role == "model":
            made = _model_parts(parts, losses)
            calls = [p for p in parts if isinstance(p, ToolCall)]
        else:
            made = _user_parts(parts, calls, losses)
            calls = []
        if made:
            contents.append({"role": role, "parts": made})
    if contents and contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": "(continue)"}]})
        losses.append(Loss("messages[0]", "a user turn was put before a leading assistant turn"))
    return system, contents


def _text(turn: Turn) -> str:
    return "".join(p.text for p in turn.parts if isinstance(p, Text))


def _model_parts(parts: list[Part], losses: list[Loss]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    signed = False
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                if text:
                    made.append({"text": text})
            case ToolCall():
                call: dict[str, Any] = {"functionCall": function_call(part, losses)}
                if part.signature:
                    call["thoughtSignature"] = part.signature
                elif not signed:
                    call["thoughtSignature"] = DUMMY_SIGNATURE
                signed = True
                made.append(call)
            case Thinking():
                losses.append(Loss("thinking", "belongs to another provider"))
            case Image():
                losses.append(Loss("assistant.image", "not carried in a model turn"))
            case ToolResult():
                losses.append(Loss("assistant.tool_result", "not possible in a model turn"))
            case _:
                assert_never(part)
    return made


def _user_parts(parts: list[Part], calls: list[ToolCall], losses: list[Loss]) -> list[dict[str, Any]]:
    """All results in one content, as many as calls, in their order; then the rest (C.2)."""
    results = {p.call_id: p for p in parts if isinstance(p, ToolResult)}
    made: list[dict[str, Any]] = []
    extra: list[dict[str, Any]] = []
    for call in calls:
        result = results.pop(call.id, None)
        if result is None:
            losses.append(Loss(f"tool_result.{call.id}"[:96], "missing; an error result was put in its place"))
            response: dict[str, Any] = {"error": "no result"}
        else:
            response, images = _response(result)
            extra += images
        made.append({"functionResponse": {"id": call.id, "name": call.name, "response": response}})
    for orphan in results:
        losses.append(Loss(f"tool_result.{orphan}"[:96], "answers no call of the turn before; dropped"))
    if extra:
        losses.append(Loss("tool_result.image", "moved behind the results"))
    for part in parts:
        match part:
            case Text(text=text) if text:
                extra.append({"text": text})
            case Image():
                extra.append(_image(part))
            case Thinking() | Refusal() | ToolCall():
                losses.append(Loss(f"user.{type(part).__name__.lower()}", "not possible in a user turn"))
            case _:
                pass
    return made + extra


def _response(result: ToolResult) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    text = "".join(p.text for p in result.parts if isinstance(p, Text))
    images = [_image(p) for p in result.parts if isinstance(p, Image)]
    if result.is_error:
        return {"error": text}, images
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    return (value if isinstance(value, dict) else {"output": text}), images


def _image(image: Image) -> dict[str, Any]:
    if image.url is not None:
        ending = image.url.partition("?")[0].rpartition(".")[2].lower()
        return {"fileData": {"fileUri": image.url, "mimeType": image.media_type or _MEDIA.get(ending, "image/jpeg")}}
    return {"inlineData": {"mimeType": image.media_type or "image/png", "data": image.data or ""}}


def _choice(request: ChatRequest, made: dict[str, Any], losses: list[Loss]) -> None:
    choice = request.tool_choice
    if choice is None:
        return
    config: dict[str, Any] = {"mode": {"auto": "AUTO", "none": "NONE"}.get(choice.mode, "ANY")}
    if choice.mode == "tool":
        config["allowedFunctionNames"] = [choice.name]
    made["toolConfig"] = {"functionCallingConfig": config}
    if choice.parallel is False:
        losses.append(Loss("parallel_tool_calls", "no equivalent; several calls may come"))


def _config(request: ChatRequest, model: str, losses: list[Loss]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.stop:
        config["stopSequences"] = list(request.stop[:STOP_MAX])
        if len(request.stop) > STOP_MAX:
            losses.append(Loss("stop", f"only the first {STOP_MAX} are carried"))
    s = request.sampling
    bare = _NO_SAMPLING.match(model) is not None
    for name, wire in (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK")):
        value = getattr(s, name)
        if value is None:
            continue
        if bare:
            losses.append(Loss(name, f"{model} takes no sampling parameters"))
        else:
            config[wire] = value
    for name, wire in (
        ("presence_penalty", "presencePenalty"),
        ("frequency_penalty", "frequencyPenalty"),
        ("seed", "seed"),
    ):
        value = getattr(s, name)
        if value is not None:
            config[wire] = value
    return config
