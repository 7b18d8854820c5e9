"""The request as each provider gets it: address, authentication, and nothing of the caller's that is not allowed."""

from __future__ import annotations

import timeit

import pytest

from provider_samples import candidate, outgoing
from trunkline.providers import PROVIDERS
from trunkline.types.wire import Headers, header

CALLER: Headers = [
    (b"authorization", b"Bearer tl-virtual"),
    (b"x-api-key", b"tl-virtual"),
    (b"x-goog-api-key", b"tl-virtual"),
    (b"cookie", b"a=b"),
    (b"host", b"evil.example"),
    (b"idempotency-key", b"1"),
    (b"openai-organization", b"org-caller"),
    (b"openai-project", b"proj-caller"),
    (b"x-trunkline-user", b"u"),
    (b"x-stainless-lang", b"python"),
    (b"anthropic-beta", b"a,b"),
    (b"anthropic-beta", b"c"),
    (b"anthropic-workspace-id", b"w"),
    (b"x-forwarded-for", b"10.0.0.1"),
]


@pytest.mark.parametrize(
    ("kind", "base_url", "stream", "target"),
    [
        ("openai", "https://api.openai.com/v1", False, b"/v1/chat/completions"),
        ("openai", "https://eu.api.openai.com/v1/", True, b"/v1/chat/completions"),
        ("openai_compatible", "http://127.0.0.1:11434/v1", False, b"/v1/chat/completions"),
        ("openai_compatible", "https://api.groq.com/openai/v1", True, b"/openai/v1/chat/completions"),
        ("openai_compatible", "http://localhost:8000", False, b"/chat/completions"),
        ("modelark", "https://ark.cn-beijing.volces.com/api/v3", False, b"/api/v3/chat/completions"),
        ("anthropic", "https://api.anthropic.com", False, b"/v1/messages"),
        ("anthropic", "https://x.example/anthropic/", True, b"/anthropic/v1/messages"),
        ("google", "https://generativelanguage.googleapis.com", False, b"/v1beta/models/m-1:generateContent"),
        (
            "google",
            "https://generativelanguage.googleapis.com/",
            True,
            b"/v1beta/models/m-1:streamGenerateContent?alt=sse",
        ),
    ],
)
def test_the_target_is_what_the_provider_s_own_sdk_would_ask_for(
    kind: str, base_url: str, stream: bool, target: bytes
) -> None:
    provider = PROVIDERS[kind]
    prepared = provider.prepare(outgoing(provider, candidate(provider, base_url), stream=stream))
    assert (prepared.method, prepared.target) == (b"POST", target)
    assert prepared.framing == ("sse" if stream else "plain")


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("openai", (b"authorization", b"Bearer sk-1")),
        ("modelark", (b"authorization", b"Bearer sk-1")),
        ("openai_compatible", (b"authorization", b"Bearer sk-1")),
        ("anthropic", (b"x-api-key", b"sk-1")),
        ("google", (b"x-goog-api-key", b"sk-1")),
    ],
)
def test_the_secret_goes_into_the_provider_s_own_header_and_no_other(kind: str, line: tuple[bytes, bytes]) -> None:
    provider = PROVIDERS[kind]
    headers = provider.prepare(outgoing(provider, client_headers=CALLER)).headers
    assert line in headers
    assert [value for _, value in headers if b"sk-1" in value] == [line[1]]


@pytest.mark.parametrize("kind", PROVIDERS)
def test_nothing_of_the_caller_is_forwarded_that_is_not_allowed(kind: str) -> None:
    provider = PROVIDERS[kind]
    headers = provider.prepare(outgoing(provider, client_headers=CALLER)).headers
    own = {b"content-type", b"accept", b"accept-encoding", b"user-agent"}
    auth = {b"authorization", b"x-api-key", b"x-goog-api-key"}
    allowed = {b"anthropic-version", b"anthropic-beta"} if kind == "anthropic" else set()
    assert {name for name, _ in headers} <= own | auth | allowed
    assert not any(b"tl-virtual" in value for _, value in headers)


@pytest.mark.parametrize("kind", PROVIDERS)
def test_streams_are_asked_for_as_server_sent_events_and_nothing_is_compressed(kind: str) -> None:
    provider = PROVIDERS[kind]
    streamed = provider.prepare(outgoing(provider, stream=True)).headers
    assert header(streamed, b"accept") == b"text/event-stream"
    assert header(provider.prepare(outgoing(provider)).headers, b"accept") == b"application/json"
    assert header(streamed, b"accept-encoding") == b"identity"
    assert header(streamed, b"content-type") == b"application/json"


def test_a_server_without_a_key_gets_no_authorization() -> None:
    provider = PROVIDERS["openai_compatible"]
    assert header(provider.prepare(outgoing(provider, secret="")).headers, b"authorization") is None


def test_organisation_and_project_come_from_the_configuration() -> None:
    provider = PROVIDERS["openai"]
    chosen = candidate(provider, organization="org-1", project="proj-1")
    headers = provider.prepare(outgoing(provider, chosen, client_headers=CALLER)).headers
    assert [value for name, value in headers if name.startswith(b"openai-")] == [b"org-1", b"proj-1"]


# --- anthropic ----------------------------------------------------------------------------------------------------------
def test_anthropic_gets_version_and_betas_as_the_caller_sent_them() -> None:
    provider = PROVIDERS["anthropic"]
    headers = provider.prepare(outgoing(provider, api_version="2026-10-21", client_headers=CALLER)).headers
    assert header(headers, b"anthropic-version") == b"2026-10-21"
    assert [value for name, value in headers if name == b"anthropic-beta"] == [b"a,b", b"c"]


def test_a_translated_request_has_the_version_that_the_translation_follows_and_no_betas() -> None:
    provider = PROVIDERS["anthropic"]
    made = outgoing(provider, same_dialect=False, api_version="v1beta", client_headers=CALLER)
    headers = provider.prepare(made).headers
    assert header(headers, b"anthropic-version") == b"2023-06-01"
    assert header(headers, b"anthropic-beta") is None


def test_a_caller_without_a_version_gets_the_first_one() -> None:
    provider = PROVIDERS["anthropic"]
    assert header(provider.prepare(outgoing(provider)).headers, b"anthropic-version") == b"2023-06-01"


# --- google -------------------------------------------------------------------------------------------------------------
def target_of(model: str = "m-1", version: str = "", same: bool = True, **options: str) -> bytes:
    provider = PROVIDERS["google"]
    chosen = candidate(provider, model=model, **options)
    return provider.prepare(outgoing(provider, chosen, api_version=version, same_dialect=same)).target


def test_gemini_s_version_is_the_caller_s_in_the_same_dialect() -> None:
    assert target_of(version="v1") == b"/v1/models/m-1:generateContent"


def test_gemini_s_version_of_a_translated_request_is_configured_or_v1beta() -> None:
    assert target_of(version="v1", same=False) == b"/v1beta/models/m-1:generateContent"
    assert target_of(same=False, api_version="v1") == b"/v1/models/m-1:generateContent"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("gemini-3.8-flash", b"models/gemini-3.8-flash"),
        ("models/gemini-3.8-flash", b"models/gemini-3.8-flash"),
        ("tunedModels/mine-1", b"tunedModels/mine-1"),
        ("a/b:c?d#e%f", b"models/a%2Fb%3Ac%3Fd%23e%25f"),
        ("../../evil", b"models/..%2F..%2Fevil"),
    ],
)
def test_the_model_is_one_percent_encoded_segment_of_the_path(model: str, path: bytes) -> None:
    assert target_of(model) == b"/v1beta/" + path + b":generateContent"


# --- addresses ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "base_url", "words"),
    [
        ("openai", "api.openai.com/v1", "a base URL is written as"),
        ("openai", "ftp://api.openai.com/v1", "a base URL is written as"),
        ("openai", "https://", "a base URL is written as"),
        ("openai", "https://h:port/v1", "a port is a number"),
        ("openai", "https://h:99999/v1", "a port is a number"),
        ("openai", "https://h:0/v1", "a base URL is written as"),
        ("openai", "https://u:secret@h/v1", "holds no credentials"),
        ("openai", "https://h/v1?x=1", "no query"),
        ("openai", "https://h/v1#x", "no query"),
        ("openai", "https://h/v1\r\nx: y", "a base URL is written as"),
        ("openai", "https://h/a b", "a base URL is written as"),
        ("openai", 'https://h/a"b', "percent-encoded"),
        ("openai", "https://bücher.example/v1", "a base URL is written as"),
        ("openai", "https://h/v1/chat/completions", "ends before /chat/completions"),
        ("anthropic", "https://api.anthropic.com/v1", "ends before /v1"),
        ("anthropic", "https://api.anthropic.com/v1/messages/", "ends before /messages"),
        ("google", "https://generativelanguage.googleapis.com/v1beta", "ends before /v1beta"),
    ],
)
def test_a_base_url_that_the_sdk_would_not_take_is_refused_in_words(kind: str, base_url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        candidate(PROVIDERS[kind], base_url)
    assert "secret" not in str(caught.value)


def test_hosts_ports_and_schemes_become_the_origin() -> None:
    provider = PROVIDERS["openai_compatible"]
    assert candidate(provider, "http://[::1]:8000/v1").origin.authority == "[::1]:8000"
    assert candidate(provider, "https://API.Example/v1").origin.host == "api.example"
    assert candidate(provider, "http://h/v1").address == "h:80"
    assert candidate(provider, "https://h/v1").address == "h:443"


# --- discretion and pace --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", PROVIDERS)
def test_neither_secret_nor_prompt_is_printed(kind: str) -> None:
    provider = PROVIDERS[kind]
    made = outgoing(provider, secret="sk-canary", body=b"prompt-canary", client_headers=[(b"x-api-key", b"tl-canary")])
    assert "canary" not in repr(made) + repr(provider.prepare(made))


@pytest.mark.parametrize("kind", PROVIDERS)
def test_preparing_costs_microseconds(kind: str) -> None:
    """Budget 3 µs on a quiet machine; the mark leaves room for a busy one."""
    provider = PROVIDERS[kind]
    made = outgoing(provider, stream=True, client_headers=CALLER, api_version="v1" if kind == "google" else "")
    best = min(timeit.repeat(lambda: provider.prepare(made), number=2000, repeat=5)) / 2000
    assert best < 15e-6
