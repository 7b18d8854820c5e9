"""The same-dialect tap: bytes pass as they came, whole events at a time; malformed events and an unasked usage chunk
are left out. A tap that errs stops watching, never the stream."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, ErrorFacts, StreamOptions
from trunkline.dialects.sse import EventSplitter, is_json, parts
from trunkline.types.wire import Loss

PASS = 0
CONTENT = 1
DROP = 2
STOP = 4
QUIET = 8
MALFORMED = 16


class SseTap:
    """A `StreamRelay`. A dialect implements `look`; the flags it returns say what the event is."""

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

    def sentinel(self, data: bytes) -> bool:
        """Data that is no JSON and need not be, such as `[DONE]`."""
        return False

    def emit(self, event: bytes, data: bytes) -> bytes:
        """The bytes that go to the client for one event that passes."""
        return event

    def finalise(self) -> bytes:
        return b""

    # --- the relay ------------------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> bytes:
        if self.stopped:
            return b""
        out: list[bytes] = []
        for event in self.splitter.feed(data):
            name, payload = parts(event)
            if not payload:
                out.append(self.emit(event, payload))
                continue
            flags = self._judge(name, payload)
            if flags & STOP:
                return b"".join(out)
            if flags & DROP:
                if flags & MALFORMED and self.announcement:
                    out.append(self.announcement)
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
        if self.splitter.oversized:
            self.broken = "oversized"
        if not out:
            return b""
        return out[0] if len(out) == 1 else b"".join(out)

    def _judge(self, name: bytes, payload: bytes) -> int:
        if self.sentinel(payload):
            return PASS
        if not is_json(payload):
            return self._on_malformed()
        if self.blind:
            return CONTENT
        try:
            return self.look(name, payload)
        except Exception:
            # A bug of ours must not cut a good stream: from here on it is passed without being understood.
            self.blind = True
            return CONTENT

    def _on_malformed(self) -> int:
        self.malformed += 1
        if self.options.on_malformed == "break" or self.malformed > 1 or self.open_structured:
            self.broken = "malformed"
            return STOP
        return DROP | MALFORMED
