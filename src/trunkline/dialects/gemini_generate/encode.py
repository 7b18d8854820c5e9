"""From the hub to a generateContent request. Source: wire-formats.md C.2 (turn rules), C.3, E.1-E.6."""

from __future__ import annotations

import re
from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Encoded
from trunkline.dialects.gemini_generate.parts import DUMMY_SIGNATURE, arguments_value, once
from trunkline.dialects.gemini_generate.request import unable
from trunkline.dialects.sse import is_json
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
from trunkline.types.failure import Failure
from trunkline.types.wire import Loss

TOOL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}\Z")
STOP_MAX = 5
SEED = 2**31  # the field is an int32
OPENING = "(continue)"

_NO_SAMPLING = re.compile(r"gemini-(?:3\.5-flash-lite|3\.[6-9]|3\.\d\d|[4-9]|\d\d|flash-latest|flash-lite-latest)")
_MEDIA = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif",
    "heic": "image/heic", "heif": "image/heif", "avif": "image/avif",
}  # fmt: skip


def takes_sampling(model: str) -> bool:
    """Whether temperature, topP and topK mean something to `model`.

    Deprecated from 3.6 Flash on and marked unsupported for 3.5-flash-lite, 3.6, 3.7 and 3.8-flash (C.2). Later
    generations and the rolling aliases count as the newest; whether the provider ignores or refuses them there is
    unverified, so they are not sent.
    """
    return _NO_SAMPLING.match(model.removeprefix("models/")) is None


def encode_request(request: ChatRequest, model: str) -> Encoded | Failure:
    if request.choices > 1:
        return unable("more than one choice cannot be asked for across formats", "n")
    losses: list[Loss] = []
    system, contents = _contents(request.turns, losses)
    if not contents:
        contents = [{"role": "user", "parts": [{"text": OPENING}]}]
        losses.append(Loss("messages", "there was no user turn"))
    if contents[-1]["role"] == "model":
        return unable(f"{model} does not continue an assistant message (prefill)", "messages")
    made: dict[str, Any] = {"contents": contents}
    if system:
        made["systemInstruction"] = {"parts": [{"text": system}]}
    refusal = _tools(request, made, losses)
    if refusal is not None:
        return refusal
    config = _config(request, model, losses)
    if config:
        made["generationConfig"] = config
    if request.user:
        losses.append(Loss("user", "no equivalent"))
    return Encoded(msgspec.json.encode(made), tuple(losses))


# --- turns -------------------------------------------------------------------------------------------------------
def _contents(turns: tuple[Turn, ...], losses: list[Loss]) -> tuple[str, list[dict[str, Any]]]:
    """System text of the leading run, and contents in which roles alternate and every call is answered at once."""
    lead = 0
    while lead < len(turns) and turns[lead].role == "system":
        lead += 1
    system = "\n\n".join(text for text in (_text(turn) for turn in turns[:lead]) if text.strip())
    contents: list[dict[str, Any]] = []
    calls: list[ToolCall] = []
    for role, parts in _merged(turns[lead:], losses):
        made = _model_parts(parts, losses) if role == "model" else _user_parts(parts, calls, losses)
        calls = [p for p in parts if isinstance(p, ToolCall)] if role == "model" else []
        if made and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += made  # what stood between them was left out
        elif made:
            contents.append({"role": role, "parts": made})
    if contents and contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": OPENING}]})
        losses.append(Loss("messages[0]", "a user turn was put before a leading assistant turn"))
    return system, contents


def _text(turn: Turn) -> str:
    return "".join(p.text for p in turn.parts if isinstance(p, Text))


def _merged(turns: tuple[Turn, ...], losses: list[Loss]) -> list[tuple[str, list[Part]]]:
    """Turns without empty text and without what their role cannot hold; neighbours of one role become one."""
    merged: list[tuple[str, list[Part]]] = []
    for turn in turns:
        if turn.role == "system":
            once(losses, Loss("system", "a later system message became user text"))
        role = "model" if turn.role == "assistant" else "user"
        parts = [p for p in turn.parts if _fits(p, role, losses)]
        if not parts:
            continue
        if merged and merged[-1][0] == role:
            merged[-1][1].extend(parts)
        else:
            merged.append((role, parts))
    return merged


def _fits(part: Part, role: str, losses: list[Loss]) -> bool:
    match part:
        case Text(text=text):
            return bool(text)
        case Refusal(text=text):
            fits = role == "model"
            if fits and not text:
                return False
        case ToolCall():
            fits = role == "model"
        case ToolResult():
            fits = role == "user"
        case Image(url=url):
            if url is not None and url.startswith("data:"):
                losses.append(Loss("image", "a data URL that is not base64"))
                return False
            fits = True
        case Thinking():
            # Never ordinary text (E.8); Gemini needs no thought back, only the signature on its own calls.
            once(losses, Loss("thinking", "reasoning is not replayed to this provider"))
            return False
        case _:
            assert_never(part)
    if not fits:
        losses.append(Loss(f"{role}.{type(part).__name__.lower()}", "not possible in a turn of this role"))
    return fits


def _model_parts(parts: list[Part], losses: list[Loss]) -> list[dict[str, Any]]:
    """The first call of a step carries a signature: its own, or the one that is always accepted (C.3)."""
    made: list[dict[str, Any]] = []
    signed = False
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                made.append({"text": text})
            case ToolCall():
                call = call_part(part, losses)
                if part.signature or not signed:
                    call["thoughtSignature"] = part.signature or DUMMY_SIGNATURE
                signed = True
                made.append(call)
            case Image():
                made.append(_image(part, losses))
            case _:
                pass  # nothing else fits a model turn
    return made


def call_part(part: ToolCall, losses: list[Loss]) -> dict[str, Any]:
    call: dict[str, Any] = {"id": part.id} if part.id else {}
    call["name"] = part.name
    call["args"] = arguments_value(part, losses)
    return {"functionCall": call}


def _user_parts(parts: list[Part], calls: list[ToolCall], losses: list[Loss]) -> list[dict[str, Any]]:
    """One response for each call of the turn before, in the calls' order; then everything else (C.2, E.14.1)."""
    results = [p for p in parts if isinstance(p, ToolResult)]
    made: list[dict[str, Any]] = []
    rest: list[dict[str, Any]] = []
    for call in calls:
        result = next((r for r in results if r.call_id == call.id), None)
        if result is None:
            losses.append(Loss(f"tool_result.{call.id[:64]}", "missing; an error stands in its place"))
            response: msgspec.Raw | dict[str, Any] = {"error": "no result"}
        else:
            results.remove(result)
            response = _response(result)
            rest += [_image(p, losses) for p in result.parts if isinstance(p, Image)]
        answer: dict[str, Any] = {"id": call.id} if call.id else {}
        made.append({"functionResponse": {**answer, "name": call.name, "response": response}})
    if rest:
        losses.append(Loss("tool_result.image", "moved behind the results"))
    losses.extend(Loss(f"tool_result.{r.call_id[:64]}", "answers no call of the turn before; dropped") for r in results)
    for part in parts:
        if isinstance(part, Text):
            rest.append({"text": part.text})
        elif isinstance(part, Image):
            rest.append(_image(part, losses))
    return made + rest


def _response(result: ToolResult) -> msgspec.Raw | dict[str, Any]:
    """A JSON object as it stands; any other text, arrays and scalars too, under `output` (E.3)."""
    text = "".join(p.text for p in result.parts if isinstance(p, Text))
    if result.is_error:
        return {"error": text}
    raw = text.strip().encode()
    return msgspec.Raw(raw) if raw.startswith(b"{") and is_json(raw) else {"output": text}


def _image(image: Image, losses: list[Loss]) -> dict[str, Any]:
    """A URL is passed as a file URI: the gateway fetches nothing (E.2)."""
    if image.detail not in (None, "auto"):
        once(losses, Loss("image.detail", "no equivalent"))
    if image.url is not None:
        ending = image.url.partition("?")[0].rpartition(".")[2].lower()
        return {"fileData": {"mimeType": image.media_type or _MEDIA.get(ending, "image/jpeg"), "fileUri": image.url}}
    return {"inlineData": {"mimeType": image.media_type or "image/png", "data": image.data or ""}}


# --- tools and settings ------------------------------------------------------------------------------------------
def _tools(request: ChatRequest, made: dict[str, Any], losses: list[Loss]) -> Failure | None:
    declarations: list[dict[str, Any]] = []
    for tool in request.tools:
        if TOOL_NAME.match(tool.name) is None:
            return unable(
                f"the tool name '{tool.name[:140]}' does not fit: a letter or _ first, then at most 127 of "
                "A-Z a-z 0-9 _ . : -",
                "tools",
            )
        declaration: dict[str, Any] = {"name": tool.name}
        if tool.description is not None:
            declaration["description"] = tool.description
        if tool.schema is not None:
            declaration["parametersJsonSchema"] = tool.schema
        if tool.strict:
            losses.append(Loss(f"tools.{tool.name}.strict", "no equivalent"))
        declarations.append(declaration)
    choice = request.tool_choice
    if not declarations:
        if choice is not None and choice.mode in ("required", "tool"):
            losses.append(Loss("tool_choice", "there are no tools"))
        return None
    made["tools"] = [{"functionDeclarations": declarations}]
    if choice is None:
        return None
    config: dict[str, Any] = {"mode": {"auto": "AUTO", "none": "NONE", "required": "ANY", "tool": "ANY"}[choice.mode]}
    if choice.mode == "tool":
        config["allowedFunctionNames"] = [choice.name]
    made["toolConfig"] = {"functionCallingConfig": config}
    if choice.parallel is False:
        losses.append(Loss("parallel_tool_calls", "no equivalent; several calls may come"))
    return None


def _config(request: ChatRequest, model: str, losses: list[Loss]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.stop:
        config["stopSequences"] = list(request.stop[:STOP_MAX])
        if len(request.stop) > STOP_MAX:
            losses.append(Loss("stop", f"only the first {STOP_MAX} are carried"))
    s = request.sampling
    for name, wire, value in (("temperature", "temperature", s.temperature), ("top_p", "topP", s.top_p)):
        _sample(config, model, (name, wire, value), losses)
    _sample(config, model, ("top_k", "topK", s.top_k), losses)
    if s.presence_penalty is not None:
        config["presencePenalty"] = s.presence_penalty
    if s.frequency_penalty is not None:
        config["frequencyPenalty"] = s.frequency_penalty
    if s.seed is not None and -SEED <= s.seed < SEED:
        config["seed"] = s.seed
    elif s.seed is not None:
        losses.append(Loss("seed", "does not fit into 32 bits"))
    return config


def _sample(config: dict[str, Any], model: str, setting: tuple[str, str, float | None], losses: list[Loss]) -> None:
    name, wire, value = setting
    if value is None:
        return
    if takes_sampling(model):
        config[wire] = value
    else:
        losses.append(Loss(name, f"{model} takes no sampling parameters"))
