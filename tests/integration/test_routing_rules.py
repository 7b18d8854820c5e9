"""Rules, constraints, capabilities, affinity and hedges through the gateway: who answered, and what the record says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway_rig import CLIENTS, Answer, Rig, request, text_of
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule
from trunkline.types.record import Record

CONFIG = """
providers:
  openai: {api_key: k1}
  anthropic: {credentials: {main: {api_key: k2}, spare: {api_key: k3}}}
  google: {api_key: k4}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}", labels: {region: us, retention: none}}
  old: {provider: openai, model: gpt-4.1, base_url: "{openai}", labels: {region: us}}
  claude: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}", labels: {region: us}}
  claude-eu: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}", credential: main, labels: {region: eu}}
  gemini: {provider: google, model: gemini-3.8-flash, base_url: "{google}", labels: {region: us}}
headers: [x-tenant]
policies:
  sealed: {when: '"seal" in metadata && metadata.sealed == "x"', forbid: {vendor: [google]}}
  embargo:
    when: '"embargo" in metadata && metadata.embargo == "yes" || "x-tenant" in header && header["x-tenant"] == "closed"'
    forbid: {vendor: [google]}
routes:
  assistant:
    rules:
      - {when: '"region" in metadata && metadata.region == "eu"', use: [claude-eu], require: {region: [eu]}}
      - {when: 'task == "summarization"', use: [claude], timeouts: {first_token: 3s}}
      - {when: 'task == "code"', use: [gpt]}
      - {when: 'feature == "f" && tokens > 100000', refuse: "too long for this feature"}
      - {when: '"quota" in metadata && metadata.quota == "gone"', refuse: "your quota is gone"}
    otherwise: [gpt, claude]
    fallback: [gemini]
  eu: {use: [gpt, claude-eu], require: {region: [eu]}}
  strict: {use: [gpt], on_unsupported: refuse}
  dropping: {use: [gpt], on_unsupported: drop}
  passing: {use: [gpt], on_unsupported: pass}
  plain: {use: [gpt]}
  cheap: {use: [gpt, gemini], max_price: {input: 1.5, output: 8}}
  cheapest: {use: [gpt, claude, gemini], balance: least_cost}
  hedged: {use: [gpt, old], hedge: {after: 2s, max_extra: 20%}}
  sticky: {use: [claude, gpt, gemini], balance: round_robin}
  shadowed: {use: [gpt], shadow: {use: claude, max_inflight: 2}}
  shadowed-eu: {use: [claude-eu], shadow: {use: gpt}, require: {region: [eu]}}
  ill: {rules: [{when: '"gpt" in ejected', use: [gemini]}], otherwise: [gpt, claude]}
  canary: {use: [gpt], split: {by: session, arms: {new: {percent: 30%, use: [claude]}}}}
"""


def play(directory: Path, scene: Callable[[Rig], Awaitable[None]]) -> None:
    async def whole() -> None:
        rig = await Rig.start(directory, CONFIG)
        try:
            await scene(rig)
        finally:
            await rig.close()

    run_virtual(whole())


def fault(rig: Rig, twin: str, *rules: dict[str, Any]) -> None:
    made = [parse_rule(rule) for rule in rules]
    assert not any(isinstance(rule, str) for rule in made), made
    rig.twins[twin].board.put(made, rig.loop.time())  # type: ignore[arg-type]


async def ask(rig: Rig, model: str, client: str = "openai", /, *, more: dict[str, Any] | None = None, stream: bool = False,
              text: str = "Say something.", **headers: str) -> tuple[Answer, Record]:  # fmt: skip
    path, known, body = request(client, model, rig.key, stream, text)
    told = {f"x-trunkline-{name}" if name != "tenant" else "x-tenant": value for name, value in headers.items()}
    answer = await rig.send("POST", path, {**known, **told}, json.dumps({**body, **(more or {})}).encode())
    return answer, await settled(rig)


async def settled(rig: Rig) -> Record:
    for _ in range(500):
        if rig.records:
            return rig.records.pop()
        await asyncio.sleep(0.01)
    raise AssertionError("no record came")


def said(answer: Answer) -> tuple[int, str, str]:
    """Status, deployment and rule."""
    return answer.status, answer.headers.get("x-trunkline-deployment", ""), answer.headers.get("x-trunkline-rule", "")


@pytest.mark.parametrize("client", CLIENTS)
def test_the_first_rule_that_matches_decides(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "assistant", client, task="summarization")
        assert said(answer) == (200, "claude", "2")
        assert answer.headers["x-trunkline-task"] == "summarization"
        assert (record.rule, record.rule_text, record.task) == (2, 'task == "summarization"', "summarization")
        answer, record = await ask(rig, "assistant", client, task="code", stream=True)
        assert said(answer) == (200, "gpt", "3")
        assert text_of(client, answer, stream=True)
        answer, record = await ask(rig, "assistant", client)
        assert said(answer) == (200, "gpt", "")
        assert (record.rule, record.rule_text) == (None, "")
        answer, record = await ask(rig, "assistant", client, task="code", metadata="region=eu")
        assert said(answer) == (200, "claude-eu", "1")

    play(tmp_path, scene)


@pytest.mark.parametrize("client", CLIENTS)
def test_the_words_decide_where_nobody_says_the_task(tmp_path: Path, client: str) -> None:
    async def scene(rig: Rig) -> None:
        for text, deployment, task in (
            ("Summarize this article in three bullet points: the mill closed.", "claude", "summarization"),
            ("Write a Python function that reverses a linked list and add unit tests", "gpt", "code"),
        ):
            answer = await rig.ask(client, "assistant", text=text)
            assert answer.status == 200
            assert answer.headers["x-trunkline-task"] == task
            record = await settled(rig)
            assert (record.task, record.attempts[0].deployment) == (task, deployment)
            assert record.task_confidence is not None and 0.5 < record.task_confidence < 1.0
        answer, record = await ask(rig, "assistant", client, task="code")
        assert (record.task, record.task_confidence) == ("code", 1.0), "what the caller says goes before"
        answer = await rig.ask(client, "plain", text="Translate this into French: late")
        assert "x-trunkline-task" not in answer.headers, "nothing of this route wants to know"

    play(tmp_path, scene)


def test_a_rule_may_refuse(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "assistant", metadata="quota=left")
        assert said(answer) == (200, "gpt", "")
        answer, record = await ask(rig, "assistant", metadata="quota=gone")
        assert answer.status == 403 and b"your quota is gone" in answer.body
        assert (record.outcome, record.rule) == ("refused_access", 5)

    play(tmp_path, scene)


def test_constraints_hold_for_every_hop_and_fail_closed(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "eu")
        assert said(answer) == (200, "claude-eu", "")
        assert record.dropped == [
            {"deployment": "gpt", "reason": "residency", "detail": "route eu: region is us, required is eu"}
        ]
        assert record.constraints == [{"origin": "route eu", "require": {"region": ["eu"]}}]
        assert [(e["attempt"], e["deployment"], e["labels"]["region"]) for e in record.evidence] == [
            (1, "claude-eu", "eu")
        ]
        fault(rig, "anthropic", {"fault": "status:500"})
        answer, record = await ask(rig, "assistant", metadata="region=eu")
        assert answer.status == 502  # gpt, claude and gemini would have answered
        assert {e["labels"]["region"] for e in record.evidence} == {"eu"}
        assert {a.deployment for a in record.attempts} == {"claude-eu"}

    play(tmp_path, scene)


def test_a_request_can_narrow_and_never_widen(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "assistant", require="vendor=anthropic")
        assert said(answer) == (200, "claude", "")
        assert record.constraints == [{"origin": "request", "require": {"vendor": ["anthropic"]}}]
        answer, _ = await ask(rig, "eu", require="region=us")
        assert answer.status == 403
        error = answer.json["error"]
        assert error["code"] == "forbidden" and "route eu: region is us, required is eu" in error["message"]
        answer, _ = await ask(rig, "assistant", require="region=us, retention=none")
        assert said(answer) == (200, "gpt", "")

    play(tmp_path, scene)


def test_a_policy_binds_whatever_route_is_asked(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "openai", {"fault": "status:500"})
        fault(rig, "anthropic", {"fault": "status:500"})
        answer, _ = await ask(rig, "assistant", metadata="embargo=no", tenant="open")
        assert said(answer) == (200, "gemini", "")
        answer, record = await ask(rig, "assistant", metadata="embargo=yes", tenant="open")
        assert answer.status == 502
        assert {
            "deployment": "gemini",
            "reason": "residency",
            "detail": "policy embargo: vendor is google, which is forbidden",
        } in (record.dropped)
        answer, _ = await ask(rig, "assistant", metadata="embargo=no", tenant="closed")
        assert answer.status == 502

    play(tmp_path, scene)


def test_a_policy_that_cannot_be_evaluated_refuses(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "cheap", metadata="seal=1")
        assert answer.status == 403 and b"policy sealed could not be evaluated" in answer.body
        assert record.outcome == "refused_access"

    play(tmp_path, scene)


def test_parameters_that_a_model_does_not_take(tmp_path: Path) -> None:
    """gpt-6.1-sol reasons: it takes no temperature (wire-formats.md A.4)."""

    async def scene(rig: Rig) -> None:
        warm = {"temperature": 0.2, "seed": 7}
        answer, record = await ask(rig, "strict", more=warm)
        assert answer.status == 400
        assert answer.json["error"]["code"] == "unsupported_value"
        assert "gpt-6.1-sol does not take temperature" in answer.json["error"]["message"]
        assert (record.outcome, record.attempts) == ("client_fault", [])
        answer, record = await ask(rig, "dropping", more=warm)
        assert answer.status == 200
        assert answer.headers["x-trunkline-loss"] == "temperature;gpt-6.1-sol does not take it"
        assert [loss["field"] for loss in record.losses] == ["temperature"]
        answer, _ = await ask(rig, "dropping")
        assert "x-trunkline-loss" not in answer.headers

    play(tmp_path, scene)


@pytest.mark.parametrize("client", CLIENTS)
def test_dropped_parameters_in_every_dialect(tmp_path: Path, client: str) -> None:
    warm = (
        {"generationConfig": {"temperature": 0.2, "maxOutputTokens": 50}}
        if client == "gemini"
        else {"temperature": 0.2}
    )

    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "cheapest", client, more=warm)
        assert answer.status == 200
        # In the same dialect it passes as it is; the provider decides (wire-formats.md C.2: it may ignore it).
        lost = [loss["field"] for loss in record.losses if "temp" in loss["field"]]
        assert lost == ([] if client == "gemini" else ["temperature"])

    play(tmp_path, scene)


def test_the_ceiling_and_the_cheapest(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "cheap")
        assert said(answer) == (200, "gemini", "")
        assert record.dropped[0]["detail"] == "route cheap: input costs $2 a million tokens, above $1.5"
        assert record.constraints == [{"origin": "route cheap", "max_price": {"input": 1_500_000, "output": 8_000_000}}]
        assert record.evidence[0]["price"]["input"] <= 1_500_000
        answer, record = await ask(rig, "cheapest")
        assert said(answer) == (200, "gemini", "")

    play(tmp_path, scene)


def test_a_conversation_with_a_session_stays_where_it_is(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        for session in ("a", "b", "c"):
            seen = {said((await ask(rig, "sticky", session=session))[0])[1] for _ in range(6)}
            assert len(seen) == 1
        free = [said((await ask(rig, "sticky"))[0])[1] for _ in range(8)]
        assert len(set(free)) > 1
        # An honest downgrade: where its deployment is gone, another one serves, and keeps the conversation from then on.
        first = said((await ask(rig, "sticky", session="d"))[0])[1]
        twin = {"claude": "anthropic", "gpt": "openai", "gemini": "gemini"}[first]
        fault(rig, twin, {"fault": "status:500"})
        second = said((await ask(rig, "sticky", session="d"))[0])[1]
        assert second != first
        fault(rig, twin)
        assert said((await ask(rig, "sticky", session="d"))[0])[1] == second

    play(tmp_path, scene)


def test_a_canary_gets_its_share_and_keeps_its_sessions(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        seen = {}
        for number in range(60):
            seen[number] = said((await ask(rig, "canary", session=f"s{number}"))[0])[1]
        assert set(seen.values()) == {"gpt", "claude"}
        assert 8 <= sum(name == "claude" for name in seen.values()) <= 30
        for number in range(0, 60, 7):
            assert said((await ask(rig, "canary", session=f"s{number}"))[0])[1] == seen[number]

    play(tmp_path, scene)


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_answer_is_hedged_once_and_both_attempts_are_on_the_bill(tmp_path: Path, stream: bool) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(10):  # a route that hedges has to earn it first: 20 % of ten requests are two hedges
            await ask(rig, "hedged")
        fault(rig, "openai", {"fault": "first_token:9000", "match": {"model": "gpt-6.1-sol"}})
        started = rig.loop.time()
        answer, record = await ask(rig, "hedged", stream=stream)
        assert said(answer) == (200, "old", "")
        assert 2.0 <= rig.loop.time() - started < 4.0
        assert answer.headers["x-trunkline-attempts"] == "2"
        assert text_of("openai", answer, stream=stream)
        assert [(a.deployment, a.reason, a.cancelled_by) for a in record.attempts] == [
            ("gpt", "first", "hedge"),
            ("old", "hedge", ""),
        ]
        assert record.outcome == "ok_saved"
        # The first may win too: what is slower is cancelled, and nothing starts after content was shown.
        fault(rig, "openai", {"fault": "first_token:3000", "match": {"model": "gpt-6.1-sol"}},
              {"fault": "first_token:8000", "match": {"model": "gpt-4.1"}})  # fmt: skip
        answer, record = await ask(rig, "hedged", stream=stream)
        assert said(answer) == (200, "gpt", "")
        assert [(a.deployment, a.cancelled_by) for a in record.attempts] == [("gpt", ""), ("old", "hedge")]
        # The two hedges are spent: the third slow one is waited for.
        answer, record = await ask(rig, "hedged", stream=stream)
        assert [a.deployment for a in record.attempts] == ["gpt"]

    play(tmp_path, scene)


def test_an_attempt_that_fails_while_its_hedge_runs_leaves_the_hedge_to_serve(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        for _ in range(10):
            await ask(rig, "hedged")
        fault(
            rig,
            "openai",
            {"fault": "stall:0", "match": {"model": "gpt-6.1-sol"}},
            {"fault": "first_token:16000", "match": {"model": "gpt-4.1"}},
        )
        answer, record = await ask(rig, "hedged", stream=True)
        assert answer.status in (200, 504)
        assert record.attempts[1].reason == "hedge"
        assert len(record.attempts) == 2

    play(tmp_path, scene)


def test_a_shadow_gets_a_copy_that_nobody_waits_for(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, "anthropic", {"fault": "first_token:5000"})
        path, headers, body = request("openai", "shadowed", rig.key, True, "Say something.")
        started = rig.loop.time()
        answers = await asyncio.gather(*[rig.send("POST", path, headers, json.dumps(body).encode()) for _ in range(4)])
        assert {said(answer)[:2] for answer in answers} == {(200, "gpt")}
        assert rig.loop.time() - started < 4.0
        await asyncio.sleep(20)
        copies = [r for r in rig.records if r.surface == "shadow"]
        own = [r for r in rig.records if r.surface != "shadow"]
        assert (len(own), len(copies)) == (4, 2)  # two at once are the most
        assert {r.metadata["shadow_of"] for r in copies} < {r.id for r in own}
        assert {(r.outcome, r.attempts[0].deployment) for r in copies} == {("ok", "claude")}
        assert all(r.usage and r.key_id for r in copies)
        rig.records.clear()
        fault(rig, "anthropic", {"fault": "status:500"})
        answer, _ = await ask(rig, "shadowed")
        assert said(answer)[:2] == (200, "gpt")

    play(tmp_path, scene)


def test_a_shadow_is_bound_by_the_same_constraints(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        answer, _ = await ask(rig, "shadowed-eu")
        assert said(answer)[:2] == (200, "claude-eu")
        await asyncio.sleep(5)
        assert rig.records == []

    play(tmp_path, scene)


def test_a_rule_can_look_at_the_fleet(tmp_path: Path) -> None:
    async def scene(rig: Rig) -> None:
        assert said((await ask(rig, "ill"))[0]) == (200, "gpt", "")
        fault(rig, "openai", {"fault": "refuse"})
        for _ in range(3):
            await ask(rig, "ill")
        assert said((await ask(rig, "ill"))[0]) == (200, "gemini", "1")

    play(tmp_path, scene)


def test_a_capability_that_the_provider_denies_is_looked_for_elsewhere(tmp_path: Path) -> None:
    """F10: the twin refuses the temperature of a reasoning model; Claude takes none either, but drops it in translation."""

    async def scene(rig: Rig) -> None:
        answer, record = await ask(rig, "assistant", more={"temperature": 0.2})
        assert answer.status == 200
        assert [(a.deployment, a.class_) for a in record.attempts][:1] == [("gpt", "F10")]
        assert record.attempts[-1].class_ == "ok"

    play(tmp_path, scene)
