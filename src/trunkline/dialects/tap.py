"""The same-dialect tap: bytes pass as they came, whole events at a time; malformed events and an unasked usage chunk
are left out. A tap that errs stops watching, never the stream."""

from __future__ import annotations

from typing import Protocol

from trunkline.dialects.contract import Answer, ErrorFacts, StreamOptions
from trunkline.dialects.sse import EventSplitter, is_json, parts
from trunkline.types.wire import Loss

PASS = 0
CONTENT = 1  # output that the client would see
DROP = 2  # leave this event out
STOP = 4  # neither this event nor anything behind it; `error` or `broken` is set
QUIET = 8  # passes, but is no progress


class Watching(Protocol):
    """What tap and reader have in common."""

    content: bool
    finished: bool
    malformed: int
    open_structured: bool
    broken: str


def breaks(watching: Watching, options: StreamOptions) -> bool:
    """Counts a malformed event. True: it cannot be left out, the stream is broken (reliability.md 2.7)."""
    watching.malformed += 1
    bound = options.structured and watching.content and not watching.finished
    if options.on_malformed == "break" or watching.malformed > 1 or watching.open_structured or bound:
        watching.broken = "malformed"
        return True
    return False


class SseTap:
    """A `StreamRelay`. A dialect implements `look`; the flags it returns say what the event is.

    `open_structured` is kept by the dialect while a tool call is open; `blind` tells that `look` failed.
    """

    #: Announces in-band that an event was left out, where the dialect's SDK survives a comment.
    announcement: bytes = b""

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
        self.events = 0
        self.progress = 0
        self.answer = Answer()
        self.open_structured = False
        self.blind = False

    @property
    def stopped(self) -> bool:
        """Nothing more is forwarded."""
        return self.error is not None or self.broken != "" or self.terminated

    @property
    def losses(self) -> tuple[Loss, ...]:
        return ()

    # --- for a dialect to fill in --------------------------------------------------------------------------------
    def look(self, name: bytes, data: bytes) -> int:
        """Flags of one event whose data is valid JSON; sets finished, terminated, error, answer as it finds them."""
        raise NotImplementedError

    def skim(self, data: bytes) -> bool:
        """Whether this is surely valid JSON and nothing but more content. `content` is set already."""
        return False

    def sentinel(self, data: bytes) -> bool:
        """Data that is no JSON and need not be, such as `[DONE]`. Setting `broken` keeps it from the client."""
        return False

    def emit(self, event: bytes, data: bytes) -> bytes:
        """The bytes that go to the client for one event that passes."""
        return event

    def finalise(self) -> bytes:
        return self.last()

    # --- the relay ------------------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> bytes:
        over = self.terminated
        if over or self.error is not None or self.broken:
            return b""
        if self.content and self.splitter.alone(data) and self.skim(data[6:-2]):
            self.events += 1
            self.contents += 1
            self.progress += 1
            return data
        out: list[bytes] = []
        for event in self.splitter.feed(data):
            name, payload = parts(event)
            if not payload:
                out.append(self.emit(event, payload))
                continue
            flags = self._look(name, payload) if is_json(payload) else self._odd(payload, out)
            if flags & STOP:
                self.broken = self.broken or ("stopped" if self.error is None else "")
                return b"".join(out)
            if flags & DROP:
                continue
            self.events += 1
            if flags & CONTENT:
                self.contents += 1
                self.content = True
            if not flags & QUIET:
                self.progress += 1
            out.append(self.emit(event, payload))
            if self.terminated:
                break
        if self.splitter.oversized and not self.terminated:
            self.broken = "oversized"
        return out[0] if len(out) == 1 else b"".join(out)

    def last(self) -> bytes:
        """At EOF: an event that lacks nothing but its blank line still counts. Half an event does not."""
        tail = b"" if self.stopped else self.splitter.tail
        payload = parts(tail)[1]
        if not payload or not is_json(payload):
            return b""
        return self.feed(b"\n" if tail.endswith(b"\n") else b"\n\n")

    def _look(self, name: bytes, payload: bytes) -> int:
        if self.blind:
            return CONTENT
        try:
            return self.look(name, payload)
        except Exception:
            # A bug of ours must not cut a good stream: from here on it is passed without being understood.
            self.blind = True
            return CONTENT

    def _odd(self, payload: bytes, out: list[bytes]) -> int:
        """Data that is no JSON: the dialect's sentinel, or malformed."""
        if self.sentinel(payload):
            return STOP if self.broken else PASS
        if breaks(self, self.options):
            return STOP
        if self.announcement:
            out.append(self.announcement)
        return DROP
