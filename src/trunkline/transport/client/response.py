"""Reading one response after another from one connection's bytes. Sans-IO, on llhttp in its strict mode.

What llhttp leaves open is decided here: sizes are limited, interim responses counted, `Transfer-Encoding` is
`chunked` or nothing, and an answer that ends with the connection must have announced it (HTTP/1.0 or
`Connection: close`), because otherwise its end cannot be told from a cut.
"""

from __future__ import annotations

import re

import httptools

from trunkline.types.wire import Headers

HEADER_COUNT = 256  # providers send 20 to 60
INTERIM_COUNT = 16  # 1xx responses before the final one
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class _Refused(Exception):
    """Stops llhttp in the middle of a read; the reason stands in `ResponseReader.error`."""


class ResponseReader:
    """`expect` before each response, then `feed` every read and look at the results.

    `headed`: status and headers are final. `pieces`: body bytes since they were last taken (the list itself stays).
    `complete`: the response has ended by its framing. `error`: it never will, and why. After `complete`, `keep` says
    whether the connection may carry another request. Bytes after the end of a response make `keep` false; they are
    never read as a response.
    """

    __slots__ = (
        "_announced_close",
        "_fields",
        "_head_only",
        "_interim",
        "_limit",
        "_modern",
        "_parser",
        "_quiet",
        "_read",
        "_until_close",
        "complete",
        "error",
        "headed",
        "headers",
        "keep",
        "on_body",
        "pieces",
        "status",
    )

    def __init__(self, header_bytes: int):
        self._limit = header_bytes
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)
        self.expect(False)

    def expect(self, head_only: bool) -> None:
        """A request has been sent. `head_only`: it was a HEAD."""
        self._head_only = head_only
        self.headers: Headers = []
        self._fields: Headers = []  # as they come
        self._read = 0  # bytes so far, up to the read that completes the head
        self._modern = False  # surely HTTP/1.1
        self._quiet = 0  # bytes read since the last that were body
        self._interim = 0
        self._until_close = False
        self._announced_close = False
        self.status = 0
        self.headed = False
        self.complete = False
        self.keep = False
        self.error = ""

    def feed(self, data: bytes) -> None:
        if not self.headed:
            if not self._read:
                self._modern = data.startswith(b"HTTP/1.1 ")  # spares asking the parser, which builds a string
            self._read += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as broken:
            self.keep = False
            if self._head_only:
                self.pieces.clear()
            if not self.complete and not self.error:
                self.error = str(broken) or "unreadable response"
            return
        if self.pieces:
            self._quiet = 0
            if self._head_only:
                self.pieces.clear()
        elif not self.complete:
            self._quiet += len(data)
            if self._quiet > self._limit:
                self.error = "header, trailer or chunk extension too large"
                self.keep = False

    def eof(self) -> None:
        """The peer has ended the connection in an orderly way: sets `complete` or `error`."""
        if self._until_close and self._announced_close and not self.error:
            self.complete = True
        elif not self.complete and not self.error:
            self.error = "the connection ended before the response did"

    def close(self) -> None:
        """Breaks the cycle between parser and reader; nothing may be fed any more."""
        del self._parser

    # --- llhttp's callbacks ----------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self.complete:
            self._refuse("bytes after the response")

    def on_status(self, reason: bytes) -> None:
        if reason != b"OK" and _CONTROL.search(reason):
            self._refuse("control character in the reason phrase")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value.rstrip(b" \t")))  # trailers, too: they are then forgotten

    def on_headers_complete(self) -> None:
        parser = self._parser
        status: int = parser.get_status_code()
        headers, self._fields = self._fields, []
        if len(headers) > HEADER_COUNT or (self._read > self._limit and _size(headers) > self._limit):
            self._refuse("too many or too large response header fields")
        fields = dict(headers)
        length = b"content-length" in fields
        coding = b"transfer-encoding" in fields
        if coding:
            codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
            if length or codings != [b"chunked"]:
                self._refuse("unsupported Transfer-Encoding")
        one_zero = False
        if not self._modern:
            version = parser.get_http_version()
            one_zero = version == "1.0"
            if version != "1.1" and (not one_zero or coding):
                self._refuse("unsupported HTTP version")
        if status < 200:
            self._on_interim(status, length or coding)
            return
        self.status = status
        self.headers = headers
        self.headed = True
        bodiless = self._head_only or status == 204 or status == 304
        if bodiless or length or coding:
            # After a HEAD llhttp waits for a body that does not come, so that connection is not used again.
            self.keep = parser.should_keep_alive() and not self._head_only
        else:
            self._until_close = True
            self._announced_close = one_zero or _says_close(headers)
        if self._head_only:
            self.complete = True

    def _on_interim(self, status: int, framed: bool) -> None:
        self._modern = False
        self._interim += 1
        if status == 101 or status < 100:
            self._refuse("unexpected switch of protocols")
        if framed or self._interim > INTERIM_COUNT:
            self._refuse("too many or malformed interim responses")

    def on_message_complete(self) -> None:
        if self.headed:
            self.complete = True

    def _refuse(self, why: str) -> None:
        if not self.error and not self.complete:
            self.error = why
        raise _Refused(why)


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) + 4 for name, value in headers)


def _says_close(headers: Headers) -> bool:
    for name, value in headers:
        if name == b"connection" and any(token.strip() == b"close" for token in value.lower().split(b",")):
            return True
    return False
