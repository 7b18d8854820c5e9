"""The upstream side of a translation: splitting, malformed events and errors are the same for every SSE dialect."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, ErrorFacts, StreamOptions
from trunkline.dialects.sse import EventSplitter, is_json, parts
from trunkline.dialects.tap import CONTENT, PASS, QUIET, STOP, breaks
from trunkline.types.canonical import Event
from trunkline.types.wire import Loss


class SseReader:
    """A `StreamReader`. A dialect implements `read`, which appends canonical events and returns the tap's flags.

    `dropped` are the places in the list of the latest `feed` where a malformed event was left out. A bug of ours in
    `read` ends the stream as `unreadable`: unlike a tap, a translation cannot go on without understanding.
    """

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.splitter = EventSplitter(options.max_event)
        self.content = False
        self.contents = 0
        self.finished = False
        self.terminated = False
        self.malformed = 0
        self.error: ErrorFacts | None = None
        self.broken = ""
        self.progress = 0
        self.answer = Answer()
        self.open_structured = False
        self.lost: list[Loss] = []
        self.dropped: tuple[int, ...] = ()

    @property
    def stopped(self) -> bool:
        """Nothing more is read."""
        return self.error is not None or self.broken != "" or self.terminated

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    # --- for a dialect to fill in --------------------------------------------------------------------------------
    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        """Flags of one event whose data is valid JSON; appends what it says."""
        raise NotImplementedError

    def sentinel(self, data: bytes, out: list[Event]) -> bool:
        """Data that is no JSON and need not be, such as `[DONE]`; may append events or set `broken`."""
        return False

    def eof(self) -> list[Event]:
        return self.last()

    # --- reading --------------------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        self.dropped = ()
        if self.stopped:
            return out
        for event in self.splitter.feed(data):
            name, payload = parts(event)
            if not payload:
                continue
            try:
                flags = self.read(name, payload, out) if is_json(payload) else self._odd(payload, out)
            except Exception:
                self.broken = "unreadable"
                return out
            if flags & STOP:
                self.broken = self.broken or ("stopped" if self.error is None else "")
                return out
            if flags & CONTENT:
                self.content = True
                self.contents += 1
            if not flags & QUIET:
                self.progress += 1
            if self.terminated:
                break
        if self.splitter.oversized and not self.terminated:
            self.broken = "oversized"
        return out

    def last(self) -> list[Event]:
        """At EOF: an event that lacks nothing but its blank line still counts. Half an event does not."""
        tail = b"" if self.stopped else self.splitter.tail
        payload = parts(tail)[1]
        if not payload or not is_json(payload):
            return []
        return self.feed(b"\n" if tail.endswith(b"\n") else b"\n\n")

    def _odd(self, payload: bytes, out: list[Event]) -> int:
        """Data that is no JSON: the dialect's sentinel, or malformed."""
        if self.sentinel(payload, out):
            return STOP if self.broken else PASS
        if breaks(self, self.options):
            return STOP
        self.dropped = (*self.dropped, len(out))
        return QUIET
