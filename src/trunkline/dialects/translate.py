"""A cross-dialect stream: the reader of one dialect, the writer of another, as one `StreamRelay`."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, ErrorFacts, StreamReader, StreamWriter
from trunkline.types.canonical import BlockStart, Delta
from trunkline.types.wire import Loss


class Translation:
    """State is the reader's; `content` turns true when something that carries content has been written."""

    __slots__ = ("content", "contents", "events", "reader", "writer")

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.content = False
        self.contents = 0
        self.events = 0

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
        return self.reader.broken

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
        out: list[bytes] = []
        for event in self.reader.feed(data):
            made = self.writer.send(event)
            if made:
                out.append(made)
                self.events += 1
            if isinstance(event, Delta) or (isinstance(event, BlockStart) and event.kind == "tool"):
                self.contents += 1
                self.content = True
        return b"".join(out)

    def finalise(self) -> bytes:
        out = [self.writer.send(event) for event in self.reader.eof()]
        out.append(self.writer.end())
        return b"".join(out)
