"""The published schema of a record: frozen, complete, and true of real records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from trunkline.ledger.encoding import whole
from trunkline.ledger.ingest import unknown
from trunkline.ledger.schema import record_schema
from trunkline.types.record import AttemptRecord, Count, Intent, Partition, Record

FROZEN = Path(__file__).parents[3] / "docs" / "reference" / "record.schema.json"
SCHEMA = record_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ID = "01935b2c-7c00-7abc-8def-0123456789ab"


def full() -> Record:
    return Record(
        id=ID,
        started_at=1_764_000_000_000_000,
        clock_offset_us=-12,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        span_id="b7ad6b7169203331",
        metadata={"run": "7"},
        input_tokens_counted=12,
        outcome="ok_saved",
        status=200,
        dropped=[{"deployment": "gemini", "reason": "ejected", "detail": ""}],
        plan=["gpt", "claude"],
        latency=Partition(failed=20, generate=5, total=25),
        usage={"output": Count(5, "provider")},
        attempts=[
            AttemptRecord(number=1, deployment="gpt", provider="openai", model="m", class_="F1", kind="unreachable"),
            AttemptRecord(number=2, deployment="claude", provider="anthropic", model="m", reason="failover"),
        ],
    )


def plain(record: Record) -> Any:
    return whole(msgspec.json.encode(record))


def test_the_frozen_file_is_what_the_types_say() -> None:
    assert json.loads(FROZEN.read_text()) == SCHEMA


def test_the_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_field_is_described_and_required() -> None:
    types = {"Record": SCHEMA, **SCHEMA["$defs"]}
    assert set(types) == {"Record", "AttemptRecord", "Partition", "Count"}
    for name, definition in types.items():
        assert definition["required"] == list(definition["properties"]), name
        for field, schema in definition["properties"].items():
            assert schema["description"].endswith((".", "?")), f"{name}.{field}"
            assert len(schema["description"]) >= 9, f"{name}.{field}"


def test_a_full_record_is_valid() -> None:
    VALIDATOR.validate(plain(full()))


def test_the_smallest_record_is_valid() -> None:
    VALIDATOR.validate(plain(Record(id=ID, started_at=0)))


def test_an_unknown_record_is_valid() -> None:
    intent = Intent(
        id=ID,
        started_at=1,
        worker=0,
        snapshot=1,
        key_id="key_1",
        user="",
        team="",
        organisation="",
        feature="",
        dialect="openai_chat",
        operation="chat",
        alias="assistant",
        stream=True,
        route="assistant",
        deployment="gpt",
        provider="openai",
        model="gpt-x",
        credential_id="openai/default",
        body_bytes=99,
        input_tokens=42,
    )
    VALIDATOR.validate(plain(unknown(intent)))


def test_a_field_of_a_later_version_is_no_error() -> None:
    VALIDATOR.validate({**plain(full()), "carbon_grams": 3})


WRONG: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("another version", lambda r: r.update(schema=2)),
    ("an id that is no UUID", lambda r: r.update(id="req_1")),
    ("an outcome that is none", lambda r: r.update(outcome="fine")),
    ("a fault class that is none", lambda r: r.update(fault="F14")),
    ("a kind that is none", lambda r: r.update(kind="whatever")),
    ("a negative size", lambda r: r.update(body_bytes=-1)),
    ("a negative time", lambda r: r["latency"].update(total=-1)),
    ("a status in words", lambda r: r.update(status="200")),
    ("a count without provenance", lambda r: r["usage"]["output"].pop("provenance")),
    ("a provenance that is none", lambda r: r["usage"]["output"].update(provenance="guess")),
    ("an attempt number 0", lambda r: r["attempts"][0].update(number=0)),
    ("an attempt class that is none", lambda r: r["attempts"][0].update({"class": "F0"})),
    ("an attempt for no known reason", lambda r: r["attempts"][0].update(reason="bored")),
    ("a missing field", lambda r: r.pop("route")),
    ("a missing part of the time", lambda r: r["latency"].pop("queue")),
    ("metadata that is not text", lambda r: r["metadata"].update(run=7)),
]


@pytest.mark.parametrize("spoil", [w[1] for w in WRONG], ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_found(spoil: Callable[[dict[str, Any]], object]) -> None:
    record = plain(full())
    spoil(record)
    assert not VALIDATOR.is_valid(record)
