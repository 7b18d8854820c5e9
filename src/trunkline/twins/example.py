"""Values that fit a JSON Schema: arguments for tool calls, bodies for structured answers."""

from __future__ import annotations

import re
from typing import Any

#: How deep schemas are followed; recursive ones end here with an empty value.
DEPTH_LIMIT = 8

_PROPER_NOUN = re.compile(r"(?<=[a-z,:;] )[A-Z][a-z]+")


def proper_nouns(text: str) -> list[str]:
    """Capitalised words inside sentences, which is what people ask tools about ("the weather in Paris and Rome")."""
    return _PROPER_NOUN.findall(text[:4096])


def example(schema: Any, nouns: list[str], turn: int = 0) -> Any:
    """A value for `schema`; objects get their required properties (all of them when none is required).

    `turn` varies the value, so that parallel calls of one tool differ; strings take the `turn`-th of `nouns`.
    Type names are read in either case (Gemini writes them in capitals).
    """
    return _Filler(schema, nouns, turn).value(schema, "value", 0)


class _Filler:
    __slots__ = ("nouns", "root", "turn")

    def __init__(self, root: Any, nouns: list[str], turn: int) -> None:
        self.root = root
        self.nouns = nouns
        self.turn = turn

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > DEPTH_LIMIT:
            return {}
        for key in ("const", "default", "example"):
            if key in schema:
                return schema[key]
        options = schema.get("enum")
        if isinstance(options, list) and options:
            return options[self.turn % len(options)]
        if isinstance(schema.get("$ref"), str):
            return self.value(self._resolve(schema["$ref"]), name, depth + 1)
        for key in ("anyOf", "oneOf", "allOf"):
            choices = schema.get(key)
            if isinstance(choices, list) and choices:
                return self.value(choices[0], name, depth + 1)
        return self._typed(schema, name, depth)

    def _typed(self, schema: dict[str, Any], name: str, depth: int) -> Any:
        kind = schema.get("type", "object" if "properties" in schema or depth == 0 else "string")
        if isinstance(kind, list):
            kind = kind[0] if kind else "string"
        match str(kind).lower():
            case "object":
                return self._object(schema, depth)
            case "array":
                count = max(1, _whole(schema.get("minItems"), 1))
                return [self.value(schema.get("items", {"type": "string"}), name, depth + 1)] * min(count, 16)
            case "integer":
                return _whole(schema.get("minimum"), 0) + self.turn + 1
            case "number":
                return _whole(schema.get("minimum"), 0) + self.turn + 0.5
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(name)

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        required = schema.get("required")
        names = required if isinstance(required, list) and required else list(properties)
        return {name: self.value(properties.get(name, {}), name, depth + 1) for name in names if isinstance(name, str)}

    def _string(self, name: str) -> str:
        if self.nouns:
            return self.nouns[self.turn % len(self.nouns)]
        return f"{name}-{self.turn + 1}"

    def _resolve(self, reference: str) -> Any:
        node = self.root
        for step in reference.removeprefix("#").strip("/").split("/"):
            if not step:
                continue
            node = node.get(step) if isinstance(node, dict) else None
        return node


def _whole(value: Any, default: int) -> int:
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e9 else default
