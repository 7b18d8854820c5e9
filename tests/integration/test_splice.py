"""R5: a stream that breaks after content is rescued exactly, or ends in an honest error event; never mixed, never short."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway_rig import CLIENTS, Answer, Rig, error_event, has_finish, has_terminator, request, text_of
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule
from trunkline.types.record import Record

CONFIG = """
providers:
  openai: {api_key: key-first}
  openai-b: {type: openai, api_key: key-second}
  anthropic: {api_key: key-first}
  anthropic-b: {type: anthropic, api_key: key-second}
  google: {api_key: key-first}
  google-b: {type: google, api_key: key-second}
deployments:
  openai-1: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}"}
  openai-2: {provider: openai-b, model: gpt-6.1-sol, base_url: "{openai}"}
  anthropic-1: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}"}
  anthropic-2: {provider: anthropic-b, model: claude-sonnet-5-5, base_url: "{anthropic}"}
  gemini-1: {provider: google, model: gemini-3.8-flash, base_url: "{google}"}
  gemini-2: {provider: google-b, model: gemini-3.8-flash, base_url: "{google}"}
routes:
  openai: {use: [openai-1, openai-2], stream: {on_break: splice}}
  anthropic: {use: [anthropic-1, anthropic-2], stream: {on_break: splice}}
  gemini: {use: [gemini-1, gemini-2], stream: {on_break: splice}}
  other: {use: [openai-1, anthropic-2], stream: {on_break: splice}}
  any: {use: [openai-1, anthropic-2], stream: {on_break: splice, splice_to: any}}
  honest: {use: [openai-1, openai-2]}
  held: {use: [openai-1, openai-2], stream: {on_break: splice, hold: {tokens: 4}}}
"""
TEXT = "Tell me of lighthouses, in many words."


def play(directory: Path, scene: Callable[[Rig], Awaitable[None]]) -> None:
    async def whole() -> None:
        rig = await Rig.start(directory, CONFIG)
        try:
            await scene(rig)
        finally:
            await rig.close()

    run_virtual(whole())


def fault(rig: Rig, twin: str, word: str = "", key: str = "key-first") -> None:
    made = [parse_rule({"fault": word, "match": {"key": key}})] if word else []
    assert not any(isinstance(rule, str) for rule in made), made
    rig.twins[twin].board.put(made, rig.loop.time())  # type: ignore[arg-type]


async def ask(rig: Rig, client: str, model: str, **more: Any) -> tuple[Answer, Record]:
    path, headers, body = request(client, model, rig.key, True, TEXT)
    answer = await rig.send("POST", path, headers, json.dumps({**body, **more}).encode())
    for _ in range(500):
        if rig.records:
            return answer, rig.records.pop()
        await asyncio.sleep(0.01)
    raise AssertionError("no record came")


@pytest.mark.parametrize("twin", CLIENTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_broken_stream_goes_on_where_it_stopped(tmp_path: Path, client: str, twin: str) -> None:
    """Cut, stalled, ended and erring at random positions: the text is the uncut one, byte for byte."""

    async def scene(rig: Rig) -> None:
        whole, _ = await ask(rig, client, twin)
        full = text_of(client, whole, stream=True)
        assert full
        dice = random.Random(f"{client} {twin}")
        for word in ("cut", "stall", "eof", "error_event"):
            for _ in range(3):
                at = dice.randint(1, 12)
                fault(rig, twin, f"{word}:{at}")
                answer, record = await ask(rig, client, twin)
                where = f"{word}:{at}"
                assert text_of(client, answer, stream=True) == full, where
                assert error_event(client, answer) is None, where
                assert has_finish(client, answer) and has_terminator(client, answer) and answer.clean, where
                assert [a.reason for a in record.attempts] == ["first", "splice"], where
                assert (record.outcome, record.spliced, record.saved) == ("ok_saved", True, True), where
                assert record.attempts[0].class_ != "ok" and record.attempts[1].usage, where
                await asyncio.sleep(120)  # ejections pass

    play(tmp_path, scene)


def ids_of(client: str, answer: Answer) -> set[str]:
    if client == "openai":
        return {event["id"] for event in answer.events}
    if client == "gemini":
        return {event["responseId"] for event in answer.events if "responseId" in event}
    return {event["message"]["id"] for event in answer.events if event["type"] == "message_start"}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_client_sees_one_answer_with_one_id_and_one_set_of_blocks(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, client, "cut:5")
        answer, _ = await ask(rig, client, client)
        assert len(ids_of(client, answer)) == 1
        if client == "anthropic":
            kinds = [event["type"] for event in answer.events]
            assert kinds.count("message_start") == kinds.count("message_stop") == kinds.count("message_delta") == 1
            assert kinds.count("content_block_start") == kinds.count("content_block_stop")

    play(tmp_path, scene)


@pytest.mark.parametrize("client", CLIENTS)
def test_another_text_is_never_mixed_in(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        whole, _ = await ask(rig, client, "any")
        full = text_of(client, whole, stream=True)
        fault(rig, "openai", "cut:6")
        answer, record = await ask(rig, client, "any")
        got = text_of(client, answer, stream=True)
        assert full.startswith(got) and 0 < len(got) < len(full)
        assert error_event(client, answer) is not None
        assert not has_finish(client, answer) and not has_terminator(client, answer)
        assert [a.reason for a in record.attempts] == ["first", "splice"]
        assert (record.outcome, record.spliced) == ("broken", False)
        await asyncio.sleep(120)
        answer, record = await ask(rig, client, "other")  # nobody else has the same model
        assert [a.reason for a in record.attempts] == ["first"]
        assert error_event(client, answer) is not None

    play(tmp_path, scene)


def test_without_it_a_break_is_an_error_event_and_with_a_window_it_still_works(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        whole, _ = await ask(rig, "openai", "honest")
        full = text_of("openai", whole, stream=True)
        fault(rig, "openai", "cut:9")
        answer, record = await ask(rig, "openai", "honest")
        assert error_event("openai", answer) is not None and len(record.attempts) == 1
        await asyncio.sleep(120)
        answer, record = await ask(rig, "openai", "held")
        assert text_of("openai", answer, stream=True) == full and record.spliced

    play(tmp_path, scene)


def test_a_second_break_is_an_error_event(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        made = [
            parse_rule({"fault": "cut:4", "match": {"key": "key-first"}}),
            parse_rule({"fault": "cut:8", "match": {"key": "key-second"}}),
        ]
        rig.twins["openai"].board.put(made, rig.loop.time())  # type: ignore[arg-type]
        answer, record = await ask(rig, "openai", "openai")
        assert error_event("openai", answer) is not None
        assert record.outcome == "broken"
        assert [a.reason for a in record.attempts] == ["first", "splice"]

    play(tmp_path, scene)


def test_a_client_that_leaves_during_the_rescue_stops_it(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        made = [
            parse_rule({"fault": "cut:4", "match": {"key": "key-first"}}),
            parse_rule({"fault": "slow:1", "match": {"key": "key-second"}}),
        ]
        rig.twins["openai"].board.put(made, rig.loop.time())  # type: ignore[arg-type]
        path, headers, body = request("openai", "openai", rig.key, True, TEXT)
        _, writer = await asyncio.open_connection(*rig.address)
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: rig\r\nContent-Length: {len(data)}\r\n"
        head += f"authorization: {headers['authorization']}\r\n\r\n"
        writer.write(head.encode() + data)
        await asyncio.sleep(2.5)
        writer.transport.abort()
        await asyncio.sleep(5)
        [record] = rig.records
        assert record.outcome == "cancelled"
        assert [a.cancelled_by for a in record.attempts] == ["", "client"]

    play(tmp_path, scene)
