"""The tutorial works as pasted: its configuration is valid and its cheap commands (blocks marked `sh`) succeed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from trunkline.cli.__main__ import main

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial" / "first-steps.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]


def run(command: str) -> Result:
    program, *arguments = shlex.split(command)
    assert program == "trunkline"
    return CliRunner().invoke(main, arguments)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("TRUNKLINE_CONFIG", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "trunkline.yaml").write_text(blocks("yaml")[0])
    return tmp_path


def test_the_page_shows_the_commands_that_are_run_here() -> None:
    assert {shlex.split(command)[1] for command in COMMANDS} == {"check", "explain", "keys"}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works_as_pasted(command: str) -> None:
    result = run(command)
    assert result.exit_code == 0, result.output
    assert result.output


def test_explain_shows_what_the_page_says() -> None:
    shown = run(next(c for c in COMMANDS if c.startswith("trunkline explain") and "--json" not in c)).output
    assert "1. gpt: openai gpt-6.1-sol, credential default" in shown
    assert "same dialect, bytes untouched but for the model" in shown
    assert "2. claude: anthropic claude-sonnet-5-5, credential default" in shown
    assert "translated to anthropic_messages" in shown


def test_the_other_dialect_is_translated_the_other_way_round() -> None:
    shown = json.loads(run(next(c for c in COMMANDS if "--json" in c)).output)
    assert [(leg["deployment"], leg["same"]) for leg in shown["legs"]] == [("gpt", False), ("claude", True)]
    assert shown["stream"] is True


def test_a_key_is_shown_once() -> None:
    made = run(next(c for c in COMMANDS if "keys create" in c)).output
    key = re.search(r"^key +(\S+)$", made, re.MULTILINE)
    assert key is not None
    listed = run("trunkline keys list").output
    assert "first" in listed and "search" in listed
    assert key.group(1) not in listed
