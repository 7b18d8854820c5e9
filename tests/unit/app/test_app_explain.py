"""`explain` says what would happen to a request, by the code that serves it, and sends nothing."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from trunkline.app.boot import Boot
from trunkline.app.explaining import Explanation, Supposed, explain_request, prompt_request
from trunkline.cli.explain import explain

FILE = """\
providers:
  openai: {api_key: sk-canary-openai}
  anthropic: {credentials: {main: {api_key: sk-canary-main}, spare: {api_key: sk-canary-spare}}}
  google: {api_key: sk-canary-google}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol}
  claude: {provider: anthropic, model: claude-sonnet-5-5}
  gemini: {provider: google, model: gemini-3.8-flash}
routes:
  assistant: {use: [gpt, claude], fallback: [gemini], retry: {on: [429, connect], times: 3}, timeouts: {first_token: 9s}}
  shared: {use: [gpt, gemini], balance: weighted}
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    (tmp_path / "trunkline.yaml").write_text(FILE)
    return str(tmp_path / "trunkline.yaml")


@pytest.fixture
def boot(path: str) -> Boot:
    boot = Boot.load(path)
    assert isinstance(boot, Boot)
    return boot


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("explain opened a socket")

    monkeypatch.setattr(socket, "socket", refuse)


def asked(boot: Boot, dialect: str, model: str = "assistant", *, stream: bool = False) -> Explanation:
    body = prompt_request(dialect, model, "Hello", stream)
    return explain_request(boot, dialect, body, Supposed(wall=1_795_000_000.0), model=model, stream=stream)


def test_candidates_stand_in_the_order_in_which_they_are_tried(boot: Boot) -> None:
    shown = asked(boot, "openai_chat")
    assert [(leg.deployment, leg.credential) for leg in shown.legs] == [
        ("gpt", "default"),
        ("claude", "main"),
        ("claude", "spare"),
        ("gemini", "default"),
    ]
    assert (shown.route, shown.strategy, shown.refusal) == ("assistant", "priority", "")


@pytest.mark.parametrize(
    ("dialect", "same"),
    [("openai_chat", "gpt"), ("anthropic_messages", "claude"), ("gemini_generate", "gemini")],
)
@pytest.mark.parametrize("stream", [False, True])
def test_only_the_deployment_of_the_same_dialect_gets_the_bytes_as_they_are(
    boot: Boot, dialect: str, same: str, stream: bool
) -> None:
    shown = asked(boot, dialect, stream=stream)
    assert {leg.deployment for leg in shown.legs if leg.same} == {same}
    assert {leg.deployment: leg.dialect for leg in shown.legs} == {
        "gpt": "openai_chat",
        "claude": "anthropic_messages",
        "gemini": "gemini_generate",
    }
    assert (shown.dialect, shown.model, shown.stream) == (dialect, "assistant", stream)


def test_the_upstream_request_is_shown_without_its_secret(boot: Boot) -> None:
    shown = asked(boot, "gemini_generate", stream=True)
    requests = {leg.deployment: leg.request.rpartition(" (")[0] for leg in shown.legs}
    assert requests == {
        "gpt": "POST https://api.openai.com/v1/chat/completions",
        "claude": "POST https://api.anthropic.com/v1/messages",
        "gemini": "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
    }
    assert "canary" not in str(shown)


def test_rules_of_the_route_are_said_in_words(boot: Boot) -> None:
    shown = asked(boot, "openai_chat")
    assert shown.retry.startswith("3 on the same deployment for 429, connect;")
    assert "first token 9s" in shown.timeouts


def test_what_a_translation_cannot_carry_is_listed_for_that_candidate_only(boot: Boot) -> None:
    request = {"model": "assistant", "messages": [{"role": "user", "content": "Hi"}], "logit_bias": {"50256": -100}}
    shown = explain_request(boot, "openai_chat", json.dumps(request).encode(), Supposed())
    losses = {leg.deployment: leg.losses for leg in shown.legs}
    assert losses["gpt"] == []
    assert any(loss.startswith("logit_bias (") for loss in losses["claude"])


def test_an_unknown_model_is_refused_with_the_known_ones(boot: Boot) -> None:
    shown = asked(boot, "openai_chat", "asistant")
    assert shown.refusal == "no route is called 'asistant'; there are: assistant, shared"
    assert shown.legs == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":5}', b'{"model":"assistant","messages":"x"}', b"\xff"])
def test_a_bad_request_is_refused_as_in_service(boot: Boot, body: bytes) -> None:
    shown = explain_request(boot, "openai_chat", body, Supposed())
    assert shown.refusal
    assert shown.legs == []


def test_a_weighted_route_explains_itself_the_same_every_time(boot: Boot) -> None:
    assert asked(boot, "openai_chat", "shared") == asked(boot, "openai_chat", "shared")


# --- the command ------------------------------------------------------------------------------------------------------
def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(explain, arguments)
    return result.exit_code, result.output


def test_the_command_explains_a_request_file(path: str, tmp_path: Path) -> None:
    file = tmp_path / "request.json"
    file.write_bytes(prompt_request("anthropic_messages", "assistant", "Hello", True))
    code, output = run("--config", path, "--dialect", "anthropic_messages", "--json", str(file))
    shown = json.loads(output)
    assert (code, shown["model"], shown["stream"]) == (0, "assistant", True)


def test_the_command_prints_for_people_too(path: str) -> None:
    code, output = run("--config", path, "--model", "assistant")
    assert code == 0
    assert "  1. gpt: openai gpt-6.1-sol, credential default" in output
    assert "  4. gemini: google gemini-3.8-flash, credential default" in output


def test_a_refusal_is_a_negative_verdict(path: str) -> None:
    assert run("--config", path, "--model", "nothing")[0] == 1


def test_neither_file_nor_model_is_a_wrong_use(path: str) -> None:
    code, output = run("--config", path)
    assert (code, output) == (2, "give a request file, the id of a record, or --model NAME [--prompt TEXT]\n")


def test_a_missing_configuration_is_a_wrong_use(tmp_path: Path) -> None:
    assert run("--config", str(tmp_path / "none.yaml"), "--model", "assistant")[0] == 2
