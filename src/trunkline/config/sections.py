"""Sections: mappings with known keys. An unknown key is refused, with the nearest known one."""

from __future__ import annotations

from typing import Any

from trunkline.config.kinds import SHOWN, Kind, Reading
from trunkline.config.problems import did_you_mean
from trunkline.config.syntax import Node, Scalar


class Option:
    """One key of a section: its kind, what it is for, and whether it must stand there."""

    __slots__ = ("about", "default", "kind", "required")

    def __init__(self, kind: Kind, about: str, default: str = "", required: bool = False) -> None:
        self.kind = kind
        self.about = about
        self.default = default
        self.required = required


class Section:
    """`later` are keys that exist, but not in this version: refused with those words, never ignored.

    `short` reads a scalar in place of the mapping (`hold: first_content`).
    """

    def __init__(
        self, options: dict[str, Option], later: tuple[str, ...] = (), short: Kind | None = None, name: str = ""
    ) -> None:
        self.options = options
        self.later = later
        self.short = short
        self.name = name

    def read(self, reading: Reading, node: Node, path: str) -> Any:
        if self.short is not None and isinstance(node, Scalar):
            return self.short.read(reading, node, path)
        return self._read(reading, node, path, whole=True)

    def read_part(self, reading: Reading, node: Node) -> Any:
        """One fragment of the file: what is required may stand in another one."""
        return self._read(reading, node, "", whole=False)

    def _read(self, reading: Reading, node: Node, path: str, *, whole: bool) -> Any:
        pairs = reading.pairs(node, path)
        if pairs is None:
            return None
        found: dict[str, Any] = {}
        for name, key, value in pairs:
            place = f"{path}.{name}" if path else name
            option = self.options.get(name)
            if option is not None:
                read = option.kind.read(reading, value, place)
                if read is not None:
                    found[name] = read
            elif name in self.later:
                reading.problem(key, place, f"'{name}' is not available in this version")
            else:
                reading.problem(key, place, f"unknown key '{name[:SHOWN]}'", did_you_mean(name, self.options))
        if whole:
            there = {name for name, _, _ in pairs}
            for name, option in self.options.items():
                if option.required and name not in there:
                    reading.problem(node, path, f"'{name}' is missing: {option.about}")
        return found

    def schema(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "type": "object",
            "properties": {
                name: {**option.kind.schema(), "description": option.about} for name, option in self.options.items()
            },
            "additionalProperties": False,
        }
        required = [name for name, option in self.options.items() if option.required]
        if required:
            made["required"] = required
        return made if self.short is None else {"anyOf": [made, self.short.schema()]}

    def words(self) -> str:
        return self.name or "section"
