"""The official SDKs, pointed straight at the twins."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance import sdk_scenarios
from trunkline.twins.serve import Twins, start_twins
from trunkline.twins.wire import TWIN_NAMES, TwinName

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "acceptance" / "sdk_scenarios.py"
OLD_PYTHON = ROOT / ".venv-sdk-old" / "bin" / "python"

#: Twin, SDK, path behind the address, model.
PAIRS: list[tuple[TwinName, str, str, str]] = [
    ("openai", "openai", "/v1", "gpt-4.1"),
    ("anthropic", "anthropic", "", "claude-opus-5-5"),
    ("gemini", "gemini", "", "gemini-3.8-flash"),
    ("ark", "openai", "/api/v3", "doubao-seed-2-1-pro-260915"),
]


class Running:
    """Twins on a loop of their own thread, so that sync SDKs can be used here."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        ports = dict.fromkeys(TWIN_NAMES, 0)
        self.twins: Twins = asyncio.run_coroutine_threadsafe(start_twins(ports), self.loop).result(10)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.twins.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    started = Running()
    yield started
    started.close()


@pytest.mark.parametrize(("name", "surface", "path", "model"), PAIRS)
def test_the_newest_sdk_is_content_with_the_twin(
    running: Running, monkeypatch: pytest.MonkeyPatch, name: TwinName, surface: str, path: str, model: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = running.twins[name].url
    target = sdk_scenarios.Target(url + path, "sk-test", model, [f"{url}/_twin/faults"])
    verdicts = list(sdk_scenarios.run(surface, target))
    assert [f"{one.name}: {one.detail}" for one in verdicts if not one.ok] == []
    assert len(verdicts) == 64
    totals = running.twins[name].ledger.totals
    assert totals.requests == totals.complete


@pytest.mark.skipif(not OLD_PYTHON.exists(), reason="no environment with the older SDK majors")
@pytest.mark.parametrize(("name", "surface", "path", "model"), PAIRS)
def test_the_sdk_of_the_previous_major_is_content_with_the_twin(
    running: Running, name: TwinName, surface: str, path: str, model: str
) -> None:
    url = running.twins[name].url
    verdicts = run_script(OLD_PYTHON, surface, url + path, model, f"{url}/_twin/faults")
    assert [one for one in verdicts if not one["ok"]] == []
    assert len(verdicts) == 64


def test_the_script_prints_a_line_a_scenario_and_fails_when_one_fails(running: Running) -> None:
    url = running.twins["openai"].url
    options = ["--surface", "openai", "--base-url", url + "/v1", "--api-key", "bad", "--model", "gpt-4.1"]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "FAIL plain sync" in done.stdout
    assert "ok   error_401 sync" in done.stdout


def run_script(python: Path, surface: str, base_url: str, model: str, fault_url: str) -> list[dict[str, object]]:
    options = ["--surface", surface, "--base-url", base_url, "--api-key", "sk-test", "--model", model]
    done = subprocess.run(
        [str(python), str(SCRIPT), *options, "--fault-url", fault_url, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(),
        check=False,
    )
    assert not done.stderr or done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def environment() -> dict[str, str]:
    return {**os.environ, "NO_PROXY": "127.0.0.1"}


def test_the_anthropic_sdk_reads_the_model_list(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    import anthropic

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with anthropic.Anthropic(base_url=running.twins["anthropic"].url, api_key="k", max_retries=0) as client:
        names = [model.id for model in client.models.list(limit=5)]
        opus = client.models.retrieve("claude-opus-5-5")
        counted = client.messages.count_tokens(
            model="claude-opus-5-5", messages=[{"role": "user", "content": "abcdefgh"}]
        )
    assert len(names) > 10
    assert opus.capabilities is not None and opus.capabilities.thinking.types.adaptive.supported
    assert counted.input_tokens == 6


def test_the_openai_and_google_sdks_read_the_model_list(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    import openai
    from google import genai
    from google.genai import types

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with openai.OpenAI(base_url=running.twins["openai"].url + "/v1", api_key="k", max_retries=0) as client:
        assert "gpt-4.1" in [model.id for model in client.models.list()]
    google = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=running.twins["gemini"].url))
    assert "models/gemini-3.8-flash" in [model.name for model in google.models.list()]
    google.close()


@pytest.mark.parametrize("fault", ["error_event:3", "cut:3"])
def test_the_sdks_notice_a_stream_that_breaks(running: Running, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name, surface, path, model in PAIRS:
        url = running.twins[name].url
        target = sdk_scenarios.Target(url + path, "sk-test", model, [f"{url}/_twin/faults"])
        sdk = sdk_scenarios.SURFACES[surface](target)
        with sdk_scenarios.fault_on(target, fault), pytest.raises(Exception) as caught:
            sdk.stream(sdk_scenarios.Wish(sdk_scenarios.HELLO))
        # Not one of our own assertions: the SDK itself must have seen that the answer is not complete.
        assert not isinstance(caught.value, AssertionError), (name, caught.value)
