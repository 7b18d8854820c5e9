"""The how-to pages about video work as written: their configurations are valid together, their commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline.cli.__main__ import main

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


def blocks(page: str, language: str) -> list[str]:
    text = (PAGES / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


BASE = blocks("serve-video.md", "yaml")[0].partition("jobs:")[0]
PARTS = [block for page in ("keep-results.md", "receive-webhooks.md") for block in blocks(page, "yaml")]


@pytest.mark.parametrize("part", ["", *PARTS, blocks("serve-video.md", "yaml")[0].partition("jobs:")[2]])
def test_a_configuration_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    (tmp_path / "secret").write_text("s3cret")
    for name in ("ARK_API_KEY", "GEMINI_API_KEY", "S3_ACCESS_KEY"):
        monkeypatch.setenv(name, "k")
    text = part if not part or re.match(r"\w+:", part) else "jobs:" + part
    config = (BASE + text).replace("file:/run/secrets/s3", f"file:{tmp_path}/secret")
    (tmp_path / "trunkline.yaml").write_text(config)
    result = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "trunkline.yaml")])
    assert result.exit_code == 0, result.output


def test_the_commands_exist() -> None:
    for command in (["jobs", "list"], ["jobs", "show"], ["jobs", "cancel"], ["keys", "webhook-secret"]):
        assert CliRunner().invoke(main, [*command, "--help"]).exit_code == 0


def test_the_python_of_the_pages_is_python() -> None:
    for page in ("serve-video.md", "receive-webhooks.md"):
        for block in blocks(page, "python"):
            compile(block, page, "exec")
