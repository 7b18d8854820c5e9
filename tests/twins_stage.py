"""A stage for twins without sockets: requests go in as scripted calls, answers are read from what they wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from trunkline.transport.contract import CallWatcher
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import Rule, parse_rule
from trunkline.twins.twin import Control, Twin, surface_of
from trunkline.twins.wire import TwinName
from trunkline.types.wire import Headers

OPENAI_HEADERS: Headers = [(b"authorization", b"Bearer sk-test")]
ANTHROPIC_HEADERS: Headers = [(b"x-api-key", b"sk-ant-test"), (b"anthropic-version", b"2026-10-21")]
GEMINI_HEADERS: Headers = [(b"x-goog-api-key", b"AIza-test")]

HEADERS: dict[str, Headers] = {
    "openai": OPENAI_HEADERS,
    "ark": OPENAI_HEADERS,
    "anthropic": ANTHROPIC_HEADERS,
    "gemini": GEMINI_HEADERS,
}
PATHS = {
    "openai": "/v1/chat/completions",
    "ark": "/api/v3/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1/models/gemini-3.8-flash:generateContent",
}


class ScriptedCall:
    """A call that keeps what it is told. `ended` is respond, end, abort or reset."""

    peer = "192.0.2.1"

    def __init__(self, method: str, target: str, headers: Headers, body: bytes) -> None:
        self.method = method.encode()
        self.target = target.encode()
        self.headers = headers
        self.body = body
        self.head_at = self.body_at = 0.0
        self.watcher: CallWatcher | None = None
        self.blocked = False
        self.gone = False
        self.status = 0
        self.answer_headers: Headers = []
        self.writes: list[bytes] = []
        self.times: list[float] = []
        self.ended = ""
        self.flushed = False
        self.blocks_after = 0

    @property
    def bytes_out(self) -> int:
        return sum(map(len, self.writes))

    @property
    def text(self) -> str:
        return b"".join(self.writes).decode()

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def header(self, name: str) -> str | None:
        return next((value.decode() for key, value in self.answer_headers if key == name.encode()), None)

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        self.start(status, headers)
        self.write(body)
        self.ended = "respond"

    def start(self, status: int, headers: Headers, length: int | None = None) -> None:
        assert not self.status, "the head was sent twice"
        self.status, self.answer_headers = status, headers

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        self.writes.append(data)
        self.times.append(_now())
        if len(self.writes) == self.blocks_after:
            self.blocked = True

    def flush(self) -> None:
        self.flushed = True

    def end(self) -> None:
        self.ended = "end"

    def abort(self) -> None:
        self.ended = "abort"

    def reset(self) -> None:
        self.ended = "reset"

    def unblock(self) -> None:
        """The client reads again."""
        self.blocked = False
        assert self.watcher is not None
        self.watcher.on_writable()

    def leave(self) -> None:
        """The client goes away."""
        self.gone = True
        if self.watcher is not None:
            self.watcher.on_gone()


def _now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


def rule(text: str, **scope: Any) -> Rule:
    """A rule that must be right."""
    parsed = parse_rule({"fault": text, **scope})
    assert isinstance(parsed, Rule), parsed
    return parsed


def body_of(name: str, prompt: str = "Tell me about rivers.", **fields: Any) -> dict[str, Any]:
    """A small request for a twin."""
    if name == "gemini":
        return {"contents": [{"role": "user", "parts": [{"text": prompt}]}], **fields}
    body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], **fields}
    body.setdefault("model", {"openai": "gpt-4.1", "anthropic": "claude-opus-5-5", "ark": "ep-1"}[name])
    if name == "anthropic":
        body.setdefault("max_tokens", 1024)
    return body


def call_for(
    name: str, body: Any, *, path: str = "", headers: Headers | None = None, method: str = "POST"
) -> ScriptedCall:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return ScriptedCall(method, path or PATHS[name], HEADERS[name] if headers is None else headers, raw)


def stream_path(name: str) -> str:
    return PATHS[name].replace(":generateContent", ":streamGenerateContent?alt=sse")


def ask(
    name: TwinName, body: Any, *, path: str = "", headers: Headers | None = None, method: str = "POST"
) -> ScriptedCall:
    """One request on a fresh twin, answered."""

    async def main() -> ScriptedCall:
        twin = twin_of(name)
        call = call_for(name, body, path=path, headers=headers, method=method)
        twin.on_request(call)
        await asyncio.sleep(1)  # virtual: everything that has no wait of its own is over by then
        assert call.ended
        return call

    return run_virtual(main())


def twin_of(name: TwinName) -> Twin:
    return Twin(surface_of(name), Control(), asyncio.get_running_loop())


def perform(
    name: TwinName,
    *faults: str,
    stream: bool = True,
    wait: float = 1000.0,
    prepare: Callable[[Twin], None] = lambda twin: None,
    prompt: str = "Tell me about rivers.",
) -> tuple[ScriptedCall, Twin]:
    """One request on a twin with faults, `wait` virtual seconds later. Times of the call count from its start."""

    async def main() -> tuple[ScriptedCall, Twin]:
        loop = asyncio.get_running_loop()
        twin = twin_of(name)
        twin.board.put([rule(fault) for fault in faults], loop.time())
        prepare(twin)
        body = body_of(name, prompt)
        if stream and name != "gemini":
            body["stream"] = True
        call = call_for(name, body, path=stream_path(name) if stream else "")
        start = loop.time()
        twin.on_request(call)
        await asyncio.sleep(wait)
        call.times = [round(at - start, 6) for at in call.times]
        call.leave() if not call.ended else None
        return call, twin

    return run_virtual(main())


def events(call: ScriptedCall) -> list[Any]:
    """The data of every event that is JSON, in order."""
    found = []
    for line in call.text.replace("\r\n", "\n").split("\n"):
        if line.startswith("data: {"):
            found.append(json.loads(line[6:]))
    return found
