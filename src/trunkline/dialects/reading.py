"""The upstream side of a translation: splitting, malformed events and errors are the same for every SSE dialect."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, ErrorFacts, StreamOptions
from trunkline.dialects.sse import EventSplitter, is_json, parts
from trunkline.dialects.tap import CONTENT, QUIET, STOP
from trunkline.types.canonical import Event
from trunkline.types.wire import Loss


class SseReader:
    """A `StreamReader`. A dialect implements `read`, which appends canonical events and returns the tap's flags."""

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

    @property
    def stopped(self) -> bool:
        """Nothing more is forwarded."""
        return self.error is not None or self.broken != "" or self.terminated

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        raise NotImplementedError

    def sentinel(self, data: bytes, out: list[Event]) -> bool:
        """Data that is no JSON and need not be, such as `[DONE]`; may append events."""
        return False

    def eof(self) -> list[Event]:
        return []

    def feed(self, data: bytes) -> list[Event]:
        out: list[Event] = []
        if self.stopped:
            return out
        for event in self.splitter.feed(data):
            name, payload = parts(event)
            if not payload:
                continue
            if self.sentinel(payload, out):
                self.progress += 1
            elif not is_json(payload):
                self.malformed += 1
                if self.options.on_malformed == "break" or self.malformed > 1 or self.open_structured:
                    self.broken = "malformed"
                    return out
            else:
                flags = self.read(name, payload, out)
                if flags & STOP:
                    return out
                if flags & CONTENT:
                    self.content = True
                    self.contents += 1
                if not flags & QUIET:
                    self.progress += 1
            if self.terminated:
                break
        if self.splitter.oversized:
            self.broken = "oversized"
        return out
