"""Chat Completions as partial structs: only fields that Trunkline reads. `null` counts as absent (Ark SDKs send it).

Requests are read strictly, so that a wrong type is named to the caller. Answers are read strictly first and then, if
a compatible server writes one differently, loosely (`loose.py`): an odd field must not cost a good answer.
Source: wire-formats.md A.4, D.7.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from trunkline.dialects.complaints import ABSENT, Count

#: OpenAI's own bounds of `n`.
Choices = Annotated[int, Meta(ge=1, le=128)]


# --- requests ----------------------------------------------------------------------------------------------------
class StreamOptionsField(msgspec.Struct):
    include_usage: bool | None = None


class Peeked(msgspec.Struct):
    """What routing needs; contents stay raw."""

    model: str
    messages: list[Raw]
    stream: bool | None = None
    stream_options: StreamOptionsField | None = None
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    n: Choices | None = None
    tools: list[Raw] | None = None
    functions: list[Raw] | None = None
    response_format: Raw = ABSENT
    user: str | None = None
    safety_identifier: str | None = None
    temperature: Raw = ABSENT
    top_p: Raw = ABSENT
    top_k: Raw = ABSENT
    presence_penalty: Raw = ABSENT
    frequency_penalty: Raw = ABSENT
    seed: Raw = ABSENT
    stop: Raw = ABSENT
    logprobs: Raw = ABSENT
    reasoning_effort: Raw = ABSENT
    tool_choice: Raw = ABSENT
    metadata: Raw = ABSENT
    prompt_cache_key: Raw = ABSENT


class FunctionCall(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class CustomCall(msgspec.Struct):
    name: str | None = None
    input: str | None = None


class ToolCallField(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    index: int | None = None


class ImageUrl(msgspec.Struct):
    url: str
    detail: str | None = None


class ContentPart(msgspec.Struct):
    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: ImageUrl | None = None


class MessageField(msgspec.Struct):
    role: str
    content: str | list[ContentPart] | None = None
    tool_calls: list[ToolCallField] | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


class FunctionField(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class CustomField(msgspec.Struct):
    name: str
    description: str | None = None
    format: Raw = ABSENT


class ToolField(msgspec.Struct):
    type: str = "function"
    function: FunctionField | None = None
    custom: CustomField | None = None


class Request(msgspec.Struct):
    """All that the hub can carry; the rest is looked at by name only, to report it as lost."""

    model: str
    messages: list[MessageField]
    tools: list[ToolField] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Meta(ge=-2, le=2)] | None = None
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    n: int | None = None
    user: str | None = None
    safety_identifier: str | None = None


# --- answers -----------------------------------------------------------------------------------------------------
class PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class UsageField(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None


class CheckedMessage(msgspec.Struct):
    content: Raw = ABSENT
    refusal: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    reasoning: Raw = ABSENT
    tool_calls: Raw = ABSENT
    function_call: Raw = ABSENT
    audio: Raw = ABSENT


class CheckedChoice(msgspec.Struct):
    message: CheckedMessage | None = None
    finish_reason: Any = None


class Checked(msgspec.Struct):
    """A complete answer whose content nobody here needs to see."""

    choices: list[CheckedChoice]
    id: Any = None
    model: Any = None
    usage: Raw = ABSENT


class DeltaField(msgspec.Struct):
    """A delta of a stream, and likewise the message of a complete answer."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallField] | None = None
    function_call: FunctionCall | None = None
    audio: Raw = ABSENT


class Choice(msgspec.Struct):
    message: DeltaField
    finish_reason: str | None = None
    index: int = 0


class Completion(msgspec.Struct):
    choices: list[Choice]
    id: Any = None
    model: Any = None
    usage: Raw = ABSENT


class ChunkChoice(msgspec.Struct):
    delta: DeltaField | None = None
    finish_reason: str | None = None
    index: int = 0


class Chunk(msgspec.Struct):
    choices: list[ChunkChoice] | None = None
    id: Any = None
    model: Any = None
    object: Any = None
    usage: Raw = ABSENT
    error: Raw = ABSENT


class GlimpsedDelta(msgspec.Struct):
    tool_calls: list[Raw] | None = None
    function_call: Any = None


class GlimpsedChoice(msgspec.Struct):
    delta: GlimpsedDelta | None = None
    finish_reason: Any = None
    index: int = 0


class Glimpsed(msgspec.Struct):
    """What tells a chunk that only goes on with the text from one that must be read. Texts are skipped."""

    choices: list[GlimpsedChoice]
    usage: Any = None
    error: Any = None
