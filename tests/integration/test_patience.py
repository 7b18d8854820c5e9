"""Slow is not broken, and what is kept back stays honest: R23, keep-alives, hold windows, deadlines, disconnects. All on
the virtual clock, over real loopback sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway_rig import CLIENTS, Rig, error_event, has_terminator, request, text_of
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule

CONFIG = """
providers:
  openai: {api_key: k1}
  backup: {type: openai_compatible, api_key: k4}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}"}
  backup: {provider: backup, model: doubao-seed-2-1-pro-260915, base_url: "{modelark}"}
routes:
  patient: {use: [gpt, backup], timeouts: {first_token: 120s}}
  plain: {use: [gpt, backup]}
  window: {use: [gpt, backup], stream: {hold: {tokens: 6}}}
  short: {use: [gpt], timeouts: {total: 5s}}
  talkative: {use: [gpt, backup], timeouts: {first_token: 120s}, stream: {keepalive_after: 5s}}
"""


def play(directory: Path, scene: Callable[[Rig], Awaitable[None]]) -> None:
    async def whole() -> None:
        rig = await Rig.start(directory, CONFIG)
        try:
            await scene(rig)
        finally:
            await rig.close()

    run_virtual(whole())


def fault(rig: Rig, *words: str) -> None:
    rules = [parse_rule({"fault": word}) for word in words]
    assert not any(isinstance(rule, str) for rule in rules), rules
    rig.twins["openai"].board.put(rules, rig.loop.time())  # type: ignore[arg-type]


async def record(rig: Rig) -> object:
    for _ in range(500):
        if rig.records:
            return rig.records.pop()
        await asyncio.sleep(0.01)
    raise AssertionError("no record came")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_answer_that_takes_five_minutes_is_not_retried(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "first_token:300000", "heartbeat:10")
        answer = await rig.ask(client, "plain")
        assert answer.status == 200
        assert answer.headers["x-trunkline-attempts"] == "1"
        assert answer.headers["x-trunkline-deployment"] == "gpt"
        assert text_of(client, answer, stream=False)

    play(tmp_path, scene)


def test_a_model_that_thinks_in_silence_is_given_time_unless_it_was_told_not_to_think(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        path, headers, body = request("openai", "plain", rig.key, True, "hm")
        for effort, deployment in (("high", "gpt"), (None, "gpt"), ("none", "backup")):
            fault(rig, "first_token:60000")
            told = {**body, **({"reasoning_effort": effort} if effort else {})}
            answer = await rig.send("POST", path, headers, json.dumps(told).encode())
            kept = await record(rig)
            assert answer.status == 200 and text_of("openai", answer, stream=True)
            served = kept.attempts[-1]  # type: ignore[attr-defined]
            assert (served.deployment, len(kept.attempts)) == (deployment, 1 if deployment == "gpt" else 2)  # type: ignore[attr-defined]

    play(tmp_path, scene)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_first_token_after_a_minute_with_heartbeats_is_not_retried_where_the_route_allows_it(
    tmp_path: Path, client: str
) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "first_token:60000", "heartbeat:10")
        answer = await rig.ask(client, "patient", stream=True)
        assert answer.status == 200 and answer.clean
        assert has_terminator(client, answer)
        kept = await record(rig)
        assert [a.class_ for a in kept.attempts] == ["ok"]  # type: ignore[attr-defined]

    play(tmp_path, scene)


@pytest.mark.parametrize("client", CLIENTS)
def test_keep_alives_flow_while_the_head_is_held_and_failover_goes_on_behind_them(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "first_token:200000")
        answer = await rig.ask(client, "talkative", stream=True)
        assert answer.status == 200 and answer.clean
        assert "x-trunkline-deployment" not in answer.headers
        beats = {"openai": b": keep-alive\n\n", "anthropic": b"event: ping\n", "gemini": b"\n"}[client]
        assert answer.body.startswith(beats)
        assert has_terminator(client, answer) and text_of(client, answer, stream=True)
        kept = await record(rig)
        assert [a.deployment for a in kept.attempts] == ["gpt", "backup"]  # type: ignore[attr-defined]

    play(tmp_path, scene)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_break_inside_the_hold_window_fails_over_invisibly(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "cut:4")
        answer = await rig.ask(client, "window", stream=True)
        assert answer.status == 200 and answer.headers["x-trunkline-deployment"] == "backup"
        assert has_terminator(client, answer) and error_event(client, answer) is None
        fault(rig, "cut:8")
        answer = await rig.ask(client, "window", stream=True)
        assert error_event(client, answer) is not None and not has_terminator(client, answer)

    play(tmp_path, scene)


def test_the_total_bounds_everything_before_the_answer(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "stall:0")
        began = rig.loop.time()
        answer = await rig.ask("openai", "short")
        assert answer.status == 504 and answer.json["error"]["code"] == "timeout"
        assert 5.0 <= rig.loop.time() - began < 5.2

    play(tmp_path, scene)


def test_the_callers_own_deadline_counts(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "stall:0")
        path, headers, body = request("openai", "plain", rig.key, False, "hi")
        began = rig.loop.time()
        answer = await rig.send("POST", path, {**headers, "x-trunkline-deadline-ms": "1500"}, json.dumps(body).encode())
        assert answer.status == 504
        assert 1.5 <= rig.loop.time() - began < 1.7

    play(tmp_path, scene)


@pytest.mark.parametrize("when", ["first_token:60000", "stall:3", "throttle:4", "latency:9000"])
def test_a_client_that_leaves_ends_everything_at_once(tmp_path: Path, when: str) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, when)
        path, headers, body = request("openai", "plain", rig.key, True, "hi")
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: rig\r\nContent-Length: {len(data)}\r\n"
        head += "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        _, writer = await asyncio.open_connection(*rig.address)
        writer.write(head.encode() + data)
        await asyncio.sleep(1.0)
        left = rig.loop.time()
        writer.close()
        kept = await record(rig)
        assert rig.loop.time() - left < 0.1
        assert kept.outcome == "cancelled"  # type: ignore[attr-defined]
        attempts = len(kept.attempts)  # type: ignore[attr-defined]
        await asyncio.sleep(30)
        assert not rig.plane.house.live
        assert attempts == len(kept.attempts) == 1  # type: ignore[attr-defined]
        entry = rig.twins["openai"].ledger.entries[-1]
        assert when == "throttle:4" or entry.outcome in ("disconnected", "broken")

    play(tmp_path, scene)


def test_the_latency_partition_adds_up_on_every_path(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        for words in (
            (),
            ("latency:700",),
            ("cut:3",),
            ("status:500",),
            ("throttle:2",),
            ("status:400",),
            ("stall:3",),
        ):
            fault(rig, *words)
            for stream in (False, True):
                await rig.ask("openai", "plain", stream=stream)
                latency = (await record(rig)).latency  # type: ignore[attr-defined]
                names = [n for n in latency.__struct_fields__ if n != "total"]
                parts = {n: getattr(latency, n) for n in names}
                assert all(value >= 0 for value in parts.values()), (words, parts)
                assert sum(parts.values()) == latency.total, (words, parts)
                assert parts["other"] < 1000, (words, parts)

    play(tmp_path, scene)


def test_a_stated_delay_stands_in_backoff_and_failed_attempts_in_failed(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        rule = parse_rule({"fault": "throttle:2", "times": 1})
        rig.twins["openai"].board.put([rule], rig.loop.time())  # type: ignore[list-item]
        answer = await rig.ask("openai", "plain")
        assert answer.status == 200 and answer.headers["x-trunkline-attempts"] == "2"
        kept = await record(rig)
        assert 2_000_000 <= kept.latency.backoff <= 2_250_000  # type: ignore[attr-defined]
        assert kept.outcome == "ok_saved" and kept.saved  # type: ignore[attr-defined]

    play(tmp_path, scene)
