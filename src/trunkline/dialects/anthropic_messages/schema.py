"""Messages as partial structs: only fields that Trunkline reads. Source: wire-formats.md B.2-B.4."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.complaints import ABSENT, Count

Raw = msgspec.Raw


class MetadataField(msgspec.Struct):
    user_id: str | None = None


class Peeked(msgspec.Struct):
    model: str
    max_tokens: Count
    messages: list[Raw]
    stream: bool | None = None
    tools: list[Raw] | None = None
    output_config: Raw = ABSENT
    metadata: MetadataField | None = None
    temperature: Raw = ABSENT
    top_p: Raw = ABSENT
    top_k: Raw = ABSENT
    stop_sequences: Raw = ABSENT
    thinking: Raw = ABSENT
    tool_choice: Raw = ABSENT


class Source(msgspec.Struct):
    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class Block(msgspec.Struct):
    """Any content block, in requests and answers."""

    type: str
    text: str | None = None
    source: Source | None = None
    id: str | None = None
    name: str | None = None
    input: Raw = ABSENT
    tool_use_id: str | None = None
    content: Raw = ABSENT
    is_error: bool | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    title: str | None = None
    cache_control: Raw = ABSENT
    citations: Raw = ABSENT


class MessageField(msgspec.Struct):
    role: str
    content: str | list[Raw]


class ToolField(msgspec.Struct):
    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = ABSENT
    strict: bool | None = None
    cache_control: Raw = ABSENT


class ToolChoiceField(msgspec.Struct):
    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Request(msgspec.Struct):
    model: str
    max_tokens: int
    messages: list[MessageField]
    system: str | list[Raw] | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[ToolField] | None = None
    tool_choice: ToolChoiceField | None = None
    metadata: MetadataField | None = None


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class UsageField(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None


class Message(msgspec.Struct):
    """A complete answer."""

    type: str
    content: list[Raw]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: UsageField | None = None


class StartedMessage(msgspec.Struct):
    id: str = ""
    model: str = ""
    usage: UsageField | None = None


class DeltaField(msgspec.Struct):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class StreamEvent(msgspec.Struct):
    """Any event of a stream."""

    type: str = ""
    index: int | None = None
    message: StartedMessage | None = None
    content_block: Any = None
    delta: DeltaField | None = None
    usage: UsageField | None = None
    error: Raw = ABSENT
