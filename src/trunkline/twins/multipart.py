"""Reads a `multipart/form-data` body (RFC 7578)."""

from __future__ import annotations

from email.message import Message
from email.utils import collapse_rfc2231_value

import msgspec

#: Most parts of a form.
PARTS = 100


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a form."""

    data: bytes
    filename: str
    mime: str


def read_form(content_type: str, body: bytes) -> dict[str, str | Upload] | None:
    """The fields of a form by name, the last one of equal names; None when the body is no such form."""
    boundary = _parameter(content_type, "content-type", "boundary")
    if not boundary or not content_type.lower().startswith("multipart/form-data"):
        return None
    mark = b"--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 2 or len(pieces) > PARTS or not pieces[-1].startswith(b"--"):
        return None
    found: dict[str, str | Upload] = {}
    for piece in pieces[1:-1]:
        head, separator, data = piece.partition(b"\r\n\r\n")
        if not separator or head.strip(b" \t")[:2] not in (b"\r\n", b""):
            return None
        headers = _headers(head)
        disposition = headers.get("content-disposition", "")
        name = _parameter(disposition, "content-disposition", "name")
        if not disposition.lower().startswith("form-data") or name is None:
            return None
        filename = _parameter(disposition, "content-disposition", "filename")
        if filename is not None:
            mime = headers.get("content-type", "application/octet-stream")
            found[name] = Upload(data=data, filename=filename, mime=mime.partition(";")[0].strip().lower())
            continue
        try:
            found[name] = data.decode()
        except UnicodeDecodeError:
            return None
    return found


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode("utf-8", "replace").split("\r\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parameter(value: str, header: str, name: str) -> str | None:
    message = Message()
    message[header] = value.replace("\r", " ").replace("\n", " ")
    found = message.get_param(name, header=header)
    return None if found is None else collapse_rfc2231_value(found)
