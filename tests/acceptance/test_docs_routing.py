"""The pages on routing: every configuration in them is valid, and their commands work as pasted."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from trunkline.cli.__main__ import main

DOCS = Path(__file__).parents[2] / "docs" / "how-to"
PAGES = (
    "route-by-rules",
    "route-by-task",
    "keep-data-in-a-region",
    "cap-cost",
    "try-a-new-model",
    "survive-slow-and-broken-answers",
)
BASE = """
providers:
  openai: {api_key: k}
  anthropic: {api_key: k}
  google: {api_key: k}
"""
DEPLOYMENTS = """
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol}
  gpt-2: {provider: openai, model: gpt-6.1-sol}
  claude: {provider: anthropic, model: claude-sonnet-5-5}
  gemini: {provider: google, model: gemini-3.8-flash}
"""


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / f"{page}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


CASES = [(page, block) for page in PAGES for block in blocks(page, "yaml")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRUNKLINE_CONFIG", raising=False)
    return tmp_path


def written(folder: Path, block: str) -> None:
    said = yaml.safe_load(block)
    (folder / "trunkline.yaml").write_text(BASE + ("" if "deployments" in said else DEPLOYMENTS) + block)


@pytest.mark.parametrize(("page", "block"), CASES, ids=[f"{page}-{n}" for n, (page, _) in enumerate(CASES)])
def test_a_configuration_of_the_pages_is_valid(folder: Path, page: str, block: str) -> None:
    written(folder, block)
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("page", ["route-by-rules", "route-by-task", "keep-data-in-a-region"])
def test_the_commands_of_the_pages_work(folder: Path, page: str) -> None:
    written(folder, blocks(page, "yaml")[0])
    CliRunner().invoke(main, ["keys", "create", "--name", "x"])
    (folder / "prompts.jsonl").write_text('{"prompt": "translate this", "label": "translation"}\n')
    commands = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert commands
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command)[1:])
        assert result.exit_code == 0, result.output


def test_explain_names_rule_and_candidates(folder: Path) -> None:
    written(folder, blocks("route-by-rules", "yaml")[0])
    [command] = blocks("route-by-rules", "sh")
    shown = CliRunner().invoke(main, shlex.split(command)[1:]).output
    assert 'rule      2: task == "code"' in shown
    assert "1. gpt: openai gpt-6.1-sol" in shown
    assert "2. gemini: google gemini-3.8-flash" in shown
