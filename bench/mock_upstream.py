"""A provider that costs next to nothing: raw uvloop protocols, canned OpenAI answers, paced streams.

    python bench/mock_upstream.py PORT [CERT KEY]

A body that contains `"stream":true` gets a stream; `bench tokens=N rate=R` in it sets how many chunks come and how
many a second. One timer paces all streams: each chunk is one write of its own, as from a real provider.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import sys

import httptools
import uvloop

TICK = 0.001
ANSWER = (
    b'{"id":"chatcmpl-bench","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hello from the bench.","refusal":null},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":6,"total_tokens":18}}'
)
SMALL = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\nx-request-id: req_bench\r\n\r\n"
    % len(ANSWER)
) + ANSWER
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
    b"x-request-id: req_bench\r\n\r\n"
)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(delta: bytes, finish: bytes = b"null") -> bytes:
    return (
        b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","system_fingerprint"'
        b':"fp_1","choices":[{"index":0,"delta":' + delta + b',"logprobs":null,"finish_reason":' + finish + b"}]}\n\n"
    )


FIRST = STREAM_HEAD + _chunk(_event(b'{"role":"assistant","content":""}'))
TOKEN = _chunk(_event(b'{"content":" token"}'))
LAST = _chunk(
    _event(b"{}", b'"stop"')
    + b'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1,"model":"bench","choices":[],'
    b'"usage":{"prompt_tokens":12,"completion_tokens":6,"total_tokens":18}}\n\ndata: [DONE]\n\n'
)
END = b"0\r\n\r\n"
ASKED = re.compile(rb"bench tokens=(\d+) rate=(\d+)")


class Pacer:
    """All streams of this process on one timer: stream i writes when its turn in the period comes."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.slots: dict[int, list[set[Upstream]]] = {}
        self.started = loop.time()
        self.ticks = 0
        self.turn = 0
        loop.call_later(TICK, self.tick)

    def add(self, stream: Upstream, rate: int) -> None:
        period = max(1, round(1 / rate / TICK))
        slots = self.slots.setdefault(period, [set() for _ in range(period)])
        self.turn += 1
        slot = slots[self.turn % period]
        slot.add(stream)
        stream.slot = slot

    def tick(self) -> None:
        due = int((self.loop.time() - self.started) / TICK)
        while self.ticks < due:
            self.ticks += 1
            for period, slots in self.slots.items():
                for stream in list(slots[self.ticks % period]):
                    stream.token()
        self.loop.call_later(TICK, self.tick)


class Upstream(asyncio.Protocol):
    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.slot: set[Upstream] | None = None
        self.left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if b'"stream":true' not in body and b'"stream": true' not in body:
            self.transport.write(SMALL)
            return
        asked = ASKED.search(body)
        self.left, rate = (int(asked[1]), int(asked[2])) if asked else (20, 50)
        self.transport.write(FIRST)
        self.pacer.add(self, rate)

    def token(self) -> None:
        if self.left > 0:
            self.left -= 1
            self.transport.write(TOKEN)
            return
        self.transport.write(LAST)
        self.transport.write(END)
        self._leave()

    def _leave(self) -> None:
        if self.slot is not None:
            self.slot.discard(self)
            self.slot = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()


async def main(port: int, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    pacer = Pacer(loop)
    server = await loop.create_server(lambda: Upstream(pacer), "127.0.0.1", port, ssl=tls, backlog=4096)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
    uvloop.install()
    asyncio.run(main(int(sys.argv[1]), context))
