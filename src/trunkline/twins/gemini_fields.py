"""Reads protobuf JSON as Google's front end does: both spellings, either base64 alphabet, unknown names refused.

`read_fields` checks a body against the message tables below and returns it with lowerCamel names, nulls left out and
bytes decoded. Violations are worded like the real ones. Source: wire-formats.md C.2; a value where a list belongs is
taken as a list of one, as the real API does.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

#: Scalars: what the JSON value must be, and what the API calls the type.
_SCALARS: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "TYPE_STRING"),
    "float": ((int, float), "TYPE_FLOAT"),
    "int": ((int, str), "TYPE_INT32"),
    "bool": ((bool,), "TYPE_BOOL"),
}

_API = "type.googleapis.com/google.ai.generativelanguage.v1beta"


def _of(kind: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, kind)


#: Fields of each message: `kind` is a scalar, `bytes`, `any`, a message, `[kind]` (repeated) or `{kind}` (map).
MESSAGES: dict[str, dict[str, str]] = {
    "GenerateContentRequest": {
        "contents": "[Content]",
        "systemInstruction": "Content",
        "tools": "[Tool]",
        "toolConfig": "ToolConfig",
        "safetySettings": "[SafetySetting]",
        "generationConfig": "GenerationConfig",
        "labels": "any",
        "store": "bool",
        **_of("string", "model", "cachedContent", "serviceTier", "continuationToken"),
    },
    "CountTokensRequest": {"contents": "[Content]", "generateContentRequest": "GenerateContentRequest"},
    "Content": {"role": "string", "parts": "[Part]"},
    "Part": {
        "text": "string",
        "inlineData": "Blob",
        "fileData": "FileData",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "thought": "bool",
        "thoughtSignature": "bytes",
        **_of("any", "executableCode", "codeExecutionResult", "videoMetadata", "mediaResolution", "toolCall"),
        **_of("any", "toolResponse", "partMetadata"),
    },
    "Blob": {"mimeType": "string", "data": "bytes", "displayName": "string"},
    "FileData": _of("string", "mimeType", "fileUri", "displayName"),
    "FunctionCall": {"id": "string", "name": "string", "args": "any", "partialArgs": "any", "willContinue": "bool"},
    "FunctionResponse": {
        **_of("string", "id", "name", "scheduling"),
        **_of("any", "response", "parts"),
        "willContinue": "bool",
    },
    "Tool": {
        "functionDeclarations": "[FunctionDeclaration]",
        **_of("any", "googleSearch", "googleSearchRetrieval", "urlContext", "codeExecution", "googleMaps"),
        **_of("any", "fileSearch", "computerUse", "mcpServers"),
    },
    "FunctionDeclaration": {
        **_of("string", "name", "description", "behavior"),
        **_of("Schema", "parameters", "response"),
        **_of("any", "parametersJsonSchema", "responseJsonSchema"),
    },
    "Schema": {
        **_of("string", "type", "format", "title", "description", "pattern", "ref"),
        **_of("[string]", "enum", "required", "propertyOrdering"),
        **_of("int", "minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"),
        **_of("float", "minimum", "maximum"),
        **_of("any", "default", "example", "additionalProperties"),
        **_of("{Schema}", "properties", "defs"),
        "nullable": "bool",
        "items": "Schema",
        "anyOf": "[Schema]",
    },
    "ToolConfig": {
        "functionCallingConfig": "FunctionCallingConfig",
        "retrievalConfig": "any",
        "includeServerSideToolInvocations": "bool",
    },
    "FunctionCallingConfig": {
        "mode": "string",
        "allowedFunctionNames": "[string]",
        "streamFunctionCallArguments": "bool",
    },
    "SafetySetting": _of("string", "category", "threshold", "method"),
    "GenerationConfig": {
        **_of("float", "temperature", "topP", "topK", "presencePenalty", "frequencyPenalty"),
        **_of("int", "candidateCount", "maxOutputTokens", "seed", "logprobs"),
        **_of("[string]", "stopSequences", "responseModalities"),
        **_of("string", "responseMimeType", "mediaResolution"),
        **_of("any", "responseJsonSchema", "speechConfig", "imageConfig", "responseFormat"),
        **_of("bool", "responseLogprobs", "enableEnhancedCivicAnswers", "audioTimestamp"),
        "responseSchema": "Schema",
        "thinkingConfig": "ThinkingConfig",
    },
    "ThinkingConfig": {"includeThoughts": "bool", "thinkingBudget": "int", "thinkingLevel": "string"},
}

_HUMP = re.compile(r"[A-Z]")


def snake(name: str) -> str:
    """lowerCamel to snake_case, which is how the API names fields in its messages."""
    return _HUMP.sub(lambda hump: "_" + hump.group().lower(), name)


#: Every accepted spelling of every field, per message.
_SPELLINGS = {
    message: {spelling: name for name in fields for spelling in (name, snake(name))}
    for message, fields in MESSAGES.items()
}


class Violation:
    """One thing the parser did not like: where (snake_case path, "" for the top) and what."""

    __slots__ = ("description", "field")

    def __init__(self, field: str, description: str) -> None:
        self.field = field
        self.description = description


def read_fields(message: str, value: Any) -> tuple[dict[str, Any], list[Violation]]:
    """`value` read as `message`, and everything that was wrong with it."""
    parser = _Parser()
    fields = parser.message(message, value, "")
    return fields, parser.violations


def decode_bytes(text: str) -> bytes | None:
    """Standard or URL-safe base64, padded or not; None when it is neither."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


class _Parser:
    __slots__ = ("violations",)

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def message(self, message: str, value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._bad(path, f"Invalid value at '{path}' ({_API}.{message}), {_shown(value)}")
            return {}
        kinds, spellings = MESSAGES[message], _SPELLINGS[message]
        fields: dict[str, Any] = {}
        for spelling, inner in value.items():
            name = spellings.get(spelling)
            if name is None:
                at = f" at '{path}'" if path else ""
                self._bad(path, f'Invalid JSON payload received. Unknown name "{spelling}"{at}: Cannot find field.')
            elif inner is not None:
                below = f"{path}.{snake(name)}" if path else snake(name)
                fields[name] = self._field(kinds[name], inner, below)
        return fields

    def _field(self, kind: str, value: Any, path: str) -> Any:
        if kind[0] == "[":
            values = value if isinstance(value, list) else [value]
            return [self._field(kind[1:-1], one, f"{path}[{at}]") for at, one in enumerate(values)]
        if kind[0] == "{":
            entries = value.items() if isinstance(value, dict) else ()
            inner = kind[1:-1]
            return {key: self._field(inner, one, f"{path}[{at}].value") for at, (key, one) in enumerate(entries)}
        if kind == "any":
            return value
        if isinstance(value, list):
            parent, _, name = path.rpartition(".")
            text = (
                f"Invalid JSON payload received. Unknown name \"{name}\" at '{parent}': "
                "Proto field is not repeating, cannot start list."
            )
            self._bad(parent, text)
            return {} if kind in MESSAGES else ""
        if kind == "bytes":
            return self._bytes(value, path)
        if kind in MESSAGES:
            return self.message(kind, value, path)
        return self._scalar(kind, value, path)

    def _bytes(self, value: Any, path: str) -> bytes:
        data = decode_bytes(value) if isinstance(value, str) else None
        if data is None:
            shown = str(value)[:60]
            self._bad(path, f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed for \"{shown}\"")
            return b""
        return data

    def _scalar(self, kind: str, value: Any, path: str) -> Any:
        types, name = _SCALARS[kind]
        wrong = isinstance(value, bool) != (kind == "bool") or not isinstance(value, types)
        if kind == "int" and isinstance(value, str) and not wrong:
            wrong = not value.lstrip("-").isdigit()
            value = int(value) if not wrong else value
        if wrong:
            self._bad(path, f"Invalid value at '{path}' ({name}), {_shown(value)}")
            return {"string": "", "bool": False}.get(kind, 0)
        return value

    def _bad(self, field: str, description: str) -> None:
        self.violations.append(Violation(field, description))


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)[:60]
