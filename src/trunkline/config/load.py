"""Loading: a file or a directory of fragments to a tree of plain values, or to all problems at once."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from trunkline.config.options import FILE
from trunkline.config.problems import Problem
from trunkline.config.tree import Tree, to_tree

MAX_NODES = 200_000  # aliases may not blow a small file up
MAX_BYTES = 16 << 20
TWIN_SECRET = "twin-key"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map", "timestamp", "value")
)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def load(path: str, environment: Mapping[str, str] | None = None, *, twins: bool = False) -> Tree | list[Problem]:
    """`twins` fills unset variables with a credential that the twins accept."""
    reader = _Reader(os.environ if environment is None else environment, twins)
    merged: dict[str, Any] = {}
    places: dict[str, str] = {}
    files = _files(path)
    if isinstance(files, Problem):
        return [files]
    for file in files:
        found = reader.file(file)
        for section, value in (found or {}).items():
            _merge(merged, places, section, value, file, reader)
    if reader.problems:
        return reader.problems
    for name in ("providers", "deployments", "routes"):
        if not merged.get(name):
            reader.problems.append(_whole(files[0], f"'{name}' is missing: {FILE.options[name].about}"))
    return reader.problems or to_tree(merged)


def fingerprint(path: str) -> str:
    """Changes when a file of the configuration does."""
    files = _files(path)
    if isinstance(files, Problem):
        return "missing"
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(file.encode() + b"\0" + Path(file).read_bytes())
        except OSError:
            digest.update(b"unreadable")
    return digest.hexdigest()


def _files(path: str) -> list[str] | Problem:
    where = Path(path)
    if where.is_dir():
        found = sorted(str(p) for p in where.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())
        return found or _whole(path, "the directory has no *.yaml file")
    return [path] if where.is_file() else _whole(path, "there is no such file")


def _whole(file: str, message: str) -> Problem:
    return Problem(file=file, line=0, column=0, path="", message=message)


def _merge(
    merged: dict[str, Any], places: dict[str, str], section: str, value: Any, file: str, reader: _Reader
) -> None:
    """Fragments add to maps; what two of them say is an error that names both."""
    if section not in merged:
        merged[section] = value
        if isinstance(value, dict):
            places.update({f"{section}.{name}": file for name in value})
        places[section] = file
        return
    if not isinstance(value, dict):
        reader.problems.append(_whole(file, f"'{section}' stands already in {places[section]}"))
        return
    for name, inner in value.items():
        if name in merged[section]:
            reader.problems.append(_whole(file, f"'{section}.{name}' stands already in {places[f'{section}.{name}']}"))
        merged[section][name] = inner
        places[f"{section}.{name}"] = file


class _Reader:
    """Walks nodes beside the description; collects every problem rather than the first."""

    def __init__(self, environment: Mapping[str, str], twins: bool) -> None:
        self.environment = environment
        self.twins = twins
        self.problems: list[Problem] = []
        self._file = ""
        self._nodes = 0

    def file(self, file: str) -> dict[str, Any] | None:
        self._file = file
        try:
            data = Path(file).read_bytes()
            if len(data) > MAX_BYTES:
                raise ValueError(f"larger than {MAX_BYTES >> 20} MiB")
            node = yaml.compose(data.decode("utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
            message = f"not valid YAML: {error.problem or error.context}"
            self.problems.append(Problem(file=file, line=line, column=column, path="", message=message))
            return None
        except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
            self.problems.append(_whole(file, f"cannot be read: {error}"))
            return None
        if node is None:
            return {}
        # What must stand in the file as a whole is checked over all fragments.
        top = {name: option.required for name, option in FILE.options.items()}
        for option in FILE.options.values():
            option.required = False
        try:
            read = FILE.read(self, node, "")
        finally:
            for name, required in top.items():
                FILE.options[name].required = required
        return read if isinstance(read, dict) else None

    # --- Reading ---------------------------------------------------------------------------------------------------
    def problem(self, node: yaml.Node, path: str, message: str, suggestion: str = "") -> None:
        mark = node.start_mark
        self.problems.append(
            Problem(
                file=self._file,
                line=mark.line + 1,
                column=mark.column + 1,
                path=path,
                message=message,
                suggestion=suggestion,
            )
        )

    def text(self, node: yaml.Node, path: str) -> str | None:
        if not self._counted(node, path):
            return None
        if not isinstance(node, yaml.ScalarNode):
            self.problem(node, path, "a single value is wanted")
            return None
        return self._expand(node, str(node.value), path)

    def pairs(self, node: yaml.Node, path: str) -> list[tuple[str, yaml.Node, yaml.Node]] | None:
        if not self._counted(node, path):
            return None
        if not isinstance(node, yaml.MappingNode):
            self.problem(node, path, "a section with keys is wanted", "write {key: value}")
            return None
        found: list[tuple[str, yaml.Node, yaml.Node]] = []
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.problem(key, path, "a key must be a single word")
                continue
            name = str(key.value)
            if name == "<<":
                self.problem(key, path, "merge keys are not part of YAML 1.2")
                continue
            if name in seen:
                self.problem(key, f"{path}.{name}" if path else name, f"the key '{name}' stands twice")
                continue
            seen.add(name)
            if not _null(value):
                found.append((name, key, value))
        return found

    def _counted(self, node: yaml.Node, path: str) -> bool:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self.problem(node, path, "too many values; are aliases nested?")
            return False
        if node.tag not in _CORE_TAGS:
            self.problem(node, path, "tags are not accepted")
            return False
        return True

    def _expand(self, node: yaml.Node, text: str, path: str) -> str | None:
        missing: list[str] = []

        def replace(match: re.Match[str]) -> str:
            value = self.environment.get(match.group(1)) or match.group(2)
            if value is None:
                if self.twins:
                    return TWIN_SECRET
                missing.append(match.group(1))
                return ""
            return value

        expanded = _VARIABLE.sub(replace, text)
        for name in missing:
            self.problem(node, path, f"the variable {name} is not set", f"set it, or write ${{{name}:-default}}")
        return None if missing else expanded


def _null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in _NULLS
