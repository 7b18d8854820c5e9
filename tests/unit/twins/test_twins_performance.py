"""How replies are performed: pace, waits, and every fault's effect on the wire, in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from trunkline.transport.virtual import run_virtual
from trunkline.twins.perform import Pace
from trunkline.twins.twin import Control, Twin, surface_of
from trunkline.twins.wire import TwinName, break_json
from twins_stage import ScriptedCall, body_of, call_for, events, perform, rule, twin_of

ALL: tuple[TwinName, ...] = ("openai", "anthropic", "gemini", "ark")
EIGHT = 'Say exactly "aaaabbbbccccddddeeeeffffgggghhhh"'  # eight tokens


def content_of(name: str, call: ScriptedCall) -> str:
    """The text that arrived."""
    text = ""
    for event in events(call):
        if name == "anthropic":
            text += event.get("delta", {}).get("text", "")
        elif name == "gemini":
            text += "".join(p["text"] for c in event.get("candidates", []) for p in c["content"]["parts"])
        else:
            text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", []))
    return text


def finished(name: str, call: ScriptedCall) -> bool:
    """Whether a finish reason arrived."""
    if name == "anthropic":
        return '"stop_reason":"end_turn"' in call.text
    return '"finishReason"' in call.text if name == "gemini" else '"finish_reason":"stop"' in call.text


def terminated(name: str, call: ScriptedCall) -> bool:
    return {"anthropic": "message_stop", "gemini": "finishReason"}.get(name, "[DONE]") in call.text


def outcome(twin: Twin) -> str:
    return twin.ledger.entries[-1].outcome


@pytest.mark.parametrize("name", ALL)
def test_an_unfaulted_stream_is_complete_and_billed_in_full(name: TwinName) -> None:
    call, twin = perform(name, prompt=EIGHT)
    assert content_of(name, call) == "aaaabbbbccccddddeeeeffffgggghhhh"
    assert finished(name, call) and terminated(name, call)
    assert call.ended == "end"
    entry = twin.ledger.entries[-1]
    assert (entry.outcome, entry.content_events, entry.output_tokens) == ("complete", 8, 8)
    assert entry.prompt_tokens == 4 + 12  # one turn and 46 characters


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [0, 1, 7])
@pytest.mark.parametrize(("word", "end"), [("cut", "abort"), ("eof", "end"), ("stall", ""), ("error_event", "end")])
def test_breaking_faults_strike_after_k_content_events(name: TwinName, k: int, word: str, end: str) -> None:
    call, twin = perform(name, f"{word}:{k}", prompt=EIGHT)
    assert content_of(name, call) == "aaaabbbbccccddddeeeeffffgggghhhh"[: 4 * k]
    assert not finished(name, call)
    assert call.ended == end
    assert call.status == 200
    entry = twin.ledger.entries[-1]
    assert (entry.content_events, entry.output_tokens) == (k, k)
    assert entry.outcome == "broken"
    assert entry.faults == [f"{word}:{k}"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("word", ["cut", "eof", "stall", "error_event"])
def test_a_break_beyond_the_end_strikes_before_the_finish(name: TwinName, word: str) -> None:
    call, _ = perform(name, f"{word}:900", prompt=EIGHT)
    assert content_of(name, call) == "aaaabbbbccccddddeeeeffffgggghhhh"
    assert not finished(name, call)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai", "server_error"),
        ("anthropic", "overloaded_error"),
        ("gemini", "UNAVAILABLE"),
        ("ark", "InternalServiceError"),
    ],
)
def test_an_error_event_is_the_providers_own(name: TwinName, kind: str) -> None:
    call, _ = perform(name, "error_event:2", prompt=EIGHT)
    assert kind in json.dumps(events(call)[-1]["error"])
    assert ("event: error" in call.text) is (name == "anthropic")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("k", [0, 3])
def test_one_malformed_event_leaves_the_others_good(name: TwinName, k: int) -> None:
    call, twin = perform(name, f"malformed:{k}", prompt=EIGHT)
    lines = [line[6:] for line in call.text.replace("\r", "").split("\n") if line.startswith("data: {")]
    broken = [line for line in lines if not is_json(line)]
    assert len(broken) == 1
    good = "aaaabbbbccccddddeeeeffffgggghhhh"
    text = "".join(content_of_line(name, line) for line in lines if is_json(line))
    assert text == good[: 4 * k] + good[4 * k + 4 :]
    assert terminated(name, call)
    assert outcome(twin) == "broken"


def is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def content_of_line(name: str, line: str) -> str:
    fake = ScriptedCall("POST", "/", [], b"")
    fake.writes = [f"data: {line}\n\n".encode()]
    return content_of(name, fake)


@pytest.mark.parametrize("name", ("openai", "anthropic", "ark"))
def test_without_terminator_everything_but_the_last_event_comes(name: TwinName) -> None:
    call, _ = perform(name, "no_terminator", prompt=EIGHT)
    assert finished(name, call)
    assert not terminated(name, call)
    assert call.ended == "end"
    held_open, twin = perform(name, "no_terminator:open", prompt=EIGHT)
    assert finished(name, held_open)
    assert held_open.ended == ""
    assert outcome(twin) == "broken"


@pytest.mark.parametrize("name", ALL)
def test_latency_delays_even_the_head(name: TwinName) -> None:
    call, _ = perform(name, "latency:2500", wait=2.0)
    assert call.status == 0
    call, _ = perform(name, "latency:2500", stream=False)
    assert call.times == [2.5]
    assert call.ended == "respond"


@pytest.mark.parametrize("name", ALL)
def test_first_token_sends_head_and_preamble_at_once_and_waits_before_content(name: TwinName) -> None:
    early, _ = perform(name, "first_token:60000", wait=59.0, prompt=EIGHT)
    assert early.status == 200
    assert early.flushed or early.writes
    assert content_of(name, early) == ""
    call, _ = perform(name, "first_token:60000", prompt=EIGHT)
    assert content_of(name, call).startswith("aaaa")
    assert call.times[-1] == 60.0


@pytest.mark.parametrize(
    ("name", "sign"), [("openai", b": keep-alive\n\n"), ("gemini", b"\n"), ("ark", b": keep-alive\n\n")]
)
def test_heartbeats_are_the_providers_own_and_end_with_the_first_content(name: TwinName, sign: bytes) -> None:
    call, twin = perform(name, "first_token:60000", "heartbeat:10", prompt=EIGHT)
    beats = [at for at, write in zip(call.times, call.writes, strict=True) if write == sign]
    assert beats == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert content_of(name, call) == "aaaabbbbccccddddeeeeffffgggghhhh"
    assert outcome(twin) == "complete"


def test_anthropics_heartbeat_is_a_ping() -> None:
    call, _ = perform("anthropic", "first_token:60000", "heartbeat:10", prompt=EIGHT)
    pings = [at for at, write in zip(call.times, call.writes, strict=True) if b"event: ping" in write]
    assert pings == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]


@pytest.mark.parametrize("name", ALL)
def test_a_five_minute_body_comes_whole_after_white_space(name: TwinName) -> None:
    call, twin = perform(name, "first_token:300000", "heartbeat:30", stream=False)
    assert call.times == [30.0 * n for n in range(1, 10)] + [300.0]
    assert call.text[:9] == "\n" * 9
    assert json.loads(call.text)
    assert (call.ended, outcome(twin)) == ("end", "complete")


@pytest.mark.parametrize("name", ALL)
def test_a_stall_can_go_on_beating(name: TwinName) -> None:
    call, _ = perform(name, "stall:0", "heartbeat:10", wait=35.0)
    assert call.times[-3:] == [10.0, 20.0, 30.0]


@pytest.mark.parametrize("name", ALL)
def test_slow_spreads_the_tokens_evenly(name: TwinName) -> None:
    call, _ = perform(name, "slow:4", prompt=EIGHT)
    contents = [at for at, write in zip(call.times, call.writes, strict=True) if b"aaaa" in write or b"hhhh" in write]
    assert contents == [0.0, 1.75]
    body, _ = perform(name, "slow:4", prompt=EIGHT, stream=False)
    assert body.times == [2.0]


@pytest.mark.parametrize("name", ALL)
def test_a_pace_sets_first_token_rate_and_length(name: TwinName) -> None:
    pace = Pace(tokens_per_second=10, first_token_ms=500, tokens=100)
    call, twin = perform(name, prepare=lambda twin: twin.set_pace(pace))
    assert twin.ledger.entries[-1].output_tokens == 100
    contents = [
        at for at, write in zip(call.times, call.writes, strict=True) if b"text" in write or b'content":"' in write
    ]
    assert call.times[-1] == pytest.approx(0.5 + 99 / 10, abs=0.11)
    assert contents[-1] - contents[0] <= 10.5


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(("word", "end"), [("cut", "abort"), ("eof", "end"), ("stall", "")])
def test_bodies_break_in_the_middle_or_right_after_the_head(name: TwinName, word: str, end: str) -> None:
    for k in (0, 2):
        call, twin = perform(name, f"{word}:{k}", stream=False)
        assert call.status == 200
        assert call.ended == end
        assert bool(call.writes) is (k > 0)
        assert not is_json(call.text)
        assert outcome(twin) == "broken"


@pytest.mark.parametrize("name", ALL)
def test_a_malformed_body_is_not_json_but_complete(name: TwinName) -> None:
    call, _ = perform(name, "malformed:0", stream=False)
    assert call.ended == "respond"
    assert not is_json(call.text)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("word", ["error_event:0", "no_terminator"])
def test_faults_of_streams_leave_bodies_alone(name: TwinName, stream: bool, word: str) -> None:
    call, _ = perform(name, word, stream=False)
    assert is_json(call.text)


TROUBLES: list[tuple[str, TwinName, int, str]] = [
    ("status:500", "openai", 500, "server_error"),
    ("status:503", "openai", 503, "server_is_overloaded"),
    ("status:413", "openai", 413, "Maximum content size limit"),
    ("status:418", "openai", 418, "invalid_request_error"),
    ("status:529", "anthropic", 529, "overloaded_error"),
    ("status:500", "anthropic", 500, "api_error"),
    ("status:504", "anthropic", 504, "timeout_error"),
    ("status:413", "anthropic", 413, "request_too_large"),
    ("status:418", "anthropic", 418, "invalid_request_error"),
    ("status:503", "gemini", 503, "UNAVAILABLE"),
    ("status:500", "gemini", 500, "INTERNAL"),
    ("status:504", "gemini", 504, "DEADLINE_EXCEEDED"),
    ("status:500", "ark", 500, "InternalServiceError"),
    ("status:503", "ark", 503, "ServerOverloaded"),
    ("throttle", "openai", 429, "rate_limit_exceeded"),
    ("throttle", "anthropic", 429, "rate_limit_error"),
    ("throttle", "gemini", 429, "RESOURCE_EXHAUSTED"),
    ("throttle", "ark", 429, "ModelAccountRpmRateLimitExceeded"),
    ("quota", "openai", 429, "insufficient_quota"),
    ("quota", "anthropic", 429, "enforced_spend_limit_reached"),
    ("quota", "gemini", 429, "GenerateRequestsPerDayPerProjectPerModel"),
    ("quota", "ark", 429, "SetLimitExceeded"),
    ("bad_credential", "openai", 401, "invalid_api_key"),
    ("bad_credential", "anthropic", 401, "authentication_error"),
    ("bad_credential", "gemini", 400, "API_KEY_INVALID"),
    ("bad_credential", "ark", 401, "AuthenticationError"),
    ("context_length", "openai", 400, "context_length_exceeded"),
    ("context_length", "anthropic", 400, "prompt is too long"),
    ("context_length", "gemini", 400, "exceeds the maximum number of tokens allowed"),
    ("context_length", "ark", 400, "OutofContextError"),
]


@pytest.mark.parametrize(("word", "name", "status", "sign"), TROUBLES)
@pytest.mark.parametrize("stream", [True, False])
def test_errors_are_the_providers_own_before_any_stream(
    word: str, name: TwinName, status: int, sign: str, stream: bool
) -> None:
    call, twin = perform(name, word, stream=stream)
    assert call.status == status
    assert sign in call.text
    assert is_json(call.text)
    entry = twin.ledger.entries[-1]
    assert (entry.status, entry.prompt_tokens, entry.output_tokens) == (status, 0, 0)


def test_the_delay_of_a_throttle_stands_where_the_provider_puts_it() -> None:
    openai, _ = perform("openai", "throttle:2.5")
    assert (openai.header("retry-after"), openai.header("retry-after-ms")) == ("3", "2500")
    assert "Please try again in 2.5s." in openai.text
    anthropic, _ = perform("anthropic", "throttle:10")
    assert anthropic.header("retry-after") == "10"
    gemini, _ = perform("gemini", "throttle:46")
    assert gemini.header("retry-after") is None
    assert gemini.json["error"]["details"][-1] == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "46s",
    }
    ark, _ = perform("ark", "throttle:10")
    assert ark.header("retry-after") == "10"


def test_a_throttle_without_a_number_states_no_delay() -> None:
    for name in ALL:
        call, _ = perform(name, "throttle")
        assert call.header("retry-after") is None
        assert "retryDelay" not in call.text and "try again in" not in call.text


def test_refusals_are_answers_in_the_providers_way() -> None:
    openai, _ = perform("openai", "refusal", stream=False)
    assert openai.json["choices"][0]["message"]["refusal"] == "I can't help with that."
    assert openai.json["choices"][0]["message"]["content"] is None
    streamed, _ = perform("openai", "refusal")
    assert "".join(c["delta"].get("refusal") or "" for e in events(streamed) for c in e["choices"]) == (
        "I can't help with that."
    )
    anthropic, _ = perform("anthropic", "refusal", stream=False)
    assert (anthropic.json["stop_reason"], anthropic.json["stop_details"]["category"]) == ("refusal", "general_harms")
    gemini, _ = perform("gemini", "refusal", stream=False)
    assert gemini.json["promptFeedback"]["blockReason"] == "SAFETY"
    assert "candidates" not in gemini.json


def test_empty_answers_have_no_content_and_geminis_no_candidates() -> None:
    openai, _ = perform("openai", "empty", stream=False)
    assert openai.json["choices"][0]["message"]["content"] == ""
    anthropic, _ = perform("anthropic", "empty", stream=False)
    assert (anthropic.json["content"], anthropic.json["stop_reason"]) == ([], "end_turn")
    gemini, _ = perform("gemini", "empty", stream=False)
    assert set(gemini.json) == {"usageMetadata", "modelVersion", "responseId"}
    for name in ALL:
        streamed, twin = perform(name, "empty")
        assert content_of(name, streamed) == ""
        assert (streamed.ended, twin.ledger.entries[-1].content_events) == ("end", 0)


@pytest.mark.parametrize("word", ["reset", "refuse", "tls"])
def test_connection_faults_reset_a_request_on_an_open_connection(word: str) -> None:
    call, twin = perform("openai", word)
    assert (call.ended, call.status, call.writes) == ("reset", 0, [])
    assert outcome(twin) == "broken"


def test_a_black_hole_never_answers() -> None:
    call, twin = perform("openai", "blackhole", wait=10_000)
    assert (call.ended, call.status, call.writes) == ("", 0, [])
    assert outcome(twin) == "disconnected"


def test_a_client_that_leaves_early_is_recorded_with_what_it_would_be_billed() -> None:
    pace = Pace(tokens_per_second=10)
    call, twin = perform("openai", prepare=lambda twin: twin.set_pace(pace), wait=0.55, prompt=EIGHT)
    entry = twin.ledger.entries[-1]
    assert (entry.outcome, entry.output_tokens, entry.prompt_tokens) == ("disconnected", 6, 16)
    assert entry.seconds == pytest.approx(0.55)
    assert twin.ledger.totals.disconnected == 1
    assert call.ended == ""


def test_a_blocked_connection_stops_the_stream_until_it_is_writable() -> None:
    async def main() -> None:
        twin = twin_of("openai")
        call = call_for("openai", body_of("openai", EIGHT, stream=True))
        call.blocks_after = 3
        twin.on_request(call)
        await asyncio.sleep(100)
        assert (len(call.writes), call.ended) == (3, "")
        call.unblock()
        await asyncio.sleep(1)
        assert (len(call.writes), call.ended) == (11, "end")

    run_virtual(main())


def test_a_rule_that_struck_as_often_as_it_may_leaves_the_next_request_alone() -> None:
    async def main() -> list[int]:
        twin = twin_of("openai")
        twin.board.put([rule("status:500", times=1)], 0.0)
        statuses = []
        for _ in range(3):
            call = call_for("openai", body_of("openai"))
            twin.on_request(call)
            statuses.append(call.status)
        return statuses

    assert run_virtual(main()) == [500, 200, 200]


def test_a_body_that_is_announced_too_large_is_refused_before_it_comes() -> None:
    async def main() -> None:
        for name, sign in (("openai", "exceeded"), ("anthropic", "request_too_large"), ("gemini", "exceeds the limit")):
            twin = Twin(surface_of(name, 1000), Control(), asyncio.get_running_loop())
            call = call_for(name, None)
            call.headers = [*call.headers, (b"content-length", b"1001")]
            assert twin.on_head(call) == -1
            assert (call.status, twin.ledger.entries[-1].status) == (413, 413)
            assert sign in call.text
            fits = call_for(name, None)
            fits.headers = [*fits.headers, (b"content-length", b"1000")]
            assert twin.on_head(fits) == 1000

    run_virtual(main())


@pytest.mark.parametrize(
    ("event", "broken"),
    [
        (b'data: {"a":1}\n\n', b'data: {"a\n\n'),
        (b'event: x\ndata: {"a":{}}\n\n', b'event: x\ndata: {"a"\n\n'),
        (b"data: [DONE]\n\n", b"data: [DONE]\n\n"),
        (b"", b""),
    ],
)
def test_breaking_json_keeps_the_framing(event: bytes, broken: bytes) -> None:
    assert break_json(event) == broken


def test_ids_do_not_repeat_between_twins() -> None:
    seen: set[Any] = {perform("openai", stream=False)[0].json["id"] for _ in range(3)}
    assert len(seen) == 3
