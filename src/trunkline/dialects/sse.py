"""Server-sent events: splitting a byte stream into whole events, and reading one event. Pure and incremental.

Source: WHATWG HTML, "Interpreting an event stream", as far as the providers use it (wire-formats.md A.4, B.4, C.4).
"""

from __future__ import annotations

import json

import msgspec

_raw = msgspec.json.Decoder(msgspec.Raw)
_BOM = b"\xef\xbb\xbf"


class EventSplitter:
    """Cuts a stream at blank lines (LF or CR LF, mixed too). Any split of the same bytes gives the same events.

    A blank line that ends nothing is an event of its own. `oversized` is set by the first event, finished or not,
    that is longer than `max_event` bytes; neither it nor anything behind it is returned.
    """

    __slots__ = ("_held", "_max", "oversized")

    def __init__(self, max_event: int) -> None:
        self._max = max_event
        self._held = bytearray()  # grows in place: a large event in small reads costs no more than its length
        self.oversized = False

    @property
    def tail(self) -> bytes:
        """The unfinished rest."""
        return bytes(self._held)

    def alone(self, data: bytes) -> bool:
        """Whether `data` is one whole event of one `data: ` line, with nothing before it: what most reads bring. Such
        an event need not be fed."""
        return (
            data.find(b"\n") == len(data) - 2 < self._max - 1
            and data.startswith(b"data: ")
            and data.endswith(b"\n")
            and not self._held
            and b"\r" not in data
        )

    def feed(self, data: bytes) -> list[bytes]:
        """Complete raw events, each with the blank line that ends it."""
        if self.oversized:
            return []
        if self._held:
            whole = self._complete(data)
            if whole is None:
                return []
            data = whole
        events: list[bytes] = []
        if b"\r" in data:
            start = self._mixed(data, events)
        else:
            end = data.find(b"\n\n")
            if 0 < end == len(data) - 2 < self._max - 1 and not data.startswith(b"\n"):
                return [data]
            start = self._plain(data, end, events)
        if start < len(data) and not self.oversized:
            self._held += memoryview(data)[start:]
            self.oversized = len(self._held) > self._max
        return events

    def _complete(self, data: bytes) -> bytes | None:
        """The held bytes with `data`, once an event ends in them."""
        held = self._held
        edge = bytes(held[-2:]) + data
        held += data
        if b"\n\n" in edge or b"\n\r\n" in edge or held.startswith(b"\r\n"):
            whole = bytes(held)
            held.clear()
            return whole
        self.oversized = len(held) > self._max
        return None

    def _plain(self, data: bytes, end: int, events: list[bytes]) -> int:
        """Lines end with LF only. `end` is where the first blank line begins; returns where the rest begins."""
        start = 0
        while True:
            while data.startswith(b"\n", start):
                events.append(b"\n")
                start += 1
            if end < start:
                end = data.find(b"\n\n", start)
                if end < 0:
                    return start
            if end + 2 - start > self._max:
                self.oversized = True
                return start
            events.append(data[start : end + 2])
            start = end + 2

    def _mixed(self, data: bytes, events: list[bytes]) -> int:
        """Line by line: an event ends with the first empty line."""
        start = at = 0
        while True:
            end = data.find(b"\n", at)
            if end < 0:
                return start
            blank = end == at or (end == at + 1 and data.startswith(b"\r", at))
            at = end + 1
            if blank:
                if at - start > self._max:
                    self.oversized = True
                    return start
                events.append(data[start:at])
                start = at


def parts(event: bytes) -> tuple[bytes, bytes]:
    """Event name (b"" if none) and data (lines joined with LF; b"" if none). Comments, id and retry are passed over."""
    if event.startswith(b"data: ") and event.find(b"\n") == len(event) - 2 and b"\r" not in event:
        return b"", event[6:-2]
    name = b""
    data: list[bytes] = []
    for line in event.removeprefix(_BOM).splitlines():
        if line.startswith(b"data:"):
            data.append(line[6:] if line.startswith(b" ", 5) else line[5:])
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    return name, data[0] if len(data) == 1 else b"\n".join(data)


def is_json(data: bytes) -> bool:
    """Valid JSON, checked without building objects for it. Nested beyond the parser's depth counts as invalid."""
    try:
        _raw.decode(data)
        if not data.isascii():
            data.decode()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return b"\\u" in data and _is_json_with_half_pairs(data)
    return True


def _is_json_with_half_pairs(data: bytes) -> bool:
    """JSON's grammar allows half of a surrogate pair, which a delta may end with; `msgspec` refuses it."""
    try:
        json.loads(data.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(word: str) -> None:
    raise ValueError(word)
