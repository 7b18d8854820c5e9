"""A gateway and the twins in one event loop, on real loopback sockets, with a raw client that sees every byte.

Under `transport.virtual` five minutes of waiting take milliseconds.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from trunkline.app.boot import Boot
from trunkline.app.keyring import Keys
from trunkline.app.plane import Plane
from trunkline.app.sockets import listening
from trunkline.policy.keys import Issued
from trunkline.twins.serve import Twins, start_twins
from trunkline.types.record import Record

CLIENTS = ("openai", "anthropic", "gemini")


@dataclass
class Answer:
    """What came back: `clean` is false when the transfer was cut."""

    status: int
    headers: dict[str, str]
    body: bytes
    clean: bool

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON of every SSE event that has some."""
        found = []
        for line in self.body.split(b"\n"):
            data = line.strip()
            if data.startswith(b"data:") and data[5:].strip() != b"[DONE]":
                found.append(json.loads(data[5:]))
        return found

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Rig:
    """Twins, gateway and a key. `plane.ledger` is real; records are also kept in `records`, as settled."""

    def __init__(self, loop: asyncio.AbstractEventLoop, plane: Plane, twins: Twins, key: str, address: tuple[str, int]):
        self.loop = loop
        self.plane = plane
        self.twins = twins
        self.key = key
        self.address = address
        self.records: list[Record] = []
        settle = plane.ledger.settle

        def keep(record_id: str, make: Callable[[], Record], done: Any = None) -> None:
            def made() -> Record:
                record = make()
                self.records.append(msgspec.convert(msgspec.to_builtins(record), Record))
                return record

            settle(record_id, made, done)

        plane.house.books = _Books(plane.ledger, keep)  # type: ignore[assignment]

    @classmethod
    async def start(cls, directory: Path, config: str) -> Rig:
        """`config` may name the twins' base URLs as {openai}, {anthropic}, {google}, {modelark}."""
        loop = asyncio.get_running_loop()
        twins = await start_twins({"openai": 0, "anthropic": 0, "gemini": 0, "ark": 0})
        bases = {
            "openai": twins["openai"].url + "/v1",
            "anthropic": twins["anthropic"].url,
            "google": twins["gemini"].url,
            "modelark": twins["ark"].url + "/api/v3",
        }
        for name, url in bases.items():
            config = config.replace("{" + name + "}", url)
        path = directory / "trunkline.yaml"
        path.write_text(f"store: sqlite:///{directory}/t.db\nstate_dir: {directory}/state\n" + config)
        boot = Boot.load(str(path), twins=False)
        assert isinstance(boot, Boot), [str(p) for p in boot]
        boot.prepare_state()
        made = Keys(boot).create(name="rig", team="t", feature="f")
        assert isinstance(made, Issued)
        key = made.key
        plane = Plane(loop, boot)
        sock = listening("127.0.0.1", 0)
        address = sock.getsockname()[:2]
        await plane.start(sock)
        # The feed polls the store in a thread, in real time: under a virtual clock it would poll all the time.
        assert plane.feed is not None
        await plane.feed.stop()
        plane.feed = None
        # So are the looks at secrets and sick endpoints, once a second each, over hours of virtual time.
        plane.prober.stop()
        plane.closed = True
        return cls(loop, plane, twins, key, address)

    async def close(self) -> None:
        self.plane.server.stop_accepting()
        await self.plane.close()
        await self.twins.close()

    # --- asking ------------------------------------------------------------------------------------------------------
    async def ask(self, client: str, model: str, *, stream: bool = False, text: str = "Say something.") -> Answer:
        path, headers, body = request(client, model, self.key, stream, text)
        return await self.send("POST", path, headers, json.dumps(body).encode())

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
        reader, writer = await asyncio.open_connection(*self.address)
        head = f"{method} {path} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n" + body)
        try:
            return await read_answer(reader)
        finally:
            writer.close()


class _Books:
    def __init__(self, ledger: Any, settle: Any) -> None:
        self._ledger = ledger
        self.settle = settle

    @property
    def healthy(self) -> bool:
        return bool(self._ledger.healthy)

    def intent(self, record_id: str, make: Any) -> None:
        self._ledger.intent(record_id, make)


def request(client: str, model: str, key: str, stream: bool, text: str) -> tuple[str, dict[str, str], dict[str, Any]]:
    """A minimal request in a client's dialect."""
    message = {"role": "user", "content": text}
    if client == "openai":
        body: dict[str, Any] = {"model": model, "messages": [message]}
        if stream:
            body["stream"] = True
        return "/v1/chat/completions", {"authorization": f"Bearer {key}"}, body
    if client == "anthropic":
        body = {"model": model, "max_tokens": 200, "messages": [message], "stream": stream}
        return "/v1/messages", {"x-api-key": key, "anthropic-version": "2023-06-01"}, body
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    contents = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
    return f"/v1beta/models/{model}:{verb}", {"x-goog-api-key": key}, contents


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
    try:
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, await _chunks(reader), True)
        if "content-length" in headers:
            return Answer(status, headers, await reader.readexactly(int(headers["content-length"])), True)
        return Answer(status, headers, await reader.read(), True)
    except _Cut as cut:
        return Answer(status, headers, cut.body, False)
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        return Answer(status, headers, getattr(error, "partial", b""), False)


class _Cut(Exception):
    def __init__(self, body: bytes) -> None:
        self.body = body


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    try:
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            data = await reader.readexactly(size + 2)
            if size == 0:
                return body
            body += data[:-2]
    except (asyncio.IncompleteReadError, ConnectionError):
        raise _Cut(body) from None


# --- judging, by the wire formats themselves ------------------------------------------------------------------------------
def has_terminator(client: str, answer: Answer) -> bool:
    """The dialect's sign of a proper end stands in the stream."""
    if client == "openai":
        return b"data: [DONE]" in answer.body
    if client == "anthropic":
        return b"event: message_stop" in answer.body
    blocked = any(e.get("promptFeedback", {}).get("blockReason") for e in answer.events)
    return blocked or any(c.get("finishReason") for e in answer.events for c in e.get("candidates", []))


def has_finish(client: str, answer: Answer) -> bool:
    if client == "openai":
        return any(c.get("finish_reason") for e in answer.events for c in e.get("choices", []))
    if client == "anthropic":
        return any(e.get("delta", {}).get("stop_reason") for e in answer.events if e["type"] == "message_delta")
    return has_terminator(client, answer)


def error_event(client: str, answer: Answer) -> dict[str, Any] | None:
    """The error event, which must be the last one."""
    if not answer.events:
        return None
    last = answer.events[-1]
    if client == "anthropic":
        return last["error"] if last.get("type") == "error" and b"event: error" in answer.body else None
    error = last.get("error")
    return error if isinstance(error, dict) else None


def text_of(client: str, answer: Answer, *, stream: bool) -> str:
    documents = answer.events if stream else [answer.json]
    found = ""
    for d in documents:
        if client == "openai":
            for c in d.get("choices", []):
                found += (c.get("delta") or c.get("message") or {}).get("content") or ""
        elif client == "anthropic":
            if stream:
                found += d.get("delta", {}).get("text", "") if d["type"] == "content_block_delta" else ""
            else:
                found += "".join(b.get("text", "") for b in d["content"])
        else:
            for c in d.get("candidates", []):
                found += "".join(p.get("text", "") for p in c.get("content", {}).get("parts", []))
    return found
