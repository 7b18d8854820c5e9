"""What is said in a request: the last user messages and the instructions, from each dialect's shape. The body has passed
`peek`; what is odd inside a message gives no words, and never an error. Sources: wire-formats.md A.4, B.2, C.2.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from trunkline.types.words import NO_WORDS, Words

_FAILS = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_SYSTEM = frozenset({"system", "developer"})
#: Messages looked at from the end for the last two of the user.
_BACK = 40


class _Message(msgspec.Struct):
    role: str | None = None
    content: Any = None
    parts: Any = None


class _Raws(msgspec.Struct):
    messages: list[msgspec.Raw] = []
    system: Any = None


_raws = msgspec.json.Decoder(_Raws)
_message = msgspec.json.Decoder(_Message)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder(Any)


def chat_words(body: bytes) -> Words:
    """Chat Completions and Messages: `messages` of {role, content}; Messages has `system` beside them."""
    try:
        found = _raws.decode(body)
    except _FAILS:
        return NO_WORDS
    messages = found.messages
    system = _text(found.system)
    if not system and messages:
        first = _decoded(messages[0])
        system = _text(first.content) if first is not None and first.role in _SYSTEM else ""
    return _last_two((_decoded(raw) for raw in reversed(messages[-_BACK:])), system)


def generate_words(body: bytes) -> Words:
    """generateContent: `contents` of {role, parts}, and `systemInstruction`, in either spelling."""
    try:
        fields = _fields.decode(body)
        contents = _any.decode(fields["contents"])
        raw = fields.get("systemInstruction") or fields.get("system_instruction")
        instruction = _any.decode(raw) if raw is not None else None
    except (*_FAILS, KeyError):
        return NO_WORDS
    system = _text(instruction.get("parts")) if isinstance(instruction, dict) else ""
    turns = contents if isinstance(contents, list) else [contents]
    made = (
        _Message(
            role="user" if turn.get("role") in (None, "user") else str(turn.get("role")), content=turn.get("parts")
        )
        for turn in reversed(turns[-_BACK:])
        if isinstance(turn, dict)
    )
    return _last_two(made, system)


def _last_two(backwards: Iterable[_Message | None], system: str) -> Words:
    said: list[str] = []
    for message in backwards:
        if message is None or message.role != "user":
            continue
        text = _text(message.content)
        if text:  # a message of tool results alone says nothing
            said.append(text)
        if len(said) == 2:
            break
    return Words(text=said[0] if said else "", before=said[1] if len(said) > 1 else "", system=system)


def _decoded(raw: msgspec.Raw) -> _Message | None:
    try:
        return _message.decode(raw)
    except _FAILS:
        return None


def _text(content: Any) -> str:
    """Text of a string, or of a list of parts with text."""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return ""
    return "\n".join(
        part["text"]
        for part in content
        if isinstance(part, dict) and isinstance(part.get("text"), str) and not part.get("thought")
    )
