"""What a record still knows of its request: enough to decide again, not enough to send it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from trunkline.policy.keys import Held
from trunkline.tasks.labels import group_of
from trunkline.types.envelope import NEED, Envelope
from trunkline.types.facts import NO_GUESS, Guess
from trunkline.types.principal import Principal


def envelope_of(record: Mapping[str, Any]) -> Envelope:
    size = int(record.get("body_bytes") or 0)
    needs = 0
    for field, need in (("tools", "tools"), ("images", "image"), ("output_schema", "schema")):
        if record.get(field):
            needs |= NEED[need]
    return Envelope(
        dialect=record.get("dialect", "openai_chat"),
        operation="chat",
        model=str(record["alias"]),
        stream=bool(record.get("stream")),
        body_bytes=size,
        input_tokens=tokens_of(record, "input") or max(1, size // 4),
        max_output_tokens=record.get("max_output_tokens"),
        tools=int(record.get("tools") or 0),
        needs=needs,
    )


def principal_of(record: Mapping[str, Any], held: Held | None) -> Principal:
    said = {name: str(record.get(name) or "") for name in ("key_id", "user", "team", "organisation", "feature")}
    return replace(held.principal if held is not None else Principal(key_id=""), **said)


def labels_of(record: Mapping[str, Any]) -> dict[str, str]:
    found = {f"metadata.{name}": str(value) for name, value in (record.get("metadata") or {}).items()}
    if record.get("session"):
        found["session"] = str(record["session"])
    return found


def guess_of(record: Mapping[str, Any]) -> Guess:
    """What it was taken to be about. How sure a rule would be of it is not kept: it counts as sure."""
    task = str(record.get("task") or "")
    if not task:
        return NO_GUESS
    return Guess(label=task, group=group_of(task), confidence=float(record.get("task_confidence") or 0.0), sure=True)


def tokens_of(record: Mapping[str, Any], kind: str) -> int:
    usage = record.get("usage") or {}
    return sum(
        int(count["tokens"])
        for name, count in usage.items()
        if (name == "output") == (kind == "output") and name != "reasoning"
    )
