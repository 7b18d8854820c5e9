"""Loading: a file or a directory of fragments to a typed tree, or to all problems at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping as Variables
from pathlib import Path
from typing import Any

from trunkline.config.checks import check
from trunkline.config.options import FILE
from trunkline.config.problems import Place, Problem, problem_at
from trunkline.config.reader import TWIN_SECRET, Reader
from trunkline.config.syntax import Fault, parse
from trunkline.config.tree import Tree, to_tree

__all__ = ["TWIN_SECRET", "fingerprint", "load"]

MAX_BYTES = 16 << 20  # a file of this size holds some hundred thousand deployments


def load(path: str, environment: Variables[str, str] | None = None, *, twins: bool = False) -> Tree | list[Problem]:
    """`twins` fills unset variables of secrets with a credential that the twins accept."""
    files = _files(path)
    if isinstance(files, Problem):
        return [files]
    reader = Reader(os.environ if environment is None else environment, twins)
    merged: dict[str, Any] = {}
    for file in files:
        found = _fragment(reader, file)
        for section, value in found.items():
            _merge(merged, section, value, reader)
    if not reader.problems:
        for name, option in FILE.options.items():
            if option.required and not merged.get(name):
                place = reader.places.get(name, Place(path))
                reader.problems.append(problem_at(place, "", f"'{name}' is missing: {option.about}"))
    if not reader.problems:
        reader.problems.extend(check(merged, reader.places))
    if reader.problems:
        return sorted(reader.problems, key=lambda p: (p.file, p.line, p.column))
    return to_tree(merged, reader.places)


def fingerprint(path: str) -> str:
    """Changes when a file of the configuration does."""
    files = _files(path)
    if isinstance(files, Problem):
        return "missing"
    digest = hashlib.sha256()
    for file in files:
        try:
            data = Path(file).read_bytes()
        except OSError:
            data = b"unreadable"
        digest.update(f"{file}\0{len(data)}\0".encode() + data)
    return digest.hexdigest()


def _files(path: str) -> list[str] | Problem:
    where = Path(path)
    try:
        if where.is_dir():
            # Names with a dot in front are editors' and mounts' own.
            found = [p for p in where.iterdir() if p.suffix in (".yaml", ".yml") and p.name[0] != "." and p.is_file()]
            return sorted(map(str, found)) or _whole(path, "the directory has no *.yaml file")
        return [path] if where.is_file() else _whole(path, "there is no such file")
    except (OSError, ValueError) as error:
        return _whole(path, _why(error))


def _fragment(reader: Reader, file: str) -> dict[str, Any]:
    try:
        size = os.stat(file).st_size
        data = Path(file).read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        reader.problems.append(_whole(file, _why(error)))
        return {}
    if size > MAX_BYTES:
        reader.problems.append(_whole(file, f"the file is larger than {MAX_BYTES >> 20}MiB"))
        return {}
    node = parse(data)
    if isinstance(node, Fault):
        reader.problems.append(problem_at(Place(file, node.line, node.column), "", node.message))
        return {}
    if node is None:
        return {}
    reader.begin(file)
    read = FILE.read_part(reader, node)
    return read if isinstance(read, dict) else {}


def _merge(merged: dict[str, Any], section: str, value: Any, reader: Reader) -> None:
    """Fragments add to maps; what two of them say is an error that names both places."""
    if section not in merged:
        merged[section] = value
        return
    if not isinstance(value, dict):
        _twice(reader, section)
        return
    for name, inner in value.items():
        if name in merged[section]:
            _twice(reader, f"{section}.{name}")
        merged[section][name] = inner


def _twice(reader: Reader, path: str) -> None:
    first, second = reader.places[path], reader.here[path]
    reader.problems.append(problem_at(second, path, f"'{path}' stands already in {first}"))


def _why(error: Exception) -> str:
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _whole(file: str, message: str) -> Problem:
    return problem_at(Place(file), "", message)
