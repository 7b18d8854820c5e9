"""Walks the nodes of a file beside the description of its options; collects every problem rather than the first."""

from __future__ import annotations

import re
from collections.abc import Mapping as Variables

from trunkline.config.problems import Place, Problem, problem_at
from trunkline.config.syntax import MAX_NODES, Mapping, Node, Scalar

TWIN_SECRET = "twin-key"
MAX_PROBLEMS = 200  # a file of another kind has one on every line

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Reader:
    """`places` says where each key path stands: the first fragment's word; `here` has those of the present one."""

    def __init__(self, environment: Variables[str, str], twins: bool) -> None:
        self.problems: list[Problem] = []
        self.places: dict[str, Place] = {}
        self.here: dict[str, Place] = {}
        self._environment = environment
        self._twins = twins
        self._file = ""
        self._nodes = 0

    def begin(self, file: str) -> None:
        self._file = file
        self.here = {}

    def problem(self, node: Node, path: str, message: str, suggestion: str = "") -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem_at(self._place(node), path, message, suggestion))

    def allowed(self, node: Node, path: str) -> bool:
        self._nodes += 1
        if self._nodes == MAX_NODES:
            self.problem(node, path, "too many values; are aliases nested?")
        return self._nodes < MAX_NODES

    def text(self, node: Node, path: str, *, fill: bool = False) -> str | None:
        if not self.allowed(node, path):
            return None
        if not isinstance(node, Scalar):
            self.problem(node, path, "a single value is wanted")
            return None
        self._note(path, node)
        if node.null:
            self.problem(node, path, "the value is missing")
            return None
        return self._expand(node, path, fill) if "${" in node.text else node.text

    def pairs(self, node: Node, path: str) -> list[tuple[str, Scalar, Node]] | None:
        if not self.allowed(node, path):
            return None
        if not isinstance(node, Mapping):
            self.problem(node, path, "a section with keys is wanted", "write {key: value}")
            return None
        found: list[tuple[str, Scalar, Node]] = []
        seen: dict[str, int] = {}
        for key, value in node.pairs:
            if not isinstance(key, Scalar):
                self.problem(key, path, "a key must be a single word")
                continue
            name = key.text
            place = f"{path}.{name}" if path else name
            if name == "<<":
                self.problem(key, path, "merge keys are not part of YAML 1.2")
            elif name in seen:
                self.problem(key, place, f"the key '{name[:60]}' stands already in line {seen[name]}")
            else:
                seen[name] = key.line
                self._note(place, key)
                if not (isinstance(value, Scalar) and value.null):
                    found.append((name, key, value))
        return found

    def mark(self, node: Node, path: str) -> None:
        """A row of a list stands here."""
        self._note(path, node)

    def _note(self, path: str, node: Node) -> None:
        place = self._place(node)
        self.here[path] = place
        self.places.setdefault(path, place)
        if self.places[path].file == self._file:
            self.places[path] = place

    def _place(self, node: Node) -> Place:
        return Place(self._file, node.line, node.column)

    def _expand(self, node: Scalar, path: str, fill: bool) -> str | None:
        missing: list[str] = []

        def replace(match: re.Match[str]) -> str:
            # As in a shell: an empty variable takes the default too.
            value = self._environment.get(match.group(1)) or match.group(2)
            if value is None:
                if self._twins and fill:
                    return TWIN_SECRET
                missing.append(match.group(1))
                return ""
            return value

        expanded = _VARIABLE.sub(replace, node.text)
        for name in missing:
            self.problem(
                node, path, f"the variable {name} is not set or empty", f"set it, or write ${{{name}:-default}}"
            )
        if "${" in _VARIABLE.sub("", node.text):
            self.problem(node, path, "a variable is written as ${NAME} or ${NAME:-default}")
            return None
        return None if missing else expanded
