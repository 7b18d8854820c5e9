"""The few kinds of value that an option can have. Each describes itself as JSON Schema and reads itself from a
node, so that validation, schema and reference come from one description."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol

from trunkline.config import scalars
from trunkline.config.problems import did_you_mean
from trunkline.config.syntax import Node, Scalar, Sequence

#: Scalars may be written as variables; what those hold is checked when the file is loaded, not by the schema.
VARIABLE = {"type": "string", "pattern": r"\$\{"}
_OR_VARIABLE = {"$ref": "#/$defs/variable"}
SHOWN = 60  # characters of a wrong value that a message repeats


class Reading(Protocol):
    """What a kind needs while reading: a place for problems, and expansion of `${…}`."""

    def problem(self, node: Node, path: str, message: str, suggestion: str = "") -> None: ...

    def text(self, node: Node, path: str, *, fill: bool = False) -> str | None:
        """A scalar's text with variables expanded; None (and a problem) if it is no scalar. `fill`: an unset
        variable may be filled in for the twins."""
        ...

    def pairs(self, node: Node, path: str) -> list[tuple[str, Scalar, Node]] | None:
        """Keys and values of a mapping; None (and a problem) if it is none. Null values are left out."""
        ...

    def mark(self, node: Node, path: str) -> None:
        """Note where a key path stands that has no key of its own."""
        ...

    def allowed(self, node: Node, path: str) -> bool:
        """False (and a problem, once) when aliases have made the file too large."""
        ...


class Kind(Protocol):
    def read(self, reading: Reading, node: Node, path: str) -> Any: ...

    def schema(self) -> dict[str, Any]: ...

    def words(self) -> str:
        """For the reference: what is written there."""
        ...


def shown(node: Node) -> str:
    """A value for a message: as written. What a variable held may be a secret and is never repeated."""
    return f"'{node.text[:SHOWN]}'" if isinstance(node, Scalar) else "this"


class Text:
    """Text, not empty. `pattern` is matched against the whole; `wrong` says what it should look like."""

    def __init__(self, words: str = "text", pattern: str = "", wrong: str = "", fill: bool = False) -> None:
        self._words = words
        self._pattern = re.compile(pattern) if pattern else None
        self._wrong = wrong
        self._fill = fill

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        text = reading.text(node, path, fill=self._fill)
        if text is None:
            return None
        if not text:
            reading.problem(node, path, f"{self._words} is empty")
            return None
        if self._pattern is not None and self._pattern.fullmatch(text) is None:
            reading.problem(node, path, f"{shown(node)}: {self._wrong}")
            return None
        return text

    def schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {"type": ["string", "number", "boolean"], "minLength": 1}
        if self._pattern is not None:
            made = {"anyOf": [{**made, "pattern": f"^(?:{self._pattern.pattern})$"}, _OR_VARIABLE]}
        return made

    def words(self) -> str:
        return self._words


_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_ALIAS = r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}"
#: Names travel in headers and records, and health keys join them with a slash.
NAME = Text("name", _NAME, "a name is made of letters, digits, dots, dashes and underscores (64 at most)")
#: What clients send as model. Gemini clients write it into a path.
ALIAS = Text("alias", _ALIAS, "an alias is made of letters, digits and . _ - : / @ + (128 at most)")


class Parsed:
    """A scalar that a function of `scalars` reads: it gives the value, or a string that says what is wrong.

    `native`: written without quotes (numbers, true and false), as the schema sees them.
    """

    def __init__(
        self,
        read: Callable[[str], Any],
        schema: dict[str, Any],
        words: str,
        check: Callable[[Any], str] | None = None,
        native: bool = False,
    ) -> None:
        self._read = read
        self._schema = schema
        self._words = words
        self._check = check
        self._native = native

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        text = reading.text(node, path)
        if text is None:
            return None
        raw = node.text if isinstance(node, Scalar) else ""
        if self._native and isinstance(node, Scalar) and not node.plain and text == raw:
            reading.problem(node, path, f"{shown(node)}: {self._words} is written without quotes")
            return None
        value = self._read(text)
        wrong = value if isinstance(value, str) else self._check(value) if self._check is not None else ""
        if wrong:
            why = wrong if text == raw else f"what it expands to is no {self._words}"
            reading.problem(node, path, f"{shown(node)}: {why}")
            return None
        return value

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self._schema, _OR_VARIABLE]}

    def words(self) -> str:
        return self._words


def duration(*, zero: bool = False) -> Parsed:
    """`zero`: none at all is a sensible wait."""

    def check(seconds: float) -> str:
        return "" if zero or seconds > 0 else "a wait of nothing makes no sense here"

    pattern = r"^\d{1,9}(\.\d{1,9})?(ms|s|m|h|d)$"
    if not zero:
        pattern = r"^(?!0+(\.0+)?[a-z])" + pattern[1:]
    return Parsed(scalars.duration, {"type": "string", "pattern": pattern}, "duration", check)


def size() -> Parsed:
    def check(count: int) -> str:
        return "" if count > 0 else "must be at least 1B"

    return Parsed(scalars.size, {"type": "string", "pattern": r"^(?!0+[A-Z])\d{1,12}(B|KiB|MiB|GiB)$"}, "size", check)


def integer(low: int = 0, high: int = 1_000_000_000) -> Parsed:
    def check(value: int) -> str:
        if value < low:
            return f"must be at least {low}"
        return f"must be at most {high}" if value > high else ""

    return Parsed(
        scalars.integer, {"type": "integer", "minimum": low, "maximum": high}, "whole number", check, native=True
    )


def boolean() -> Parsed:
    return Parsed(scalars.boolean, {"type": "boolean"}, "true or false", native=True)


def address() -> Parsed:
    return Parsed(scalars.address, {"type": "string", "pattern": r"^.+:\d{1,5}$"}, "address")


class OneOf:
    """A word of a closed list. `later` are words (or beginnings, with a colon) of versions to come."""

    def __init__(self, words: tuple[str, ...], later: tuple[str, ...] = ()) -> None:
        self._known = words
        self._later = later

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        text = reading.text(node, path)
        if text is None or text in self._known:
            return text
        if any(text == word or (word.endswith(":") and text.startswith(word)) for word in self._later):
            reading.problem(node, path, f"{shown(node)} is not available in this version", f"use {self.words()}")
        else:
            known = ", ".join(self._known)
            reading.problem(node, path, f"{shown(node)} is not one of {known}", did_you_mean(text, self._known, True))
        return None

    def schema(self) -> dict[str, Any]:
        numbers: list[str | int] = [int(word) for word in self._known if word.isdigit()]
        return {"anyOf": [{"enum": [*self._known, *numbers]}, _OR_VARIABLE]}

    def words(self) -> str:
        return " | ".join(self._known)


class DurationOrOff:
    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and node.text == "off":
            return "off"
        return duration().read(reading, node, path)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"const": "off"}, *duration().schema()["anyOf"]]}

    def words(self) -> str:
        return "duration or `off`"


class ListOf:
    """A list of words with nothing twice in it; `empty`: it may say "none"."""

    def __init__(self, item: Kind, *, empty: bool = False) -> None:
        self._item = item
        self._empty = empty

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.allowed(node, path):
            return None
        if not isinstance(node, Sequence):
            wrong = node.text[:SHOWN] if isinstance(node, Scalar) else "value"
            reading.problem(node, path, "a list is wanted", f"write [{wrong}]")
            return None
        if not node.items and not self._empty:
            reading.problem(node, path, "the list is empty")
            return None
        found: dict[Any, None] = {}
        for at, child in enumerate(node.items):
            value = self._item.read(reading, child, f"{path}[{at}]")
            if value is not None and value in found:
                reading.problem(child, f"{path}[{at}]", f"{shown(child)} stands twice in this list")
            elif value is not None:
                found[value] = None
        return list(found)

    def schema(self) -> dict[str, Any]:
        least = {} if self._empty else {"minItems": 1}
        return {"type": "array", "items": self._item.schema(), **least, "uniqueItems": True}

    def words(self) -> str:
        return f"list of {self._item.words()}"


class MapOf:
    """Names of the user's choice to values of one kind."""

    def __init__(self, item: Kind, words: str, name: Text = NAME) -> None:
        self.item = item
        self._words = words
        self._name = name

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        pairs = reading.pairs(node, path)
        if pairs is None:
            return None
        found: dict[str, Any] = {}
        for name, key, value in pairs:
            read = self.item.read(reading, value, f"{path}.{name}")
            if self._name.read(reading, key, path) is not None and read is not None:
                found[name] = read
        return found

    def schema(self) -> dict[str, Any]:
        names = self._name.schema()["anyOf"][0]["pattern"]
        return {
            "type": "object",
            "additionalProperties": self.item.schema(),
            "propertyNames": {"pattern": names},
        }

    def words(self) -> str:
        return self._words


class RowsOf:
    """A list of sections, in an order that counts."""

    def __init__(self, item: Kind, words: str) -> None:
        self.item = item
        self._words = words

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if not reading.allowed(node, path):
            return None
        if not isinstance(node, Sequence):
            reading.problem(node, path, "a list is wanted", "write - {…}")
            return None
        found = []
        for at, child in enumerate(node.items):
            reading.mark(child, f"{path}[{at}]")
            found.append(self.item.read(reading, child, f"{path}[{at}]"))
        return [row for row in found if row is not None]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.item.schema()}

    def words(self) -> str:
        return self._words


class OneOrMore:
    """One value, or a list of them; read as a list."""

    def __init__(self, item: Kind) -> None:
        self._item = item
        self._list = ListOf(item)

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Sequence):
            return self._list.read(reading, node, path)
        one = self._item.read(reading, node, path)
        return None if one is None else [one]

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self._item.schema(), self._list.schema()]}

    def words(self) -> str:
        return f"{self._item.words()}, or a list"


class EitherWord:
    """A word of a closed list, or a value of another kind."""

    def __init__(self, words: tuple[str, ...], other: Kind) -> None:
        self._known = words
        self._other = other

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if isinstance(node, Scalar) and node.text in self._known:
            return reading.text(node, path)
        return self._other.read(reading, node, path)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": list(self._known)}, self._other.schema()]}

    def words(self) -> str:
        return f"{self._other.words()} or `{'`, `'.join(self._known)}`"


def percent(most: float = 100.0) -> Parsed:
    """A share, read as a fraction of one."""

    def check(share: float) -> str:
        return "" if 0.0 <= share * 100.0 <= most else f"must be between 0% and {most:g}%"

    return Parsed(scalars.percent, {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})?%$"}, "percentage", check)


def dollars() -> Parsed:
    """Dollars, read as micro-dollars."""
    schema = {"type": ["number", "string"], "pattern": r"^\d{1,6}(\.\d{1,6})?$"}
    return Parsed(scalars.dollars, schema, "amount in dollars")


def fraction() -> Parsed:
    """A number between 0 and 1."""
    return Parsed(scalars.fraction, {"type": "number", "minimum": 0, "maximum": 1}, "number from 0 to 1", native=True)
