"""The match is of exact bytes: whatever a proxy or framework would fold into a known path is an unknown one here
(reliability.md K3)."""

from __future__ import annotations

import pytest

from trunkline.dialects.contract import Target
from trunkline.server.surfaces import Surface, Unmatched, dialect_of, match
from trunkline.types.failure import http_status
from trunkline.types.wire import Headers

CHAT = b"/v1/chat/completions"
GEMINI = b"/v1beta/models/fast:generateContent"


def found(path: bytes, query: bytes = b"", headers: Headers | None = None) -> Surface:
    surface = match(b"POST", path, query, headers or [])
    assert isinstance(surface, Surface)
    return surface


def missed(method: bytes, path: bytes, headers: Headers | None = None) -> Unmatched:
    unmatched = match(method, path, b"", headers or [])
    assert isinstance(unmatched, Unmatched)
    return unmatched


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/v3/chat/completions"])
def test_chat_completions_are_served_under_both_paths(path: str) -> None:
    assert found(path.encode()) == Surface(path, Target(dialect="openai_chat"))


def test_messages_take_their_version_from_the_header() -> None:
    surface = found(b"/v1/messages", headers=[(b"anthropic-version", b"2023-06-01")])
    assert surface == Surface("/v1/messages", Target(dialect="anthropic_messages", version="2023-06-01"))


def test_messages_without_a_version_are_matched_all_the_same() -> None:
    assert found(b"/v1/messages").target.version == ""


def test_an_endless_version_is_cut() -> None:
    assert found(b"/v1/messages", headers=[(b"anthropic-version", b"9" * 5000)]).target.version == "9" * 32


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_gemini_names_model_and_verb_in_the_path(version: str) -> None:
    surface = found(f"/{version}/models/fast:generateContent".encode())
    assert surface.name == f"/{version}/models:generateContent"
    assert surface.target == Target(dialect="gemini_generate", model="fast", version=version, stream=False, sse=True)


@pytest.mark.parametrize(
    ("query", "sse"),
    [(b"", False), (b"alt=sse", True), (b"key=tk-1&alt=sse", True), (b"alt=json", False), (b"xalt=sse", False)],
)
def test_a_gemini_stream_is_sse_only_when_asked_for(query: bytes, sse: bool) -> None:
    target = found(b"/v1beta/models/fast:streamGenerateContent", query).target
    assert (target.stream, target.sse) == (True, sse)


@pytest.mark.parametrize(
    ("written", "model"),
    [
        (b"team%2Ffast", "team/fast"),
        (b"a%3Ab", "a:b"),
        (b"a:b", "a:b"),
        (b"gemini-3.8-flash", "gemini-3.8-flash"),
        (b"%C3%A9t%C3%A9", "été"),
    ],
)
def test_the_model_in_a_gemini_path_is_decoded_once_and_is_only_a_name(written: bytes, model: str) -> None:
    assert found(b"/v1beta/models/" + written + b":generateContent").target.model == model


def test_a_model_that_is_no_utf8_is_the_callers_mistake() -> None:
    failure = missed(b"POST", b"/v1beta/models/%ff:generateContent").failure
    assert (http_status(failure), failure.param) == (400, "model")


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"//v1/chat/completions",
        b"/v1//chat/completions",
        b"/v1/chat/completions/",
        b"/v1/chat/completions//",
        b"/v1/./chat/completions",
        b"/v1/x/../chat/completions",
        b"/v1/%2e%2e/v1/chat/completions",
        b"/v1/%2E/chat/completions",
        b"/v1/chat%2fcompletions",
        b"/v1/chat%2Fcompletions",
        b"/%761/chat/completions",
        b"/v1/..;/v1/chat/completions",
        b"/v1/chat/completions;x=1",
        b"/v1/chat/completions%3f",
        b"/v1/chat/completions%00",
        b"/v1/chat/completions#top",
        b"/v1/chat/completions ",
        b"/V1/chat/completions",
        b"/v1/Chat/Completions",
        b"/v1/chat\\completions",
        b"v1/chat/completions",
        b"http://trunkline/v1/chat/completions",
        b"*",
        b"/v1/messages/",
        b"/v1/messages/count_tokens",
        b"/V1/messages",
        b"/v1/models",
        b"/v1/models/fast",
        b"/v1beta/models/",
        b"/v1beta/models/:generateContent",
        b"/v1beta/models/fast",
        b"/v1beta/models/fast:",
        b"/v1beta/models/fast:generatecontent",
        b"/v1beta/models/fast:GenerateContent",
        b"/v1beta/models/fast:generateContent/",
        b"/v1beta/models/fast%3AgenerateContent",
        b"/v1beta/models/fast:countTokens",
        b"/v1beta/models/a/b:generateContent",
        b"/v1beta/models/../models/fast:generateContent",
        b"/v1beta//models/fast:generateContent",
        b"/v1alpha/models/fast:generateContent",
        b"/v2/models/fast:generateContent",
        b"/api/v3/chat/completions/",
        b"/api/v1/keys",
    ],
)
def test_what_only_resembles_a_path_is_not_that_path(path: bytes) -> None:
    unmatched = missed(b"POST", path)
    assert http_status(unmatched.failure) == 404
    assert unmatched.failure.code == "not_found"


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"TRACE", b"post", b"PROPFIND"])
@pytest.mark.parametrize("path", [CHAT, b"/v1/messages", GEMINI, b"/api/v3/chat/completions"])
def test_other_methods_are_told_which_one_is_right(method: bytes, path: bytes) -> None:
    unmatched = missed(method, path)
    assert (http_status(unmatched.failure), unmatched.allow) == (405, b"POST")


@pytest.mark.parametrize("name", [b"x-http-method-override", b"x-http-method", b"x-method-override"])
def test_a_method_override_changes_nothing(name: bytes) -> None:
    assert http_status(missed(b"GET", CHAT, [(name, b"POST")]).failure) == 405
    assert isinstance(match(b"POST", CHAT, b"", [(name, b"GET")]), Surface)


@pytest.mark.parametrize("name", [b"x-original-url", b"x-rewrite-url", b"x-forwarded-path", b"host"])
def test_no_header_rewrites_the_path(name: bytes) -> None:
    assert http_status(missed(b"POST", b"/nothing", [(name, CHAT)]).failure) == 404


@pytest.mark.parametrize(
    ("path", "headers", "dialect"),
    [
        (b"/nothing", [], "openai_chat"),
        (b"/v1/models/fast", [], "openai_chat"),
        (b"/v1/messages/batches", [], "anthropic_messages"),
        (b"/v1/models", [(b"anthropic-version", b"2023-06-01")], "anthropic_messages"),
        (b"/v1beta/files", [], "gemini_generate"),
        (b"/v1/models/fast:countTokens", [], "gemini_generate"),
    ],
)
def test_an_unknown_path_is_refused_in_the_words_its_client_reads(path: bytes, headers: Headers, dialect: str) -> None:
    assert dialect_of(path, headers) == dialect
    assert missed(b"POST", path, headers).dialect == dialect


def test_a_refusal_repeats_nothing_unprintable_and_not_much() -> None:
    message = missed(b"POST", b"/\r\nset-cookie: a\x00\xff" + b"x" * 9000).failure.message
    assert message.isprintable() and message.isascii()
    assert len(message) < 400
