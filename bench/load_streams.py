"""Opens N streams at once, counts what arrives, prints one JSON line.

    python bench/load_streams.py URL KEY DIALECT STREAMS TOKENS RATE [HOLD_SECONDS]

Counts events by their blank lines without parsing them; a stall is a gap of more than 250 ms beyond the pace.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from urllib.parse import urlsplit

import uvloop

STALL = 0.25
MODEL = os.environ.get("BENCH_MODEL", "bench")


def request(url: str, key: str, dialect: str, tokens: int, rate: int) -> bytes:
    parts = urlsplit(url)
    text = f"bench tokens={tokens} rate={rate}"
    if dialect == "anthropic":
        path = "/v1/messages"
        body = {"model": MODEL, "max_tokens": 4096, "stream": True, "messages": [{"role": "user", "content": text}]}
    else:
        path = "/v1/chat/completions"
        body = {
            "model": MODEL,
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [{"role": "user", "content": text}],
        }
    data = json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {key}\r\n"
        f"anthropic-version: 2023-06-01\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


class Stream(asyncio.Protocol):
    def __init__(self, tally: Tally, payload: bytes) -> None:
        self.tally = tally
        self.payload = payload
        self.tail = b""
        self.events = 0
        self.sent = self.last = time.perf_counter()
        self.first: float | None = None
        self.over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(self.payload)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        if self.first is None:
            self.first = now
            self.tally.first.append(now - self.sent)
            if not data.startswith(b"HTTP/1.1 200"):
                self.tally.errors.append(data[:300].decode("latin-1"))
        elif now - self.last > self.tally.stall:
            self.tally.stalls += 1
        self.last = now
        self.tally.events += (self.tail + data).count(b"\n\n")
        self.tail = b"\n" if data.endswith(b"\n") and not data.endswith(b"\n\n") else b""
        self.tally.reads += 1
        if data.endswith(b"0\r\n\r\n"):
            self.over = True
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.tally.done(self.over)


class Tally:
    def __init__(self, streams: int, rate: int) -> None:
        self.left = streams
        self.stall = 1 / rate + STALL
        self.first: list[float] = []
        self.errors: list[str] = []
        self.events = self.reads = self.stalls = self.complete = 0
        self.finished = asyncio.get_running_loop().create_future()

    def done(self, complete: bool) -> None:
        self.complete += complete
        self.left -= 1
        if self.left == 0:
            self.finished.set_result(None)


async def main(url: str, key: str, dialect: str, streams: int, tokens: int, rate: int) -> None:
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    tally = Tally(streams, rate)
    payload = request(url, key, dialect, tokens, rate)
    started = time.perf_counter()
    for at in range(0, streams, 50):
        await asyncio.gather(
            *(
                loop.create_connection(lambda: Stream(tally, payload), parts.hostname, parts.port)
                for _ in range(min(50, streams - at))
            )
        )
    opened = time.perf_counter()
    limit = tokens / rate * 3 + 30
    try:
        await asyncio.wait_for(tally.finished, limit)
    except TimeoutError:
        pass
    ended = time.perf_counter()
    first = sorted(tally.first) or [0.0]
    print(
        json.dumps(
            {
                "streams": streams,
                "complete": tally.complete,
                "events": tally.events,
                "reads": tally.reads,
                "stalls": tally.stalls,
                "seconds": ended - started,
                "open_seconds": opened - started,
                "first_token_p50_ms": first[len(first) // 2] * 1000,
                "first_token_p99_ms": first[int(len(first) * 0.99)] * 1000,
                "errors": tally.errors[:3],
            }
        )
    )


if __name__ == "__main__":
    uvloop.install()
    arguments = sys.argv[1:]
    asyncio.run(main(arguments[0], arguments[1], arguments[2], *(int(a) for a in arguments[3:6])))
