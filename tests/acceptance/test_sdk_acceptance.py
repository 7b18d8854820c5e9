"""The official SDKs, newest and newest of the previous major, through the real gateway, against each upstream twin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from gateway_process import ROOT, Gateway
from sdk_scenarios import BREAKS, FAULTS, fault_model
from transport_pki import Authority

pytestmark = pytest.mark.acceptance

WAYS = ("sync", "async", "sync stream", "async stream")
BODY_LIMIT = 1 << 20
OLD = Path(os.environ.get("TRUNKLINE_SDK_OLD", ROOT / ".venv-sdk-old"))
SDKS = {"newest": Path(sys.executable), "previous": OLD / "bin" / "python"}

#: Kind of provider and its model behind each twin, newest and older. GPTs after 4.1 take no tools and no stop sequences
#: on chat completions, so the strict ones are the others.
UPSTREAMS = {
    "openai": ("openai", {"newest": "gpt-4.1", "previous": "gpt-4o"}),
    "anthropic": ("anthropic", {"newest": "claude-sonnet-5-5", "previous": "claude-sonnet-4-5"}),
    "gemini": ("google", {"newest": "gemini-3.8-flash", "previous": "gemini-2.5-flash"}),
    "ark": ("modelark", {"newest": "doubao-seed-2-1-pro-260915", "previous": "doubao-seed-2-0-pro-260215"}),
}
SAME = {("openai", "openai"), ("anthropic", "anthropic"), ("gemini", "gemini"), ("openai", "ark")}
SDK_PATHS = {"openai": "/v1", "anthropic": "", "gemini": ""}

#: Surface and upstream. Two run at once, and a fault strikes all of a twin: neighbours have different upstreams.
PAIRS = [
    ("openai", "openai"),
    ("anthropic", "anthropic"),
    ("gemini", "gemini"),
    ("openai", "anthropic"),
    ("anthropic", "gemini"),
    ("gemini", "openai"),
    ("openai", "gemini"),
    ("anthropic", "openai"),
    ("gemini", "anthropic"),
    ("openai", "ark"),
]

#: In each way: 9 that succeed, 4 that the gateway or the provider refuses, 4 faults. In the streamed ones: a break.
SCENARIOS = 4 * (9 + 4 + 4) + 2


def struck(plain: str) -> list[str]:
    """The aliases of the fault scenarios of one pair; each is asked for once."""
    faults = [(fault, way) for fault in FAULTS for way in WAYS]
    breaks = [(fault, way) for fault in BREAKS for way in WAYS if way.endswith("stream")]
    return [fault_model(plain, fault, way) for fault, way in faults + breaks]


def configuration(age: str) -> str:
    """One plain route per pair, and one deployment of its own per fault scenario. Only waiting is made short."""
    providers, deployments, routes = ["providers:"], ["deployments:"], ["routes:"]
    for surface, upstream in PAIRS:
        kind, models = UPSTREAMS[upstream]
        plain = f"{surface}-{upstream}"
        for name in [plain, *struck(plain)]:
            providers.append(f"  {name}: {{type: {kind}, api_key: k}}")
            deployments.append(f"  {name}: {{provider: {name}, model: {models[age]}}}")
            routes.append(f"  {name}: {{use: [{name}], retry: {{backoff: {{base: 10ms, cap: 10ms}}}}}}")
    return "\n".join([f"limits: {{body: {BODY_LIMIT // 1024}KiB}}", *providers, *deployments, *routes]) + "\n"


class Stage:
    """A gateway, and the scenarios of all pairs on their way through it."""

    def __init__(self, folder: Path, age: str) -> None:
        self.interpreter = SDKS[age]
        assert self.interpreter.exists(), f"{self.interpreter} is missing; ./test makes it"
        self.gateway = Gateway.start(folder, configuration(age))
        # SDKs read all authorities of the world for every client, which takes most of the time; nothing here speaks TLS.
        self.environment = {**os.environ, "NO_PROXY": "127.0.0.1", "SSL_CERT_FILE": Authority(folder).ca_file}
        self.locks = {upstream: Lock() for upstream in UPSTREAMS}
        self.pool = ThreadPoolExecutor(2)
        self.runs: dict[tuple[str, str], Future[subprocess.CompletedProcess[str]]] = {
            pair: self.pool.submit(self.run, *pair) for pair in PAIRS
        }

    def run(self, surface: str, upstream: str) -> subprocess.CompletedProcess[str]:
        path = "/api/v3" if upstream == "ark" else SDK_PATHS[surface]
        command = [str(self.interpreter), str(ROOT / "tests" / "acceptance" / "sdk_scenarios.py")]
        command += ["--surface", surface, "--base-url", self.gateway.base + path, f"--api-key={self.gateway.key}"]
        command += ["--model", f"{surface}-{upstream}", "--gateway", "--own-models", "--body-limit", str(BODY_LIMIT)]
        command += ["--fault-url", f"http://127.0.0.1:{self.gateway.twins[upstream]}/_twin/faults"]
        if (surface, upstream) not in SAME:
            command.append("--translated")
        with self.locks[upstream]:
            return subprocess.run(command, capture_output=True, text=True, timeout=120, env=self.environment)

    def close(self) -> int:
        self.pool.shutdown(cancel_futures=True)
        return self.gateway.stop()


@pytest.fixture(scope="module", params=list(SDKS))
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    started = Stage(tmp_path_factory.mktemp("sdk"), request.param)
    yield started
    assert started.close() == 0


@pytest.mark.parametrize(("surface", "upstream"), PAIRS)
def test_an_sdk_sees_its_own_provider_whoever_answers(stage: Stage, surface: str, upstream: str) -> None:
    done = stage.runs[surface, upstream].result(120)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert done.stdout.count("\nok ") + 1 == SCENARIOS

    # However many retries the SDK has: `x-should-retry: false` made it ask once, and every exchange is on record.
    asked = Counter(str(record["alias"]) for record in stage.gateway.settled())
    aliases = struck(f"{surface}-{upstream}")
    assert {alias: asked[alias] for alias in aliases} == dict.fromkeys(aliases, 1)
