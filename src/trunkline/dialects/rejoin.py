"""A second attempt that goes on where a first one broke off (reliability.md 2.8, `splice`): its answer is compared with what
the client has got and kept back while it is the same; when it goes on from exactly there, the rest is written under the first
attempt's ids and indexes. On the first difference the stream is `different`, and nothing of it has been shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.dialects.contract import StreamReader, StreamWriter
from trunkline.dialects.translate import Translation
from trunkline.types.canonical import BlockStart, BlockStop, Delta, Event, Finish, Start

DIFFERENT = "different"


class _Block:
    """What the client has of one block. Signatures are opaque: they are neither compared nor sent twice."""

    __slots__ = ("kind", "left", "name", "signed", "stopped")

    def __init__(self, start: BlockStart) -> None:
        self.kind = start.kind
        self.name = start.name
        self.left = ""
        self.signed = False
        self.stopped = False


class Rejoin(Translation):
    """`delivered` are the events behind the bytes that the client has. `content` is true as soon as the new attempt has shown
    any, be it only what the client has already: it lives."""

    __slots__ = ("_at", "_blocks", "_open", "differs_at")

    def __init__(self, reader: StreamReader, writer: StreamWriter, delivered: Sequence[Event]) -> None:
        super().__init__(reader, writer)
        self._blocks = blocks_of(delivered)
        self._at: dict[int, int] = {}  # the new attempt's block → place among all of them
        self._open = True  # nothing new has been written yet
        self.differs_at = ""
        for event in delivered:
            writer.send(event)

    def _write(self, events: list[Event], out: list[bytes]) -> None:
        for event in events:
            if self._broken:
                return
            for new in self._new(event):
                super()._write([new], out)
        if self._at:
            self.content = True

    def _new(self, event: Event) -> list[Event]:
        """What of this event the client has not got yet, in the indexes that it knows."""
        match event:
            case Start():
                return []
            case BlockStart():
                return self._started(event)
            case Delta():
                return self._added(event)
            case BlockStop(index=index):
                return self._stopped(index)
            case Finish():
                if any(block.left for block in self._blocks):
                    self._differ("it is shorter")
                    return []
                return [event]
            case _:
                return [event]

    def _started(self, event: BlockStart) -> list[Event]:
        place = self._at[event.index] = len(self._at)
        if place >= len(self._blocks):
            return [BlockStart(index=place, kind=event.kind, id=event.id, name=event.name)] if self._level() else []
        known = self._blocks[place]
        if (known.kind, known.name) != (event.kind, event.name):
            self._differ(f"{event.kind} {event.name}".strip())
        return []

    def _added(self, event: Delta) -> list[Event]:
        place = self._at.get(event.index, event.index)
        if place >= len(self._blocks):
            return [Delta(index=place, kind=event.kind, text=event.text)]
        known = self._blocks[place]
        if event.kind == "signature":
            return [] if known.signed or known.stopped else [Delta(index=place, kind="signature", text=event.text)]
        if known.left.startswith(event.text):
            known.left = known.left[len(event.text) :]
            return []
        if not event.text.startswith(known.left) or place != len(self._blocks) - 1 or known.stopped:
            self._differ(known.kind)
            return []
        more, known.left = event.text[len(known.left) :], ""
        return [Delta(index=place, kind=event.kind, text=more)]

    def _stopped(self, index: int) -> list[Event]:
        place = self._at.get(index, index)
        if place >= len(self._blocks):
            return [BlockStop(place)]
        known = self._blocks[place]
        if known.left:
            self._differ(f"{known.kind} is shorter")
            return []
        return [] if known.stopped else [BlockStop(place)]

    def _level(self) -> bool:
        """All that was delivered has been repeated."""
        if any(block.left for block in self._blocks):
            self._differ("it is shorter")
            return False
        return True

    def _differ(self, where: str) -> None:
        self._broken = DIFFERENT
        self.differs_at = where


def blocks_of(events: Sequence[Event]) -> list[_Block]:
    """In order of appearance; `left` begins as all of a block's text."""
    blocks: dict[int, _Block] = {}
    for event in events:
        match event:
            case BlockStart(index=index):
                blocks[index] = _Block(event)
            case Delta(index=index, kind=kind, text=text):
                if kind == "signature":
                    blocks[index].signed = True
                else:
                    blocks[index].left += text
            case BlockStop(index=index):
                blocks[index].stopped = True
            case _:
                pass
    return list(blocks.values())
