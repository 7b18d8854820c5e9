"""Complete answers of generateContent. Source: wire-formats.md C.4, E.4, E.5."""

from __future__ import annotations

import hashlib
import json
from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Answer, Encoded
from trunkline.dialects.gemini_generate.schema import fold, standard_base64
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

_FILTERED = (
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION",
)  # fmt: skip
#: Generations that the provider itself calls malformed (reliability.md F1).
MALFORMED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)
FINISH: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "paused",
    **dict.fromkeys(_FILTERED, "content_filter"),
}


class Usages(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


class CandidateField(msgspec.Struct, rename="camel"):
    content: Any = None
    finish_reason: str | None = None
    index: int = 0


class Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class Generated(msgspec.Struct, rename="camel"):
    """An answer, or one event of a stream."""

    candidates: list[CandidateField] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: Usages | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


generated = msgspec.json.Decoder(Generated)


def unusable(message: str, code: str = "unusable_answer") -> Failure:
    """A 2xx whose body is no answer (F1)."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=message,
        retry="backoff",
        penalty="endpoint",
        signal="502",
        code=code,
    )


def parse(body: bytes) -> Generated | Failure:
    try:
        answer = generated.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is not a generated content")
    blocked = answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None
    if not answer.candidates:
        return answer if blocked else unusable("the provider's answer has no candidates", "no_candidates")
    for candidate in answer.candidates:
        if candidate.finish_reason is None:
            return unusable("the provider's answer is not finished")
        if candidate.finish_reason in MALFORMED:
            return unusable(f"the provider calls its answer {candidate.finish_reason}", candidate.finish_reason)
    return answer


def check(body: bytes) -> Answer | Failure:
    answer = parse(body)
    return answer if isinstance(answer, Failure) else read_answer(answer)


def read_answer(answer: Generated) -> Answer:
    candidates = answer.candidates or []
    block = answer.prompt_feedback.block_reason if answer.prompt_feedback is not None else None
    finish = (candidates[0].finish_reason or "") if candidates else (block or "")
    return Answer(
        id=answer.response_id or "",
        model=answer.model_version or "",
        finish=finish,
        usage=read_usage(answer.usage_metadata),
        empty=not any(carries(part) for c in candidates for part in parts_of(c)),
        blocked=bool(block) or FINISH.get(finish) == "content_filter",
    )


def parts_of(candidate: CandidateField) -> list[dict[str, Any]]:
    content = candidate.content
    parts = content.get("parts") if isinstance(content, dict) else None
    return [p for p in parts if isinstance(p, dict)] if isinstance(parts, list) else []


def carries(part: dict[str, Any]) -> bool:
    """Content: text, a call, media, or a signature; an empty text part is preamble."""
    if part.get("text"):
        return True
    return any(key not in ("text", "thought") and value is not None for key, value in part.items())


def read_usage(u: Usages | None) -> Usage | None:
    """uncached = prompt − cached + tool prompt; output = candidates + thoughts (E.5)."""
    if u is None or (u.prompt_token_count is None and u.candidates_token_count is None):
        return None
    cached = u.cached_content_token_count or 0
    thoughts = u.thoughts_token_count or 0
    return Usage(
        input_uncached=max(0, (u.prompt_token_count or 0) - cached) + (u.tool_use_prompt_token_count or 0),
        cache_read=cached,
        output=(u.candidates_token_count or 0) + thoughts,
        reasoning=thoughts,
    )


def usage_object(usage: Usage) -> dict[str, Any]:
    made = {
        "promptTokenCount": usage.input_total,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.input_total + usage.output,
    }
    if usage.cache_read:
        made["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        made["thoughtsTokenCount"] = usage.reasoning
    return made


def finish_word(reason: FinishReason) -> str:
    match reason:
        case "stop" | "stop_sequence" | "tool_calls" | "paused":
            return "STOP"
        case "length":
            return "MAX_TOKENS"
        case "content_filter":
            return "SAFETY"
        case "malformed":
            return "OTHER"
        case _:
            assert_never(reason)


def call_id(position: int, name: str, seed: str) -> str:
    """A stable id for a call that came without one: the same answer gives the same id."""
    return "call_" + hashlib.sha256(f"{seed}|{position}|{name}".encode()).hexdigest()[:20]


def read_parts(raw: list[dict[str, Any]], seed: str, losses: list[Loss]) -> list[Part]:
    """Parts of a model turn; `raw` is folded. Consecutive texts are joined."""
    parts: list[Part] = []
    for at, p in enumerate(raw):
        signature = p.get("thoughtSignature")
        if isinstance(p.get("functionCall"), dict):
            call = p["functionCall"]
            name = str(call.get("name", ""))
            id = str(call.get("id") or call_id(at, name, seed))
            arguments = call.get("args")
            text = json.dumps(arguments, separators=(",", ":"), ensure_ascii=False) if arguments else ""
            parts.append(ToolCall(id, name, text, signature))
        elif isinstance(p.get("text"), str):
            if p.get("thought"):
                parts.append(Thinking(text=p["text"], signature=signature, origin="gemini_generate"))
            elif p["text"]:
                last = parts[-1] if parts else None
                if isinstance(last, Text):
                    parts[-1] = Text(last.text + p["text"])
                else:
                    parts.append(Text(p["text"]))
        elif isinstance(p.get("inlineData"), dict):
            data = p["inlineData"]
            parts.append(Image(media_type=data.get("mimeType"), data=standard_base64(str(data.get("data", "")))))
        elif set(p) - {"thoughtSignature"}:
            losses.append(Loss(f"parts[{at}]", f"{sorted(p)[0][:32]} has no equivalent"))
    return parts


def decode_response(body: bytes) -> ChatResponse | Failure:
    answer = parse(body)
    if isinstance(answer, Failure):
        return answer
    losses: list[Loss] = []
    candidates = answer.candidates or []
    if len(candidates) > 1:
        losses.append(Loss("candidates", "only the first is carried"))
    parts = read_parts(fold(parts_of(candidates[0])), answer.response_id or "", losses) if candidates else []
    finish: FinishReason = "content_filter"
    if candidates:
        finish = FINISH.get(candidates[0].finish_reason or "", "stop")
        if finish == "stop" and any(isinstance(p, ToolCall) for p in parts):
            finish = "tool_calls"
    return ChatResponse(
        id=answer.response_id or "",
        model=answer.model_version or "",
        parts=tuple(parts),
        finish=finish,
        usage=read_usage(answer.usage_metadata),
        losses=tuple(losses),
    )


def write_parts(parts: tuple[Part, ...], losses: list[Loss]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                made.append({"text": text})
            case Thinking(text=text):
                if text:
                    made.append({"text": text, "thought": True})
                if part.signature:
                    losses.append(Loss("thinking.signature", "belongs to another provider"))
            case ToolCall():
                made.append({"functionCall": function_call(part, losses)})
            case Image(data=data, media_type=media) if data is not None:
                made.append({"inlineData": {"mimeType": media or "image/png", "data": data}})
            case Image() | ToolResult():
                losses.append(Loss(type(part).__name__.lower(), "not possible in an answer"))
            case _:
                assert_never(part)
    return made


def function_call(part: ToolCall, losses: list[Loss]) -> dict[str, Any]:
    made: dict[str, Any] = {"name": part.name, "args": arguments(part, losses)}
    if part.id:
        made["id"] = part.id
    return made


def arguments(part: ToolCall, losses: list[Loss]) -> dict[str, Any]:
    """An object; invalid JSON is kept under `_raw`."""
    if not part.arguments.strip():
        return {}
    try:
        value = json.loads(part.arguments)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        return value
    losses.append(Loss(f"functionCall.{part.name}.args", "the arguments were no JSON object; kept under _raw"))
    return {"_raw": part.arguments}


def encode_response(response: ChatResponse) -> Encoded:
    losses: list[Loss] = []
    candidate = {
        "content": {"role": "model", "parts": write_parts(response.parts, losses)},
        "finishReason": finish_word(response.finish),
        "index": 0,
    }
    made: dict[str, Any] = {"candidates": [candidate]}
    if response.usage is not None:
        made["usageMetadata"] = usage_object(response.usage)
    made["modelVersion"] = response.model
    made["responseId"] = response.id
    return Encoded(msgspec.json.encode(made), tuple(losses))
