"""A deployment at its concurrency limit: the next candidate, a bounded queue, 503; nothing leaks (reliability.md 3.13)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway_rig import CLIENTS, Rig, request
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule

CONFIG = """
providers:
  openai: {api_key: k1}
  anthropic: {api_key: k2}
deployments:
  one: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}", limits: {concurrency: 1, queue: 2, queue_wait: 3s}}
  shut: {provider: openai, model: gpt-4.1, base_url: "{openai}", limits: {concurrency: 1, queue: 0}}
  claude: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}"}
routes:
  alone: {use: [one]}
  closed: {use: [shut]}
  paired: {use: [one, claude]}
  both: {use: [shut, one]}
"""


def play(directory: Path, scene: Callable[[Rig], Awaitable[None]]) -> None:
    async def whole() -> None:
        rig = await Rig.start(directory, CONFIG)
        try:
            await scene(rig)
            assert dict(rig.plane.house.fleet.inflight) in ({}, dict.fromkeys(rig.plane.house.fleet.inflight, 0))
            assert rig.plane.house.fleet.queues._waiting == {}
        finally:
            await rig.close()

    run_virtual(whole())


def slow(rig: Rig, milliseconds: int) -> None:
    rule = parse_rule({"fault": f"first_token:{milliseconds}"})
    assert not isinstance(rule, str)
    rig.twins["openai"].board.put([rule], rig.loop.time())


@pytest.mark.parametrize("client", CLIENTS)
def test_requests_wait_for_a_permit_in_a_bounded_queue(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        slow(rig, 1_000)
        began = rig.loop.time()
        asks = [asyncio.ensure_future(rig.ask(client, "alone")) for _ in range(4)]
        answers = await asyncio.gather(*asks)
        assert sorted(a.status for a in answers) == [200, 200, 200, 503], "one served, two wait, one is turned away"
        [refused] = [a for a in answers if a.status == 503]
        assert "retry-after" in refused.headers
        assert 3.0 <= rig.loop.time() - began < 3.5, "one after the other"
        waits = sorted(r.latency.queue / 1e6 for r in rig.records if r.outcome == "ok")
        assert waits == pytest.approx([0.0, 1.0, 2.0], abs=0.2)
        [turned] = [r for r in rig.records if r.outcome != "ok"]
        assert turned.outcome == "overloaded"

    play(tmp_path, scene)


def test_a_wait_in_vain_ends_with_503_after_queue_wait(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        slow(rig, 30_000)
        first = asyncio.ensure_future(rig.ask("openai", "alone"))
        await asyncio.sleep(0.1)
        began = rig.loop.time()
        second = await rig.ask("openai", "alone")
        assert second.status == 503
        assert rig.loop.time() - began == pytest.approx(3.0, abs=0.1)
        assert (await first).status == 200

    play(tmp_path, scene)


def test_the_next_candidate_goes_before_any_queue(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        slow(rig, 1_000)
        first = asyncio.ensure_future(rig.ask("openai", "paired"))
        await asyncio.sleep(0.1)
        second = await rig.ask("openai", "paired")
        assert second.headers["x-trunkline-deployment"] == "claude"
        assert (await first).headers["x-trunkline-deployment"] == "one"

    play(tmp_path, scene)


def test_a_queue_of_nought_is_no_queue(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        slow(rig, 1_000)
        first = asyncio.ensure_future(rig.ask("openai", "closed"))
        await asyncio.sleep(0.1)
        began = rig.loop.time()
        assert (await rig.ask("openai", "closed")).status == 503
        assert rig.loop.time() - began < 0.1
        assert (await first).status == 200

    play(tmp_path, scene)


def test_who_leaves_the_queue_takes_no_permit_along(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        slow(rig, 1_000)
        began = rig.loop.time()
        first = asyncio.ensure_future(rig.ask("openai", "alone"))
        await asyncio.sleep(0.1)
        path, headers, body = request("openai", "alone", rig.key, False, "x")
        leaver = asyncio.ensure_future(rig.send("POST", path, headers, str(body).replace("'", '"').encode()))
        await asyncio.sleep(0.1)
        stayer = asyncio.ensure_future(rig.ask("openai", "alone"))
        await asyncio.sleep(0.1)
        leaver.cancel()
        assert (await first).status == 200
        assert (await stayer).status == 200
        assert rig.loop.time() - began < 2.5

    play(tmp_path, scene)


def test_a_deadline_ends_the_wait(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        slow(rig, 10_000)
        first = asyncio.ensure_future(rig.ask("openai", "alone"))
        await asyncio.sleep(0.1)
        path, headers, body = request("openai", "alone", rig.key, False, "x")
        began = rig.loop.time()
        answer = await rig.send(
            "POST", path, {**headers, "x-trunkline-deadline-ms": "500"}, str(body).replace("'", '"').encode()
        )
        assert answer.status in (503, 504)
        assert rig.loop.time() - began < 0.6
        first.cancel()
        await asyncio.sleep(0.2)

    play(tmp_path, scene)
