"""YAML text to plain nodes with line and column. The only file that knows the YAML library.

Only structure is taken from the library: what a scalar means is decided by the option that reads it, from its text,
so that none of YAML 1.1's surprises (`on` as true, `12:30` as a number, `010` as eight) can happen. Nodes are made
from the library's events, without recursion: a hostile file costs a message, never the stack.
"""

from __future__ import annotations

import msgspec
import yaml

MAX_DEPTH = 32  # the deepest option lies six levels down
MAX_NODES = 1_000_000  # ten thousand deployments are about a tenth of this

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


class Scalar:
    """`plain`: written without quotes. Lines and columns count from 1."""

    __slots__ = ("column", "line", "plain", "text")

    def __init__(self, text: str, plain: bool, line: int, column: int) -> None:
        self.text = text
        self.plain = plain
        self.line = line
        self.column = column

    @property
    def null(self) -> bool:
        return self.plain and self.text in _NULLS


class Sequence:
    __slots__ = ("column", "items", "line")

    def __init__(self, line: int, column: int) -> None:
        self.items: list[Node] = []
        self.line = line
        self.column = column

    def add(self, node: Node) -> None:
        self.items.append(node)


class Mapping:
    """Pairs in order, duplicates and all: who reads them refuses those."""

    __slots__ = ("_key", "column", "line", "pairs")

    def __init__(self, line: int, column: int) -> None:
        self.pairs: list[tuple[Node, Node]] = []
        self._key: Node | None = None
        self.line = line
        self.column = column

    def add(self, node: Node) -> None:
        if self._key is None:
            self._key = node
            return
        self.pairs.append((self._key, node))
        self._key = None


Node = Scalar | Sequence | Mapping


class Fault(msgspec.Struct, frozen=True):
    """Why the text is no configuration. 0 means the file as a whole."""

    line: int
    column: int
    message: str


def parse(data: bytes) -> Node | Fault | None:
    """The one document of a file; None if it is empty."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Fault(data.count(b"\n", 0, error.start) + 1, 0, "not valid YAML: the file is not UTF-8")
    try:
        return _compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        if _character(text, line, column) == "\t":
            return Fault(line, column, "not valid YAML: a tab cannot indent, write spaces")
        return Fault(line, column, f"not valid YAML: {error.problem or error.context}")
    except yaml.YAMLError as error:
        where = getattr(error, "position", None)
        line = text.count("\n", 0, where) + 1 if isinstance(where, int) else 0
        return Fault(line, 0, f"not valid YAML: {getattr(error, 'reason', None) or 'it cannot be read'}")


def _character(text: str, line: int, column: int) -> str:
    lines = text.split("\n", line)
    return lines[line - 1][column - 1 : column] if 0 < line <= len(lines) else ""


def _compose(text: str) -> Node | Fault | None:
    root: Node | None = None
    stack: list[Sequence | Mapping] = []
    anchors: dict[str, Node] = {}
    opened: list[str | None] = []
    documents = nodes = 0
    for event in yaml.parse(text, Loader=_LOADER):
        mark = event.start_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)
        node: Node
        match event:
            case yaml.ScalarEvent():
                node = Scalar(event.value, not event.style, line, column)
            case yaml.SequenceStartEvent():
                node = Sequence(line, column)
            case yaml.MappingStartEvent():
                node = Mapping(line, column)
            case yaml.CollectionEndEvent():
                name = opened.pop()
                ended = stack.pop()
                if name is not None:
                    anchors[name] = ended
                continue
            case yaml.AliasEvent():
                name = event.anchor or ""
                known = anchors.get(name)
                if known is None:
                    return Fault(line, column, f"not valid YAML: no anchor before this is called '{name[:60]}'")
                node = known
            case yaml.DocumentStartEvent():
                documents += 1
                if documents > 1:
                    return Fault(line, column, "a second document begins here; a configuration is one document")
                continue
            case _:
                continue
        nodes += 1
        if nodes > MAX_NODES:
            return Fault(line, column, f"more than {MAX_NODES} values")
        if getattr(event, "tag", None) is not None:
            return Fault(line, column, "tags are not accepted")
        if stack:
            stack[-1].add(node)
        elif root is None:
            root = node
        if isinstance(event, yaml.CollectionStartEvent) and isinstance(node, Sequence | Mapping):
            if len(stack) >= MAX_DEPTH:
                return Fault(line, column, f"nested more than {MAX_DEPTH} levels deep")
            stack.append(node)
            opened.append(event.anchor)
        elif isinstance(event, yaml.ScalarEvent) and event.anchor is not None:
            anchors[event.anchor] = node
    return root
