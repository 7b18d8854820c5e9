"""Streams of generateContent: tap, reader, writer. Source: wire-formats.md C.4, 0.8, E.10; reliability.md section 2.

Never a comment, an `event:` line or `[DONE]`: the Python SDK raises on them.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Answer, ErrorFacts, StreamOptions
from trunkline.dialects.gemini_generate.errors import read_error
from trunkline.dialects.gemini_generate.response import (
    FINISH,
    MALFORMED,
    Generated,
    arguments,
    call_id,
    carries,
    finish_word,
    generated,
    parts_of,
    read_usage,
    usage_object,
)
from trunkline.dialects.gemini_generate.schema import fold
from trunkline.dialects.reading import SseReader
from trunkline.dialects.tap import CONTENT, PASS, STOP, SseTap
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, ToolCall, Used
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss

LINE = b"\r\n\r\n"
_MARKS = (b"finishReason", b"finish_reason", b'"error"', b"promptFeedback", b"prompt_feedback")


def declared_malformed(answer: Generated) -> str:
    for candidate in answer.candidates or ():
        if candidate.finish_reason in MALFORMED:
            return candidate.finish_reason or ""
    return ""


class GenerateTap(SseTap):
    """Reframes into one JSON array for a client without `alt=sse`; the data of each event stays as it is."""

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.open_candidates: set[int] = set()
        self.shown = False
        self.last = b""  # the latest event that carried usage; decoded when the stream finishes

    def emit(self, event: bytes, data: bytes) -> bytes:
        if self.options.sse:
            return event
        if not data:
            return b""
        head = b",\r\n" if self.shown else b"["
        self.shown = True
        return head + data

    def look(self, name: bytes, data: bytes) -> int:
        if b"sageMetadata" in data or b"usage_metadata" in data:
            self.last = data
        if self.content and not any(mark in data for mark in _MARKS):
            return CONTENT
        answer = generated.decode(data)
        if answer.error is not None:
            self.error = read_error(200, data)
            return STOP
        reason = declared_malformed(answer)
        if reason:
            # The provider disowns its own generation: F1 before commitment, broken after it.
            self.error = ErrorFacts(message=f"the provider calls its answer {reason}", type="INTERNAL", code=reason)
            return STOP
        flags = PASS
        for candidate in answer.candidates or ():
            self.open_candidates.add(candidate.index)
            if any(carries(part) for part in parts_of(candidate)):
                flags = CONTENT
            if candidate.finish_reason is not None:
                self.open_candidates.discard(candidate.index)
                self.finished = self.finished or not self.open_candidates
        blocked = answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None
        self.finished = self.finished or blocked
        if self.finished:
            self._answer(answer, flags)
        return flags

    def _answer(self, answer: Generated, flags: int) -> None:
        finish, blocked = _finish(answer)
        self.answer = Answer(
            id=answer.response_id or "",
            model=answer.model_version or "",
            finish=finish or self.answer.finish,
            usage=_usage(self.last) or self.answer.usage,
            empty=not self.content and flags == PASS,
            blocked=blocked or FINISH.get(finish) == "content_filter",
        )

    def finalise(self) -> bytes:
        usage = _usage(self.last)
        if usage is not None:
            self.answer = msgspec.structs.replace(self.answer, usage=usage)
        self.terminated = True
        if self.options.sse:
            return b""
        return b"]" if self.shown else b"[]"


def _finish(answer: Generated) -> tuple[str, bool]:
    for candidate in answer.candidates or ():
        if candidate.finish_reason is not None:
            return candidate.finish_reason, False
    feedback = answer.prompt_feedback
    return (feedback.block_reason or "", True) if feedback is not None else ("", False)


def _usage(data: bytes) -> Usage | None:
    if not data:
        return None
    try:
        return read_usage(generated.decode(data).usage_metadata)
    except msgspec.MsgspecError:
        return None


class GenerateReader(SseReader):
    """Chunks to canonical events. A function call arrives whole; tool calls finish with STOP (E.4)."""

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.started = False
        self.next_index = 0
        self.open_kind = ""
        self.called = False
        self.usage: Usage | None = None

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        try:
            answer = generated.decode(data)
        except msgspec.ValidationError:
            return PASS
        if answer.error is not None:
            self.error = read_error(200, data)
            return STOP
        reason = declared_malformed(answer)
        if reason:
            self.error = ErrorFacts(message=f"the provider calls its answer {reason}", type="INTERNAL", code=reason)
            return STOP
        if not self.started:
            self.started = True
            self.answer = Answer(id=answer.response_id or "", model=answer.model_version or "")
            out.append(Start(answer.response_id or self.options.id, answer.model_version or self.options.model))
        flags = PASS
        finish = ""
        for candidate in answer.candidates or ():
            if candidate.index != 0:
                if not self.lost:
                    self.lost.append(Loss("candidates", "only the first is carried"))
                continue
            for part in fold(parts_of(candidate)):
                flags |= self._part(part, out)
            finish = finish or candidate.finish_reason or ""
        usage = read_usage(answer.usage_metadata)
        if usage is not None:
            self.usage = usage
            self.answer = msgspec.structs.replace(self.answer, usage=usage)
            if self.finished or finish:
                out.append(Used(usage))
        blocked = answer.prompt_feedback is not None and answer.prompt_feedback.block_reason is not None
        if (finish or blocked) and not self.finished:
            self._finished(finish or "SAFETY", out)
        return flags

    def _finished(self, finish: str, out: list[Event]) -> None:
        self._close(out)
        self.finished = True
        reason = FINISH.get(finish, "stop")
        if reason == "stop" and self.called:
            reason = "tool_calls"
        self.answer = msgspec.structs.replace(
            self.answer, finish=finish, blocked=reason == "content_filter", empty=not self.content
        )
        out.append(Finish(reason=reason))

    def _part(self, part: dict[str, Any], out: list[Event]) -> int:
        call = part.get("functionCall")
        signature = part.get("thoughtSignature")
        if isinstance(call, dict):
            self._close(out)
            self.called = True
            name = str(call.get("name", ""))
            index = self.next_index
            id = str(call.get("id") or call_id(index, name, self.answer.id))
            out.append(BlockStart(index=index, kind="tool", id=id, name=name))
            if call.get("args"):
                out.append(Delta(index=index, kind="json", text=msgspec.json.encode(call["args"]).decode()))
            out.append(BlockStop(index))
            self.next_index += 1
            return CONTENT
        text = part.get("text")
        if isinstance(text, str):
            kind = "thinking" if part.get("thought") else "text"
            if text:
                self._text(kind, text, out)
            if isinstance(signature, str) and self.open_kind == "thinking":
                out.append(Delta(index=self.next_index - 1, kind="signature", text=signature))
            return CONTENT if text else PASS
        if set(part) - {"thoughtSignature", "thought"}:
            self.lost.append(Loss(f"parts.{sorted(part)[0]}"[:64], "no equivalent"))
        return PASS

    def _text(self, kind: str, text: str, out: list[Event]) -> None:
        if self.open_kind != kind:
            self._close(out)
            self.open_kind = kind
            out.append(BlockStart(index=self.next_index, kind="thinking" if kind == "thinking" else "text"))
            self.next_index += 1
        out.append(Delta(index=self.next_index - 1, kind="text", text=text))

    def _close(self, out: list[Event]) -> None:
        if self.open_kind:
            out.append(BlockStop(self.next_index - 1))
            self.open_kind = ""

    def eof(self) -> list[Event]:
        self.terminated = True
        return [*([Used(self.usage)] if self.usage is not None else []), End()]


class GenerateWriter:
    """Canonical events to chunks. Tool calls are buffered and leave whole; the finish waits for usage."""

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.id = options.id
        self.model = options.model
        self.kinds: dict[int, str] = {}
        self.calls: dict[int, tuple[BlockStart, list[str]]] = {}
        self.finish: Finish | None = None
        self.usage: Usage | None = None
        self.lost: list[Loss] = []
        self.shown = False

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    def send(self, event: Event) -> bytes:
        match event:
            case Start(id=id, model=model, usage=usage):
                self.id, self.model, self.usage = id or self.id, model or self.model, usage
                return b""
            case BlockStart():
                self.kinds[event.index] = event.kind
                if event.kind == "tool":
                    self.calls[event.index] = (event, [])
                return b""
            case Delta():
                return self._delta(event)
            case BlockStop(index=index):
                return self._call(index)
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

    def _delta(self, event: Delta) -> bytes:
        if event.kind == "signature":
            if not self.lost:
                self.lost.append(Loss("thinking.signature", "belongs to another provider"))
            return b""
        if event.kind == "json":
            self.calls[event.index][1].append(event.text)
            return b""
        part: dict[str, Any] = {"text": event.text}
        if self.kinds.get(event.index) == "thinking":
            part["thought"] = True
        return self._chunk([part])

    def _call(self, index: int) -> bytes:
        held = self.calls.pop(index, None)
        if held is None:
            return b""
        start, pieces = held
        call = ToolCall(start.id, start.name, "".join(pieces))
        return self._chunk([{"functionCall": {"id": start.id, "name": start.name, "args": arguments(call, self.lost)}}])

    def _chunk(self, parts: list[dict[str, Any]], finish: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        made: dict[str, Any] = {"candidates": [candidate]}
        if finish is not None and self.usage is not None:
            made["usageMetadata"] = usage_object(self.usage)
        made["modelVersion"] = self.model
        made["responseId"] = self.id
        data = msgspec.json.encode(made)
        if self.options.sse:
            return b"data: " + data + LINE
        head = b",\r\n" if self.shown else b"["
        self.shown = True
        return head + data

    def end(self) -> bytes:
        out = [self._call(index) for index in sorted(self.calls)]
        finish = self.finish or Finish(reason="stop")
        out.append(self._chunk([{"text": ""}], finish_word(finish.reason)))
        if not self.options.sse:
            out.append(b"]")
        return b"".join(out)
