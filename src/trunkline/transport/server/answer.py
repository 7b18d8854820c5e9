"""The head of an answer as bytes. Framing and connection headers are the transport's own: the application's are
dropped, so that no answer can be framed twice."""

from __future__ import annotations

import http
import time
from email.utils import formatdate
from operator import itemgetter

from trunkline.types.wire import Headers

CRLF = b"\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

#: Set here and nowhere else.
OWN_HEADERS = frozenset((b"connection", b"content-length", b"transfer-encoding", b"date", b"keep-alive", b"upgrade"))

CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"  # said to HTTP/1.0 only
CHUNKED_END = b"transfer-encoding: chunked\r\n\r\n"

_NAME = itemgetter(0)
_LINE = b": ".join

#: Every control character but CR and TAB becomes LF, so that one count finds them all (DEL is one).
_MARKS = bytes(10 if (byte < 32 and byte not in (9, 13)) or byte == 127 else 46 for byte in range(256))

_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in http.HTTPStatus}


def status_line(status: int) -> bytes:
    """With CRLF. Raises ValueError for what cannot be the status of an answer (200–599)."""
    if not 200 <= status <= 599:
        raise ValueError(f"{status} is not the status of an answer")
    return _LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def header_lines(headers: Headers) -> bytes:
    """Header lines, each with CRLF, without those of OWN_HEADERS. Raises ValueError when a name or value holds CR,
    LF, NUL or another control character: it would end the header and begin whatever the writer of the value likes."""
    if not OWN_HEADERS.isdisjoint(map(_NAME, headers)):
        headers = [pair for pair in headers if pair[0] not in OWN_HEADERS]
    if not headers:
        return b""
    block = CRLF.join(map(_LINE, headers)) + CRLF
    ends = len(headers)  # of which each is one CR and one LF; any more are someone else's
    if block.count(b"\r") != ends or block.translate(_MARKS).count(b"\n") != ends:
        raise ValueError("a response header holds a control character")
    return block


def bodiless(status: int) -> bool:
    """RFC 9112 6.3: these end with their head."""
    return status == 204 or status == 304


class DateLine:
    """`date: …` of the current second, formatted at most once per second."""

    __slots__ = ("_line", "_until")

    def __init__(self) -> None:
        self._line = b""
        self._until = -1.0

    def at(self, now: float) -> bytes:
        """`now` in loop seconds only says when to look at the wall clock again."""
        if now >= self._until:
            wall = time.time()
            self._line = b"date: %b\r\n" % formatdate(wall, usegmt=True).encode()
            self._until = now + 1.0 - wall % 1.0
        return self._line
