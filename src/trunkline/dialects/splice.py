"""Editing one top-level value of a JSON object and no other byte (invariant 4: never a pattern over the text).

Offsets come from a scan of the top level that jumps over strings and nested values at the speed of `re` and `find`.
"""

from __future__ import annotations

import re

import msgspec

from trunkline.types.failure import Failure, invalid

_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_SCALAR = re.compile(rb"[^,}\] \t\n\r]+")
_SKIP = re.compile(rb'[^"{}\[\]]+')
_KEY = msgspec.json.Decoder(str)
_SPLIT = msgspec.json.Decoder(dict[str, msgspec.Raw])

#: Letters of `model` may be spelled as escapes; all of them begin like this.
_ESCAPE = b"\\u00"
_MODEL = b'"model"'


def replace_model(body: bytes, model: str) -> bytes | Failure:
    """The same bytes with the value of the top-level `model` replaced.

    The body is a valid JSON object that has the key (peek has seen to that). Two such keys are refused:
    parsers could disagree about which one counts.
    """
    encoded = msgspec.json.encode(model)
    if body.startswith((b'{"model":"', b'{"model": "')) and _ESCAPE not in body and body.find(_MODEL, 8) < 0:
        # As every SDK writes it: the first key, and the only thing that spells it.
        start = 9 if body[9] == 0x22 else 10
        end = body.find(b'"', start + 1)
        if end > 0 and body.find(b"\\", start, end) < 0:
            return b"%b%b%b" % (body[:start], encoded, body[end + 1 :])
    at = body.find(_MODEL)
    if at >= 0 and _ESCAPE not in body and body.find(_MODEL, at + 7) < 0 and _at_top(body, at):
        span = _value_after(body, at + 7)
        if span is not None:
            return b"%b%b%b" % (body[: span[0]], encoded, body[span[1] :])
    spans = top_level(body, "model")
    if len(spans) != 1:
        return invalid("the key 'model' must stand exactly once in the request", param="model")
    start, end = spans[0]
    return b"%b%b%b" % (body[:start], encoded, body[end:])


def set_include_usage(body: bytes) -> bytes:
    """`stream_options.include_usage` is true afterwards; every other byte stays."""
    spans = top_level(body, "stream_options")
    if not spans:
        start = _space(body, 0) + 1
        comma = b"" if body[_space(body, start) : _space(body, start) + 1] == b"}" else b","
        return b'%b"stream_options":{"include_usage":true}%b%b' % (body[:start], comma, body[start:])
    start, end = spans[-1]
    value = body[start:end]
    if not value.startswith(b"{"):
        return b'%b{"include_usage":true}%b' % (body[:start], body[end:])
    inner = top_level(value, "include_usage")
    if inner:
        first, last = inner[-1]
        return b"%btrue%b" % (body[: start + first], body[start + last :])
    comma = b"" if value[_space(value, 1) : _space(value, 1) + 1] == b"}" else b","
    return b'%b{"include_usage":true%b%b%b' % (body[:start], comma, value[1:], body[end:])


def top_level(body: bytes, wanted: str) -> list[tuple[int, int]]:
    """Offsets of the values of all top-level keys that spell `wanted`, in order. The body is valid JSON."""
    found = _by_length(body, wanted)
    return _by_scan(body, wanted) if found is None else found


def _by_length(body: bytes, wanted: str) -> list[tuple[int, int]] | None:
    """The parser says how long each value is, so values are jumped without being looked at. None where that does not
    add up (a key stands twice): the scan decides then."""
    try:
        values = _SPLIT.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    at = _space(body, _space(body, 0) + 1)
    found: list[tuple[int, int]] = []
    for _ in range(len(values)):
        key = _STRING.match(body, at)
        if key is None:
            return None
        name = key.group()[1:-1].decode() if b"\\" not in key.group() else _KEY.decode(key.group())
        start = _space(body, _space(body, key.end()) + 1)
        value = values.get(name)
        if value is None or not body.startswith(memoryview(value), start):
            return None
        end = start + memoryview(value).nbytes
        if name == wanted:
            found.append((start, end))
        at = _space(body, end)
        if body[at : at + 1] != b",":
            break
        at = _space(body, at + 1)
    return found if body[at : at + 1] == b"}" else None


def _by_scan(body: bytes, wanted: str) -> list[tuple[int, int]]:
    at = _space(body, 0)
    if body[at : at + 1] != b"{":
        return []
    at = _space(body, at + 1)
    found: list[tuple[int, int]] = []
    while body[at : at + 1] == b'"':
        key = _STRING.match(body, at)
        if key is None:
            break
        start = _space(body, _space(body, key.end()) + 1)
        end = _value_end(body, start)
        text = key.group()[1:-1]
        if text == wanted.encode() or (b"\\" in text and _KEY.decode(key.group()) == wanted):
            found.append((start, end))
        at = _space(body, end)
        if body[at : at + 1] != b",":
            break
        at = _space(body, at + 1)
    return found


def _at_top(body: bytes, at: int) -> bool:
    """Cheap proof that a key at `at` belongs to the top level: it is the first key, or the only thing nested before it
    cannot contain it. Anything less clear goes through the scan."""
    return _space(body, _space(body, 0) + 1) == at


def _value_after(body: bytes, at: int) -> tuple[int, int] | None:
    colon = _space(body, at)
    if body[colon : colon + 1] != b":":
        return None
    start = _space(body, colon + 1)
    value = _STRING.match(body, start)
    return None if value is None else (start, value.end())


def _space(body: bytes, at: int) -> int:
    match = _SPACE.match(body, at)
    return at if match is None else match.end()


def _value_end(body: bytes, at: int) -> int:
    """End of the value that starts at `at`."""
    first = body[at : at + 1]
    if first == b'"':
        return _string_end(body, at)
    if first not in (b"{", b"["):
        match = _SCALAR.match(body, at)
        return at if match is None else match.end()
    depth = 0
    while True:
        char = body[at : at + 1]
        if char == b'"':
            at = _string_end(body, at)
        elif char in (b"{", b"["):
            depth += 1
            at += 1
        elif char in (b"}", b"]"):
            depth -= 1
            at += 1
            if depth == 0:
                return at
        else:
            match = _SKIP.match(body, at)
            if match is None:
                return len(body)
            at = match.end()


def _string_end(body: bytes, at: int) -> int:
    """One past the closing quote. Long plain strings are jumped by `find`."""
    close = body.find(b'"', at + 1)
    if close >= 0 and body[close - 1 : close] != b"\\":
        return close + 1
    match = _STRING.match(body, at)
    return len(body) if match is None else match.end()
