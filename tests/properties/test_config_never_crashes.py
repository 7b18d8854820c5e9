"""Whatever the file says, loading gives a tree or problems, quickly, and compiling what it gave does the same."""

from __future__ import annotations

import string
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trunkline.app.compile import compile_snapshot
from trunkline.config.load import load
from trunkline.config.problems import Problem
from trunkline.config.syntax import Fault, Mapping, Scalar, Sequence, parse
from trunkline.providers import PROVIDERS
from trunkline.types.fleet import Snapshot

GOLDEN = Path(__file__).parents[1] / "golden" / "config"
FULL = (GOLDEN / "full.yaml").read_bytes()
ENVIRONMENT = {"OPENAI_API_KEY": "sk-canary", "ANTHROPIC_API_KEY": "sk-canary", "ARK_API_KEY": "sk-canary"}
LENIENT = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = st.sampled_from(
    [b"", b"{", b"}", b"[", b"]", b":", b"- ", b"\n", b"\t", b"&a ", b"*a", b"!!x ", b"'", b'"', b"${X}", b"${", b"~", b"\xff",
     b"<<: ", b"0", b"-1", b"1e9", b"999999999999999999999s", b"yes", b"%YAML 1.1\n", b"---\n", b"|\n", b"? ", b"\x00"]
)  # fmt: skip


def judged(path: Path, data: bytes) -> Snapshot | list[Problem]:
    path.write_bytes(data)
    tree = load(str(path), ENVIRONMENT)
    return tree if isinstance(tree, list) else compile_snapshot(tree, PROVIDERS, 1, str(path))


def sound(found: Snapshot | list[Problem], path: Path) -> None:
    if isinstance(found, Snapshot):
        return
    assert found
    for problem in found:
        assert problem.file == str(path)
        assert problem.message
        assert str(problem).isprintable()
        assert "sk-canary" not in str(problem)


@LENIENT
@given(st.data())
def test_a_file_with_pieces_knocked_out_or_put_in_is_judged(tmp_path: Path, data: st.DataObject) -> None:
    text = bytearray(FULL)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 12))] = data.draw(PIECES)
    sound(judged(tmp_path / "t.yaml", bytes(text)), tmp_path / "t.yaml")


@LENIENT
@given(st.binary(max_size=300))
def test_any_bytes_are_judged(tmp_path: Path, data: bytes) -> None:
    sound(judged(tmp_path / "t.yaml", data), tmp_path / "t.yaml")


WORDS = st.text(string.ascii_letters + string.digits + " _-.:/", max_size=8)
TREES = st.recursive(
    st.one_of(WORDS, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=12,
)
KEYS = [line.split(b":")[0].strip() for line in FULL.splitlines() if line and line[:1].isalpha()]


@LENIENT
@given(st.dictionaries(st.sampled_from([key.decode() for key in KEYS]), TREES, max_size=6))
def test_any_shape_under_known_keys_is_judged(tmp_path: Path, shape: dict[str, object]) -> None:
    import json

    sound(judged(tmp_path / "t.yaml", json.dumps(shape).encode()), tmp_path / "t.yaml")


def plain(node: Mapping | Sequence | Scalar) -> object:
    if isinstance(node, Mapping):
        return [(plain(key), plain(value)) for key, value in node.pairs]
    return [plain(item) for item in node.items] if isinstance(node, Sequence) else node.text


@LENIENT
@given(st.recursive(WORDS, lambda inner: st.lists(inner, max_size=4), max_leaves=20))
def test_json_is_read_as_it_stands(value: object) -> None:
    import json

    node = parse(json.dumps(value).encode())
    assert node is not None and not isinstance(node, Fault)
    assert plain(node) == value
