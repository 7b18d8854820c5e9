"""The client side of a translation into Chat Completions. Source: wire-formats.md A.4, E.10."""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from trunkline.dialects.contract import StreamOptions
from trunkline.dialects.openai_chat.response import finish_word, once, usage_object
from trunkline.dialects.openai_chat.stream import DONE, MALFORMED
from trunkline.types.canonical import BlockStart, BlockStop, Delta, End, Event, Finish, Start, Used
from trunkline.types.usage import Usage
from trunkline.types.wire import Loss

_encode = msgspec.json.encode
_FIELDS = {"thinking": b'{"reasoning_content":', "refusal": b'{"refusal":'}
_CONTENT = b'{"content":'
_ROLE = b'{"role":"assistant","content":""}'


class ChatWriter:
    """Canonical events to chunks. The finish chunk waits for nothing; the usage chunk comes before `[DONE]`.

    What is the same in every chunk (id, created, model) is encoded once.
    """

    announcement = MALFORMED

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self.started = False
        self.done = False
        self.before = self.after = b""
        self.fields: dict[int, bytes] = {}  # text-like blocks: how their deltas begin
        self.calls: dict[int, int] = {}
        self.silent: set[int] = set()  # calls whose arguments have not begun
        self.usage: Usage | None = None
        self.lost: list[Loss] = []
        self._name(options.id, options.model)

    @property
    def losses(self) -> tuple[Loss, ...]:
        return tuple(self.lost)

    def send(self, event: Event) -> bytes:
        if isinstance(event, Delta) and event.kind == "text" and self.started:
            field = self.fields.get(event.index, _CONTENT)
            return self._chunk(field + _encode(event.text) + b"}") if event.text else b""
        match event:
            case Start():
                self._name(event.id or self.options.id, event.model or self.options.model)
                self.usage = event.usage or self.usage
                return self._start()
            case BlockStart():
                return self._start() + self._open(event)
            case Delta():
                return self._start() + self._delta(event)
            case BlockStop(index=index):
                # Arguments that never came mean none: clients parse what they collected.
                return self._arguments(index, "{}") if index in self.silent else b""
            case Finish(reason=reason):
                return self._start() + self._chunk(b"{}", _encode(finish_word(reason)))
            case Used(usage=usage):
                self.usage = usage
                return b""
            case End():
                return b""
            case _:
                assert_never(event)

    def _name(self, id: str, model: str) -> None:
        created = self.options.created
        head = {"id": id, "object": "chat.completion.chunk", "created": created, "model": model}
        self.before = b"data: " + _encode(head)[:-1]
        self.after = b',"usage":null}\n\n' if self.options.include_usage else b"}\n\n"

    def _start(self) -> bytes:
        if self.started:
            return b""
        self.started = True
        return self._chunk(_ROLE)

    def _open(self, event: BlockStart) -> bytes:
        if event.kind != "tool":
            self.fields[event.index] = _FIELDS.get(event.kind, _CONTENT)
            return b""
        at = self.calls[event.index] = len(self.calls)
        self.silent.add(event.index)
        function = {"name": event.name, "arguments": ""}
        call = {"index": at, "id": event.id, "type": "function", "function": function}
        return self._chunk(_encode({"tool_calls": [call]}))

    def _delta(self, event: Delta) -> bytes:
        match event.kind:
            case "signature":
                once(self.lost, "thinking.signature", "no equivalent")
                return b""
            case "json":
                return self._arguments(event.index, event.text) if event.text else b""
            case "text":
                return self._chunk(self.fields.get(event.index, _CONTENT) + _encode(event.text) + b"}")
            case _:
                assert_never(event.kind)

    def _arguments(self, index: int, text: str) -> bytes:
        self.silent.discard(index)
        call = {"index": self.calls.get(index, 0), "function": {"arguments": text}}
        return self._chunk(_encode({"tool_calls": [call]}))

    def _chunk(self, delta: bytes, finish: bytes = b"null") -> bytes:
        return b'%b,"choices":[{"index":0,"delta":%b,"logprobs":null,"finish_reason":%b}]%b' % (
            self.before,
            delta,
            finish,
            self.after,
        )

    def end(self) -> bytes:
        if self.done:
            return b""
        self.done = True
        usage: dict[str, Any] | None = usage_object(self.usage) if self.usage is not None else None
        if not self.options.include_usage or usage is None:
            return DONE
        return self.before + b',"choices":[],"usage":' + _encode(usage) + b"}\n\n" + DONE
