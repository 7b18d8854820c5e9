"""The official SDKs, newest and newest of the previous major, through the real gateway, against each upstream twin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_process import ROOT, Gateway
from sdk_scenarios import FAULTS, fault_model

pytestmark = pytest.mark.acceptance

UPSTREAMS = {
    "openai": ("openai", "gpt-4.1"),
    "anthropic": ("anthropic", "claude-sonnet-4-5"),
    "gemini": ("google", "gemini-2.5-flash"),
}
WAYS = ("sync", "async", "sync stream", "async stream")
OLD = Path(os.environ.get("TRUNKLINE_SDK_OLD", ROOT / ".venv-sdk-old"))
SDKS = {"newest": Path(sys.executable), "previous": OLD / "bin" / "python"}


def configuration() -> str:
    """One plain route per upstream, and one deployment of its own per fault scenario."""
    providers, deployments, routes = ["providers:"], ["deployments:"], ["routes:"]
    for surface in UPSTREAMS:
        for upstream, (kind, model) in UPSTREAMS.items():
            plain = f"{surface}-{upstream}"
            for name in [plain, *(fault_model(plain, fault, way) for fault in FAULTS for way in WAYS)]:
                providers.append(f"  {name}: {{type: {kind}, api_key: k}}")
                deployments.append(f"  {name}: {{provider: {name}, model: {model}}}")
                routes.append(f"  {name}: {{use: [{name}]}}")
    return "\n".join(providers + deployments + routes) + "\n"


@pytest.fixture(scope="module", params=list(SDKS))
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Gateway]]:
    interpreter = SDKS[request.param]
    assert interpreter.exists(), f"{interpreter} is missing; ./test makes it"
    gateway = Gateway.start(tmp_path_factory.mktemp("sdk"), configuration())
    yield interpreter, gateway
    assert gateway.stop() == 0


@pytest.mark.parametrize("upstream", list(UPSTREAMS))
@pytest.mark.parametrize("surface", ["openai", "anthropic", "gemini"])
def test_an_sdk_sees_its_own_provider_whoever_answers(stage: tuple[Path, Gateway], surface: str, upstream: str) -> None:
    interpreter, gateway = stage
    base = gateway.base + ("/v1" if surface == "openai" else "")
    command = [str(interpreter), str(ROOT / "tests" / "acceptance" / "sdk_scenarios.py")]
    command += ["--surface", surface, "--base-url", base, "--api-key", gateway.key]
    command += ["--model", f"{surface}-{upstream}", "--gateway", "--own-models"]
    command += ["--fault-url", f"http://127.0.0.1:{gateway.twins[upstream]}/_twin/faults"]
    if surface != upstream:
        command.append("--translated")
    done = subprocess.run(command, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode()[-6000:] + done.stderr.decode()[-2000:]
