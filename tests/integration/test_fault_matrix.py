"""Every chat fault × {stream, non-stream} × three client dialects × three upstream twins behaves as the table says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from fault_table import Row, rows_for
from gateway_rig import CLIENTS, Answer, Rig, error_event, has_finish, has_terminator, text_of
from trunkline.routing.fleet import Fleet
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule

PROVIDERS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
MODELS = {"openai": "gpt-6.1-sol", "anthropic": "claude-sonnet-5-5", "gemini": "gemini-3.8-flash"}
CONFIG = """
providers:
  openai: {api_key: k1}
  anthropic: {api_key: k2}
  google: {api_key: k3}
  backup: {type: openai_compatible, api_key: k4}
deployments:
  openai: {provider: openai, model: gpt-6.1-sol, timeouts: {first_token: 15s}, base_url: "{openai}"}
  anthropic: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}"}
  gemini: {provider: google, model: gemini-3.8-flash, base_url: "{google}"}
  backup: {provider: backup, model: doubao-seed-2-1-pro-260915, base_url: "{modelark}"}
routes:
  openai-paired: {use: [openai, backup]}
  anthropic-paired: {use: [anthropic, backup]}
  gemini-paired: {use: [gemini, backup]}
  openai-alone: {use: [openai]}
  anthropic-alone: {use: [anthropic]}
  gemini-alone: {use: [gemini]}
"""
ERROR_WORDS = {
    # reliability.md 1.14, written out: kind → what the caller's SDK reads
    "openai": {
        "no_candidate": "no_candidate",
        "overloaded": "server_is_overloaded",
        "timed_out": "timeout",
        "unreachable": "unreachable",
        "upstream_error": "upstream_error",
        "stream_broken": "stream_broken",
        "throttled": "provider_rate_limited",
        "context_length": "context_length_exceeded",
    },
    "anthropic": {
        "no_candidate": "overloaded_error",
        "overloaded": "overloaded_error",
        "timed_out": "timeout_error",
        "unreachable": "api_error",
        "upstream_error": "api_error",
        "stream_broken": "api_error",
        "throttled": "rate_limit_error",
        "context_length": "invalid_request_error",
        "invalid_request": "invalid_request_error",
    },
    "gemini": {
        "no_candidate": "UNAVAILABLE",
        "overloaded": "UNAVAILABLE",
        "timed_out": "DEADLINE_EXCEEDED",
        "unreachable": "UNAVAILABLE",
        "upstream_error": "UNAVAILABLE",
        "stream_broken": "UNAVAILABLE",
        "throttled": "RESOURCE_EXHAUSTED",
        "context_length": "INVALID_ARGUMENT",
        "invalid_request": "INVALID_ARGUMENT",
    },
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("twin", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("client", CLIENTS)
def test_faults_behave_as_the_table_says(tmp_path: Path, client: str, twin: str, stream: bool) -> None:
    wrong = run_virtual(play(tmp_path, client, twin, stream))
    assert not wrong, "\n".join(wrong)


async def play(directory: Path, client: str, twin: str, stream: bool) -> list[str]:
    rig = await Rig.start(directory, CONFIG)
    wrong: list[str] = []
    try:
        for row in rows_for(twin):
            for alone in (False, True):
                problem = await one(rig, client, twin, row, stream=stream, alone=alone)
                if problem:
                    wrong.append(f"{row.fault} {'alone' if alone else 'paired'}: {problem}")
    finally:
        await rig.close()
    return wrong


async def one(rig: Rig, client: str, twin: str, row: Row, *, stream: bool, alone: bool) -> str:
    rig.plane.house.fleet = Fleet()
    rule = parse_rule({"fault": row.fault})
    assert not isinstance(rule, str), rule
    rig.twins[twin].board.put([rule], rig.loop.time())
    await rig.twins[twin].door.settled()
    rig.records.clear()
    try:
        answer = await asyncio.wait_for(
            rig.ask(client, f"{twin}-{'alone' if alone else 'paired'}", stream=stream), 4000
        )
    finally:
        rig.twins[twin].board.put([], rig.loop.time())
        await rig.twins[twin].door.settled()
    for _ in range(200):
        if rig.records:
            break
        await asyncio.sleep(0.01)
    if len(rig.records) != 1:
        return f"{len(rig.records)} records for one exchange"
    record = rig.records[0]
    if alone:
        return judge_alone(client, twin, row, answer, record, stream=stream)
    return judge_paired(client, twin, row, answer, record, stream=stream)


def judge_paired(client: str, twin: str, row: Row, answer: Answer, record: Any, *, stream: bool) -> str:
    expected = row.stream if stream else row.plain
    tries = row.stream_tries if stream else row.plain_tries
    if len(record.attempts) != tries:
        classes = [f"{a.deployment}:{a.class_}/{a.kind}" for a in record.attempts]
        return f"{len(record.attempts)} attempts {classes}, not {tries} ({answer.status} {answer.body[:200]!r})"
    if expected in ("primary", "backup"):
        served = twin if expected == "primary" else "backup"
        if answer.headers.get("x-trunkline-deployment") != served:
            return f"served by {answer.headers.get('x-trunkline-deployment')} with {answer.status}, not by {served}"
        return judge_whole(client, row, answer, record, stream)
    if expected == "broken":
        return judge_broken(client, answer, record)
    if answer.status != int(expected):
        return f"status {answer.status}, not {expected}: {answer.body[:200]!r}"
    return ""


def judge_alone(client: str, twin: str, row: Row, answer: Answer, record: Any, *, stream: bool) -> str:
    expected = row.alone if stream else (row.alone_plain or row.alone)
    if expected == "200":
        return judge_whole(client, row, answer, record, stream)
    if expected == "broken":
        return judge_broken(client, answer, record)
    if expected == "5xx":
        return "" if answer.status in (502, 503) else f"status {answer.status}"
    status, kind = expected.split()
    if answer.status != int(status) or record.kind != kind:
        return f"{answer.status} {record.kind}, not {expected}: {answer.body[:200]!r}"
    if record.status != int(status) or record.outcome == "ok":
        return f"the record says {record.status} {record.outcome}"
    word = ERROR_WORDS[client].get(kind)
    if answer.status == 413 and client == "anthropic":
        word = "request_too_large"
    if kind == "invalid_request" and client == twin:
        word = None  # the provider's own body, byte for byte
    if word is not None and word.encode() not in answer.body:
        return f"the body does not say {word}: {answer.body[:200]!r}"
    if answer.status in (502, 504) and answer.headers.get("x-should-retry") != "false":
        return "x-should-retry: false is missing"
    if answer.status == 429 and "retry-after" not in answer.headers:
        return "retry-after is missing"
    return ""


def judge_whole(client: str, row: Row, answer: Answer, record: Any, stream: bool) -> str:
    if answer.status != 200 or not answer.clean:
        return f"status {answer.status}, clean {answer.clean}: {answer.body[:300]!r}"
    if record.outcome not in ("ok", "ok_saved"):
        return f"outcome {record.outcome} {record.kind}"
    if stream and not (has_finish(client, answer) and has_terminator(client, answer)):
        return f"no finish or terminator: {answer.body[-300:]!r}"
    if row.fault not in ("refusal", "empty") and not text_of(client, answer, stream=stream).strip():
        return f"no text: {answer.body[:300]!r}"
    if stream and row.fault.startswith("malformed") and record.malformed_events != 1:
        return f"{record.malformed_events} malformed events in the record"
    return ""


def judge_broken(client: str, answer: Answer, record: Any) -> str:
    if answer.status != 200 or not answer.clean:
        return f"status {answer.status}, clean {answer.clean}"
    if error_event(client, answer) is None:
        return f"no error event at the end: {answer.body[-300:]!r}"
    if has_terminator(client, answer) or has_finish(client, answer):
        return f"a false terminator: {answer.body[-300:]!r}"
    if record.outcome != "broken" or not record.committed:
        return f"the record says {record.outcome}"
    return ""
