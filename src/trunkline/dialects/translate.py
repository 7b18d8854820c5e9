"""A cross-dialect stream: the reader of one dialect, the writer of another, as one `StreamRelay`."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, ErrorFacts, StreamReader, StreamWriter
from trunkline.types.canonical import BlockStart, Delta, Event
from trunkline.types.wire import Loss


class Translation:
    """State is the reader's, but `content` and `contents` count what has been written: content that the writer still
    holds back (a tool call that must be whole) counts when it comes out.

    A bug of ours in the writer ends the stream as `untranslatable`. A malformed event that was left out is announced
    where the writer has an `announcement`.
    """

    __slots__ = ("_announcement", "_broken", "_pending", "content", "contents", "events", "reader", "writer")

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.content = False
        self.contents = 0
        self.events = 0
        self._pending = 0
        self._broken = ""
        self._announcement: bytes = getattr(writer, "announcement", b"")

    @property
    def finished(self) -> bool:
        return self.reader.finished

    @property
    def terminated(self) -> bool:
        return self.reader.terminated

    @property
    def malformed(self) -> int:
        return self.reader.malformed

    @property
    def error(self) -> ErrorFacts | None:
        return self.reader.error

    @property
    def broken(self) -> str:
        return self._broken or self.reader.broken

    @property
    def progress(self) -> int:
        return self.reader.progress

    @property
    def answer(self) -> Answer:
        return self.reader.answer

    @property
    def losses(self) -> tuple[Loss, ...]:
        return self.reader.losses + self.writer.losses

    def feed(self, data: bytes) -> bytes:
        if self._broken:
            return b""
        events = self.reader.feed(data)
        dropped: tuple[int, ...] = getattr(self.reader, "dropped", ()) if self._announcement else ()
        out: list[bytes] = []
        if dropped:
            self._write(events[: dropped[0]], out)
            out.append(self._announcement)
            events = events[dropped[0] :]
        self._write(events, out)
        return out[0] if len(out) == 1 else b"".join(out)

    def finalise(self) -> bytes:
        out: list[bytes] = []
        self._write(self.reader.eof(), out)
        if not self.broken and self.error is None:
            out.append(self.writer.end())
        return b"".join(out)

    def _write(self, events: list[Event], out: list[bytes]) -> None:
        for event in events:
            try:
                made = self.writer.send(event)
            except Exception:
                self._broken = "untranslatable"
                return
            if isinstance(event, Delta):
                # A foreign signature that the writer leaves out never becomes content.
                if made or event.kind != "signature":
                    self._pending += 1
            elif isinstance(event, BlockStart) and event.kind == "tool":
                self._pending += 1
            if made:
                out.append(made)
                self.events += 1
                if self._pending:
                    self.contents += self._pending
                    self._pending = 0
                    self.content = True
