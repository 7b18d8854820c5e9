"""Facts from a Chat Completions request, and refusals that name the field and what would be right."""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec
import pytest

from trunkline.dialects.contract import Target
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure, Kind, http_status

OPENAI = OpenAIChat()
TARGET = Target(dialect="openai_chat")
HELLO = [{"role": "user", "content": "Hello"}]


def peek(**fields: Any) -> Envelope | Failure:
    return OPENAI.peek(TARGET, json.dumps({"model": "assistant", "messages": HELLO, **fields}).encode())


def facts(**fields: Any) -> Envelope:
    found = peek(**fields)
    assert isinstance(found, Envelope)
    return found


def refusal(body: bytes) -> Failure:
    found = OPENAI.peek(TARGET, body)
    assert isinstance(found, Failure)
    assert (found.kind, http_status(found)) == (Kind.INVALID_REQUEST, 400)
    return found


def test_the_facts_of_a_small_request() -> None:
    body = b'{"model":"assistant","messages":[{"role":"user","content":"Hello"}]}'
    assert OPENAI.peek(TARGET, body) == Envelope(
        dialect="openai_chat",
        operation="chat",
        model="assistant",
        stream=False,
        body_bytes=68,
        input_tokens=17,
        wants_usage=True,
    )


def test_the_facts_of_a_full_request() -> None:
    found = facts(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}],
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=5,
        max_completion_tokens=7,
        n=2,
        tools=[{"type": "function", "function": {"name": "f"}}],
        functions=[{"name": "g"}],
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
        user="u",
        safety_identifier="s",
    )
    assert (found.stream, found.wants_usage, found.max_output_tokens, found.choices) == (True, True, 7, 2)
    assert (found.tools, found.images, found.output_schema, found.user) == (2, True, True, "s")


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}, {"include_usage": None}])
def test_a_stream_that_did_not_ask_for_usage_is_known(options: Any) -> None:
    assert facts(stream=True, stream_options=options).wants_usage is False


def test_null_counts_as_absent() -> None:
    nulls = dict.fromkeys(
        ("stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "tools", "functions", "user"), None
    )
    found = facts(**nulls, response_format=None)
    sizes = {"body_bytes": found.body_bytes, "input_tokens": found.input_tokens}
    assert found == msgspec.structs.replace(facts(), **sizes)


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        (b'{"model":"m"}', "messages", "messages is required"),
        (b'{"messages":[{}]}', "model", "model is required"),
        (b'{"model":5,"messages":[{}]}', "model", "model must be a string"),
        (b'{"model":null,"messages":[{}]}', "model", "model must be a string"),
        (b'{"model":"","messages":[{}]}', "model", "model must name a model"),
        (b'{"model":"m","messages":"hi"}', "messages", "messages must be a list"),
        (b'{"model":"m","messages":[]}', "messages", "at least one message"),
        (b'{"model":"m","messages":[{}],"stream":"yes"}', "stream", "stream must be true or false"),
        (b'{"model":"m","messages":[{}],"stream":1}', "stream", "stream must be true or false"),
        (b'{"model":"m","messages":[{}],"stream_options":[]}', "stream_options", "must be an object"),
        (
            b'{"model":"m","messages":[{}],"stream_options":{"include_usage":"y"}}',
            "stream_options.include_usage",
            "true or false",
        ),
        (b'{"model":"m","messages":[{}],"max_tokens":-1}', "max_tokens", ">= 0"),
        (b'{"model":"m","messages":[{}],"max_tokens":1.5}', "max_tokens", "a whole number"),
        (b'{"model":"m","messages":[{}],"max_tokens":"9"}', "max_tokens", "a whole number"),
        (b'{"model":"m","messages":[{}],"max_tokens":1e309}', "max_tokens", "max_tokens"),
        (b'{"model":"m","messages":[{}],"max_tokens":9223372036854775808}', "max_tokens", "max_tokens"),
        (b'{"model":"m","messages":[{}],"max_completion_tokens":-9}', "max_completion_tokens", ">= 0"),
        (b'{"model":"m","messages":[{}],"n":0}', "n", ">= 1"),
        (b'{"model":"m","messages":[{}],"n":129}', "n", "<= 128"),
        (b'{"model":"m","messages":[{}],"tools":{}}', "tools", "tools must be a list"),
        (b'{"model":"m","messages":[{}],"max_tokens":NaN}', "", "not valid JSON"),
        (b'{"model":"m","messages":[{}],}', "", "not valid JSON"),
        (b'{"model":"m","messages":[{}]} {}', "", "not valid JSON"),
        (b"", "", "not valid JSON"),
        (b"[]", "", "must be an object"),
        (b'"model"', "", "must be an object"),
        (b'{"model":"m\xff","messages":[{}]}', "", ""),
    ],
)
def test_what_is_wrong_is_named_with_what_would_be_right(body: bytes, param: str, words: str) -> None:
    found = refusal(body)
    assert found.param == param
    assert words in found.message


@pytest.mark.parametrize("field", ["messages", "x", "tools", "response_format"])
def test_deep_nesting_is_refused_at_once(field: str) -> None:
    body = b'{"model":"m","messages":[{}],"%b":' % field.encode() + b"[" * 100_000 + b"]" * 100_000 + b"}"
    started = time.process_time()
    assert "nested too deeply" in refusal(body).message
    assert time.process_time() - started < 0.1


def test_splicing_changes_the_model_and_asks_for_usage_only_where_the_caller_did_not() -> None:
    plain = b'{"messages":[{"role":"user","content":"a"}],"model":"assistant","x":1.0}'
    spliced = plain.replace(b"assistant", b"gpt-6")
    assert OPENAI.splice(plain, facts(), "gpt-6") == spliced
    asked = facts(stream=True, stream_options={"include_usage": True})
    assert OPENAI.splice(plain, asked, "gpt-6") == spliced
    unasked = OPENAI.splice(plain, facts(stream=True), "gpt-6")
    assert unasked == b'{"stream_options":{"include_usage":true},' + spliced[1:]


def test_a_request_with_two_models_is_refused() -> None:
    found = OPENAI.splice(b'{"model":"a","messages":[{}],"mod\\u0065l":"b"}', facts(), "gpt-6")
    assert isinstance(found, Failure) and found.kind is Kind.INVALID_REQUEST
