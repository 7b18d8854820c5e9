"""The upstream side of a translation from Chat Completions. Source: wire-formats.md A.4, E.10, D.7."""

from __future__ import annotations

import json

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat.errors import read_error
from trunkline.dialects.openai_chat.loose import read_chunk, word
from trunkline.dialects.openai_chat.response import finish_of, once, read_usage
from trunkline.dialects.openai_chat.schema import Chunk, ChunkChoice, DeltaField, ToolCallField
from trunkline.dialects.openai_chat.stream import carries, is_done, is_error
from trunkline.dialects.pairs import split, whole
from trunkline.dialects.reading import SseReader
from trunkline.dialects.sse import is_json
from trunkline.dialects.tap import CONTENT, PASS, STOP, breaks
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used

#: How the JSON begins that holds the text of a free-text call.
_CUSTOM = '{"input":"'


class OpenCall:
    """A tool call under way. `block` is -1 until its name is known; what comes before waits in `said`."""

    __slots__ = ("block", "closed", "custom", "id", "name", "said")

    def __init__(self, custom: bool) -> None:
        self.block = -1
        self.id = ""
        self.name = ""
        self.said: list[str] = []
        self.closed = False
        self.custom = custom


class ChatReader(SseReader):
    """Chunks to canonical events. Blocks are opened as deltas appear; tool calls are told apart by index and id.

    A call is closed once its arguments are whole and something else begins, so that dialects whose blocks cannot
    interleave need not hold the next one back until the end.
    """

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.started = False
        self.next_index = 0
        self.text_block = -1
        self.text_kind = ""
        self.half = ""  # first half of a surrogate pair at the end of a delta
        self.calls: list[OpenCall] = []
        self.by_index: dict[int, OpenCall] = {}

    def sentinel(self, data: bytes, out: list[Event]) -> bool:
        if not is_done(data):
            return False
        if self.finished:
            self.terminated = True
            out.append(End())
        else:
            self.broken = "unfinished"
        return True

    def read(self, name: bytes, data: bytes, out: list[Event]) -> int:
        chunk = read_chunk(data)
        if chunk is None and name != b"error":
            # JSON of another shape says nothing that could be translated: as bad as no JSON (reliability.md 2.7).
            return STOP if breaks(self, self.options) else PASS
        if chunk is None or is_error(name, chunk):
            self.error = read_error(200, data)
            return STOP
        if not self.started:
            self._start(chunk, out)
        flags = PASS
        for choice in chunk.choices or ():
            if choice.index != 0:
                once(self.lost, "choices", "only the first is carried")
            elif not self.finished:
                flags |= self._choice(choice, out)
        if given(chunk.usage):
            usage = read_usage(chunk.usage)
            if usage is not None:
                self.answer = msgspec.structs.replace(self.answer, usage=usage)
                out.append(Used(usage))
        return flags

    def _start(self, chunk: Chunk, out: list[Event]) -> None:
        self.started = True
        id, model = whole(word(chunk.id)), whole(word(chunk.model))
        self.answer = msgspec.structs.replace(self.answer, id=id, model=model)
        out.append(Start(id or self.options.id, model or self.options.model))

    def _choice(self, choice: ChunkChoice, out: list[Event]) -> int:
        flags = PASS
        if choice.delta is not None:
            self._delta(choice.delta, out)
            flags = CONTENT if carries(choice.delta) else PASS
        if choice.finish_reason:
            self._finish(choice.finish_reason, flags, out)
        return flags

    def _finish(self, reason: str, flags: int, out: list[Event]) -> None:
        self._close_text(out)
        for call in self.calls:
            if call.name or call.said:
                self._open_call(call, out)
            if call.block >= 0:
                self._close_call(call, out)
        self.open_structured = False
        self.finished = True
        self.answer = msgspec.structs.replace(
            self.answer, finish=reason, blocked=reason == "content_filter", empty=not self.content and not flags
        )
        out.append(Finish(reason=finish_of(reason, any(call.block >= 0 for call in self.calls), self.lost)))

    # --- text ------------------------------------------------------------------------------------------------------
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
        if delta.function_call is not None and not delta.tool_calls:
            self._call(ToolCallField(function=delta.function_call, index=0), out)
        if given(delta.audio):
            once(self.lost, "delta.audio", "no equivalent")

    def _text(self, kind: str, text: str, out: list[Event]) -> None:
        if self.text_kind != kind:
            self._close_text(out)
            self._close_whole_calls(out)
            self.text_kind = kind
            self.text_block = self.next_index
            self.next_index += 1
            match kind:
                case "thinking":
                    out.append(BlockStart(index=self.text_block, kind="thinking"))
                case "refusal":
                    out.append(BlockStart(index=self.text_block, kind="refusal"))
                case _:
                    out.append(BlockStart(index=self.text_block, kind="text"))
        text, self.half = split(self.half + text)
        if text:
            out.append(Delta(index=self.text_block, kind="text", text=text))

    def _close_text(self, out: list[Event]) -> None:
        if not self.text_kind:
            return
        if self.half:
            out.append(Delta(index=self.text_block, kind="text", text=whole(self.half)))
            self.half = ""
        out.append(BlockStop(self.text_block))
        self.text_kind = ""

    # --- tool calls ------------------------------------------------------------------------------------------------
    def _call(self, field: ToolCallField, out: list[Event]) -> None:
        body = field.function
        if body is not None:
            name, said = body.name or "", body.arguments or ""
        elif field.custom is not None:
            name, said = field.custom.name or "", field.custom.input or ""
        else:
            name = said = ""
        call = self._which(field, name)
        call.id = call.id or whole(field.id or "")
        call.name = call.name or whole(name)
        if call.name:
            self._open_call(call, out)
        if not said:
            return
        if call.closed:
            if not said.isspace():
                once(self.lost, "tool_calls.arguments", "came after the call was whole")
            return
        if call.custom:
            said = ("" if call.said else _CUSTOM) + json.dumps(said)[1:-1]
        said = whole(said)
        call.said.append(said)
        if call.block >= 0:
            out.append(Delta(index=call.block, kind="json", text=said))

    def _which(self, field: ToolCallField, name: str) -> OpenCall:
        """The call that a delta belongs to: by index; without one, by id; without both, the latest. Another id and a
        name under a known index begin another call (servers that number every call 0)."""
        known = self.by_index.get(field.index) if field.index is not None else self._by_id(field.id, name)
        if known is not None and not (field.id and name and known.id and known.id != field.id):
            return known
        call = OpenCall(custom=field.custom is not None and field.function is None)
        self.by_index[field.index if field.index is not None else -1 - len(self.calls)] = call
        self.calls.append(call)
        self.open_structured = True
        return call

    def _by_id(self, id: str | None, name: str) -> OpenCall | None:
        if id:
            return next((call for call in self.calls if call.id == id), None)
        return self.calls[-1] if self.calls and not name else None

    def _open_call(self, call: OpenCall, out: list[Event]) -> None:
        if call.block >= 0:
            return
        self._close_text(out)
        self._close_whole_calls(out)
        call.block = self.next_index
        self.next_index += 1
        call.id = call.id or f"call_{self.calls.index(call)}"
        out.append(BlockStart(index=call.block, kind="tool", id=call.id, name=call.name))
        out.extend(Delta(index=call.block, kind="json", text=said) for said in call.said)

    def _close_whole_calls(self, out: list[Event]) -> None:
        for call in self.calls:
            if call.block >= 0 and not call.custom and call.said and is_json("".join(call.said).encode()):
                self._close_call(call, out)

    def _close_call(self, call: OpenCall, out: list[Event]) -> None:
        if call.closed:
            return
        call.closed = True
        if call.custom:
            out.append(Delta(index=call.block, kind="json", text='"}' if call.said else _CUSTOM + '"}'))
        call.said = []
        out.append(BlockStop(call.block))
