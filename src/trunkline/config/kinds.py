"""The few kinds of value that an option can have. Each describes itself as JSON Schema and reads itself from a YAML
node, so that validation, schema and reference come from one description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import yaml

from trunkline.config import scalars


class Reading(Protocol):
    """What a kind needs while reading: a place for problems, and expansion of `${…}`."""

    def problem(self, node: yaml.Node, path: str, message: str, suggestion: str = "") -> None: ...

    def text(self, node: yaml.Node, path: str) -> str | None:
        """A scalar's text with variables expanded; None (and a problem) if it is no scalar."""
        ...

    def pairs(self, node: yaml.Node, path: str) -> list[tuple[str, yaml.Node, yaml.Node]] | None:
        """Keys and values of a mapping; None (and a problem) if it is none. Null values are left out."""
        ...


class Kind(Protocol):
    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any: ...

    def schema(self) -> dict[str, Any]: ...

    def words(self) -> str:
        """For the reference: what is written there."""
        ...


class Text:
    def __init__(self, words: str = "text") -> None:
        self._words = words

    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any:
        return reading.text(node, path)

    def schema(self) -> dict[str, Any]:
        return {"type": ["string", "number", "boolean"]} if self._words == "text" else {"type": "string"}

    def words(self) -> str:
        return self._words


class Scalar:
    """A scalar that a function of `scalars` reads: it gives the value, or a string that says what is wrong."""

    def __init__(self, read: Callable[[str], Any], schema: dict[str, Any], words: str, low: int | None = None) -> None:
        self._read = read
        self._schema = schema
        self._words = words
        self._low = low

    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any:
        text = reading.text(node, path)
        if text is None:
            return None
        value = self._read(text)
        if isinstance(value, str):
            reading.problem(node, path, f"'{text[:60]}': {value}")
            return None
        if self._low is not None and value < self._low:
            reading.problem(node, path, f"must be at least {self._low}")
            return None
        return value

    def schema(self) -> dict[str, Any]:
        return self._schema

    def words(self) -> str:
        return self._words


def duration() -> Scalar:
    return Scalar(scalars.duration, {"type": "string", "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$"}, "duration")


def size() -> Scalar:
    return Scalar(scalars.size, {"type": "string", "pattern": r"^\d+(B|KiB|MiB|GiB)$"}, "size")


def integer(low: int = 0) -> Scalar:
    return Scalar(scalars.integer, {"type": "integer", "minimum": low}, "number", low)


def boolean() -> Scalar:
    return Scalar(scalars.boolean, {"type": "boolean"}, "true or false")


def address() -> Scalar:
    return Scalar(scalars.address, {"type": "string", "pattern": r"^.+:\d{1,5}$"}, "address")


class OneOf:
    """A word of a closed list. `later` are words that exist, but not in this version."""

    def __init__(self, words: tuple[str, ...], later: tuple[str, ...] = ()) -> None:
        self._known = words
        self._later = later

    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any:
        text = reading.text(node, path)
        if text is None or text in self._known:
            return text
        if text in self._later:
            reading.problem(node, path, f"'{text}' is not available in this version", f"use {self.words()}")
        else:
            reading.problem(node, path, f"'{text[:60]}' is not one of {', '.join(self._known)}")
        return None

    def schema(self) -> dict[str, Any]:
        return {"enum": [int(w) if w.isdigit() else w for w in self._known]}

    def words(self) -> str:
        return " | ".join(self._known)


class DurationOrOff:
    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any:
        text = reading.text(node, path)
        if text == "off":
            return "off"
        return duration().read(reading, node, path)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"const": "off"}, duration().schema()]}

    def words(self) -> str:
        return "duration or `off`"


class ListOf:
    def __init__(self, item: Kind) -> None:
        self._item = item

    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any:
        if not isinstance(node, yaml.SequenceNode):
            reading.problem(node, path, "a list is wanted", "write [a, b]")
            return None
        found = [self._item.read(reading, child, f"{path}[{at}]") for at, child in enumerate(node.value)]
        return [value for value in found if value is not None]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self._item.schema()}

    def words(self) -> str:
        return f"list of {self._item.words()}"


class MapOf:
    """Names of the user's choice to values of one kind."""

    def __init__(self, item: Kind, words: str) -> None:
        self.item = item
        self._words = words

    def read(self, reading: Reading, node: yaml.Node, path: str) -> Any:
        pairs = reading.pairs(node, path)
        if pairs is None:
            return None
        found = {name: self.item.read(reading, value, f"{path}.{name}") for name, _, value in pairs}
        return {name: value for name, value in found.items() if value is not None}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.item.schema()}

    def words(self) -> str:
        return self._words
