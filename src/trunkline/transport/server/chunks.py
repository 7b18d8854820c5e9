"""Decoder of chunked request bodies (RFC 9112 7.1), stricter than it must be: CRLF only, no white space around the
size, short extensions, no framing fields in trailers. llhttp reads the same bytes beside it; both must agree."""

from __future__ import annotations

import re
from typing import Final, Literal

from trunkline.transport.server.framing import BAD_CHUNK, LONG_HEAD, MANY_HEADERS, TOO_LARGE, Refusal, bad_partial_head

MAX_SIZE_LINE = 128  # bytes of size and extensions; nobody who sends extensions to an API needs more
MAX_SIZE_DIGITS = 16  # hexadecimal; 2**64 is beyond every limit
TRAILER_BYTES = 4096  # trailers are dropped, so there is no point in many
TRAILER_COUNT = 32

#: Chunks decoded before the decoder gives the event loop a turn: about 2 ms of one-byte chunks.
TURN = 1024

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,%d})(?:;[\x20-\x7e\t]*)?" % MAX_SIZE_DIGITS)
_TRAILER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")
_NOT_IN_TRAILERS: Final = (b"content-length:", b"transfer-encoding:", b"host:")

_Stage = Literal["size", "data", "crlf", "trailer", "done"]


class ChunkedBody:
    """`feed` until `done`. `body` is what was decoded, `refusal` why it cannot go on.

    Memory: the body (at most `limit` bytes) and one partial size or trailer line. Trailers are checked and dropped.
    """

    __slots__ = ("_left", "_line", "_stage", "_trailer_bytes", "_trailer_count", "body", "limit", "refusal")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.body = bytearray()
        self.refusal: Refusal | None = None
        self._stage: _Stage = "size"
        self._left = 0  # bytes that the current chunk still lacks
        self._line = bytearray()  # a size line, a CRLF or a trailer line whose end has not arrived
        self._trailer_bytes = TRAILER_BYTES
        self._trailer_count = TRAILER_COUNT

    @property
    def done(self) -> bool:
        return self._stage == "done"

    def feed(self, data: bytes, at: int) -> int:
        """Decodes from `data[at:]`; returns the index behind the last byte used. That is less than `len(data)` when
        the body ended, when it was refused, or after TURN chunks (then call again later)."""
        end = len(data)
        turns = TURN
        while at < end and self.refusal is None:
            match self._stage:
                case "size":
                    turns -= 1
                    if turns < 0:
                        break
                    at = self._size(data, at)
                case "data":
                    stop = min(end, at + self._left)
                    self.body += data[at:stop]
                    self._left -= stop - at
                    at = stop
                    if not self._left:
                        self._stage = "crlf"
                case "crlf":
                    at = self._crlf(data, at)
                case "trailer":
                    at = self._trailer(data, at)
                case "done":
                    break
        return at

    def _size(self, data: bytes, at: int) -> int:
        """Reads a size line, or the part of it that is here."""
        stop = data.find(b"\n", at, at + MAX_SIZE_LINE + 2)
        if stop < 0:
            self._line += data[at : at + MAX_SIZE_LINE + 2]
            # Whatever cannot become a size line is refused now, not when its end arrives.
            part = self._line[:-1] if self._line.endswith(b"\r") else self._line
            if len(self._line) > MAX_SIZE_LINE or _SIZE_LINE.fullmatch(part) is None:
                self.refusal = BAD_CHUNK
            return len(data)
        line = data[at : stop + 1]
        if self._line:
            line = bytes(self._line) + line
            self._line.clear()
        found = _SIZE_LINE.fullmatch(line, 0, len(line) - 2)
        if found is None or len(line) > MAX_SIZE_LINE + 2 or not line.endswith(b"\r\n"):
            self.refusal = BAD_CHUNK
            return stop + 1
        self._left = int(found[1], 16)
        at = stop + 1
        if len(self.body) + self._left > self.limit:
            self.refusal = TOO_LARGE
        elif not self._left:
            self._stage = "trailer"
        elif data[(stop := at + self._left) : stop + 2] == b"\r\n":  # the whole chunk is here
            self.body += data[at:stop]
            return stop + 2
        else:
            self._stage = "data"
        return at

    def _crlf(self, data: bytes, at: int) -> int:
        take = data[at : at + 2 - len(self._line)]
        self._line += take
        if not b"\r\n".startswith(self._line):
            self.refusal = BAD_CHUNK
        elif len(self._line) == 2:
            self._line.clear()
            self._stage = "size"
        return at + len(take)

    def _trailer(self, data: bytes, at: int) -> int:
        """Reads one line of the trailer section; the empty one ends the body."""
        stop = data.find(b"\n", at)
        upto = len(data) if stop < 0 else stop + 1
        self._line += data[at:upto]
        self._trailer_bytes -= upto - at
        if self._trailer_bytes < 0:
            self.refusal = LONG_HEAD
        elif stop < 0:
            if bad_partial_head(self._line, False):
                self.refusal = BAD_CHUNK
        elif self._line == b"\r\n":
            self._line.clear()
            self._stage = "done"
        else:
            self._check_trailer()
        return upto

    def _check_trailer(self) -> None:
        line = bytes(self._line)
        self._line.clear()
        self._trailer_count -= 1
        if self._trailer_count < 0:
            self.refusal = MANY_HEADERS
            return
        well_formed = line.endswith(b"\r\n") and _TRAILER.fullmatch(line, 0, len(line) - 2) is not None
        if not well_formed or line.lower().startswith(_NOT_IN_TRAILERS):
            self.refusal = BAD_CHUNK
