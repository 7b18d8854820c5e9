"""Server-sent events: splitting a byte stream into whole events, and reading one event. Pure and incremental.

Source: WHATWG HTML, "Interpreting an event stream", as far as the providers use it (wire-formats.md A.4, B.4, C.4).
"""

from __future__ import annotations

import msgspec

_raw = msgspec.json.Decoder(msgspec.Raw)


class EventSplitter:
    """Cuts a stream at blank lines (LF or CR LF, mixed too). `feed` takes any split of the bytes.

    `tail` is the unfinished rest; `oversized` is set when it grows beyond `max_event` bytes.
    """

    __slots__ = ("_max", "oversized", "tail")

    def __init__(self, max_event: int) -> None:
        self._max = max_event
        self.tail = b""
        self.oversized = False

    def feed(self, data: bytes) -> list[bytes]:
        """Complete raw events, each with the blank line that ends it."""
        if self.tail:
            data = self.tail + data
            self.tail = b""
        events: list[bytes] = []
        start = 0
        if b"\r" not in data:
            while True:
                end = data.find(b"\n\n", start)
                if end < 0:
                    break
                events.append(data[start : end + 2])
                start = end + 2
            # A lone line end between events is a blank line of its own: a Gemini keep-alive.
            if data[start : start + 1] == b"\n":
                events.append(b"\n")
                start += 1
        else:
            start = self._mixed(data, events)
        if start < len(data):
            self.tail = data[start:] if start else data
            if len(self.tail) > self._max:
                self.oversized = True
        for event in events:
            if len(event) > self._max:
                self.oversized = True
        return events

    def _mixed(self, data: bytes, events: list[bytes]) -> int:
        """Line by line: an event ends with the first empty line."""
        start = at = 0
        while True:
            end = data.find(b"\n", at)
            if end < 0:
                return start
            line = data[at : end + 1]
            at = end + 1
            if line in (b"\n", b"\r\n"):
                events.append(data[start:at])
                start = at


def parts(event: bytes) -> tuple[bytes, bytes]:
    """Event name (b"" if none) and data (lines joined with LF; b"" if none). Comments, id and retry are passed over."""
    if event.startswith(b"data: ") and event.count(b"\n") == 2 and event.endswith(b"\n\n") and b"\r" not in event:
        return b"", event[6:-2]
    name = b""
    data: list[bytes] = []
    for line in event.splitlines():
        if line.startswith(b"data:"):
            value = line[5:]
            data.append(value[1:] if value.startswith(b" ") else value)
        elif line.startswith(b"event:"):
            name = line[6:].strip()
    return name, data[0] if len(data) == 1 else b"\n".join(data)


def is_json(data: bytes) -> bool:
    """Valid JSON, checked without building objects for it."""
    try:
        _raw.decode(data)
        if not data.isascii():
            data.decode()
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True
