"""Complete answers of generateContent. Source: wire-formats.md C.4, E.4, E.5."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Answer, Encoded
from trunkline.dialects.gemini_generate.encode import call_part
from trunkline.dialects.gemini_generate.parts import (
    DUMMY_SIGNATURE,
    SIGNATURE_LOSS,
    call_id,
    carries,
    once,
    read_call,
    read_part,
)
from trunkline.dialects.gemini_generate.schema import CandidateField, Generated, PartField, UsageField, generated
from trunkline.dialects.pairs import whole
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

FILTERED = frozenset(
    {
        "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER", "NO_IMAGE", "IMAGE_RECITATION", "MODEL_ARMOR", "ESCALATION",
    }
)  # fmt: skip
#: Generations that the provider itself calls malformed (reliability.md F1).
MALFORMED = frozenset(
    {
        "MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)  # fmt: skip


def finish_of(word: str, called: bool) -> FinishReason:
    """Canonical reason; tool calls finish with STOP (E.4), words we do not know count as a natural end."""
    if word in FILTERED:
        return "content_filter"
    if word in MALFORMED or word == "OTHER":
        return "malformed"
    if word == "MAX_TOKENS":
        return "length"
    if word == "CONTINUATION":
        return "paused"
    return "tool_calls" if called else "stop"


def finish_word(reason: FinishReason) -> str:
    """`paused` has no word without a continuation token: the answer is incomplete, as at the token limit."""
    match reason:
        case "stop" | "stop_sequence" | "tool_calls":
            return "STOP"
        case "length" | "paused":
            return "MAX_TOKENS"
        case "content_filter":
            return "SAFETY"
        case "malformed":
            return "OTHER"
        case _:
            assert_never(reason)


def block_reason(answer: Generated) -> str:
    feedback = answer.prompt_feedback
    return (feedback.block_reason or "") if feedback is not None else ""


def disowned(answer: Generated) -> str:
    """The reason with which the provider calls all of this generation malformed, or ""."""
    words = [ended(candidate) for candidate in answer.candidates or ()]
    return words[0] if words and all(word in MALFORMED for word in words) else ""


def ended(candidate: CandidateField) -> str:
    """The candidate's finish reason, "" while it is being generated."""
    word = candidate.finish_reason or ""
    return "" if word == "FINISH_REASON_UNSPECIFIED" else word


def parts_of(candidate: CandidateField) -> list[PartField]:
    return (candidate.content.parts or []) if candidate.content is not None else []


# --- usage -------------------------------------------------------------------------------------------------------
def read_usage(u: UsageField | None) -> Usage | None:
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
        "candidatesTokenCount": max(0, usage.output - usage.reasoning),
        "totalTokenCount": usage.input_total + usage.output,
    }
    if usage.cache_read:
        made["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        made["thoughtsTokenCount"] = usage.reasoning
    return made


# --- reading -----------------------------------------------------------------------------------------------------
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
        if not body.isascii():
            body.decode()
        answer = generated.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return unusable("the provider's answer is not a generated content")
    if not answer.candidates and not block_reason(answer):
        return unusable("the provider's answer has no candidates", "no_candidates")
    reason = disowned(answer)
    if reason:
        return unusable(f"the provider calls its answer {reason}", reason)
    return answer


def check(body: bytes) -> Answer | Failure:
    answer = parse(body)
    if isinstance(answer, Failure):
        return answer
    candidates = answer.candidates or []
    block = block_reason(answer)
    finish = ended(candidates[0]) if candidates else block
    return Answer(
        id=answer.response_id or "",
        model=answer.model_version or "",
        finish=finish,
        usage=read_usage(answer.usage_metadata),
        empty=not any(carries(part) for candidate in candidates for part in parts_of(candidate)),
        blocked=bool(block) or finish in FILTERED,
    )


def decode_response(body: bytes) -> ChatResponse | Failure:
    answer = parse(body)
    if isinstance(answer, Failure):
        return answer
    losses: list[Loss] = []
    candidates = answer.candidates or []
    if len(candidates) > 1:
        losses.append(Loss("candidates", "only the first is carried"))
    parts: list[Part] = []
    finish: FinishReason = "content_filter"
    if candidates:
        parts = _parts(parts_of(candidates[0]), answer.response_id or "", losses)
        called = any(isinstance(p, ToolCall) for p in parts)
        finish = finish_of(ended(candidates[0]), called)
    return ChatResponse(
        id=answer.response_id or "",
        model=answer.model_version or "",
        parts=tuple(parts),
        finish=finish,
        usage=read_usage(answer.usage_metadata),
        losses=tuple(losses),
    )


def _parts(fields: list[PartField], seed: str, losses: list[Loss]) -> list[Part]:
    """In order; neighbouring texts of one kind are joined."""
    parts: list[Part] = []
    calls = 0
    for at, field in enumerate(fields):
        if field.function_call is not None:
            parts.append(read_call(field, field.function_call, call_id(seed, calls, field.function_call)))
            calls += 1
            continue
        part = read_part(field, f"candidates[0].content.parts[{at}]", losses)
        last = parts[-1] if parts else None
        if isinstance(part, Text) and isinstance(last, Text):
            parts[-1] = Text(last.text + part.text)
        elif isinstance(part, Thinking) and isinstance(last, Thinking):
            parts[-1] = Thinking(
                text=last.text + part.text, signature=part.signature or last.signature, origin=part.origin
            )
        elif part is not None:
            parts.append(part)
    return parts


# --- writing -----------------------------------------------------------------------------------------------------
def encode_response(response: ChatResponse) -> Encoded:
    losses: list[Loss] = []
    candidate = {
        "content": {"parts": write_parts(response.parts, losses) or [{"text": ""}], "role": "model"},
        "finishReason": finish_word(response.finish),
        "index": 0,
    }
    made: dict[str, Any] = {"candidates": [candidate]}
    if response.usage is not None:
        made["usageMetadata"] = usage_object(response.usage)
    made["modelVersion"] = response.model
    made["responseId"] = response.id
    return Encoded(msgspec.json.encode(made), tuple(losses))


def write_parts(parts: tuple[Part, ...], losses: list[Loss]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    signed = False
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                if text:
                    made.append({"text": whole(text)})
            case Thinking(text=text):
                if text:
                    made.append({"text": whole(text), "thought": True})
                if part.signature:
                    once(losses, SIGNATURE_LOSS)
            case ToolCall():
                made.append(signed_call(part, signed, losses))
                signed = True
            case Image(data=data, media_type=media) if data is not None:
                made.append({"inlineData": {"mimeType": media or "image/png", "data": data}})
            case Image() | ToolResult():
                losses.append(Loss(type(part).__name__.lower(), "not possible in an answer"))
            case _:
                assert_never(part)
    return made


def signed_call(part: ToolCall, signed: bool, losses: list[Loss]) -> dict[str, Any]:
    """Another model made this call. The client will replay it with the signature it finds here, and a Gemini that
    answers the next turn refuses a first call without one (C.3)."""
    made = call_part(part, losses)
    if not signed:
        made["thoughtSignature"] = DUMMY_SIGNATURE
    return made
