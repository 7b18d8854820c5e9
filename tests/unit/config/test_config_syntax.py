"""YAML to nodes: hostile text costs a message, never the stack or a long time."""

from __future__ import annotations

import time

import pytest

from trunkline.config.syntax import Fault, Mapping, Scalar, Sequence, parse


def test_nodes_know_their_line_and_column() -> None:
    root = parse(b"a:\n  - b\n  - {c: 'd'}\n")
    assert isinstance(root, Mapping)
    key, items = root.pairs[0]
    assert (key.line, key.column) == (1, 1)
    assert isinstance(items, Sequence)
    assert [(node.line, node.column) for node in items.items] == [(2, 5), (3, 5)]
    inner = items.items[1]
    assert isinstance(inner, Mapping)
    value = inner.pairs[0][1]
    assert isinstance(value, Scalar)
    assert (value.text, value.plain, value.line, value.column) == ("d", False, 3, 9)


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b"- ", b"? ", b"[{a: "])
def test_deep_nesting_is_refused_without_recursion(opening: bytes) -> None:
    found = parse(opening * 200_000)
    assert isinstance(found, Fault)
    assert found.message == "nested more than 32 levels deep"


def test_an_alias_cannot_contain_itself() -> None:
    found = parse(b"a: &a [1, *a]")
    assert found == Fault(1, 11, "not valid YAML: no anchor before this is called 'a'")


def test_nested_aliases_share_nodes_instead_of_copying_them() -> None:
    lines = [b"a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [b"%c: &%c [%s]" % (c, c, b", ".join([b"*%c" % (c - 1)] * 10)) for c in range(ord("b"), ord("u"))]
    began = time.perf_counter()
    assert isinstance(parse(b"\n".join(lines)), Mapping)
    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a: [1, 2\nb: 3\n", 2, "not valid YAML"),
        (b"a: 1\nb: 'x\n", 3, "not valid YAML"),
        (b"a: 1\n b: 2\n", 2, "not valid YAML"),
        (b"a: 1\nb: \x00\n", 2, "not valid YAML"),
        (b"a: 1\n--- {}\n", 2, "a second document begins here"),
        (b"a: 1\nb: !!str 5\n", 2, "tags are not accepted"),
        (b"a: ok\nb: \xff\n", 2, "the file is not UTF-8"),
    ],
)
def test_broken_text_is_a_fault_with_its_line(text: bytes, line: int, words: str) -> None:
    found = parse(text)
    assert isinstance(found, Fault)
    assert words in found.message
    assert found.line == line


def test_an_empty_file_is_no_node() -> None:
    assert parse(b"") is None
    assert parse(b"# only a remark\n") is None
