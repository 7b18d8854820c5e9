"""The envelope: facts read from a request without decoding it fully."""

from __future__ import annotations

import msgspec

from trunkline.types.wire import DialectName, Operation


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What routing and policy may know about a request.

    `model` is the alias the caller wrote (for Gemini: from the URL). `body_bytes` is the size of the request body.
    `input_tokens` is an estimate by size (4 bytes a token) until something better counts. `wants_usage` is false
    only for an `openai_chat` stream that did not ask for usage. `api_version` is the dialect's version as the caller
    sent it (`anthropic-version`, or `v1` / `v1beta` for Gemini), "" if the dialect has none. `sse` is false for a
    Gemini stream that wants a JSON array.
    """

    dialect: DialectName
    operation: Operation
    model: str
    stream: bool
    body_bytes: int
    input_tokens: int
    max_output_tokens: int | None = None
    tools: int = 0
    images: bool = False
    output_schema: bool = False
    choices: int = 1
    wants_usage: bool = True
    api_version: str = ""
    sse: bool = True
    user: str = ""
    metadata: dict[str, str] = {}
