"""Editing one top-level value and no other byte."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.dialects.splice import replace_model, set_include_usage
from trunkline.types.failure import Failure, Kind


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a","messages":[]}', b'{"model":"gpt-6","messages":[]}'),
        (b'{"messages":[],"model":"a","n":1}', b'{"messages":[],"model":"gpt-6","n":1}'),
        (b' {\n "x" : 1e400 ,\t"model" : "a"\r\n} ', b' {\n "x" : 1e400 ,\t"model" : "gpt-6"\r\n} '),
        (b'{"a":{"model":"x"},"model":"a"}', b'{"a":{"model":"x"},"model":"gpt-6"}'),
        (b'{"model":"a","a":[{"model":"x"}]}', b'{"model":"gpt-6","a":[{"model":"x"}]}'),
        (b'{"a":"model","model":"model"}', b'{"a":"model","model":"gpt-6"}'),
        (b'{"a":"\\"model\\":\\"x\\"","model":"a"}', b'{"a":"\\"model\\":\\"x\\"","model":"gpt-6"}'),
        (b'{"mod\\u0065l":"a","x":-0}', b'{"mod\\u0065l":"gpt-6","x":-0}'),
        (b'{"x":{"model":"b"},"\\u006Dodel":"a"}', b'{"x":{"model":"b"},"\\u006Dodel":"gpt-6"}'),
        (b'{"model":"a\\"b\\\\","x":1.0}', b'{"model":"gpt-6","x":1.0}'),
        (b'{"a":"\\u00e9","model":"\\u00e9\xc3\xa9"}', b'{"a":"\\u00e9","model":"gpt-6"}'),
        (b'{"a\\\\":"}","b":"{","model":"a"}', b'{"a\\\\":"}","b":"{","model":"gpt-6"}'),
        (b'{"x":1,"x":1,"model":"a","x":2}', b'{"x":1,"x":1,"model":"gpt-6","x":2}'),
        (b'{"x":{"model":"n"},"x":[1.50,"\\ud800"],"model":"a"}', None),
    ],
)
def test_only_the_top_level_value_changes(before: bytes, after: bytes | None) -> None:
    expected = before.replace(b'"a"}', b'"gpt-6"}') if after is None else after
    assert replace_model(before, "gpt-6") == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"a","model":"b"}',
        b'{"model":"a","x":1,"model":"a"}',
        b'{"model":"a","mod\\u0065l":"b"}',
        b'{"\\u006dodel":"a","mode\\u006C":"b"}',
        b'{"model":"a","x":{"model":"n"},"model":"b"}',
        b'{"model":"a","x":"\\u006","y":[],"model":"b"}',
    ],
)
def test_two_models_are_refused_however_they_are_spelled(body: bytes) -> None:
    failure = replace_model(body, "gpt-6")
    assert isinstance(failure, Failure)
    assert (failure.kind, failure.param) == (Kind.INVALID_REQUEST, "model")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"x":{"model":"a"}}', b'{"x":[{"model":"a"}]}', b'{"x":"model"}', b"[]", b""]
)
def test_without_a_model_at_the_top_nothing_is_touched(body: bytes) -> None:
    assert isinstance(replace_model(body, "gpt-6"), Failure)


def test_the_new_name_is_written_as_json() -> None:
    assert replace_model(b'{"model":"a"}', 'x"\\\n') == b'{"model":"x\\"\\\\\\n"}'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a"}', b'{"stream_options":{"include_usage":true},"model":"a"}'),
        (b" { } ", b' {"stream_options":{"include_usage":true} } '),
        (b'{"stream_options":null}', b'{"stream_options":{"include_usage":true}}'),
        (b'{"stream_options":{}}', b'{"stream_options":{"include_usage":true}}'),
        (
            b'{"stream_options": { "include_obfuscation":false }}',
            b'{"stream_options": {"include_usage":true, "include_obfuscation":false }}',
        ),
        (b'{"stream_options":{"include_usage":false}}', b'{"stream_options":{"include_usage":true}}'),
        (b'{"stream_options":{"include_usage" : null ,"x":1}}', b'{"stream_options":{"include_usage" : true ,"x":1}}'),
        (b'{"a":{"stream_options":{"include_usage":false}}}', None),
        (b'{"stream\\u005foptions":{"include_usage":false}}', b'{"stream\\u005foptions":{"include_usage":true}}'),
        (
            b'{"stream_options":{"include_usage":false},"stream_options":null}',
            b'{"stream_options":{"include_usage":true},"stream_options":{"include_usage":true}}',
        ),
    ],
)
def test_usage_is_asked_for_and_every_other_byte_stays(before: bytes, after: bytes | None) -> None:
    expected = b'{"stream_options":{"include_usage":true},' + before[1:] if after is None else after
    assert set_include_usage(before) == expected
    assert set_include_usage(expected) == expected


KEYS = st.sampled_from(["model", "mod", "stream_options", "include_usage", 'a"model"', "messages", "\\", "é"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from(["model", '"model":"x"', "{", "]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=6)
ODD = ["1e400", "-0", "1.0", "1E+2", "0.10", '"\\u00e9\\/\\b"', '"\\ud800"', '{"model":1e999}', "[ ]", "null"]


@given(
    BODIES,
    st.text(max_size=5),
    st.text(max_size=5),
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
    st.sampled_from(ODD),
)
@settings(max_examples=300, deadline=None)
def test_editing_equals_decoding_editing_and_encoding(
    fields: dict[str, Any], old: str, new: str, ascii_only: bool, indent: Any, odd: str
) -> None:
    fields["model"] = "@@old@@"
    fields["zz"] = "@@odd@@"
    text = json.dumps(fields, ensure_ascii=ascii_only, indent=indent)
    before, behind = text.replace('"@@odd@@"', odd).split('"@@old@@"')
    made = replace_model((before + json.dumps(old) + behind).encode(), new)
    assert isinstance(made, bytes)
    assert made.startswith(before.encode()) and made.endswith(behind.encode())
    assert json.loads(made[len(before.encode()) : len(made) - len(behind.encode())]) == new


@given(BODIES, st.booleans())
@settings(max_examples=200, deadline=None)
def test_asking_for_usage_equals_decoding_editing_and_encoding(fields: dict[str, Any], ascii_only: bool) -> None:
    made = set_include_usage(json.dumps(fields, ensure_ascii=ascii_only).encode())
    options = fields.get("stream_options")
    expected = {**fields, "stream_options": {**(options if isinstance(options, dict) else {}), "include_usage": True}}
    assert json.loads(made) == expected
    assert set_include_usage(made) == made


@pytest.mark.parametrize(
    "text", ["x" * 10**6, 'say \\"model\\" \\n' * 60_000, "\\u00e9" * 160_000], ids=["plain", "escapes", "accents"]
)
@pytest.mark.parametrize("shape", ['{"messages":["%s"],"model":"a"}', '{"model":"a","model":"b","m":"%s"}'])
def test_a_large_body_is_jumped_over_and_not_crawled_through(text: str, shape: str) -> None:
    body = (shape % text).encode()
    started = time.process_time()
    made = replace_model(body, "gpt-6")
    set_include_usage(body)
    assert time.process_time() - started < 0.25  # a crawl in Python takes seconds
    if shape.count("model") == 1:
        assert made == body.replace(b'"model":"a"', b'"model":"gpt-6"')
    else:
        assert isinstance(made, Failure)


def test_deep_nesting_ends_in_an_answer_and_not_in_a_crash() -> None:
    deep = b'{"model":"a","model":"b","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert isinstance(replace_model(deep, "m"), Failure)
    assert isinstance(set_include_usage(deep), bytes)
