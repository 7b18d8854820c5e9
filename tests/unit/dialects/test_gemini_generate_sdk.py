"""What this dialect writes, read by Google's own SDK."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.gemini_generate import GeminiGenerate
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
from trunkline.types.failure import Failure, FaultClass, Kind, refused
from trunkline.types.usage import Usage

GEMINI = GeminiGenerate()
USAGE = Usage(input_uncached=5, cache_read=4, output=6, reasoning=2)
BROKEN = Failure(kind=Kind.STREAM_BROKEN, fault=FaultClass.TRANSIENT, source="upstream", message="it broke")
EVENTS: tuple[Event, ...] = (
    Start("id1", "gpt"),
    BlockStart(index=0, kind="thinking"),
    Delta(index=0, kind="text", text="hm"),
    BlockStop(0),
    BlockStart(index=1, kind="text"),
    Delta(index=1, kind="text", text="It is "),
    Delta(index=1, kind="text", text="sunny ☀"),
    BlockStop(1),
    BlockStart(index=2, kind="tool", id="c1", name="f"),
    Delta(index=2, kind="json", text='{"a":1}'),
    BlockStop(2),
    Used(USAGE),
    Finish(reason="tool_calls"),
)


def sdk(status: int, body: bytes) -> genai.Client:
    """A client whose every call is answered with `body`."""
    answering = httpx2.MockTransport(lambda request: httpx2.Response(status, content=body))
    options = types.HttpOptions(httpx_client=httpx2.Client(transport=answering))
    return genai.Client(api_key="k", http_options=options)


def streamed(body: bytes) -> Iterator[types.GenerateContentResponse]:
    return sdk(200, body).models.generate_content_stream(model="m", contents="hi")


def written() -> bytes:
    writer = GEMINI.writer(StreamOptions(id="x", model="y"))
    return b"".join(writer.send(event) for event in EVENTS) + writer.end()


def test_the_sdk_reads_a_written_answer() -> None:
    response = ChatResponse(
        id="id1",
        model="gpt",
        parts=(Thinking(text="hm"), Text("It is sunny"), ToolCall("c1", "f", '{"a":1}')),
        finish="tool_calls",
        usage=USAGE,
    )
    read = sdk(200, GEMINI.encode_response(response, created=0).body).models.generate_content(model="m", contents="hi")
    assert read.candidates is not None and read.function_calls is not None and read.usage_metadata is not None
    assert read.candidates[0].finish_reason is types.FinishReason.STOP
    assert (read.function_calls[0].id, read.function_calls[0].name, read.function_calls[0].args) == (
        "c1",
        "f",
        {"a": 1},
    )
    content = read.candidates[0].content
    assert content is not None and content.parts is not None
    assert [(p.text, p.thought) for p in content.parts[:2]] == [("hm", True), ("It is sunny", None)]
    assert content.parts[2].thought_signature == b"skip_thought_signature_validator"
    assert (read.model_version, read.response_id) == ("gpt", "id1")
    used = read.usage_metadata
    assert (used.prompt_token_count, used.cached_content_token_count) == (9, 4)
    assert (used.candidates_token_count, used.thoughts_token_count, used.total_token_count) == (4, 2, 15)


def test_the_sdk_reads_a_written_stream_with_keep_alives_between() -> None:
    body = GEMINI.keepalive() * 2 + written().replace(b"\r\n\r\n", b"\r\n\r\n" + GEMINI.keepalive())
    read = list(streamed(body))
    parts = [p for r in read for c in r.candidates or () for p in (c.content.parts if c.content else None) or ()]
    assert "".join(p.text or "" for p in parts if not p.thought) == "It is sunny ☀"
    assert [p.function_call.args for p in parts if p.function_call] == [{"a": 1}]
    last = read[-1]
    assert last.candidates is not None and last.usage_metadata is not None
    assert last.candidates[0].finish_reason is types.FinishReason.STOP
    assert last.usage_metadata.total_token_count == 15
    assert [r.candidates[0].finish_reason for r in read[:-1] if r.candidates] == [None] * (len(read) - 1)


def test_the_sdk_raises_at_an_error_event_after_the_text_before_it() -> None:
    read: list[str] = []
    with pytest.raises(errors.ServerError) as raised:
        for chunk in streamed(
            written().partition(b"sunny")[0].rpartition(b"data: ")[0] + GEMINI.error_event(BROKEN, "r")
        ):
            read.append(chunk.text or "")
    assert "".join(read) == "It is "
    assert (raised.value.code, raised.value.status, raised.value.message) == (502, "UNAVAILABLE", "it broke")


@pytest.mark.parametrize(
    ("failure", "status", "kind"),
    [
        (refused(Kind.UNAUTHENTICATED, "no key"), 401, errors.ClientError),
        (refused(Kind.RATE_LIMITED, "slow down", delay=3.0), 429, errors.ClientError),
        (BROKEN, 502, errors.ServerError),
    ],
)
def test_the_sdk_raises_its_own_kind_of_error(failure: Failure, status: int, kind: type[errors.APIError]) -> None:
    with pytest.raises(kind) as raised:
        sdk(status, GEMINI.error_body(failure, "r")).models.generate_content(model="m", contents="hi")
    assert (raised.value.code, raised.value.message) == (status, failure.message)
