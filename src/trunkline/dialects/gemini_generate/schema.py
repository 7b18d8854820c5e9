"""generateContent: both spellings of every key, both alphabets of base64. Source: wire-formats.md C.2-C.5.

Proto JSON accepts lowerCamel and snake_case, and the Python SDK sends a mix: keys are folded on entry, except inside
values that belong to the caller (schemas, arguments, responses, metadata).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

_SNAKE = re.compile(r"_([a-z0-9])")

#: Values under these keys are the caller's own data: their keys are not ours to fold.
OPAQUE = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)


def camel(key: str) -> str:
    return _SNAKE.sub(lambda m: m.group(1).upper(), key) if "_" in key else key


def fold(value: Any) -> Any:
    """Keys in lowerCamel; explicit nulls are left out."""
    if isinstance(value, dict):
        folded: dict[str, Any] = {}
        for key, inner in value.items():
            if inner is None:
                continue
            name = camel(key)
            folded[name] = inner if name in OPAQUE else fold(inner)
        return folded
    if isinstance(value, list):
        return [fold(inner) for inner in value]
    return value


def standard_base64(text: str) -> str:
    """URL-safe or standard, padded or not, to standard with padding. Anything else is returned as it is."""
    plain = text.replace("-", "+").replace("_", "/").rstrip("=")
    padded = plain + "=" * (-len(plain) % 4)
    try:
        base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        return text
    return padded


def schema_from_proto(value: Any) -> Any:
    """The proto subset of schemas to JSON Schema: types in lower case, `nullable` as a type list."""
    if isinstance(value, list):
        return [schema_from_proto(v) for v in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, inner in value.items():
        name = camel(key)
        if name == "type" and isinstance(inner, str):
            made["type"] = inner.lower()
        elif name in ("properties", "defs"):
            made["$defs" if name == "defs" else name] = {k: schema_from_proto(v) for k, v in inner.items()}
        elif name in ("items", "anyOf", "additionalProperties"):
            made[name] = schema_from_proto(inner)
        elif name == "ref":
            made["$ref"] = inner
        elif name not in ("nullable", "propertyOrdering", "example"):
            made[name] = inner
    if value.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
