"""The real process under the faults of issue A: a dead provider, a drain, a killed worker. Counts are a twentieth of the
full ones (reliability.md section 8); `./test --soak` runs them in full."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_process import TWINS, Gateway, free_ports, wait_port
from raw_streams import Seen, crowd, streams

pytestmark = pytest.mark.acceptance

CONFIG = """
providers: {openai: {api_key: k}, anthropic: {api_key: k}}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol}
  claude: {provider: anthropic, model: claude-sonnet-5-5}
routes:
  assistant: {use: [gpt, claude]}
"""


@pytest.fixture
def stage(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Gateway]:
    gateway = Gateway.start(tmp_path, CONFIG, workers=getattr(request, "param", 1))
    yield gateway
    if gateway.process.poll() is None:
        gateway.stop()


def pace(gateway: Gateway, twin: str, tokens_per_second: int, tokens: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.twins["gemini"], timeout=10)
    body = json.dumps({"tokens_per_second": tokens_per_second, "tokens": tokens})
    connection.request("PUT", f"/_twin/pace?twin={twin}", body)
    assert connection.getresponse().status == 200
    connection.close()


def fault(gateway: Gateway, twin: str, word: str | None) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.twins["gemini"], timeout=10)
    body = json.dumps({"fault": word}) if word else None
    connection.request("PUT" if word else "DELETE", f"/_twin/faults?twin={twin}", body)
    assert connection.getresponse().status == 200
    connection.close()


def accounted(gateway: Gateway, seen: Seen, within: float = 10.0) -> None:
    """Every answer that a client saw stands in the log exactly once, and nothing else does."""
    until = time.monotonic() + within
    while True:
        ids = [str(r["id"]) for r in gateway.records(50_000)]
        if set(ids) >= seen.ids() or time.monotonic() > until:
            break
        time.sleep(0.1)
    assert len(ids) == len(set(ids))
    assert set(ids) >= seen.ids()


def children(pid: int, role: str) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", f"trunkline.app.child {role}"], capture_output=True)
    return [int(p) for p in found.stdout.split()]


async def primary_dies(gateway: Gateway, requests: int, live: int) -> Seen:
    seen = Seen()
    pace(gateway, "openai", 20, 40)
    waiting = streams(seen, gateway.port, gateway.key, live)
    await asyncio.sleep(0.8)
    pace(gateway, "openai", 2000, 40)
    load = asyncio.create_task(crowd(seen, gateway.port, gateway.key, clients=32, requests=requests))
    await asyncio.sleep(0.3)
    await asyncio.to_thread(fault, gateway, "openai", "refuse")
    await load
    await asyncio.gather(*waiting)
    return seen


@pytest.mark.parametrize(
    ("requests", "live"), [(250, 10), pytest.param(5000, 200, marks=pytest.mark.soak)], ids=["short", "full"]
)
def test_a_dead_primary_is_noticed_by_nobody_but_committed_streams(stage: Gateway, requests: int, live: int) -> None:
    seen = asyncio.run(primary_dies(stage, requests, live))
    assert seen.problems() == []
    assert len(seen.answers) == requests + live
    cut = seen.cut()
    assert cut <= live
    accounted(stage, seen)
    outcomes = [r["outcome"] for r in stage.records(50_000)]
    assert outcomes.count("broken") == cut
    assert set(outcomes) <= {"ok", "ok_saved", "broken"}


@pytest.mark.parametrize("live", [20, pytest.param(200, marks=pytest.mark.soak)], ids=["short", "full"])
def test_sigterm_cuts_no_live_stream_and_loses_no_record(stage: Gateway, live: int) -> None:
    async def scene() -> Seen:
        seen = Seen()
        pace(stage, "openai", 20, 40)
        waiting = streams(seen, stage.port, stage.key, live)
        await asyncio.sleep(0.8)
        stage.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*waiting)
        return seen

    seen = asyncio.run(scene())
    assert seen.problems() == [] and seen.cut() == 0
    assert len(seen.answers) == live
    assert stage.process.wait(30) == 0
    accounted(stage, seen)


@pytest.mark.parametrize("stage", [2], indirect=True)
def test_a_killed_worker_is_back_within_a_second_and_only_its_streams_fail(stage: Gateway) -> None:
    async def scene() -> Seen:
        seen = Seen()
        pace(stage, "openai", 20, 40)
        waiting = streams(seen, stage.port, stage.key, 24)
        await asyncio.sleep(0.8)
        victim = children(stage.process.pid, "worker")[0]
        os.kill(victim, signal.SIGKILL)
        killed = time.monotonic()
        while len(children(stage.process.pid, "worker")) < 2 or victim in children(stage.process.pid, "worker"):
            assert time.monotonic() - killed < 5.0
            await asyncio.sleep(0.02)
        await asyncio.gather(*waiting)
        again = Seen()
        await crowd(again, stage.port, stage.key, clients=8, requests=40)
        assert again.problems() == []
        return seen

    seen = asyncio.run(scene())
    whole = [a for client, _, a in seen.answers if a.clean]
    lost = len(seen.broken) + sum(1 for _, _, a in seen.answers if not a.clean)
    assert 0 < lost < 24 and len(whole) == 24 - lost
    assert stage.stop() == 0
    records = stage.records()
    assert len({str(r["id"]) for r in records}) == len(records)
    assert sum(1 for r in records if r["outcome"] == "unknown") == lost


def test_a_provider_process_that_is_killed_outright_is_survived(tmp_path: Path) -> None:
    ports = dict(zip(TWINS, free_ports(4), strict=True))
    twins: list[subprocess.Popen[bytes]] = []
    for name in ("openai", "anthropic"):
        others = free_ports(3)
        command = [sys.executable, "-m", "trunkline.cli", "twins", f"--{name}", str(ports[name])]
        for other, port in zip([t for t in TWINS if t != name], others, strict=True):
            command += [f"--{other}", str(port)]
        twins.append(subprocess.Popen(command, stderr=subprocess.DEVNULL))
    try:
        for name in ("openai", "anthropic"):
            wait_port(ports[name])
        config = CONFIG.replace(
            "model: gpt-6.1-sol", f"model: gpt-6.1-sol, base_url: 'http://127.0.0.1:{ports['openai']}/v1'"
        )
        config = config.replace(
            "model: claude-sonnet-5-5", f"model: claude-sonnet-5-5, base_url: 'http://127.0.0.1:{ports['anthropic']}'"
        )
        gateway = Gateway.start(tmp_path, config, twins=False)
        try:

            async def scene() -> Seen:
                seen = Seen()
                load = asyncio.create_task(crowd(seen, gateway.port, gateway.key, clients=16, requests=200))
                while len(seen.answers) < 50:
                    await asyncio.sleep(0.001)
                twins[0].kill()
                await load
                return seen

            seen = asyncio.run(scene())
            assert seen.problems() == [] and len(seen.answers) == 200
            assert {a.headers["x-trunkline-deployment"] for _, _, a in seen.answers} == {"gpt", "claude"}
            accounted(gateway, seen)
        finally:
            assert gateway.stop() == 0
    finally:
        for twin in twins:
            twin.kill()
            twin.wait()
