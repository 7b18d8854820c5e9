"""Golden fixtures of Chat Completions: tests/golden/openai_chat holds each case as the wire has it and as the hub
has it, both written by hand from wire-formats.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trunkline.dialects.contract import Encoded, StreamOptions, Target
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.canonical import ChatRequest, ChatResponse, Event, Tool
from trunkline.types.envelope import Envelope

OPENAI = OpenAIChat()
GOLDEN = Path(__file__).parents[2] / "golden" / "openai_chat"
TARGET = Target(dialect="openai_chat")


def cases(folder: str) -> list[Path]:
    found = sorted((GOLDEN / folder).glob("*.hub.json"))
    assert found
    return found


def wire(hub: Path, ending: str) -> bytes:
    return hub.with_name(hub.name.removesuffix(".hub.json") + ending).read_bytes()


def plain(value: Any) -> Any:
    return json.loads(msgspec.json.encode(value))


def hub_request(hub: Path) -> ChatRequest:
    """Schemas stay raw JSON; they are put in by hand because no decoder takes them beside null."""
    fields = json.loads(hub.read_bytes())
    tools = []
    for tool in fields.pop("tools", []):
        schema = tool.pop("schema", None)
        raw = None if schema is None else msgspec.Raw(json.dumps(schema).encode())
        tools.append(Tool(**tool, schema=raw))
    return msgspec.structs.replace(msgspec.convert(fields, ChatRequest), tools=tuple(tools))


def named(hub: Path) -> str:
    return hub.name.removesuffix(".hub.json")


@pytest.mark.parametrize("hub", cases("to_hub"), ids=named)
def test_requests_reach_the_hub(hub: Path) -> None:
    body = wire(hub, ".openai.json")
    facts = OPENAI.peek(TARGET, body)
    assert isinstance(facts, Envelope)
    assert plain(OPENAI.decode_request(body, facts)) == plain(hub_request(hub))


@pytest.mark.parametrize("hub", cases("from_hub"), ids=named)
def test_requests_leave_the_hub(hub: Path) -> None:
    made = OPENAI.encode_request(hub_request(hub), "gpt-6", max_output_tokens=8192)
    assert isinstance(made, Encoded)
    expected = json.loads(wire(hub, ".openai.json"))
    assert json.loads(made.body) == expected["body"]
    assert [loss.field for loss in made.losses] == expected["losses"]


@pytest.mark.parametrize("hub", cases("answers"), ids=named)
def test_answers_reach_the_hub(hub: Path) -> None:
    expected = msgspec.json.decode(hub.read_bytes(), type=ChatResponse)
    assert plain(OPENAI.decode_response(wire(hub, ".openai.json"))) == plain(expected)


@pytest.mark.parametrize("hub", cases("streams"), ids=named)
def test_streams_reach_the_hub_and_pass_the_tap_untouched(hub: Path) -> None:
    stream = wire(hub, ".sse")
    reader, tap = OPENAI.reader(StreamOptions()), OPENAI.tap(StreamOptions())
    expected = msgspec.json.decode(hub.read_bytes(), type=list[Event])
    assert reader.feed(stream) + reader.eof() == expected
    assert tap.feed(stream) + tap.finalise() == stream
    assert tap.finished and tap.answer.usage == reader.answer.usage
