"""multipart/form-data (RFC 7578), strictly: what is not well formed is refused, nothing is guessed."""

from __future__ import annotations

import re

import msgspec

from trunkline.types.failure import Failure, invalid

PARTS = 64
PART_HEADER = 8 * 1024  # bytes

_BOUNDARY = re.compile(
    r"""multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))""", re.I | re.S
)
_DISPOSITION = re.compile(
    rb"""form-data((?:\s*;\s*[!#$&+\-.^_`|~0-9A-Za-z*]+=(?:"(?:[^"\\]|\\.)*"|[^\s;"]+))*)\s*""", re.I
)
_PARAMETER = re.compile(rb""";\s*([!#$&+\-.^_`|~0-9A-Za-z*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))""")


class Part(msgspec.Struct, frozen=True):
    """One field. `filename` None: no file. `mime` is "" where the part says none."""

    name: str
    data: bytes
    filename: str | None = None
    mime: str = ""

    def __repr__(self) -> str:
        return f"Part({self.name}, {len(self.data)} bytes)"


def is_multipart(content_type: str) -> bool:
    return content_type.strip().lower().startswith("multipart/form-data")


def read(body: bytes, content_type: str) -> list[Part] | Failure:
    """The fields in order; one name may stand there twice."""
    found = _BOUNDARY.match(content_type.strip())
    if found is None:
        return _malformed("the Content-Type has no boundary")
    mark = b"--" + (found[1] or found[2]).encode("latin-1")
    if not body.startswith(mark):
        return _malformed("the body does not begin with the boundary")
    parts: list[Part] = []
    at = len(mark)
    while True:
        if body[at : at + 2] == b"--":
            return parts
        if body[at : at + 2] != b"\r\n":
            return _malformed("a boundary is not followed by a line end")
        if len(parts) == PARTS:
            return _malformed(f"it has more than {PARTS} parts")
        ends = body.find(b"\r\n" + mark, at)
        if ends < 0:
            return _malformed("the last boundary is missing")
        part = _part(body[at + 2 : ends + 2 if ends == at else ends])
        if isinstance(part, Failure):
            return part
        parts.append(part)
        at = ends + 2 + len(mark)


def _part(text: bytes) -> Part | Failure:
    head, blank, data = text.partition(b"\r\n\r\n")
    if not blank or len(head) > PART_HEADER:
        return _malformed("a part has no header, or too much of it")
    name: str | None = None
    filename: str | None = None
    mime = ""
    for line in head.split(b"\r\n"):
        field, colon, value = line.partition(b":")
        if not colon:
            return _malformed("a header of a part has no colon")
        if field.strip().lower() == b"content-disposition":
            said = _disposition(value.strip())
            if said is None or "name" not in said:
                return _malformed("a part does not say its name")
            name, filename = said["name"], said.get("filename")
        elif field.strip().lower() == b"content-type":
            mime = value.strip().decode("latin-1")[:255]
    if name is None:
        return _malformed("a part does not say its name")
    return Part(name, data, filename, mime)


def _disposition(value: bytes) -> dict[str, str] | None:
    whole = _DISPOSITION.fullmatch(value)
    if whole is None:
        return None
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(whole[1]):
        quoted = match[2]
        text = re.sub(rb"\\(.)", rb"\1", quoted) if quoted is not None else match[3]
        found[match[1].decode().lower()] = text.decode("utf-8", "replace")
    return found


def _malformed(why: str) -> Failure:
    return invalid(f"the body is not valid multipart/form-data: {why}", code="invalid_multipart")


def write(parts: list[Part], boundary: str) -> bytes:
    """`boundary` must not stand in the data: make it from something that nobody can have written."""
    made: list[bytes] = []
    for part in parts:
        made.append(b"--%b\r\n" % boundary.encode())
        line = f'content-disposition: form-data; name="{_quoted(part.name)}"'
        if part.filename is not None:
            line += f'; filename="{_quoted(part.filename)}"'
        made.append(line.encode() + b"\r\n")
        if part.mime:
            made.append(b"content-type: " + _LINE_END.sub("", part.mime).encode("latin-1", "replace") + b"\r\n")
        made += (b"\r\n", part.data, b"\r\n")
    made.append(b"--%b--\r\n" % boundary.encode())
    return b"".join(made)


_LINE_END = re.compile(r"[\r\n]")


def _quoted(text: str) -> str:
    return _LINE_END.sub("", text).replace("\\", "\\\\").replace('"', '\\"')
