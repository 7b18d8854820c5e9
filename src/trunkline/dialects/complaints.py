"""What is wrong with a request, in words that name the field and say what would be right."""

from __future__ import annotations

import re
import zlib
from typing import Annotated

import msgspec

from trunkline.types.failure import Failure, invalid

#: Counts in requests: neither negative nor beyond what any provider means (reliability.md A12).
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=2**53)]

_PATH = re.compile(r" - at `\$\.?(.*)`\Z", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `([^`]+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`(?:, got `([^`]+)`)?(.*)", re.DOTALL)
_WORDS = {
    "str": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def complain(error: Exception) -> Failure:
    """A decoding error as the caller's fault. Nothing of the values is repeated."""
    if isinstance(error, RecursionError):
        return invalid("the request body is nested too deeply", code="invalid_json")
    text = str(error)
    if not isinstance(error, msgspec.ValidationError):
        return invalid(
            f"the request body is not valid JSON: {text.removeprefix('JSON is malformed: ')}", code="invalid_json"
        )
    where = _PATH.search(text)
    path = where.group(1) if where else ""
    what = text[: where.start()] if where else text
    missing = _MISSING.match(what)
    if missing:
        field = f"{path}.{missing.group(1)}" if path else missing.group(1)
        return invalid(f"{field} is required", param=field, code="missing_field")
    expected = _EXPECTED.match(what)
    field = path or "the request body"
    if expected is None:
        return invalid(f"{field}: {what}", param=path, code="invalid_value")
    wanted, got, rest = expected.groups()
    words = " or ".join(_WORDS.get(w.strip(), w.strip()) for w in wanted.split("|") if w.strip() != "null")
    message = f"{field} must be {words}{rest.rstrip()}"
    if got:
        message += f", not {_WORDS.get(got, got)}"
    return invalid(message, param=path, code="invalid_type" if got else "invalid_value")


def sized_tokens(body_bytes: int) -> int:
    """Input tokens by size alone: four bytes a token, at least one. An estimate until something better counts."""
    return max(1, body_bytes // 4)


#: Default of a raw field: msgspec knows no union with Raw.
ABSENT = msgspec.Raw(b"")


def thread_of(*beginning: msgspec.Raw) -> str:
    """A digest of how a conversation begins: the same for all of its turns."""
    digest = 0
    for raw in beginning:
        digest = zlib.crc32(raw, digest)
    return f"{digest:08x}"


class _Role(msgspec.Struct):
    role: str | None = None


_role = msgspec.json.Decoder(_Role)
_flat = msgspec.json.Decoder(dict[str, str])
#: Of a message, this many bytes show its role if it stands first, as every SDK writes it.
_HEAD = 64


def speaks(message: msgspec.Raw, role: bytes) -> bool:
    """The (undecoded) message is of that role. Decoded only if its beginning leaves a doubt."""
    head = bytes(memoryview(message)[:_HEAD])
    if b'"role"' in head and role not in head:
        return False
    try:
        return _role.decode(message).role == role.decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False


def flat(raw: msgspec.Raw) -> dict[str, str]:
    """The request's own `metadata` where it is names and strings, as the formats want it; else nothing."""
    if not given(raw):
        return {}
    try:
        found = _flat.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return found if len(found) <= 16 else dict(list(found.items())[:16])


def given(raw: msgspec.Raw) -> bool:
    """The field stands in the JSON and is not null."""
    return raw is not ABSENT and bytes(raw) not in (b"", b"null")
