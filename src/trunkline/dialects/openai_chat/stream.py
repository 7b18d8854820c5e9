"""The tap of Chat Completions streams, and what it shares with the reader. Source: wire-formats.md A.4, A.9;
reliability.md section 2. Reader and writer stand in `reader.py` and `writer.py`."""

from __future__ import annotations

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat.errors import read_error
from trunkline.dialects.openai_chat.loose import read_chunk, word
from trunkline.dialects.openai_chat.response import read_usage
from trunkline.dialects.openai_chat.schema import Chunk, ChunkChoice, DeltaField, Glimpsed
from trunkline.dialects.tap import CONTENT, DROP, PASS, STOP, SseTap

_glimpsed = msgspec.json.Decoder(Glimpsed)

DONE = b"data: [DONE]\n\n"

#: A comment without a blank line of its own belongs to the event behind it. With one the SDK dispatches an empty
#: event, and raises, if the provider ever sent an `id:` line (A.9).
MALFORMED = b": trunkline dropped a malformed event\n"

#: What the SDK does not take for an error either: it goes by truth in Python's sense.
_NO_ERROR = (b'""', b"false", b"0", b"{}", b"[]")


def is_done(data: bytes) -> bool:
    return data.strip() == b"[DONE]"


def is_error(name: bytes, chunk: Chunk) -> bool:
    """OpenAI's own shape, an event that is called so, and vLLM's `"object":"error"`."""
    if given(chunk.error) and bytes(chunk.error) not in _NO_ERROR:
        return True
    return not chunk.choices and (name == b"error" or chunk.object == "error")


def carries(delta: DeltaField | None) -> bool:
    """A content event: text, refusal, reasoning, a tool call's name or arguments, audio."""
    if delta is None:
        return False
    if delta.content or delta.refusal or delta.reasoning_content or delta.reasoning:
        return True
    if given(delta.audio) or (
        delta.function_call is not None and (delta.function_call.name or delta.function_call.arguments)
    ):
        return True
    for call in delta.tool_calls or ():
        if call.function is not None and (call.function.name or call.function.arguments):
            return True
        if call.custom is not None and (call.custom.name or call.custom.input):
            return True
    return False


class ChatTap(SseTap):
    """After the commit only those events are read fully that have a finish reason, usage, an error or a tool call."""

    announcement = MALFORMED

    def __init__(self, options: StreamOptions) -> None:
        super().__init__(options)
        self.seen: set[int] = set()
        self.ended: set[int] = set()
        self.calling: set[int] = set()  # choices with a tool call under way

    def sentinel(self, data: bytes) -> bool:
        """`[DONE]` in front of the finish would make a cut answer look whole: it does not pass (2.6, 2.10)."""
        if not is_done(data):
            return False
        if self.blind or (self.ended and self.ended >= self.seen):
            self.finished = self.terminated = True
        else:
            self.broken = "unfinished"
        return True

    def skim(self, data: bytes) -> bool:
        return self.options.choices == 1 and _plain(data)

    def look(self, name: bytes, data: bytes) -> int:
        if self.content and not name and self.skim(data):
            return CONTENT
        chunk = read_chunk(data)
        if chunk is None:
            if name == b"error":
                self.error = read_error(200, data)
                return STOP
            return PASS
        if is_error(name, chunk):
            self.error = read_error(200, data)
            return STOP
        flags = PASS
        for choice in chunk.choices or ():
            flags |= self._choice(choice)
        metered = given(chunk.usage)
        if not self.answer.id or metered:
            self.answer = msgspec.structs.replace(
                self.answer,
                id=self.answer.id or word(chunk.id),
                model=self.answer.model or word(chunk.model),
                usage=read_usage(chunk.usage) or self.answer.usage,
            )
        return DROP if metered and not chunk.choices and self.options.strip_usage else flags

    def _choice(self, choice: ChunkChoice) -> int:
        at, delta = choice.index, choice.delta
        self.seen.add(at)
        flags = CONTENT if carries(delta) else PASS
        if flags and delta is not None and (delta.tool_calls or delta.function_call is not None):
            self.calling.add(at)
        if choice.finish_reason:
            self.ended.add(at)
            self.calling.discard(at)
            self.finished = len(self.ended) >= self.options.choices and self.ended >= self.seen
            self.answer = msgspec.structs.replace(
                self.answer,
                finish=self.answer.finish or choice.finish_reason,
                blocked=self.answer.blocked or choice.finish_reason == "content_filter",
                empty=not self.content and not flags,
            )
        self.open_structured = bool(self.calling)
        return flags

    def finalise(self) -> bytes:
        return self.last() + (b"" if self.terminated or self.error is not None or self.broken else DONE)


def _plain(data: bytes) -> bool:
    """Nothing but more text of choice 0: no finish reason, usage, error or tool call. Decoding just these fields costs
    less than looking for their names would, and does not mind how they are written. What is unclear is read fully."""
    try:
        glimpsed = _glimpsed.decode(data)
        if not data.isascii():
            data.decode()
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    if glimpsed.usage is not None or glimpsed.error is not None or len(glimpsed.choices) != 1:
        return False
    choice = glimpsed.choices[0]
    delta = choice.delta
    return (
        delta is not None
        and choice.finish_reason is None
        and delta.tool_calls is None
        and delta.function_call is None
        and choice.index == 0
    )
