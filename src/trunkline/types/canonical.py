"""The hub of translation: one request, response and event vocabulary that every chat dialect maps to and from.

Nothing here knows a wire format. What a dialect cannot carry becomes a `Loss`, never silence.
Roles, parts, reasons and usage follow wire-formats.md section E.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from trunkline.types.usage import Usage
from trunkline.types.wire import Loss


class Text(msgspec.Struct, frozen=True, tag="text"):
    text: str


class Image(msgspec.Struct, frozen=True, tag="image", kw_only=True):
    """Either `url`, or `data` (standard base64 with padding) together with `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call"):
    """`arguments` is JSON text; "" means no arguments. `signature` is an opaque proof that travels with the call."""

    id: str
    name: str
    arguments: str
    signature: str | None = None


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", kw_only=True):
    """Answer to one call. `name` may be "" where the dialect does not carry it; readers fill it when they can."""

    call_id: str
    name: str = ""
    parts: tuple[Text | Image, ...] = ()
    is_error: bool = False


class Thinking(msgspec.Struct, frozen=True, tag="thinking", kw_only=True):
    """Reasoning text. `signature` is only meaningful to `origin` (a dialect name)."""

    text: str
    signature: str | None = None
    redacted: bool = False
    origin: str = ""


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    text: str


Part = Text | Image | ToolCall | ToolResult | Thinking | Refusal

Role = Literal["system", "user", "assistant"]


class Turn(msgspec.Struct, frozen=True):
    """One message. Tool results are parts of a user turn; consecutive turns of one role may occur.

    System text keeps its place: an encoder hoists only the leading run of system turns.
    """

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function the model may call. `schema` is JSON Schema as raw JSON; None means no parameters were given."""

    name: str
    description: str | None = None
    schema: msgspec.Raw | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True, kw_only=True):
    """`tool` goes with `name`. `parallel` False asks for at most one call a turn."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str = ""
    parallel: bool | None = None


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A chat request, whatever dialect it came in. `losses` is what reading could not carry into the hub."""

    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    choices: int = 1
    stream: bool = False
    user: str = ""
    losses: tuple[Loss, ...] = ()


FinishReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "paused", "malformed"]


class ChatResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer with one choice. Parts in order: text, thinking, tool calls, refusal."""

    id: str
    model: str
    parts: tuple[Part, ...]
    finish: FinishReason
    stop_sequence: str | None = None
    usage: Usage | None = None
    losses: tuple[Loss, ...] = ()


# --- stream events (wire-formats.md E.10) -------------------------------------------------------------------


class Start(msgspec.Struct, frozen=True, tag="start"):
    id: str
    model: str
    usage: Usage | None = None


class BlockStart(msgspec.Struct, frozen=True, tag="block_start", kw_only=True):
    """Opens block `index` (0, 1, 2 … in order of appearance). `id` and `name` belong to tool blocks."""

    index: int
    kind: Literal["text", "tool", "thinking", "refusal"]
    id: str = ""
    name: str = ""


class Delta(msgspec.Struct, frozen=True, tag="delta", kw_only=True):
    """Adds to block `index`: text (also of thinking and refusal blocks), tool-argument JSON, or a signature."""

    index: int
    kind: Literal["text", "json", "signature"]
    text: str


class BlockStop(msgspec.Struct, frozen=True, tag="block_stop"):
    index: int


class Finish(msgspec.Struct, frozen=True, tag="finish", kw_only=True):
    reason: FinishReason
    stop_sequence: str | None = None


class Used(msgspec.Struct, frozen=True, tag="used"):
    """Cumulative usage so far; the last one counts."""

    usage: Usage


class End(msgspec.Struct, frozen=True, tag="end"):
    """The dialect's own terminator was seen."""


Event = Start | BlockStart | Delta | BlockStop | Finish | Used | End
