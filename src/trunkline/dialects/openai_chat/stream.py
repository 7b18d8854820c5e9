"""Streams of Chat Completions: tap, reader, writer. Source: wire-formats.md A.4, A.9, E.10; reliability.md 2."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.contract import Answer, StreamOptions
from trunkline.dialects.openai_chat.errors import read_error
from trunkline.dialects.openai_chat.response import FINISH, finish_word, read_usage, usage_object
from trunkline.dialects.openai_chat.schema import Chunk, DeltaField, ToolCallField
from trunkline.dialects.reading import SseReader
from trunkline.dialects.tap import CONTENT, DROP, PASS, STOP, SseTap
from trunkline.types.canonical import (
    BlockStart,
    BlockStop,
    Delta,
    End,
    Event,
    Finish,
    Start,
    Used,
)
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss

_chunk = msgspec.json.Decoder(Chunk)
DONE = b"data: [DONE]\n\n"
MALFORMED = b": trunkline left out a malformed event\n\n"


def carries(delta: DeltaField | None) -> bool:
    """A content event: text, refusal, reasoning, a tool call's name or arguments, audio."""
    if delta is None:
        return False
    if delta.content or delta.refusal or delta.reasoning_content or delta.reasoning:
        return True
    if given(delta.audio):
        return True
    if delta.function_call is not None:
        return True
    return any(c.function is not None or c.custom is not None for c in delta.tool_calls or ())


class ChatTap(SseTap):
    """After the commit only marked events are decoded: those with a finish reason, usage, an error or a tool call."""

    announcement = MALFORMED

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.open_choices: set[int] = set()
        self.usage: Usage | None = None

    def sentinel(self, data: bytes) -> bool:
        if data.strip() != b"[DONE]":
            return False
        self.terminated = True
        return True

    def look(self, name: bytes, data: bytes) -> int:
        if self.content and not self.open_structured and _plain(data):
            return CONTENT
        chunk = _chunk.decode(data)
        if given(chunk.error):
            self.error = read_error(200, data)
            return STOP
        if chunk.usage is not None:
            self.usage = read_usage(chunk.usage) or self.usage
            self.answer = msgspec.structs.replace(self.answer, usage=self.usage)
        flags = self._choices(chunk)
        if chunk.id and not self.answer.id:
            self.answer = msgspec.structs.replace(self.answer, id=chunk.id, model=chunk.model or "")
        if chunk.usage is not None and not chunk.choices and self.options.strip_usage:
            return DROP
        return flags

    def _choices(self, chunk: Chunk) -> int:
        flags = PASS
        for choice in chunk.choices or ():
            self.open_choices.add(choice.index)
            if carries(choice.delta):
                flags = CONTENT
                if choice.delta is not None and choice.delta.tool_calls:
                    self.open_structured = True
            if choice.finish_reason is not None:
                self.open_choices.discard(choice.index)
                self.open_structured = False
                if not self.open_choices:
                    self.finished = True
                self.answer = msgspec.structs.replace(
                    self.answer,
                    finish=choice.finish_reason,
                    blocked=choice.finish_reason == "content_filter",
                    empty=not self.content and flags == PASS,
                )
        return flags

    def finalise(self) -> bytes:
        return b"" if self.terminated else DONE


def _plain(data: bytes) -> bool:
    """Nothing but text: no finish reason but null, no usage but null, no error, no tool call."""
    at = data.find(b'"finish_reason":')
    if at < 0 or data.find(b'"finish_reason":', at + 16) >= 0 or not _null(data, at + 16):
        return False
    at = data.find(b'"usage":')
    if at >= 0 and not _null(data, at + 8):
        return False
    return b'"error"' not in data and b'"tool_calls"' not in data


def _null(data: bytes, at: int) -> bool:
    return data.startswith(b"null", at) or data.startswith(b" null", at)


class ChatReader(SseReader):
    """Chunks to canonical events. Blocks are opened as deltas appear; tool calls are told apart by their index."""

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.started = False
        self.next_index = 0
        self.open_text: tuple[str, int] | None = None  # (kind, block) of the open text-like block
        self.calls: dict[int, int] = {}
        self.finish: Finish | None = None

    def sentinel(self, data: bytes, out: list[Event]) -> bool:
        if data.strip() != b"[DONE]":
            return False
        self.terminated = True
        out.append(End())
        return True

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        try:
            chunk = _chunk.decode(data)
        except msgspec.ValidationError:
            return PASS
        if given(chunk.error):
            self.error = read_error(200, data)
            return STOP
        if not self.started:
            self.started = True
            self.answer = Answer(id=chunk.id or "", model=chunk.model or "")
            out.append(Start(chunk.id or self.options.id, chunk.model or self.options.model))
        flags = PASS
        for choice in chunk.choices or ():
            if choice.index != 0:
                if not any(loss.field == "choices" for loss in self.lost):
                    self.lost.append(Loss("choices", "only the first is carried"))
                continue
            if choice.delta is not None:
                self._delta(choice.delta, out)
                if carries(choice.delta):
                    flags = CONTENT
            if choice.finish_reason is not None and not self.finished:
                self._finish(choice.finish_reason, out)
        usage = read_usage(chunk.usage)
        if usage is not None:
            self.answer = msgspec.structs.replace(self.answer, usage=usage)
            out.append(Used(usage))
        return flags

    def _finish(self, reason: str, out: list[Event]) -> None:
        self._close_text(out)
        out.extend(BlockStop(block) for block in self.calls.values())
        self.open_structured = False
        self.finished = True
        self.answer = msgspec.structs.replace(
            self.answer, finish=reason, blocked=reason == "content_filter", empty=not self.content
        )
        out.append(Finish(reason=FINISH.get(reason, "stop")))

    def _delta(self, delta: DeltaField, out: list[Event]) -> None:
        thinking = delta.reasoning_content or delta.reasoning
        if thinking:
            self._text("thinking", thinking, out)
        if delta.content:
            self._text("text", delta.content, out)
        if delta.refusal:
            self._text("refusal", delta.refusal, out)
        for call in delta.tool_calls or ():
            self._call(call, out)

    def _text(self, kind: str, text: str, out: list[Event]) -> None:
        if self.open_text is None or self.open_text[0] != kind:
            self._close_text(out)
            self.open_text = (kind, self.next_index)
            block = BlockStart(index=self.next_index, kind=kind)  # type: ignore[arg-type]  # one of the three words above
            self.next_index += 1
            out.append(block)
        out.append(Delta(index=self.open_text[1], kind="text", text=text))

    def _call(self, call: ToolCallField, out: list[Event]) -> None:
        at = call.index if call.index is not None else len(self.calls)
        block = self.calls.get(at)
        body = call.function
        name = (body.name if body is not None else call.custom.name if call.custom is not None else None) or ""
        if block is None:
            self._close_text(out)
            block = self.calls[at] = self.next_index
            self.next_index += 1
            self.open_structured = True
            out.append(BlockStart(index=block, kind="tool", id=call.id or f"call_{at}", name=name))
        arguments = (
            body.arguments if body is not None else call.custom.input if call.custom is not None else None
        ) or ""
        if arguments:
            out.append(Delta(index=block, kind="json", text=arguments))

    def _close_text(self, out: list[Event]) -> None:
        if self.open_text is not None:
            out.append(BlockStop(self.open_text[1]))
            self.open_text = None


class ChatWriter:
    """Canonical events to chunks. The finish chunk waits for nothing; the usage chunk comes before `[DONE]`."""

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.id = options.id
        self.model = options.model
        self.kinds: dict[int, str] = {}
        self.calls: dict[int, int] = {}
        self.usage: Usage | None = None
        self.done = False
        self.lost: list[Loss] = []

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    def send(self, event: Event) -> bytes:
        match event:
            case Start(id=id, model=model, usage=usage):
                self.id, self.model = id or self.id, model or self.model
                self.usage = usage or self.usage
                return self._chunk({"role": "assistant", "content": ""})
            case BlockStart():
                return self._open(event)
            case Delta(index=index, kind=kind, text=text):
                return self._delta(index, kind, text)
            case BlockStop():
                return b""
            case Finish(reason=reason):
                return self._chunk({}, finish_word(reason))
            case Used(usage=usage):
                self.usage = usage
                return b""
            case End():
                return b""
            case _:
                assert_never(event)

    def _open(self, event: BlockStart) -> bytes:
        self.kinds[event.index] = event.kind
        if event.kind != "tool":
            return b""
        at = self.calls[event.index] = len(self.calls)
        function = {"name": event.name, "arguments": ""}
        return self._chunk({"tool_calls": [{"index": at, "id": event.id, "type": "function", "function": function}]})

    def _delta(self, index: int, kind: str, text: str) -> bytes:
        if kind == "signature":
            if not self.lost:
                self.lost.append(Loss("thinking.signature", "no equivalent"))
            return b""
        if kind == "json":
            return self._chunk({"tool_calls": [{"index": self.calls.get(index, 0), "function": {"arguments": text}}]})
        field = {"thinking": "reasoning_content", "refusal": "refusal"}.get(self.kinds.get(index, "text"), "content")
        return self._chunk({field: text})

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return self._data([{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])

    def _data(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        made: dict[str, Any] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.options.created,
            "model": self.model,
            "choices": choices,
        }
        if usage is not None:
            made["usage"] = usage
        return b"data: " + msgspec.json.encode(made) + b"\n\n"

    def end(self) -> bytes:
        if self.done:
            return b""
        self.done = True
        usage = b""
        if self.options.include_usage and self.usage is not None:
            usage = self._data([], usage_object(self.usage))
        return usage + DONE
