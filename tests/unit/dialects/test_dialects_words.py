"""What a classifier gets to see of a request, in each dialect."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.dialects.registry import DIALECTS
from trunkline.types.words import NO_WORDS, Words

CHAT, MESSAGES, GENERATE = (DIALECTS[name] for name in ("openai_chat", "anthropic_messages", "gemini_generate"))


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def test_chat() -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "developer", "content": "Answer in rhyme."},
            {"role": "user", "content": "write about rain"},
            {"role": "assistant", "content": "Rain, rain …"},
            {"role": "user", "content": [text("now"), {"type": "image_url"}, text("snow")]},
        ],
    }
    assert CHAT.words(json.dumps(body).encode()) == Words(
        text="now\nsnow", before="write about rain", system="Answer in rhyme."
    )


def test_messages() -> None:
    body = {
        "system": [{"type": "text", "text": "You fix code."}],
        "messages": [
            {"role": "user", "content": "why does it crash?"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "ls", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "x.py"}]},
        ],
    }
    found = MESSAGES.words(json.dumps(body).encode())
    assert found == Words(text="why does it crash?", before="", system="You fix code."), "a tool's result says nothing"


@pytest.mark.parametrize("key", ["systemInstruction", "system_instruction"])
def test_generate(key: str) -> None:
    body = {
        key: {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "one"}]},
            {"role": "model", "parts": [{"text": "1"}]},
            {"parts": [{"text": "two"}, {"inlineData": {}}, {"text": "hidden", "thought": True}]},
        ],
    }
    assert GENERATE.words(json.dumps(body).encode()) == Words(text="two", before="one", system="Be brief.")


def test_a_single_content_of_generate() -> None:
    assert GENERATE.words(b'{"contents": {"parts": [{"text": "alone"}]}}') == Words(text="alone")


def test_only_the_end_of_a_long_conversation_is_read() -> None:
    talk = [{"role": "user", "content": "first"}] + [{"role": "assistant", "content": "so"}] * 60
    assert CHAT.words(json.dumps({"messages": talk}).encode()) == NO_WORDS


@pytest.mark.parametrize("dialect", [CHAT, MESSAGES, GENERATE], ids=lambda d: d.name)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"messages": 3, "contents": "x"}',
        b'{"messages": [3, {"role": 1}, {"role": "user", "content": 7}], "contents": [3, {"role": 1, "parts": 7}]}',
        b'{"messages": [' + b"[" * 100_000,
        b'{"messages": [{"role": "user", "content": [[["x"]]]}], "contents": [{"parts": [[["x"]]]}]}',
    ],
)
def test_odd_bodies_have_no_words_and_raise_nothing(dialect: object, body: bytes) -> None:
    assert dialect.words(body) == NO_WORDS  # type: ignore[attr-defined]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["role", "content", "parts", "text", "messages", "contents", "system", "user"]), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@given(json_values)
def test_no_shape_raises(value: object) -> None:
    for dialect in (CHAT, MESSAGES, GENERATE):
        assert isinstance(dialect.words(json.dumps(value).encode()), Words)
