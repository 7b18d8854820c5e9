"""Whatever JSON comes in, a twin answers 200 or refuses in the provider's own shape; it never raises."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.twins.twin import surface_of
from trunkline.twins.wire import Mood, Request, TwinName

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
DATA_URL = "data:image/png;base64,iVBORw0KGgo="

CHAT: dict[str, Any] = {
    "model": "gpt-4.1",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Call get_weather"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": DATA_URL}}]},
    ],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}],
    "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}},
    "stop": ["END"],
    "max_tokens": 20,
    "temperature": 1,
    "n": 2,
    "stream": False,
    "stream_options": {"include_usage": True},
    "thinking": {"type": "enabled"},
    "reasoning_effort": "low",
}
CLAUDE: dict[str, Any] = {
    "model": "claude-opus-4-6",
    "max_tokens": 4000,
    "system": [{"type": "text", "text": "Be kind."}],
    "messages": [
        {"role": "user", "content": "Call get_weather"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "text", "text": "Yes"},
                {"type": "tool_use", "id": "t1", "name": "get_weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "sunny"}]},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            ],
        },
    ],
    "tools": [{"name": "get_weather", "input_schema": SCHEMA}],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
    "stop_sequences": ["END"],
    "temperature": 1,
    "top_k": 5,
    "stream": False,
}
GENERATE: dict[str, Any] = {
    "systemInstruction": {"parts": [{"text": "Be kind."}]},
    "contents": [
        {"role": "user", "parts": [{"text": "Call get_weather"}]},
        {
            "role": "model",
            "parts": [{"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}, "thoughtSignature": "AAAA"}],
        },
        {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"output": "sunny"}}}]},
        {"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]},
        {"role": "user", "parts": [{"fileData": {"mimeType": "image/png", "fileUri": "https://example.com/a"}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "get_weather", "parameters": SCHEMA}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["get_weather"]}},
    "generationConfig": {
        "temperature": 1,
        "maxOutputTokens": 20,
        "stopSequences": ["END"],
        "candidateCount": 2,
        "responseMimeType": "application/json",
        "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}},
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 5},
    },
}

WORDS = ["", "user", "assistant", "model", "tool", "text", "image", "object", "auto", "any", "enabled", "get_weather"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from(WORDS),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from([*WORDS, "type", "role"]), st.text(max_size=4)), inner, max_size=3),
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside `value`."""
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        found += places(inner, (*path, key))
    return found


@st.composite
def damaged(draw: Any, good: dict[str, Any]) -> Any:
    """A good request with some of its values removed or replaced by something else."""
    body = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(places(body) or [()]))
        if not path:
            return draw(VALUES)
        holder = body
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()) or isinstance(holder, list):
            holder[path[-1]] = draw(VALUES)
        else:
            del holder[path[-1]]
    return body


def answer(name: TwinName, path: str, document: Any, version: str = "2023-06-01") -> None:
    surface = surface_of(name)
    headers = [(b"authorization", b"Bearer k"), (b"anthropic-version", version.encode())]
    request = Request(
        id=surface.request_id("1"), method="POST", path=path, query={}, headers=headers, body=b"{}", document=document
    )
    surface.identify(request)
    for shape in ("normal", "refusal", "empty"):
        reply = surface.respond(request, Mood(shape=shape))  # type: ignore[arg-type]  # one of the three words
        assert reply.status == 200 or 400 <= reply.status < 500
        if reply.beats is None:
            assert json.loads(reply.body)
        else:
            assert all(isinstance(data, bytes) for _, _, data in reply.beats)


@settings(max_examples=300, deadline=None)
@given(damaged(CHAT))
def test_openai_never_raises(body: Any) -> None:
    answer("openai", "/v1/chat/completions", body)


@settings(max_examples=300, deadline=None)
@given(damaged(CHAT))
def test_ark_never_raises(body: Any) -> None:
    if isinstance(body, dict) and body.get("model") == "gpt-4.1":
        body = {**body, "model": "ep-1"}
    answer("ark", "/api/v3/chat/completions", body)


@settings(max_examples=300, deadline=None)
@given(damaged(CLAUDE), st.sampled_from(["2023-06-01", "2026-10-21"]))
def test_anthropic_never_raises(body: Any, version: str) -> None:
    answer("anthropic", "/v1/messages", body, version)


@settings(max_examples=300, deadline=None)
@given(damaged(GENERATE), st.sampled_from(["generateContent", "streamGenerateContent", "countTokens"]))
def test_gemini_never_raises(body: Any, verb: str) -> None:
    answer("gemini", f"/v1/models/gemini-3.8-flash:{verb}", body)
