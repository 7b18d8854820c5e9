"""Chat Completions as partial structs: only fields that Trunkline reads. `null` counts as absent (Ark SDKs send it).

Source: wire-formats.md A.4, D.7.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.complaints import ABSENT, Count, Positive

Raw = msgspec.Raw


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
    n: Positive | None = None
    tools: list[Raw] | None = None
    functions: list[Raw] | None = None
    response_format: Raw = ABSENT
    user: str | None = None
    safety_identifier: str | None = None
    metadata: dict[str, Any] | None = None


class FunctionCall(msgspec.Struct, omit_defaults=True):
    name: str | None = None
    arguments: str | None = None


class CustomCall(msgspec.Struct, omit_defaults=True):
    name: str | None = None
    input: str | None = None


class ToolCallField(msgspec.Struct, omit_defaults=True):
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None
    index: int | None = None


class ImageUrl(msgspec.Struct, omit_defaults=True):
    url: str
    detail: str | None = None


class ContentPart(msgspec.Struct, omit_defaults=True):
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
    name: str | None = None
    reasoning_content: str | None = None
    audio: Raw = ABSENT
    function_call: FunctionCall | None = None


class FunctionField(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: Raw = ABSENT
    strict: bool | None = None


class CustomField(msgspec.Struct):
    name: str
    description: str | None = None


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
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    n: int | None = None
    user: str | None = None
    safety_identifier: str | None = None


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


class AnswerMessage(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallField] | None = None
    audio: Raw = ABSENT


class Choice(msgspec.Struct):
    message: AnswerMessage
    finish_reason: str | None = None
    index: int = 0


class Completion(msgspec.Struct):
    choices: list[Choice]
    id: str = ""
    model: str = ""
    usage: UsageField | None = None


class DeltaField(msgspec.Struct):
    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCallField] | None = None
    function_call: FunctionCall | None = None
    audio: Raw = ABSENT


class ChunkChoice(msgspec.Struct):
    delta: DeltaField | None = None
    finish_reason: str | None = None
    index: int = 0


class Chunk(msgspec.Struct):
    choices: list[ChunkChoice] | None = None
    id: str | None = None
    model: str | None = None
    usage: UsageField | None = None
    error: Raw = ABSENT
