"""Nothing that an exchange holds keeps its record from being written."""

from __future__ import annotations

import msgspec
import pytest

from trunkline.ledger.encoding import record_frame
from trunkline.ledger.ingest import row_of
from trunkline.storage.journal import RECORD
from trunkline.types.record import AttemptRecord, Record

MAX = 64 << 10


def back(record: Record, frame_max: int = MAX) -> Record:
    frame = record_frame(record, frame_max)
    assert frame.kind == RECORD
    assert len(frame.payload) <= frame_max
    assert row_of(frame.payload) is not None
    return msgspec.json.decode(frame.payload, type=Record)


def test_a_record_is_written_as_it_is() -> None:
    record = Record(id="a", started_at=1, metadata={"run": "7"}, attempts=[_attempt(1)])
    assert back(record) == record


@pytest.mark.parametrize("text", ["lone \ud800 surrogate", "\udfff", "a\ud83dz"])
def test_text_that_is_not_unicode_is_replaced(text: str) -> None:
    record = back(Record(id="a", started_at=1, alias=text, metadata={text: text}))
    assert "?" in record.alias
    assert record.id == "a"


def test_control_characters_are_escaped_so_that_no_frame_can_be_imitated() -> None:
    frame = record_frame(Record(id="a", started_at=1, alias="\x00\x01{\x02{\r\n\x1b"), MAX)
    assert not set(frame.payload) & set(range(32))


def test_a_record_too_large_for_a_frame_is_cut_and_keeps_what_counts() -> None:
    record = Record(
        id="a",
        started_at=1,
        outcome="failed",
        status=503,
        alias="x" * 100_000,
        plan=[f"d{n}" for n in range(10_000)],
        dropped=[{"deployment": f"d{n}", "reason": "ejected", "detail": "y" * 500} for n in range(10_000)],
        attempts=[_attempt(n) for n in range(1, 9)],
    )
    found = back(record)
    assert (found.id, found.outcome, found.status) == ("a", "failed", 503)
    assert len(found.attempts) == 8
    assert found.plan == [f"d{n}" for n in range(16)]


def test_even_a_hopeless_record_leaves_a_trace() -> None:
    giant = {f"k{n}": "z" * 5000 for n in range(100)}
    record = Record(id="a", started_at=1, attempts=[AttemptRecord(**_words(n), cost=giant) for n in range(1, 17)])
    found = back(record)
    assert (found.id, found.attempts) == ("a", [])


def _words(number: int) -> dict[str, object]:
    return {"number": number, "deployment": "gpt", "provider": "openai", "model": "m"}


def _attempt(number: int) -> AttemptRecord:
    return AttemptRecord(number=number, deployment="gpt", provider="openai", model="m")
