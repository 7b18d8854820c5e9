"""Any split of the same upstream bytes gives the same client bytes and the same state, and no bytes crash a reader."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.dialects.contract import StreamOptions, StreamRelay, Target
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.translate import Translation
from trunkline.types.canonical import ChatRequest
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure

GEMINI = GeminiGenerate()
TARGET = Target(dialect="gemini_generate", model="m", version="v1", stream=True)

WORDS = st.text(max_size=12)
PART = st.one_of(
    st.builds(lambda t: {"text": t}, WORDS),
    st.builds(lambda t: {"text": t, "thought": True}, WORDS),
    st.builds(lambda t: {"text": t, "thoughtSignature": "c2ln"}, WORDS),
    st.builds(lambda n, a: {"functionCall": {"name": n or "f", "args": {"a": a}}}, WORDS, WORDS),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
)
FINISH = st.sampled_from([None, None, None, "STOP", "MAX_TOKENS", "SAFETY", "MALFORMED_FUNCTION_CALL"])


def chunk(parts: list[dict[str, Any]], finish: str | None, index: int, used: int | None) -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": parts}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    value: dict[str, Any] = {"candidates": [candidate], "responseId": "r"}
    if used is not None:
        value["usageMetadata"] = {"promptTokenCount": used}
    return json.dumps(value, ensure_ascii=False).encode()


DATA = st.one_of(
    st.builds(
        chunk,
        st.lists(PART, max_size=3),
        FINISH,
        st.sampled_from([0, 0, 0, 1]),
        st.none() | st.integers(min_value=0, max_value=10**6),
    ),
    st.sampled_from(
        [
            b'{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}',
            b'{"promptFeedback":{"blockReason":"SAFETY"}}',
            b'{"candidates":5}',
            b'{"candidates":[',
            b"[DONE]",
        ]
    ),
)
EVENT = st.one_of(
    st.builds(lambda data, end: b"data: " + data + end, DATA, st.sampled_from([b"\n\n", b"\r\n\r\n"])),
    st.sampled_from([b"\n", b"\r\n", b": ping\n\n"]),
)
STREAM = st.lists(EVENT, max_size=8).map(b"".join)


def relays(sse: bool) -> list[StreamRelay]:
    options = StreamOptions(id="x", model="y", sse=sse)
    return [GEMINI.tap(options), Translation(GEMINI.reader(options), GEMINI.writer(options))]


def run(relay: StreamRelay, pieces: list[bytes]) -> tuple[Any, ...]:
    out = b"".join(relay.feed(piece) for piece in pieces)
    if relay.finished and relay.error is None and not relay.broken:
        out += relay.finalise()
    state = (relay.content, relay.contents, relay.finished, relay.terminated, relay.malformed, relay.error)
    return (out, *state, relay.broken, relay.events, relay.progress, relay.answer, relay.losses)


@given(STREAM, st.booleans(), st.data())
@settings(max_examples=150, deadline=None)
def test_any_split_gives_the_same_bytes_and_the_same_state(stream: bytes, sse: bool, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(min_value=0, max_value=len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for whole, split in zip(relays(sse), relays(sse), strict=True):
        assert run(split, pieces) == run(whole, [stream])


@given(STREAM)
@settings(max_examples=60, deadline=None)
def test_byte_by_byte_is_no_different(stream: bytes) -> None:
    for whole, split in zip(relays(True), relays(True), strict=True):
        assert run(split, [stream[at : at + 1] for at in range(len(stream))]) == run(whole, [stream])


@given(st.lists(st.builds(chunk, st.lists(PART, max_size=3), st.none(), st.just(0), st.none()), max_size=6))
@settings(max_examples=100, deadline=None)
def test_a_good_stream_passes_byte_for_byte_and_as_an_array_with_its_data_untouched(chunks: list[bytes]) -> None:
    last = chunk([], "STOP", 0, 7)
    stream = b"".join(b"data: " + data + b"\r\n\r\n" for data in [*chunks, last])
    tap, array = relays(True)[0], relays(False)[0]
    assert run(tap, [stream])[0] == stream
    assert run(array, [stream])[0] == b"[" + b",\r\n".join([*chunks, last]) + b"]"
    assert tap.finished and array.finished


@given(st.binary(max_size=200) | STREAM.map(lambda s: s[: len(s) // 2] + s[len(s) // 2 + 3 :]))
@settings(max_examples=150, deadline=None)
def test_no_bytes_crash_a_relay_or_a_reader_of_errors(garbage: bytes) -> None:
    for relay in relays(True):
        run(relay, [garbage])
    GEMINI.read_error(500, garbage)
    GEMINI.check(garbage)
    GEMINI.decode_response(garbage)


KEYS = st.sampled_from(
    [
        *("contents", "parts", "text", "role", "inline_data", "mimeType", "data", "fileData", "fileUri"),
        *("functionCall", "function_response", "name", "args", "response", "tools", "function_declarations"),
        *("parameters", "properties", "type", "toolConfig", "mode", "functionCallingConfig"),
        *("generation_config", "topK", "stopSequences", "systemInstruction"),
    ]
)
TREE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["user", "model", "ANY", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, TREE, max_size=6), st.lists(TREE, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_request_or_a_refusal_and_what_is_a_request_can_be_written_again(
    fields: dict[str, Any], contents: list[Any]
) -> None:
    body = json.dumps({**fields, "contents": contents}).encode()
    facts = GEMINI.peek(TARGET, body)
    if isinstance(facts, Failure):
        assert facts.message
        return
    assert isinstance(facts, Envelope)
    request = GEMINI.decode_request(body, facts)
    if isinstance(request, ChatRequest):
        made = GEMINI.encode_request(request, "gemini-2.5-flash", max_output_tokens=1)
        assert isinstance(made, Failure) or msgspec.json.decode(made.body)["contents"]
