"""The configuration of design.md section 4, word for word, through the official SDKs: one test per sentence of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from gateway_process import Gateway, trunkline

pytestmark = pytest.mark.acceptance

#: Verbatim: a change here is a change of a published interface.
POLICY = """
providers:
  openai:    {api_key: "${OPENAI_API_KEY}"}            # short for credentials: {default: {api_key: …}}
  anthropic: {credentials: {main: {api_key: "${ANTHROPIC_API_KEY}"}, spare: {api_key: "file:/run/secrets/anthropic"}}}
  google:    {api_key: "${GEMINI_API_KEY}"}
  modelark:  {api_key: "${ARK_API_KEY}"}

deployments:
  gpt:       {provider: openai,    model: gpt-6.1-sol,       labels: {region: us}}
  claude:    {provider: anthropic, model: claude-sonnet-5-5, labels: {region: us}}
  claude-eu: {provider: anthropic, model: claude-sonnet-5-5, labels: {region: eu}, base_url: "https://eu.example"}   # base_url: what the provider's official SDK takes
  gemini:    {provider: google,    model: gemini-3.8-flash,  labels: {region: us}}
  seedance:  {provider: modelark,  model: dreamina-seedance-2-0-260128, labels: {region: sg}}

routes:
  assistant:                                  # the model name that clients send
    rules:                                    # first match wins; conditions are CEL
      - {when: 'team == "clinic"',        use: [claude-eu], require: {region: [eu]}}
      - {when: 'task == "summarization"', use: [claude]}
      - {when: 'task == "code"',          use: [gpt]}
    otherwise: [gpt, claude]
    fallback:  [gemini]                       # when the chosen ones are degraded or exhausted
    balance:   least_latency                  # weighted | round_robin | least_busy | least_cost | priority
    retry:     {on: [429, 503, connect], times: 3, backoff: {base: 250ms, cap: 8s}, wait_for_retry_after: 5s}   # same deployment, then fail over
    timeouts:  {connect: 2s, first_token: 15s, idle: 20s, answer: 600s, total: 1200s}
    stream:    {hold: first_content, on_break: error}     # error | splice
    hedge:     {after: p98, max_extra: 2%}
  video: {use: [seedance]}                    # short for otherwise
"""  # noqa: E501
HELLO: Any = [{"role": "user", "content": "Hello there."}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    made = Gateway.start(tmp_path_factory.mktemp("policy"), POLICY)
    try:
        yield made
    finally:
        assert made.stop() == 0


@pytest.fixture(autouse=True)
def well(gateway: Gateway) -> Iterator[None]:
    yield
    for twin in gateway.twins:
        fault(gateway, twin)


def fault(gateway: Gateway, twin: str, **rule: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.twins[twin], timeout=10)
    connection.request("PUT" if rule else "DELETE", "/_twin/faults", json.dumps(rule) if rule else None)
    assert connection.getresponse().status in (200, 204)
    connection.close()


def key(gateway: Gateway, team: str) -> str:
    arguments = ["keys", "create", "--config", str(gateway.config), "--name", team, "--team", team, "--json"]
    return str(json.loads(trunkline(arguments, gateway.environment))["key"])


def gpt(gateway: Gateway, secret: str = "", **headers: str) -> openai.OpenAI:
    told = {f"x-trunkline-{name}": value for name, value in headers.items()}
    return openai.OpenAI(
        base_url=f"{gateway.base}/v1", api_key=secret or gateway.key, default_headers=told, max_retries=0
    )


def served_by(answer: Any) -> str:
    return str(answer.headers["x-trunkline-deployment"])


def ask(client: openai.OpenAI) -> Any:
    return client.chat.completions.with_raw_response.create(model="assistant", messages=HELLO)


def test_it_is_valid_and_every_name_in_it_is_known(gateway: Gateway) -> None:
    assert "2 routes" in trunkline(["check", "--config", str(gateway.config), "--twins"], gateway.environment)


def test_the_clinic_stays_in_the_eu_whatever_it_asks_and_whatever_fails(gateway: Gateway) -> None:
    secret = key(gateway, "clinic")
    answer = ask(gpt(gateway, secret, task="code"))
    assert (served_by(answer), answer.headers["x-trunkline-rule"]) == ("claude-eu", "1")
    fault(gateway, "anthropic", fault="status:500")
    with pytest.raises(openai.InternalServerError) as caught:
        ask(gpt(gateway, secret))
    assert caught.value.status_code == 502
    records = [r for r in gateway.settled() if r["team"] == "clinic"]
    assert {a["deployment"] for r in records for a in r["attempts"]} == {"claude-eu"}
    assert {a["region"] for r in records for a in r["attempts"]} == {"eu"}
    assert all(len(r["evidence"]) == len(r["attempts"]) for r in records)
    verdict = json.loads(
        trunkline(["audit", "verify-residency", "--config", str(gateway.config), "--json"], gateway.environment)
    )
    assert verdict["violations"] == [] and verdict["bound"] >= 2


def test_claude_for_summarization_and_gpt_for_code(gateway: Gateway) -> None:
    for task, deployment, rule in (("summarization", "claude", "2"), ("code", "gpt", "3")):
        answer = ask(gpt(gateway, task=task))
        assert (served_by(answer), answer.headers["x-trunkline-rule"]) == (deployment, rule)
        client = anthropic.Anthropic(
            base_url=gateway.base, api_key=gateway.key, default_headers={"x-trunkline-task": task}
        )
        told = client.messages.with_raw_response.create(model="assistant", max_tokens=64, messages=HELLO)
        assert served_by(told) == deployment
        assert told.parse().content
        google = genai.Client(
            api_key=gateway.key, http_options={"base_url": gateway.base, "headers": {"x-trunkline-task": task}}
        )
        found = google.models.generate_content(model="assistant", contents="Hello there.")
        assert found.text and found.sdk_http_response.headers["x-trunkline-deployment"] == deployment


def test_gemini_when_either_is_degraded(gateway: Gateway) -> None:
    """Each of the two chosen ones fails over to the fallback; the caller sees nothing of it."""
    for task, twin in (("summarization", "anthropic"), ("code", "openai")):
        fault(gateway, twin, fault="status:500")
        answer = ask(gpt(gateway, task=task))
        assert served_by(answer) == "gemini"
        text = answer.parse().choices[0].message.content
        assert text
        with gpt(gateway, task=task).chat.completions.create(model="assistant", messages=HELLO, stream=True) as stream:
            assert "".join(c.choices[0].delta.content or "" for c in stream if c.choices) == text
        fault(gateway, twin)


def test_retried_three_times_with_backoff_on_429_or_503_then_failed_over(gateway: Gateway) -> None:
    for status in (503, 429):
        fault(gateway, "openai", fault=f"status:{status}")
        answer = ask(gpt(gateway, task="code", feature=f"retry-{status}"))
        assert served_by(answer) == "gemini"
        [record] = [r for r in gateway.settled() if r["feature"] == f"retry-{status}"]
        assert [(a["deployment"], a["reason"]) for a in record["attempts"]] == [
            ("gpt", "first"),
            ("gpt", "retry"),
            ("gpt", "retry"),
            ("gpt", "retry"),
            ("gemini", "failover"),
        ]
        assert record["outcome"] == "ok_saved" and record["latency"]["backoff"] > 0
        fault(gateway, "openai")
    fault(gateway, "anthropic", fault="status:400")
    with pytest.raises(openai.BadRequestError):  # what the caller did wrong is wrong for everybody
        ask(gpt(gateway, task="summarization"))


def test_otherwise_the_faster_of_the_two(gateway: Gateway) -> None:
    fault(gateway, "openai", fault="latency:150")
    seen = [served_by(ask(gpt(gateway))) for _ in range(30)]
    assert set(seen) <= {"gpt", "claude"}
    assert seen[10:].count("claude") > seen[10:].count("gpt")


def test_a_broken_stream_ends_in_an_error_event(gateway: Gateway) -> None:
    fault(gateway, "anthropic", fault="cut:5")
    stream = gpt(gateway, task="summarization").chat.completions.create(model="assistant", messages=HELLO, stream=True)
    with pytest.raises(openai.APIError, match="broke"):
        for _ in stream:
            pass


def test_video_goes_to_seedance(gateway: Gateway) -> None:
    video = gpt(gateway).videos.create_and_poll(
        model="video", prompt="A lighthouse", seconds="4", size="1280x720", poll_interval_ms=300
    )
    assert video.status == "completed"


def test_explain_says_the_same_before_it_happens(gateway: Gateway) -> None:
    def explained(*more: str) -> Any:
        arguments = ["explain", "--config", str(gateway.config), "--twins", "--model", "assistant", "--json", *more]
        return json.loads(trunkline(arguments, gateway.environment))

    clinic = explained("--team", "clinic")
    assert clinic["rule"] == '1: team == "clinic"'
    assert [leg["deployment"] for leg in clinic["legs"]] == ["claude-eu", "claude-eu"]  # one per credential
    assert clinic["constraints"] == ["rule 1: region is eu"]
    assert clinic["dropped"] == ["gemini (residency: rule 1: region is us, required is eu)"]
    code = explained("--header", "x-trunkline-task: code")
    assert [leg["deployment"] for leg in code["legs"]] == ["gpt", "gemini"]
    assert code["task"].startswith("code (1.00, by caller)")
