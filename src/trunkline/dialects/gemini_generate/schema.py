"""generateContent on the wire: its messages as structs, and both spellings of every key made one.

Proto JSON accepts lowerCamel and snake_case and the Python SDK really sends a mix, so requests are normalised before
they are decoded: keys in lowerCamel, nulls left out, a single value where a list belongs becomes a list of one. Values
that belong to the caller (schemas, arguments, responses, labels) stay byte for byte. Source: wire-formats.md C.2-C.4.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from trunkline.dialects.complaints import ABSENT

_SNAKE = re.compile(r"_([a-z0-9])")
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_value = msgspec.json.Decoder(msgspec.Raw)

#: Values under these keys are the caller's own data.
OPAQUE = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)
REPEATED = frozenset({"contents", "parts", "tools", "functionDeclarations", "stopSequences", "allowedFunctionNames"})
#: The messages we know end at depth 11; below that nothing is ours to read (each level is one more scan of the bytes).
DEPTH = 16


class Blob(msgspec.Struct, rename="camel"):
    """`data` is base64 of either alphabet."""

    mime_type: str | None = None
    data: str | None = None


class FileField(msgspec.Struct, rename="camel"):
    mime_type: str | None = None
    file_uri: str | None = None


class CallField(msgspec.Struct, rename="camel"):
    """`args` is a JSON object; the two last fields appear only where streamed arguments were asked for."""

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = ABSENT
    partial_args: msgspec.Raw = ABSENT
    will_continue: bool | None = None


class ResultPart(msgspec.Struct, rename="camel"):
    inline_data: Blob | None = None
    file_data: FileField | None = None


class ResultField(msgspec.Struct, rename="camel"):
    id: str | None = None
    name: str | None = None
    response: msgspec.Raw = ABSENT
    parts: list[ResultPart] | None = None


class PartField(msgspec.Struct, rename="camel"):
    """One of `text`, a call, a result, media or a server tool's trace; flags may stand beside any of them."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: CallField | None = None
    function_response: ResultField | None = None
    inline_data: Blob | None = None
    file_data: FileField | None = None
    executable_code: msgspec.Raw = ABSENT
    code_execution_result: msgspec.Raw = ABSENT
    tool_call: msgspec.Raw = ABSENT
    tool_response: msgspec.Raw = ABSENT
    video_metadata: msgspec.Raw = ABSENT
    media_resolution: msgspec.Raw = ABSENT


class ContentField(msgspec.Struct, rename="camel"):
    role: str | None = None
    parts: list[PartField] | None = None


class FunctionField(msgspec.Struct, rename="camel"):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = ABSENT
    parameters_json_schema: msgspec.Raw = ABSENT
    response: msgspec.Raw = ABSENT
    response_json_schema: msgspec.Raw = ABSENT
    behavior: msgspec.Raw = ABSENT


class ToolField(msgspec.Struct, rename="camel"):
    function_declarations: list[FunctionField] | None = None


class CallingConfig(msgspec.Struct, rename="camel"):
    mode: str | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(msgspec.Struct, rename="camel"):
    function_calling_config: CallingConfig | None = None


class Request(msgspec.Struct, rename="camel"):
    """What is carried to the hub; `generationConfig` is read by itself (`read_config`)."""

    contents: list[ContentField]
    system_instruction: ContentField | None = None
    tools: list[ToolField] | None = None
    tool_config: ToolConfig | None = None


class UsageField(msgspec.Struct, rename="camel"):
    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None


class CandidateField(msgspec.Struct, rename="camel"):
    content: ContentField | None = None
    finish_reason: str | None = None
    index: int | None = None


class Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class Generated(msgspec.Struct, rename="camel"):
    """An answer, or one event of a stream. `error` is set only in an error event."""

    candidates: list[CandidateField] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: UsageField | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


generated = msgspec.json.Decoder(Generated)
_request = msgspec.json.Decoder(Request)


def camel(key: str) -> str:
    return _SNAKE.sub(lambda m: m.group(1).upper(), key) if "_" in key else key


def is_null(raw: msgspec.Raw) -> bool:
    view = memoryview(raw)
    return view.nbytes == 4 and bytes(view) == b"null"


def fields_of(body: bytes | msgspec.Raw) -> dict[str, msgspec.Raw]:
    """Fields of one message by their lowerCamel names, values as they stand; nulls are absent. Raises msgspec's errors
    when the body is no JSON object."""
    return {camel(key): value for key, value in _object.decode(body).items() if not is_null(value)}


def items_of(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """Elements of a repeated field; a single value counts as a list of one."""
    return _array.decode(raw) if memoryview(raw)[0] == ord("[") else [raw]


def normal(raw: msgspec.Raw, depth: int = 0) -> Any:
    """`raw` with normalised keys, as something `msgspec.json.encode` takes."""
    first = memoryview(raw)[0]
    if depth >= DEPTH or first not in b"{[":
        return raw
    if first == ord("["):
        return [normal(inner, depth + 1) for inner in _array.decode(raw)]
    made: dict[str, Any] = {}
    for name, inner in fields_of(raw).items():
        if name in OPAQUE:
            made[name] = inner
            continue
        value = normal(inner, depth + 1)
        made[name] = [value] if name in REPEATED and not isinstance(value, list) else value
    return made


def read_request(body: bytes) -> Request:
    """Raises msgspec's errors, UnicodeDecodeError or RecursionError; `complain` makes words of them."""
    if not body.isascii():
        body.decode()
    return _request.decode(msgspec.json.encode(normal(_value.decode(body))))


def standard_base64(text: str) -> str | None:
    """URL-safe or standard, padded or not, with line breaks or without, to standard with padding; None if it is
    neither."""
    plain = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    padded = plain + "=" * (-len(plain) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return padded
