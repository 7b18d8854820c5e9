"""Editing one top-level value of a JSON object and no other byte (invariant 4: never a pattern over the text).

What makes the short ways safe: JSON text holds `"model"`, both quotes included, only where a key or a whole string is
just that word (inside a longer string the quotes are escaped), or where letters of it are spelled as `\\u006…`.
"""

from __future__ import annotations

import json
import re

import msgspec

from trunkline.types.failure import Failure, invalid


class _HasModel(msgspec.Struct):
    model: msgspec.Raw


_SPACE = re.compile(rb"[ \t\n\r]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_MODEL_MEMBER = re.compile(rb'"model"[ \t\n\r]*:[ \t\n\r]*("[^"\\]*(?:\\.[^"\\]*)*")', re.DOTALL)
_KEY = msgspec.json.Decoder(str)
_SPLIT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ONE = msgspec.json.Decoder(_HasModel)
_WALK = json.JSONDecoder(parse_float=str, parse_int=str, strict=False)

_MODEL = b'"model"'
_OPTIONS = b'"stream_options"'
#: How escapes of the letters of `model` begin; `stream_options` has letters in two more rows and an underscore.
_ESCAPED_MODEL = b"\\u006"
_ESCAPED_OPTIONS = (b"\\u005", b"\\u006", b"\\u007")


def replace_model(body: bytes, model: str) -> bytes | Failure:
    """The same bytes with the value of the top-level `model` replaced.

    The body is a valid JSON object (peek has seen to that). Two such keys are refused: parsers could disagree about
    which one counts.
    """
    encoded = msgspec.json.encode(model)
    at = body.find(_MODEL)
    if at >= 0 and body.find(_MODEL, at + 7) < 0 and _ESCAPED_MODEL not in body:
        span = _only_model(body, at)
        if span is not None:
            return b"%b%b%b" % (body[: span[0]], encoded, body[span[1] :])
    spans = top_level(body, "model")
    if len(spans) != 1:
        return invalid("the key 'model' must stand exactly once in the request", param="model")
    start, end = spans[0]
    return b"%b%b%b" % (body[:start], encoded, body[end:])


def _only_model(body: bytes, at: int) -> tuple[int, int] | None:
    """Offsets of the value behind the only thing that spells `"model"`, if that is a key of the top level."""
    member = _MODEL_MEMBER.match(body, at)
    if member is None:
        return None
    start, end = member.span(1)
    if at == 1 and body.startswith(b"{"):
        return start, end
    try:
        _ONE.decode(body)  # somewhere in the top level there is the key, and there is only one place it can be
    except (msgspec.DecodeError, RecursionError):
        return None
    return start, end


def set_include_usage(body: bytes) -> bytes:
    """`stream_options.include_usage` is true afterwards, in every reading of the body; every other byte stays."""
    spans: list[tuple[int, int]] = []
    if _OPTIONS in body or any(escape in body for escape in _ESCAPED_OPTIONS):
        spans = top_level(body, "stream_options")
    if not spans:
        start = _space(body, 0) + 1
        return b'%b"stream_options":{"include_usage":true}%b%b' % (body[:start], _comma(body, start), body[start:])
    for start, end in reversed(spans):
        body = b"%b%b%b" % (body[:start], _including_usage(body[start:end]), body[end:])
    return body


def _including_usage(value: bytes) -> bytes:
    if not value.startswith(b"{"):
        return b'{"include_usage":true}'
    inner = top_level(value, "include_usage")
    if not inner:
        return b'{"include_usage":true%b%b' % (_comma(value, 1), value[1:])
    for start, end in reversed(inner):
        value = b"%btrue%b" % (value[:start], value[end:])
    return value


def _comma(body: bytes, at: int) -> bytes:
    """What must stand between a new first member and the members from `at` on."""
    return b"" if body.startswith(b"}", _space(body, at)) else b","


def top_level(body: bytes, wanted: str) -> list[tuple[int, int]]:
    """Offsets of the values of all top-level keys that spell `wanted`, in order. The body is a valid JSON object."""
    found = _by_length(body, wanted)
    return _by_walk(body, wanted) if found is None else found


def _by_length(body: bytes, wanted: str) -> list[tuple[int, int]] | None:
    """The parser says how long each value is, so values are jumped without being looked at. None where that does not
    add up (a key stands twice)."""
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
        if not body.startswith(b",", at):
            break
        at = _space(body, at + 1)
    return found if body.startswith(b"}", at) else None


def _by_walk(body: bytes, wanted: str) -> list[tuple[int, int]]:
    """Every value is read to find its end. In Latin-1 a character is a byte, and all of JSON's signs are ASCII."""
    text = body.decode("latin-1")
    found: list[tuple[int, int]] = []
    at = _space(body, _space(body, 0) + 1)
    try:
        while text.startswith('"', at):
            name, at = _WALK.raw_decode(text, at)
            start = _space(body, _space(body, at) + 1)
            _, end = _WALK.raw_decode(text, start)
            if name == wanted:
                found.append((start, end))
            at = _space(body, end)
            if not text.startswith(",", at):
                break
            at = _space(body, at + 1)
    except (ValueError, RecursionError):
        return []
    return found


def _space(body: bytes, at: int) -> int:
    match = _SPACE.match(body, at)
    return at if match is None else match.end()
