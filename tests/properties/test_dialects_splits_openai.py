"""Any split of the same upstream bytes gives the same client bytes and the same state, and no bytes crash a reader."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.dialects.contract import Encoded, StreamOptions, StreamRelay, Target
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.dialects.splice import replace_model
from trunkline.dialects.translate import Translation
from trunkline.types.canonical import ChatRequest
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure

OPENAI = OpenAIChat()
DONE = b"data: [DONE]"

WORDS = st.text(max_size=8) | st.sampled_from(['"finish_reason":"stop"', "\ud83d", "\ude00x", "[DONE]", '"error"'])
IDS = {"index": st.sampled_from([0, 1, None]), "id": st.sampled_from(["a", "b", "", None])}
FUNCTION = st.fixed_dictionaries({}, optional={"name": st.sampled_from(["f", ""]), "arguments": WORDS})
CUSTOM = st.fixed_dictionaries({}, optional={"name": st.just("c"), "input": WORDS})
CALL = st.one_of(
    st.fixed_dictionaries({}, optional={**IDS, "function": FUNCTION}),
    st.fixed_dictionaries({}, optional={**IDS, "function": FUNCTION}),
    st.fixed_dictionaries({}, optional={**IDS, "custom": CUSTOM}),
)
DELTA = st.one_of(
    st.builds(lambda t: {"content": t}, WORDS),
    st.builds(lambda t: {"reasoning_content": t}, WORDS),
    st.builds(lambda t: {"refusal": t}, WORDS),
    st.builds(lambda c: {"tool_calls": c}, st.lists(CALL, max_size=2)),
    st.sampled_from(
        [{}, None, {"role": "assistant", "content": ""}, {"content": [{"text": "x"}]}, {"function_call": {"name": "f"}}]
    ),
)
FINISH = st.sampled_from([None, None, None, None, "stop", "tool_calls", "content_filter", "", "odd"])
USAGE = st.none() | st.builds(lambda n: {"prompt_tokens": n}, st.integers(min_value=-1, max_value=2**70))


def chunk(delta: Any, finish: Any, index: int, usage: Any, spaced: bool, ascii_only: bool) -> bytes:
    value: dict[str, Any] = {
        "id": "c",
        "model": "m",
        "choices": [{"index": index, "delta": delta, "finish_reason": finish}],
    }
    if usage is not None:
        value["usage"] = usage
    separators = (", ", ": ") if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
    return text.encode("utf-8", "backslashreplace")


DATA = st.one_of(
    st.builds(chunk, DELTA, FINISH, st.sampled_from([0, 0, 0, 1]), USAGE, st.booleans(), st.booleans()),
    st.sampled_from(
        [
            b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
            b'{"error":{"message":"m","code":"c"}}',
            b'{"choices":[{',
            b'{"choices":{}}',
            b"5",
            b"[DONE]",
        ]
    ),
)
EVENT = st.one_of(
    st.builds(
        lambda data, end: b"data: " + data + end, DATA, st.sampled_from([b"\n\n", b"\n\n", b"\r\n\r\n", b"\n\r\n"])
    ),
    st.sampled_from([b"\n", b"\r\n", b": ping\n\n", b"event: ping\n\n", b"data:\n\n", b"id: 1\n"]),
)
STREAM = st.builds(
    lambda events, tail: b"".join(events) + tail,
    st.lists(EVENT, max_size=9),
    st.sampled_from([b"", DONE, DONE + b"\n\n", b"data: {", b'data: {"choices":[],"usage":{"prompt_tokens":3}}\n']),
)


def relays(options: StreamOptions) -> list[StreamRelay]:
    return [OPENAI.tap(options), Translation(OPENAI.reader(options), OPENAI.writer(options))]


OPTIONS = st.builds(
    StreamOptions,
    strip_usage=st.booleans(),
    include_usage=st.booleans(),
    on_malformed=st.sampled_from(["drop", "break"]),
    max_event=st.sampled_from([1 << 20, 120]),
    choices=st.sampled_from([1, 1, 2]),
    structured=st.booleans(),
)


def run(relay: StreamRelay, pieces: list[bytes]) -> tuple[Any, ...]:
    out = b"".join(relay.feed(piece) for piece in pieces)
    if relay.finished and relay.error is None and not relay.broken:
        out += relay.finalise()
    state = (relay.content, relay.contents, relay.finished, relay.terminated, relay.malformed, relay.error)
    return (out, *state, relay.broken, relay.events, relay.progress, relay.answer, relay.losses)


@given(STREAM, OPTIONS, st.data())
@settings(max_examples=250, deadline=None)
def test_any_split_gives_the_same_bytes_and_the_same_state(
    stream: bytes, options: StreamOptions, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(min_value=0, max_value=len(stream)), max_size=6)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    for whole, split in zip(relays(options), relays(options), strict=True):
        assert run(split, pieces) == run(whole, [stream])


@given(STREAM, OPTIONS)
@settings(max_examples=80, deadline=None)
def test_byte_by_byte_is_no_different(stream: bytes, options: StreamOptions) -> None:
    for whole, split in zip(relays(options), relays(options), strict=True):
        assert run(split, [stream[at : at + 1] for at in range(len(stream))]) == run(whole, [stream])


GOOD = st.builds(chunk, DELTA, st.none(), st.just(0), st.none(), st.booleans(), st.booleans())


@given(st.lists(GOOD, max_size=6), st.sampled_from([b"\n\n", b"\r\n\r\n"]))
@settings(max_examples=150, deadline=None)
def test_a_good_stream_passes_byte_for_byte_and_no_bug_of_ours_shows(chunks: list[bytes], end: bytes) -> None:
    last = chunk({}, "stop", 0, None, False, True)
    stream = b"".join(b"data: " + data + end for data in [*chunks, last]) + DONE + end
    tap, translated = relays(StreamOptions())
    assert run(tap, [stream])[0] == stream
    assert tap.finished and tap.terminated and not tap.blind  # type: ignore[attr-defined]  # the tap has it
    out = run(translated, [stream])[0]
    assert (translated.finished, translated.broken) == (True, "")
    assert out.endswith(b"data: [DONE]\n\n") and tap.content == translated.content
    for event in out.split(b"\n\n")[:-2]:
        assert json.loads(event[6:])["object"] == "chat.completion.chunk"


@given(STREAM)
@settings(max_examples=150, deadline=None)
def test_no_false_terminator_ever_leaves(stream: bytes) -> None:
    """Whatever came: `[DONE]` is only seen by a client whose stream is finished and neither broken nor in error."""
    for relay in relays(StreamOptions()):
        out = relay.feed(stream)
        assert relay.broken not in ("unreadable", "untranslatable")
        if b"data: [DONE]" in out:
            assert relay.finished and relay.terminated and not relay.broken and relay.error is None


@given(st.binary(max_size=200) | STREAM.map(lambda s: s[: len(s) // 2] + s[len(s) // 2 + 3 :]))
@settings(max_examples=150, deadline=None)
def test_no_bytes_crash_a_relay_or_a_reader_of_errors(garbage: bytes) -> None:
    for relay in relays(StreamOptions()):
        run(relay, [garbage])
    OPENAI.read_error(500, garbage)
    OPENAI.check(garbage)
    OPENAI.decode_response(garbage)


KEYS = st.sampled_from(
    [
        *("role", "content", "type", "text", "image_url", "url", "tool_calls", "tool_call_id", "function", "name"),
        *("arguments", "custom", "input", "tools", "tool_choice", "parameters", "stop", "temperature", "n", "seed"),
        *("max_tokens", "stream", "stream_options", "response_format", "refusal", "allowed_tools", "mode", "messages"),
        *("message", "choices", "usage", "prompt_tokens", "finish_reason"),
    ]
)
TREE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["user", "assistant", "tool", "system", "text", "function", "auto", "data:,x", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(KEYS, TREE, max_size=6), st.lists(st.dictionaries(KEYS, TREE, max_size=4), max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_json_is_a_request_or_a_refusal_and_what_is_a_request_can_be_written_again(
    fields: dict[str, Any], messages: list[Any]
) -> None:
    body = json.dumps({**fields, "messages": messages, "model": "m"}).encode()
    facts = OPENAI.peek(Target(dialect="openai_chat"), body)
    if isinstance(facts, Failure):
        assert facts.message
        return
    assert isinstance(facts, Envelope)
    spliced = OPENAI.splice(body, facts, "gpt-6")
    assert isinstance(spliced, bytes) and json.loads(spliced)["model"] == "gpt-6"
    assert isinstance(replace_model(spliced, "m"), bytes)
    request = OPENAI.decode_request(body, facts)
    if isinstance(request, ChatRequest):
        made = OPENAI.encode_request(request, "gpt-6", max_output_tokens=1)
        assert isinstance(made, Failure) or "messages" in msgspec.json.decode(made.body)


@given(st.dictionaries(KEYS, TREE, max_size=4), st.lists(TREE, max_size=2))
@settings(max_examples=200, deadline=None)
def test_any_json_is_an_answer_or_a_failure_and_both_readings_agree(fields: dict[str, Any], choices: list[Any]) -> None:
    body = json.dumps({**fields, "choices": [{"message": c} for c in choices]}).encode()
    found = OPENAI.decode_response(body)
    if isinstance(found, Failure):
        return
    assert not isinstance(OPENAI.check(body), Failure)
    assert isinstance(OPENAI.encode_response(found, created=1), Encoded)
