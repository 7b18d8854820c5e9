"""Streams of generateContent: what tap and reader share, the tap, and the writer. The reader stands in `reader.py`.

Source: wire-formats.md C.4, 0.8, E.10; reliability.md section 2. Never a comment, an `event:` line or `[DONE]`: the
Python SDK raises on them.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import Answer, ErrorFacts, StreamOptions
from trunkline.dialects.gemini_generate.errors import read_error
from trunkline.dialects.gemini_generate.parts import SIGNATURE_LOSS, carries, once
from trunkline.dialects.gemini_generate.response import (
    FILTERED,
    block_reason,
    disowned,
    ended,
    finish_word,
    parts_of,
    read_usage,
    signed_call,
    usage_object,
)
from trunkline.dialects.gemini_generate.schema import Generated, generated
from trunkline.dialects.pairs import split, whole
from trunkline.dialects.tap import CONTENT, PASS, STOP, SseTap
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, ToolCall, Used
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss

#: The real API ends lines with CR LF; the SDKs take either.
EVENT_END = b"\r\n\r\n"
BETWEEN = b",\r\n"


def malformed_generation(reason: str) -> ErrorFacts:
    """The provider disowns its own generation: F1 before commitment."""
    return ErrorFacts(message=f"the provider calls its answer {reason}", code=reason, status=502)


class GenerateTap(SseTap):
    """After the commit only marked events are decoded: those with a finish reason, an error, a block reason, or of a
    second candidate. `answer` decodes the latest usage when it is asked for: usage is cumulative and repeated (C.4).

    Without `alt=sse` the client gets one JSON array; the data of each event stays as it is.
    """

    def __init__(self, options: StreamOptions) -> None:
        self._answer = Answer()
        self._latest = b""  # the last event that was passed undecoded: it carries the usage so far
        self.seen: set[int] = set()
        self.ended: set[int] = set()
        self.several = options.choices > 1  # then every event is decoded
        self.shown = False
        super().__init__(options)

    @property
    def answer(self) -> Answer:
        if self._latest:
            data, self._latest = self._latest, b""
            latest = _decoded(data)
            usage = read_usage(latest.usage_metadata) if latest is not None else None
            if usage is not None:
                self._answer = msgspec.structs.replace(self._answer, usage=usage)
        return self._answer

    @answer.setter
    def answer(self, answer: Answer) -> None:
        self._answer = answer

    def feed(self, data: bytes) -> bytes:
        # There is no terminator: what follows the finish (usage, blank lines) still passes.
        self.terminated = False
        out = super().feed(data)
        if self.error is None and not self.broken:
            self.terminated = self.finished
        return out

    def emit(self, event: bytes, data: bytes) -> bytes:
        if not data:
            # Blank lines keep alive; a comment would make the SDK raise.
            return event if self.options.sse and event.isspace() else b""
        if self.options.sse:
            return event
        head = BETWEEN if self.shown else b"["
        self.shown = True
        return head + data

    def look(self, name: bytes, data: bytes) -> int:
        if self.content and not self.several and not self.open_structured and _plain(data):
            self._latest = data
            return CONTENT
        answer = _decoded(data)
        if answer is None:
            return PASS
        if answer.error is not None:
            self.error = read_error(200, data)
            return STOP
        self.several = self.several or any(candidate.index for candidate in answer.candidates or ())
        reason = "" if self.several else disowned(answer)
        if reason:
            if self.content:
                self.broken = "malformed_generation"
            else:
                self.error = malformed_generation(reason)
            return STOP
        self._answer = msgspec.structs.replace(
            self.answer if answer.usage_metadata is None else self._answer,
            id=self._answer.id or answer.response_id or "",
            model=self._answer.model or answer.model_version or "",
            usage=read_usage(answer.usage_metadata) or self._answer.usage,
        )
        self._latest = b""
        return self._candidates(answer)

    def _candidates(self, answer: Generated) -> int:
        flags = PASS
        finish = ""
        candidates = answer.candidates or []
        for candidate in candidates:
            index = candidate.index or 0
            for part in parts_of(candidate):
                if carries(part):
                    flags = CONTENT
                if part.function_call is not None:
                    self.open_structured = part.function_call.will_continue is True
            self.seen.add(index)
            if ended(candidate):
                self.ended.add(index)
                finish = finish or ended(candidate)
        block = block_reason(answer)
        if finish or block:
            self.open_structured = False
            self._answer = msgspec.structs.replace(
                self._answer,
                finish=self._answer.finish or finish or block,
                blocked=self._answer.blocked or bool(block) or finish in FILTERED,
                empty=not self.content and flags == PASS,
            )
        if block:
            self.finished = True
        elif candidates:
            self.finished = bool(self.ended) and self.seen == self.ended
        return flags

    def finalise(self) -> bytes:
        self.terminated = False
        out = self.last()
        if self.error is not None or self.broken:
            return out
        self.terminated = self.finished
        if self.options.sse:
            return out
        return out + (b"]" if self.shown else b"[]")


def _decoded(data: bytes) -> Generated | None:
    """None for JSON of another shape: it passes without being understood."""
    try:
        return generated.decode(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None


def _plain(data: bytes) -> bool:
    """Nothing but another piece of the first candidate. Errors and blocked prompts have no candidates."""
    if not data.startswith(b'{"candidates"') or b'"finishReason"' in data or b'"willContinue"' in data:
        return False
    at = data.find(b'"index"')
    return at < 0 or data.startswith((b": 0", b":0"), at + 7)


class GenerateWriter:
    """Canonical events to chunks. Tool calls are held until they are whole; the finish waits for usage."""

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.id = options.id
        self.model = options.model
        self.kinds: dict[int, str] = {}
        self.calls: dict[int, tuple[BlockStart, list[str]]] = {}
        self.finish = Finish(reason="stop")
        self.usage: Usage | None = None
        self.lost: list[Loss] = []
        self.half = ""  # the first half of a surrogate pair whose second half comes with the next delta
        self.called = False
        self.shown = False
        self.done = False

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    def send(self, event: Event) -> bytes:
        match event:
            case Start(id=id, model=model, usage=usage):
                self.id, self.model, self.usage = id or self.id, model or self.model, usage or self.usage
                return b""
            case BlockStart():
                self.kinds[event.index] = event.kind
                if event.kind == "tool":
                    self.calls[event.index] = (event, [])
                return b""
            case Delta():
                return self._delta(event)
            case BlockStop(index=index):
                return self._rest(index) + self._call(index)
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
            once(self.lost, SIGNATURE_LOSS)
            return b""
        if event.kind == "json":
            held = self.calls.get(event.index)
            if held is not None:
                held[1].append(event.text)
            return b""
        return self._text(event.index, event.text)

    def _text(self, index: int, text: str) -> bytes:
        text, self.half = split(self.half + text)
        if not text:
            return b""
        part: dict[str, Any] = {"text": text}
        if self.kinds.get(index) == "thinking":
            part["thought"] = True
        return self._chunk(part)

    def _rest(self, index: int) -> bytes:
        """The block ended in the middle of a character."""
        rest, self.half = self.half, ""
        return self._text(index, whole(rest)) if rest else b""

    def _call(self, index: int) -> bytes:
        held = self.calls.pop(index, None)
        if held is None:
            return b""
        start, pieces = held
        part = signed_call(ToolCall(start.id, start.name, "".join(pieces)), self.called, self.lost)
        self.called = True
        return self._chunk(part)

    def _chunk(self, part: dict[str, Any], finish: str = "") -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": [part], "role": "model"}}
        if finish:
            candidate["finishReason"] = finish
        candidate["index"] = 0
        made: dict[str, Any] = {"candidates": [candidate]}
        if finish and self.usage is not None:
            made["usageMetadata"] = usage_object(self.usage)
        made["modelVersion"] = self.model
        made["responseId"] = self.id
        data = msgspec.json.encode(made)
        if self.options.sse:
            return b"data: " + data + EVENT_END
        head = BETWEEN if self.shown else b"["
        self.shown = True
        return head + data

    def end(self) -> bytes:
        if self.done:
            return b""
        self.done = True
        out = [self._call(index) for index in sorted(self.calls)]
        out.append(self._chunk({"text": ""}, finish_word(self.finish.reason)))
        if not self.options.sse:
            out.append(b"]")
        return b"".join(out)
