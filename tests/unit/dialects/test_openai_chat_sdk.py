"""What this dialect writes and lets through, read by OpenAI's own SDK."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionChunk

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.canonical import (
    BlockStart,
    BlockStop,
    ChatResponse,
    Delta,
    Event,
    Finish,
    Start,
    Text,
    Thinking,
    ToolCall,
    Used,
)
from trunkline.types.failure import Failure, FaultClass, Kind, http_status, invalid, refused
from trunkline.types.usage import Usage

OPENAI = OpenAIChat()
USAGE = Usage(input_uncached=5, cache_read=4, output=6, reasoning=2)
BROKEN = Failure(kind=Kind.STREAM_BROKEN, fault=FaultClass.TRANSIENT, source="upstream", message="it broke")
HELLO: Any = [{"role": "user", "content": "hi"}]
EVENTS: tuple[Event, ...] = (
    Start("id1", "claude"),
    BlockStart(index=0, kind="thinking"),
    Delta(index=0, kind="text", text="hm"),
    BlockStop(0),
    BlockStart(index=1, kind="text"),
    Delta(index=1, kind="text", text="It is "),
    Delta(index=1, kind="text", text="sunny ☀"),
    BlockStop(1),
    BlockStart(index=2, kind="tool", id="c1", name="f"),
    Delta(index=2, kind="json", text='{"a"'),
    Delta(index=2, kind="json", text=":1}"),
    BlockStop(2),
    BlockStart(index=3, kind="tool", id="c2", name="g"),
    BlockStop(3),
    Used(USAGE),
    Finish(reason="tool_calls"),
)


def sdk(status: int, body: bytes) -> OpenAI:
    """A client whose every call is answered with `body`."""
    answering = httpx2.MockTransport(lambda request: httpx2.Response(status, content=body))
    return OpenAI(api_key="k", max_retries=0, http_client=httpx2.Client(transport=answering))


def streamed(body: bytes) -> list[ChatCompletionChunk]:
    return list(sdk(200, body).chat.completions.create(model="m", messages=HELLO, stream=True))


def written() -> bytes:
    writer = OPENAI.writer(StreamOptions(created=17, id="own", model="asked"))
    return b"".join(writer.send(event) for event in EVENTS) + writer.end()


def test_a_translated_stream_is_what_the_sdk_expects() -> None:
    chunks = streamed(OPENAI.keepalive() + written())
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {("id1", 17, "claude")}
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == "It is sunny ☀"
    calls = [call for delta in deltas for call in delta.tool_calls or []]
    assert [(c.index, c.id, c.function.name) for c in calls if c.function and c.id] == [(0, "c1", "f"), (1, "c2", "g")]
    arguments = ["".join(c.function.arguments or "" for c in calls if c.function and c.index == at) for at in (0, 1)]
    assert arguments == ['{"a":1}', "{}"]
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "tool_calls"
    usage = chunks[-1].usage
    assert usage is not None and usage.prompt_tokens_details is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details.cached_tokens) == (9, 6, 4)


def test_a_translated_answer_is_what_the_sdk_expects() -> None:
    parts = (Thinking(text="hm"), Text("Hi"), ToolCall("c1", "f", ""))
    made = OPENAI.encode_response(
        ChatResponse(id="r", model="m", parts=parts, finish="tool_calls", usage=USAGE), created=17
    )
    found = sdk(200, made.body).chat.completions.create(model="m", messages=HELLO)
    message = found.choices[0].message
    assert (message.content, message.refusal, found.choices[0].finish_reason) == ("Hi", None, "tool_calls")
    assert message.tool_calls is not None and message.tool_calls[0].type == "function"
    assert message.tool_calls[0].function.arguments == "{}"
    assert found.usage is not None and found.usage.total_tokens == 15


def test_an_error_inside_a_stream_raises_and_what_came_before_was_seen() -> None:
    half = written().split(b"\n\n")[:4]
    stream = sdk(200, b"\n\n".join(half) + b"\n\n" + OPENAI.error_event(BROKEN, "r")).chat.completions.create(
        model="m", messages=HELLO, stream=True
    )
    seen = []
    with pytest.raises(openai.APIError) as raised:
        for chunk in stream:
            seen.append(chunk)
    assert len(seen) == 4
    assert (raised.value.message, raised.value.type, raised.value.code) == ("it broke", "server_error", "stream_broken")


@pytest.mark.parametrize("before", [b"", b"id: 1\n"])
def test_a_malformed_event_is_left_out_so_that_the_sdk_reads_on(before: bytes) -> None:
    events = written().split(b"\n\n")
    stream = b"\n\n".join([before + events[0], events[1], b'data: {"id', *events[2:]])
    out = OPENAI.tap(StreamOptions()).feed(stream)
    assert b": trunkline dropped a malformed event" in out
    assert len(streamed(out)) == len(streamed(written()))


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (invalid("no", param="n"), openai.BadRequestError),
        (invalid("no", status=413), openai.APIStatusError),
        (refused(Kind.UNAUTHENTICATED, "no"), openai.AuthenticationError),
        (refused(Kind.FORBIDDEN, "no"), openai.PermissionDeniedError),
        (refused(Kind.UNKNOWN_MODEL, "no"), openai.NotFoundError),
        (refused(Kind.RATE_LIMITED, "no"), openai.RateLimitError),
        (refused(Kind.OVERLOADED, "no"), openai.InternalServerError),
        (BROKEN, openai.InternalServerError),
    ],
)
def test_each_failure_raises_the_sdks_own_exception(failure: Failure, raised: type[openai.APIStatusError]) -> None:
    with pytest.raises(raised) as found:
        sdk(http_status(failure), OPENAI.error_body(failure, "r")).chat.completions.create(model="m", messages=HELLO)
    assert found.value.status_code == http_status(failure)
    assert found.value.param == (failure.param or None)
