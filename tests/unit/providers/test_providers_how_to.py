"""docs/how-to/add-a-provider.md is right: its provider is taken from the page and put to work."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from provider_samples import candidate, judge, outgoing
from trunkline.app.compile import compile_snapshot
from trunkline.config.load import load
from trunkline.config.tree import Tree
from trunkline.providers import PROVIDERS
from trunkline.providers.contract import Provider
from trunkline.types.fleet import Snapshot
from trunkline.types.wire import header

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "how-to" / "add-a-provider.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def acme(tmp_path: Path) -> Provider:
    path = tmp_path / "acme.py"
    path.write_text(blocks("python")[0])
    spec = importlib.util.spec_from_file_location("acme", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Provider = module.Acme()
    return made


def test_the_provider_of_the_page_prepares_requests(acme: Provider) -> None:
    prepared = acme.prepare(outgoing(acme, candidate(acme, tenant="research")))
    assert prepared.target == b"/v1/chat/completions"
    assert header(prepared.headers, b"x-acme-tenant") == b"research"


@pytest.mark.parametrize(
    ("status", "word", "fault"),
    [
        (403, "key_revoked", "F4"),
        (429, "plan_exhausted", "F4"),
        (400, "model_retired", "F5"),
        (400, "prompt_too_long", "F8"),
        (400, "policy", "F9"),
        (400, "no_tools", "F10"),
        (200, "busy", "F1"),
        (200, "invalid", "F7"),
    ],
)
def test_the_provider_of_the_page_tells_failures_apart(acme: Provider, status: int, word: str, fault: str) -> None:
    facts = {"type": word} if status == 200 else {"code": word}
    assert judge(acme, status, **facts).fault.value == fault


def test_the_configurations_of_the_page_compile(acme: Provider, tmp_path: Path) -> None:
    short, whole = blocks("yaml")
    rest = "deployments: {fast: {provider: acme, model: m}}\nroutes: {assistant: {use: [fast]}}\n"
    for text in (short + rest, whole):
        path = tmp_path / "t.yaml"
        path.write_text(text)
        tree = load(str(path), {"ACME_API_KEY": "sk-1"})
        assert isinstance(tree, Tree), tree
        assert isinstance(compile_snapshot(tree, {**PROVIDERS, "acme": acme}, 1), Snapshot)


def test_the_entry_on_the_page_is_the_one_that_stands_in_the_code() -> None:
    line = next(line[1:] for line in blocks("diff")[0].splitlines() if line.startswith("-"))
    assert line in (ROOT / "src" / "trunkline" / "providers" / "__init__.py").read_text()
