"""Records and intents as journal frames. Nothing that an exchange holds may keep its record from being written."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.storage.journal import INTENT, RECORD, Frame
from trunkline.types.record import AttemptRecord, Intent, Partition, Record

_ENCODE = msgspec.json.Encoder().encode
#: What is cut when a record is larger than a frame: kept so many entries of every list and mapping.
_ENTRIES_KEPT = 16
_TEXT_KEPT = 256


def intent_frame(intent: Intent) -> Frame:
    return Frame(INTENT, _bytes_of(intent))


def record_frame(record: Record, frame_max: int) -> Frame:
    """`frame_max`: largest payload that the journal takes, bytes. A larger record is cut, never dropped."""
    payload = _bytes_of(record)
    if len(payload) > frame_max:
        values = _cut(msgspec.json.decode(payload), 0)
        payload = _ENCODE(values)
        if len(payload) > frame_max:
            payload = _ENCODE({k: [] if isinstance(v, list) else v for k, v in values.items()})
    return Frame(RECORD, payload)


def whole(payload: bytes) -> dict[str, Any]:
    """A stored record with every field of its schema. Raises msgspec.DecodeError."""
    found: dict[str, Any] = {**_RECORD, **msgspec.json.decode(payload)}
    found["latency"] = {**_PARTITION, **found["latency"]}
    found["attempts"] = [{**_ATTEMPT, **attempt} for attempt in found["attempts"]]
    return found


def _defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """What is left out of the stored form; a field without a default stands there only to keep its place."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        default = None if field.default is msgspec.NODEFAULT else field.default
        made = field.default_factory
        found[field.encode_name] = default if made is msgspec.NODEFAULT else msgspec.to_builtins(made())
    return found


_RECORD = _defaults(Record)
_PARTITION = _defaults(Partition)
_ATTEMPT = _defaults(AttemptRecord)


def _bytes_of(value: Intent | Record) -> bytes:
    try:
        return _ENCODE(value)
    except UnicodeError:
        # A lone surrogate from a caller's JSON.
        return _ENCODE(_writable(msgspec.to_builtins(value)))


def _writable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "replace").decode()
        case dict():
            return {_writable(k): _writable(v) for k, v in value.items()}
        case list() | tuple():
            return [_writable(v) for v in value]
        case _:
            return value


def _cut(value: Any, depth: int) -> Any:
    match value:
        case str():
            return value[:_TEXT_KEPT]
        case dict() if depth == 0:
            return {k: _cut(v, 1) for k, v in value.items()}
        case dict():
            # Attempts have more fields than entries are kept of a mapping; only free mappings are cut.
            return {k: _cut(v, depth + 1) for k, v in list(value.items())[: 2 * _ENTRIES_KEPT]}
        case list():
            return [_cut(v, depth + 1) for v in value[:_ENTRIES_KEPT]]
        case _:
            return value
