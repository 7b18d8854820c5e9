"""Streams of Messages: tap, reader, writer. Source: wire-formats.md B.4, E.10; reliability.md section 2."""

from __future__ import annotations

import json
from typing import Any, assert_never

import msgspec

from trunkline.dialects.anthropic_messages.errors import read_error
from trunkline.dialects.anthropic_messages.response import (
    FINISH,
    message_id,
    read_usage,
    stop_word,
    usage_object,
)
from trunkline.dialects.anthropic_messages.schema import DeltaField, StreamEvent
from trunkline.dialects.contract import Answer, StreamOptions
from trunkline.dialects.pairs import split, whole
from trunkline.dialects.reading import SseReader
from trunkline.dialects.tap import CONTENT, PASS, QUIET, STOP, SseTap
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss

_event = msgspec.json.Decoder(StreamEvent)
STOP_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
MALFORMED = b": trunkline left out a malformed event\n\n"


def _read(data: bytes) -> StreamEvent:
    """Valid JSON as an event; `msgspec` refuses half of a surrogate pair. Raises ValidationError for another shape."""
    try:
        return _event.decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(data), StreamEvent)


def carries(delta: DeltaField | None) -> bool:
    if delta is None:
        return False
    if delta.type in ("text_delta", "thinking_delta", "signature_delta", "input_json_delta"):
        return bool(delta.text or delta.thinking or delta.signature or delta.partial_json)
    return delta.type is not None  # a kind we do not know carries something


class MessagesTap(SseTap):
    announcement = MALFORMED

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.usage: Usage | None = None

    def look(self, name: bytes, data: bytes) -> int:
        match name:
            case b"content_block_delta":
                if self.content:
                    return CONTENT
                return CONTENT if carries(_read(data).delta) else PASS
            case b"ping":
                return QUIET
            case b"content_block_start":
                return self._start(data)
            case b"content_block_stop":
                self.open_structured = False
                return PASS
            case b"message_start":
                message = _read(data).message
                if message is not None:
                    self.usage = read_usage(message.usage)
                    self.answer = Answer(id=message.id, model=message.model, usage=self.usage)
                return PASS
            case b"message_delta":
                return self._finish(data)
            case b"message_stop":
                self.terminated = True
                return PASS
            case b"error":
                self.error = read_error(200, data)
                return STOP
            case _:
                return PASS

    def _start(self, data: bytes) -> int:
        block = _read(data).content_block
        kind = block.get("type") if isinstance(block, dict) else None
        if kind in ("text", "thinking"):
            return CONTENT if block.get("text") or block.get("thinking") else PASS
        self.open_structured = kind in ("tool_use", "server_tool_use")
        return CONTENT

    def _finish(self, data: bytes) -> int:
        event = _read(data)
        self.usage = read_usage(event.usage, self.usage)
        reason = event.delta.stop_reason if event.delta is not None else None
        self.answer = msgspec.structs.replace(
            self.answer,
            usage=self.usage,
            finish=reason or self.answer.finish,
            blocked=reason == "refusal",
            empty=not self.content,
        )
        if reason is not None:
            self.finished = True
        return PASS

    def finalise(self) -> bytes:
        return b"" if self.terminated else STOP_EVENT


class MessagesReader(SseReader):
    """Named events to canonical ones; unknown block kinds are left out and reported."""

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.usage: Usage | None = None
        self.blocks: dict[int, int] = {}
        self.next_index = 0
        self.half = ""  # of a surrogate pair, at the end of the last delta

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        try:
            event = _read(data)
        except msgspec.ValidationError:
            return PASS
        match event.type:
            case "message_start":
                self._begin(event, out)
            case "content_block_start":
                return self._block(event, out)
            case "content_block_delta":
                return self._delta(event, out)
            case "content_block_stop":
                block = self.blocks.get(event.index or 0)
                self.open_structured = False
                if block is not None:
                    if self.half:
                        out.append(Delta(index=block, kind="text", text=whole(self.half)))
                        self.half = ""
                    out.append(BlockStop(block))
            case "message_delta":
                self._finish(event, out)
            case "message_stop":
                self.terminated = True
                out.append(End())
            case "ping":
                return QUIET
            case "error":
                self.error = read_error(200, data)
                return STOP
            case _:
                pass
        return PASS

    def _begin(self, event: StreamEvent, out: list[Event]) -> None:
        message = event.message
        if message is None:
            return
        self.usage = read_usage(message.usage)
        self.answer = Answer(id=message.id, model=message.model, usage=self.usage)
        out.append(Start(message.id, message.model, self.usage))

    def _block(self, event: StreamEvent, out: list[Event]) -> int:
        block: dict[str, Any] = event.content_block if isinstance(event.content_block, dict) else {}
        kind = block.get("type")
        at = self.next_index
        if kind == "tool_use":
            self.open_structured = True
            out.append(BlockStart(index=at, kind="tool", id=str(block.get("id", "")), name=str(block.get("name", ""))))
        elif kind in ("text", "thinking"):
            out.append(BlockStart(index=at, kind=kind))
        else:
            self.lost.append(Loss(f"content[{event.index}]", f"{str(kind)[:32]} has no equivalent"))
            return PASS
        self.blocks[event.index or 0] = at
        self.next_index += 1
        opening = block.get("text") or block.get("thinking")
        if opening:
            out.append(Delta(index=at, kind="text", text=whole(str(opening))))
        return CONTENT if kind == "tool_use" or opening else PASS

    def _delta(self, event: StreamEvent, out: list[Event]) -> int:
        delta = event.delta
        block = self.blocks.get(event.index or 0)
        if delta is None or block is None or not carries(delta):
            return PASS
        if delta.partial_json:
            out.append(Delta(index=block, kind="json", text=whole(delta.partial_json)))
        elif delta.signature:
            out.append(Delta(index=block, kind="signature", text=delta.signature))
        elif delta.text or delta.thinking:
            text, self.half = split(self.half + (delta.text or delta.thinking or ""))
            if text:
                out.append(Delta(index=block, kind="text", text=text))
        else:
            self.lost.append(Loss(f"delta.{delta.type}"[:64], "no equivalent"))
            return PASS
        return CONTENT

    def _finish(self, event: StreamEvent, out: list[Event]) -> None:
        self.usage = read_usage(event.usage, self.usage)
        if self.usage is not None:
            out.append(Used(self.usage))
        delta = event.delta
        reason = delta.stop_reason if delta is not None else None
        if delta is None or reason is None:
            return
        self.finished = True
        self.answer = msgspec.structs.replace(
            self.answer, finish=reason, usage=self.usage, blocked=reason == "refusal", empty=not self.content
        )
        out.append(Finish(reason=FINISH.get(reason, "stop"), stop_sequence=delta.stop_sequence))


class MessagesWriter:
    """Canonical events to named events. One block is open at a time: what other blocks say meanwhile waits (E.10).
    `message_delta` waits for usage that comes after the finish."""

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.started = False
        self.next_index = 0
        self.open: int | None = None  # canonical index of the open block
        self.at = 0  # its wire index
        self.kinds: dict[int, str] = {}
        self.waiting: list[tuple[BlockStart, list[Delta]]] = []
        self.stopped: set[int] = set()
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.lost: list[Loss] = []

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    def send(self, event: Event) -> bytes:
        match event:
            case Start(id=id, model=model, usage=usage):
                self.usage = usage
                return self._start(id, model)
            case BlockStart():
                return self._block(event)
            case Delta():
                return self._delta(event)
            case BlockStop(index=index):
                return self._stop(index)
            case Finish():
                self.finish = event
                return b""
            case Used(usage=usage):
                self.usage = usage
                return b""
            case End():
                return b""
            case _:
                assert_never(event)

    def _start(self, id: str, model: str) -> bytes:
        if self.started:
            return b""
        self.started = True
        message: dict[str, Any] = {
            "id": message_id(id or self.options.id),
            "type": "message",
            "role": "assistant",
            "model": model or self.options.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage_object(self.usage),
        }
        return _wire("message_start", {"message": message})

    def _block(self, event: BlockStart) -> bytes:
        self.kinds[event.index] = event.kind
        head = b"" if self.started else self._start("", "")
        if self.open is not None:
            self.waiting.append((event, []))
            return head
        return head + self._open(event)

    def _open(self, event: BlockStart) -> bytes:
        self.open = event.index
        self.at = self.next_index
        self.next_index += 1
        match event.kind:
            case "tool":
                block: dict[str, Any] = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
            case "thinking":
                block = {"type": "thinking", "thinking": "", "signature": ""}
            case "text" | "refusal":
                block = {"type": "text", "text": ""}
            case _:
                assert_never(event.kind)
        return _wire("content_block_start", {"index": self.at, "content_block": block})

    def _delta(self, event: Delta) -> bytes:
        if event.index != self.open:
            for start, deltas in self.waiting:
                if start.index == event.index:
                    deltas.append(event)
            return b""
        if event.kind == "signature":
            # Another provider's proof means nothing to Anthropic and would be refused when replayed.
            if not self.lost:
                self.lost.append(Loss("thinking.signature", "belongs to another provider"))
            return b""
        if event.kind == "json":
            delta = {"type": "input_json_delta", "partial_json": event.text}
        elif self.kinds.get(event.index) == "thinking":
            delta = {"type": "thinking_delta", "thinking": event.text}
        else:
            delta = {"type": "text_delta", "text": event.text}
        return _wire("content_block_delta", {"index": self.at, "delta": delta})

    def _stop(self, index: int) -> bytes:
        self.stopped.add(index)
        return self._close() if index == self.open else b""

    def _close(self) -> bytes:
        """Close the open block, then play what waited behind it."""
        if self.open is None:
            return b""
        out = [_wire("content_block_stop", {"index": self.at})]
        self.open = None
        if self.waiting:
            start, deltas = self.waiting.pop(0)
            out.append(self._open(start))
            out += [self._delta(delta) for delta in deltas]
            if start.index in self.stopped:
                out.append(self._close())
        return b"".join(out)

    def end(self) -> bytes:
        out = [] if self.started else [self._start("", "")]
        while self.open is not None:
            self.stopped.update(start.index for start, _ in self.waiting)
            out.append(self._close())
        finish = self.finish or Finish(reason="stop")
        delta = {"stop_reason": stop_word(finish.reason), "stop_sequence": finish.stop_sequence}
        out.append(_wire("message_delta", {"delta": delta, "usage": usage_object(self.usage)}))
        out.append(STOP_EVENT)
        return b"".join(out)


def _wire(name: str, fields: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **fields}))
