"""A translation: the state is the reader's, content counts when it has been written."""

from __future__ import annotations

import msgspec
import pytest

from trunkline.dialects.contract import ErrorFacts, StreamOptions
from trunkline.dialects.reading import SseReader
from trunkline.dialects.tap import CONTENT, PASS, QUIET, STOP
from trunkline.dialects.translate import Translation
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start
from trunkline.types.wire import Loss


class EventReader(SseReader):
    """A dialect whose events are the hub's own."""

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        if name == b"ping":
            return QUIET
        if name == b"error":
            self.error = ErrorFacts(message="no")
            return STOP
        event = msgspec.json.decode(data, type=Event)  # type: ignore[arg-type]  # a union is a type to msgspec
        if isinstance(event, Finish):
            self.finished = True
        out.append(event)
        self.open_structured = isinstance(event, BlockStart) and event.kind == "tool"
        return CONTENT if isinstance(event, Delta) else PASS

    def sentinel(self, data: bytes, out: list[Event]) -> bool:
        self.terminated = data == b"[DONE]"
        return self.terminated

    def eof(self) -> list[Event]:
        return [*super().eof(), End()]


class LineWriter:
    """Text at once, tool calls when they are whole, signatures never."""

    announcement = b"(left out)"

    def __init__(self) -> None:
        self.held = b""

    @property
    def losses(self) -> tuple[Loss, ...]:
        return (Loss("b", "writer"),)

    def send(self, event: Event) -> bytes:
        match event:
            case Delta(kind="text", text="bug"):
                raise ValueError("a bug of ours")
            case Delta(kind="text", text=text):
                return f"[{text}]".encode()
            case Delta(kind="json", text=text):
                self.held += text.encode()
                return b""
            case BlockStop() if self.held:
                held, self.held = self.held, b""
                return b"<" + held + b">"
            case Start() | Finish() | End():
                return type(event).__name__.encode() + b";"
            case _:
                return b""

    def end(self) -> bytes:
        return b"end"


def wire(*events: Event) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(event) + b"\n\n" for event in events)


def translation(**options: str) -> Translation:
    return Translation(EventReader(StreamOptions(**options)), LineWriter())  # type: ignore[arg-type]


TEXT = Delta(index=0, kind="text", text="hi")
CALL = BlockStart(index=1, kind="tool", id="c", name="f")
ARGUMENTS = Delta(index=1, kind="json", text="{}")


def test_events_of_one_dialect_come_out_as_bytes_of_another() -> None:
    t = translation()
    assert t.feed(wire(Start("i", "m"), BlockStart(index=0, kind="text"), TEXT)) == b"Start;[hi]"
    assert (t.content, t.contents, t.events, t.progress) == (True, 1, 2, 3)


def test_preamble_is_no_content() -> None:
    t = translation()
    assert t.feed(wire(Start("i", "m"), BlockStart(index=0, kind="text"))) == b"Start;"
    assert not t.content and t.contents == 0


def test_content_counts_when_it_comes_out() -> None:
    t = translation()
    assert t.feed(wire(CALL, ARGUMENTS)) == b""
    assert (t.content, t.contents) == (False, 0)
    assert t.feed(wire(BlockStop(1))) == b"<{}>"
    assert (t.content, t.contents) == (True, 2)


def test_a_signature_that_is_left_out_is_never_content() -> None:
    t = translation()
    assert t.feed(wire(Delta(index=0, kind="signature", text="c2ln"), Finish(reason="stop"))) == b"Finish;"
    assert not t.content and t.finished


def test_at_the_end_the_reader_gives_the_rest_and_the_writer_ends() -> None:
    t = translation()
    t.feed(wire(TEXT, Finish(reason="stop")) + wire(TEXT).removesuffix(b"\n\n"))
    assert t.finalise() == b"[hi]End;end"
    assert t.contents == 2


def test_an_error_stops_the_translation_and_brings_no_end() -> None:
    t = translation()
    assert t.feed(wire(TEXT) + b"event: error\ndata: {}\n\n" + wire(TEXT)) == b"[hi]"
    assert t.error == ErrorFacts(message="no")
    assert t.feed(wire(TEXT)) == b""
    assert t.finalise() == b"End;"


def test_an_error_in_the_very_last_event_keeps_the_end_back() -> None:
    t = translation()
    t.feed(wire(Finish(reason="stop")) + b"event: error\ndata: {}")
    assert b"end" not in t.finalise()
    assert t.error is not None


@pytest.mark.parametrize("cut", range(0, 140, 7))
def test_a_malformed_event_is_announced_at_its_place_however_the_bytes_are_split(cut: int) -> None:
    stream = wire(TEXT) + b"data: {\n\n" + wire(TEXT)
    t = translation()
    assert t.feed(stream[:cut]) + t.feed(stream[cut:]) == b"[hi](left out)[hi]"
    assert (t.malformed, t.broken) == (1, "")


def test_a_second_malformed_event_or_one_in_a_tool_call_breaks_the_stream() -> None:
    second, within, strict = translation(), translation(), translation(on_malformed="break")
    assert second.feed(b"data: {\n\n" + wire(TEXT) + b"data: {\n\n" + wire(TEXT)) == b"(left out)[hi]"
    assert within.feed(wire(TEXT, CALL) + b"data: {\n\n" + wire(TEXT)) == b"[hi]"
    assert strict.feed(wire(TEXT) + b"data: {\n\n" + wire(TEXT)) == b"[hi]"
    assert second.broken == within.broken == strict.broken == "malformed"


def test_a_malformed_event_is_announced_once() -> None:
    t = translation()
    assert t.feed(b"data: {\n\n" + b"event: error\ndata: {}\n\n") == b"(left out)"
    assert t.feed(wire(TEXT)) == b""


def test_pings_are_no_progress() -> None:
    t = translation()
    assert t.feed(b"event: ping\ndata: {}\n\n: comment\n\n\n") == b""
    assert t.progress == 0


def test_a_bug_in_the_reader_ends_the_stream_honestly() -> None:
    t = translation()
    assert t.feed(wire(TEXT) + b"data: 5\n\n" + wire(TEXT)) == b"[hi]"
    assert t.broken == "unreadable"


def test_a_bug_in_the_writer_ends_the_stream_honestly() -> None:
    t = translation()
    assert t.feed(wire(TEXT, Delta(index=0, kind="text", text="bug"), TEXT)) == b"[hi]"
    assert t.broken == "untranslatable"
    assert t.feed(wire(TEXT)) == b""


def test_losses_are_those_of_both_sides() -> None:
    t = translation()
    assert isinstance(t.reader, EventReader)
    t.reader.lost.append(Loss("a", "reader"))
    assert t.losses == (Loss("a", "reader"), Loss("b", "writer"))


def test_an_event_beyond_the_limit_breaks_the_stream() -> None:
    reader = EventReader(StreamOptions(max_event=60))
    t = Translation(reader, LineWriter())
    assert t.feed(wire(TEXT, Delta(index=0, kind="text", text="x" * 60), TEXT)) == b"[hi]"
    assert t.broken == "oversized"
