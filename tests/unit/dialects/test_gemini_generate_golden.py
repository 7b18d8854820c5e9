"""Golden fixtures of generateContent: tests/golden/gemini_generate holds each case as the wire has it and as the hub
has it, both written by hand from wire-formats.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trunkline.dialects.contract import Encoded, StreamOptions, Target
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.types.canonical import ChatRequest, ChatResponse, Event, Tool
from trunkline.types.envelope import Envelope

GEMINI = GeminiGenerate()
GOLDEN = Path(__file__).parents[2] / "golden" / "gemini_generate"
TARGET = Target(dialect="gemini_generate", model="m", version="v1beta", stream=False)


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
    body = wire(hub, ".gemini.json")
    facts = GEMINI.peek(TARGET, body)
    assert isinstance(facts, Envelope)
    assert plain(GEMINI.decode_request(body, facts)) == plain(hub_request(hub))


@pytest.mark.parametrize("hub", cases("from_hub"), ids=named)
def test_requests_leave_the_hub(hub: Path) -> None:
    made = GEMINI.encode_request(hub_request(hub), "gemini-2.5-flash", max_output_tokens=8192)
    assert isinstance(made, Encoded)
    expected = json.loads(wire(hub, ".gemini.json"))
    assert json.loads(made.body) == expected["body"]
    assert [loss.field for loss in made.losses] == expected["losses"]


@pytest.mark.parametrize("hub", cases("answers"), ids=named)
def test_answers_reach_the_hub(hub: Path) -> None:
    expected = msgspec.json.decode(hub.read_bytes(), type=ChatResponse)
    assert plain(GEMINI.decode_response(wire(hub, ".gemini.json"))) == plain(expected)


@pytest.mark.parametrize("hub", cases("streams"), ids=named)
def test_streams_reach_the_hub_and_pass_the_tap_untouched(hub: Path) -> None:
    stream = wire(hub, ".sse")
    reader, tap = GEMINI.reader(StreamOptions()), GEMINI.tap(StreamOptions())
    expected = msgspec.json.decode(hub.read_bytes(), type=list[Event])
    assert reader.feed(stream) + reader.eof() == expected
    assert tap.feed(stream) + tap.finalise() == stream
    assert tap.finished and tap.answer.usage == reader.answer.usage
