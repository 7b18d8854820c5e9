"""The upstream side of a translation from generateContent. Source: wire-formats.md C.4, E.10."""

from __future__ import annotations

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.contract import Answer, StreamOptions
from trunkline.dialects.gemini_generate.errors import read_error
from trunkline.dialects.gemini_generate.parts import SIGNATURE_LOSS, arguments_text, call_id, once, read_part
from trunkline.dialects.gemini_generate.response import (
    FILTERED,
    block_reason,
    disowned,
    ended,
    finish_of,
    parts_of,
    read_usage,
)
from trunkline.dialects.gemini_generate.schema import CallField, Generated, PartField, generated
from trunkline.dialects.gemini_generate.stream import malformed_generation
from trunkline.dialects.reading import SseReader
from trunkline.dialects.tap import CONTENT, PASS, STOP
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss


class GenerateReader(SseReader):
    """Chunks to canonical events. Text comes in pieces, a function call whole; only the first candidate is carried."""

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.started = False
        self.next_index = 0
        self.open_kind = ""  # "text" or "thinking" while such a block is open: it is the last one
        self.calls = 0
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> list[Event]:
        # There is no terminator: usage may still follow the finish.
        self.terminated = False
        out = super().feed(data)
        if self.error is None and not self.broken:
            self.terminated = self.finished
        return out

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        try:
            answer = generated.decode(data)
        except (msgspec.MsgspecError, RecursionError):
            # JSON of another shape says nothing that could be translated: as bad as no JSON (reliability.md 2.7).
            return self._odd(data, out)
        if answer.error is not None:
            self.error = read_error(200, data)
            return STOP
        reason = disowned(answer)
        if reason:
            if self.content:
                self.broken = "malformed_generation"
            else:
                self.error = malformed_generation(reason)
            return STOP
        if not self.started:
            self._start(answer, out)
        flags, finish = self._candidates(answer, out)
        block = block_reason(answer)
        self._usage(answer, out, final=bool(finish or block))
        if (finish or block) and not self.finished:
            self._finish(finish, block, flags, out)
        return flags

    def _start(self, answer: Generated, out: list[Event]) -> None:
        self.started = True
        self.answer = Answer(id=answer.response_id or "", model=answer.model_version or "")
        usage = read_usage(answer.usage_metadata)
        out.append(Start(answer.response_id or self.options.id, answer.model_version or self.options.model, usage))

    def _candidates(self, answer: Generated, out: list[Event]) -> tuple[int, str]:
        """Flags of the event and the finish word in it, if any."""
        flags = PASS
        finish = ""
        for candidate in answer.candidates or ():
            if candidate.index:
                once(self.lost, Loss("candidates", "only the first is carried"))
                continue
            for part in parts_of(candidate):
                flags |= self._part(part, out)
            finish = finish or ended(candidate)
        return flags, finish

    def _usage(self, answer: Generated, out: list[Event], *, final: bool) -> None:
        usage = read_usage(answer.usage_metadata)
        if usage is None:
            return
        self.usage = usage
        self.answer = msgspec.structs.replace(self.answer, usage=usage)
        if final or self.finished:
            out.append(Used(usage))

    def _finish(self, word: str, block: str, flags: int, out: list[Event]) -> None:
        self._close(out)
        self.finished = True
        self.open_structured = False
        reason = "content_filter" if block else finish_of(word, self.calls > 0)
        self.answer = msgspec.structs.replace(
            self.answer,
            finish=word or block,
            blocked=bool(block) or word in FILTERED,
            empty=not self.content and not flags & CONTENT,
        )
        out.append(Finish(reason=reason))

    def _part(self, part: PartField, out: list[Event]) -> int:
        call = part.function_call
        if call is not None:
            return self._call(part, call, out)
        if part.text:
            kind = "thinking" if part.thought else "text"
            self._text(kind, part.text, out)
            if part.thought_signature:
                self._signature(part.thought_signature, out)
            return CONTENT
        if part.thought_signature and part.text is not None:
            # Not content: nothing of it can reach a client of another dialect.
            once(self.lost, SIGNATURE_LOSS)
        elif part.text is None:
            seen: list[Loss] = []
            read_part(part, "parts", seen)
            once(self.lost, seen[0] if seen else Loss("parts.inlineData", "no place in a translated stream"))
        return PASS

    def _call(self, part: PartField, call: CallField, out: list[Event]) -> int:
        if given(call.partial_args) or not call.name:
            once(self.lost, Loss("functionCall.partialArgs", "streamed arguments were not asked for"))
            return PASS
        self._close(out)
        at = self.next_index
        self.next_index += 1
        id = call.id or call_id(self.answer.id or self.options.id, self.calls, call)
        self.calls += 1
        out.append(BlockStart(index=at, kind="tool", id=id, name=call.name))
        arguments = arguments_text(call)
        if arguments:
            out.append(Delta(index=at, kind="json", text=arguments))
        if part.thought_signature:
            out.append(Delta(index=at, kind="signature", text=part.thought_signature))
        out.append(BlockStop(at))
        return CONTENT

    def _signature(self, signature: str, out: list[Event]) -> None:
        if self.open_kind == "thinking":
            out.append(Delta(index=self.next_index - 1, kind="signature", text=signature))
        else:
            once(self.lost, SIGNATURE_LOSS)

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
        """The end of the transfer is the only terminator."""
        self.terminated = False
        out = self.last()
        if self.error is None and not self.broken:
            self.terminated = self.finished
            out.append(End())
        return out
