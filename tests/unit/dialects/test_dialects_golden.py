"""Golden fixtures: tests/golden/<dialect> holds each case as the wire has it and as the hub has it, both written by hand
from wire-formats.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from trunkline.dialects.contract import Dialect, Encoded, StreamOptions, Target
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.types.canonical import ChatRequest, ChatResponse, Event, Tool
from trunkline.types.envelope import Envelope

GOLDEN = Path(__file__).parents[2] / "golden"


class Subject(NamedTuple):
    """A dialect, how its wire files end, and what its requests are sent to."""

    dialect: Dialect
    ending: str
    target: Target
    model: str


SUBJECTS = [
    Subject(
        GeminiGenerate(),
        ".gemini.json",
        Target(dialect="gemini_generate", model="m", version="v1beta", stream=False),
        "gemini-2.5-flash",
    ),
    Subject(OpenAIChat(), ".openai.json", Target(dialect="openai_chat"), "gpt-6"),
]


def cases(folder: str) -> list[Any]:
    """(subject, hub file) for every dialect."""
    found = []
    for subject in SUBJECTS:
        hubs = sorted((GOLDEN / subject.target.dialect / folder).glob("*.hub.json"))
        assert hubs, f"no {folder} cases of {subject.target.dialect}"
        found += [pytest.param(subject, hub, id=f"{subject.target.dialect}-{named(hub)}") for hub in hubs]
    return found


def named(hub: Path) -> str:
    return hub.name.removesuffix(".hub.json")


def wire(hub: Path, ending: str) -> bytes:
    return hub.with_name(named(hub) + ending).read_bytes()


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


@pytest.mark.parametrize(("subject", "hub"), cases("to_hub"))
def test_requests_reach_the_hub(subject: Subject, hub: Path) -> None:
    body = wire(hub, subject.ending)
    facts = subject.dialect.peek(subject.target, body)
    assert isinstance(facts, Envelope)
    assert plain(subject.dialect.decode_request(body, facts)) == plain(hub_request(hub))


@pytest.mark.parametrize(("subject", "hub"), cases("from_hub"))
def test_requests_leave_the_hub(subject: Subject, hub: Path) -> None:
    made = subject.dialect.encode_request(hub_request(hub), subject.model, max_output_tokens=8192)
    assert isinstance(made, Encoded)
    expected = json.loads(wire(hub, subject.ending))
    assert json.loads(made.body) == expected["body"]
    assert [loss.field for loss in made.losses] == expected["losses"]


@pytest.mark.parametrize(("subject", "hub"), cases("answers"))
def test_answers_reach_the_hub(subject: Subject, hub: Path) -> None:
    expected = msgspec.json.decode(hub.read_bytes(), type=ChatResponse)
    assert plain(subject.dialect.decode_response(wire(hub, subject.ending))) == plain(expected)


@pytest.mark.parametrize(("subject", "hub"), cases("streams"))
def test_streams_reach_the_hub_and_pass_the_tap_untouched(subject: Subject, hub: Path) -> None:
    stream = wire(hub, ".sse")
    reader, tap = subject.dialect.reader(StreamOptions()), subject.dialect.tap(StreamOptions())
    expected = msgspec.json.decode(hub.read_bytes(), type=list[Event])
    assert reader.feed(stream) + reader.eof() == expected
    assert tap.feed(stream) + tap.finalise() == stream
    assert tap.finished and tap.answer.usage == reader.answer.usage
