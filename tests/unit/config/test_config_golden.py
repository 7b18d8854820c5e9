"""Golden configurations: what each file's problems are, and where. The lines of `NAME.problems` are written by hand:
`[file:]line:column path | message | suggestion`. A first line `# schema: cannot say` marks files whose mistakes lie
beyond JSON Schema; every other wrong file must be refused by both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from trunkline.app.compile import compile_snapshot
from trunkline.config.load import load
from trunkline.config.problems import Problem
from trunkline.config.schema import json_schema
from trunkline.providers import PROVIDERS
from trunkline.types.fleet import Snapshot

GOLDEN = Path(__file__).parents[2] / "golden" / "config"
ENVIRONMENT = {
    "OPENAI_API_KEY": "sk-canary-1",
    "ANTHROPIC_API_KEY": "sk-canary-2",
    "ARK_API_KEY": "sk-canary-3",
    "EMPTY": "",
}
WRONG = sorted(path.stem for path in GOLDEN.glob("*.problems"))
VALID = ("full", "fragments")


def source(name: str) -> Path:
    folder = GOLDEN / name
    return folder if folder.is_dir() else GOLDEN / f"{name}.yaml"


def outcome(name: str) -> Snapshot | list[Problem]:
    tree = load(str(source(name)), ENVIRONMENT)
    return tree if isinstance(tree, list) else compile_snapshot(tree, PROVIDERS, 1, str(source(name)))


def line_of(problem: Problem, name: str) -> str:
    file = f"{Path(problem.file).name}:" if source(name).is_dir() else ""
    place = f"{file}{problem.line}:{problem.column} {problem.path}".strip()
    folder = f"{source(name)}/"
    return f"{place} | {problem.message.replace(folder, '')} | {problem.suggestion}".strip()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_configuration_is_refused_with_place_and_remedy(name: str) -> None:
    found = outcome(name)
    assert isinstance(found, list)
    assert [line_of(problem, name) for problem in found] == (GOLDEN / f"{name}.problems").read_text().splitlines()


@pytest.mark.parametrize("name", VALID)
def test_a_valid_configuration_compiles(name: str) -> None:
    assert isinstance(outcome(name), Snapshot)


@pytest.mark.parametrize("name", WRONG)
def test_a_problem_never_repeats_what_a_variable_held(name: str) -> None:
    found = outcome(name)
    assert isinstance(found, list)
    assert "sk-canary" not in "".join(map(str, found))


class Core(yaml.SafeLoader):
    """YAML 1.2 scalars, as an editor with the schema sees the file."""


KEPT = ("int", "float", "null")
Core.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] in KEPT]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Core.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)\Z"), list("tf"))


def refusals(name: str) -> list[Any]:
    instance = yaml.load(source(name).read_text(), Loader=Core)
    return list(jsonschema.Draft202012Validator(json_schema()).iter_errors(instance))


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())


def test_the_schema_accepts_the_full_example() -> None:
    assert [error.message for error in refusals("full")] == []


@pytest.mark.parametrize("name", [name for name in WRONG if not source(name).is_dir()])
def test_the_schema_refuses_what_it_can_express(name: str) -> None:
    if source(name).read_bytes().startswith(b"# schema: cannot say"):
        return
    assert refusals(name)
