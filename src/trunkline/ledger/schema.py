"""The JSON Schema of a record, made from the types. `docs/reference/record.schema.json` is its frozen copy:

python -m trunkline.ledger.schema > docs/reference/record.schema.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from trunkline.ledger.field_notes import TYPES
from trunkline.types.failure import FaultClass, Kind
from trunkline.types.record import Record

_FAULTS = [fault.value for fault in FaultClass]
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"

#: What the types do not say: (type, field) → further keywords.
_NARROWER: dict[tuple[str, str], dict[str, Any]] = {
    ("Record", "schema"): {"const": 1},
    ("Record", "id"): {"pattern": _UUID},
    ("Record", "trace_id"): {"pattern": "^([0-9a-f]{32})?$"},
    ("Record", "span_id"): {"pattern": "^([0-9a-f]{16})?$"},
    ("Record", "fault"): {"enum": ["", *_FAULTS]},
    ("Record", "kind"): {"enum": ["", *(kind.value for kind in Kind)]},
    ("Record", "folded"): {"minimum": 1},
    ("AttemptRecord", "number"): {"minimum": 1},
    ("AttemptRecord", "class"): {"enum": ["ok", "unknown", *_FAULTS]},
    ("AttemptRecord", "kind"): {"enum": ["", *(kind.value for kind in Kind)]},
    ("AttemptRecord", "reason"): {"enum": ["first", "retry", "failover", "hedge", "splice", "probe"]},
    ("Count", "provenance"): {"enum": ["provider", "counted", "estimated"]},
}
_SIGNED = {("Record", "clock_offset_us")}


def record_schema() -> dict[str, Any]:
    """Draft 2020-12. Every field is always written, so every field is required; unknown ones may be added later."""
    generated = msgspec.json.schema(Record)
    definitions: dict[str, Any] = generated["$defs"]
    for name, (title, notes) in TYPES.items():
        definition = definitions[name]
        definition["description"] = title
        definition["required"] = list(definition["properties"])
        for field, schema in definition["properties"].items():
            schema.pop("default", None)
            if (name, field) not in _SIGNED:
                _not_negative(schema)
            schema.update(_NARROWER.get((name, field), {}))
            if "$ref" in schema:
                # Beside a reference a description stands for the place, not for the type.
                definition["properties"][field] = {"$ref": schema["$ref"], "description": notes[field]}
            else:
                schema["description"] = notes[field]
    root = definitions.pop("Record")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:trunkline:record:1",
        **root,
        "$defs": definitions,
    }


def _not_negative(schema: dict[str, Any]) -> None:
    for choice in (schema, *schema.get("anyOf", ())):
        if choice.get("type") == "integer":
            choice["minimum"] = 0


if __name__ == "__main__":
    sys.stdout.write(json.dumps(record_schema(), indent=2, ensure_ascii=False) + "\n")
