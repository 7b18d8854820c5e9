"""Must-show 8: what a stalled reader, an open stream and a client that left cost the worker process."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from process_rig import SLACK, Rig, eventually, rss
from raw_client import Connection, Reply, post, run
from transport_pki import Authority

pytestmark = pytest.mark.acceptance

KIB, MIB = 1 << 10, 1 << 20
HUGE = 100 * MIB
PLAIN_STREAM, TLS_STREAM = 40 * KIB, 100 * KIB

CONFIG = """
providers:
  raw: {{type: openai_compatible, api_key: k, base_url: "%s/v1"%s}}
deployments:
  huge: {{provider: raw, model: huge}}
  open: {{provider: raw, model: open, limits: {{concurrency: 4096}}}}
routes:
  huge: {{use: [huge]}}
  open: {{use: [open]}}
"""

EVENT = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n'
)
SSE = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Upstream(asyncio.Protocol):
    """Speaks just enough Chat Completions: model `huge` answers 100 MiB as fast as it is read, `open` says one token
    and then nothing more."""

    live: set[Upstream]

    def __init__(self, live: set[Upstream]) -> None:
        self.live = live
        self.left = 0
        self.block = b""
        self.seen = b""
        self.blocked = False
        self.sent = 0
        self.lost_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.live.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost_at = time.monotonic()
        self.live.discard(self)
        self.left = 0

    def data_received(self, data: bytes) -> None:
        self.seen += data
        if not self.seen.endswith(b"}"):
            return
        seen, self.seen = self.seen, b""
        if b'"open"' in seen:
            self.transport.write(SSE + chunk(EVENT % b"word"))
            return
        if b'"stream": true' in seen:
            self.block = chunk((EVENT % (b"x" * 900)) * 64)
            self.transport.write(SSE)
        else:
            size = HUGE + 2048
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % size
            self.block = b"x" * (64 * KIB)
            self.transport.write(head)
        self.left = HUGE // len(self.block)
        self.pump()

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self.pump()

    def pump(self) -> None:
        while self.left and not self.blocked:
            self.left -= 1
            self.sent += len(self.block)
            self.transport.write(self.block)


class Raw:
    """The upstream in this process. `live` are the connections that the gateway holds open to it."""

    def __init__(self) -> None:
        self.live: set[Upstream] = set()

    async def listen(self, tls: ssl.SSLContext | None) -> str:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Upstream(self.live), "127.0.0.1", 0, ssl=tls, backlog=4096)
        scheme = "https" if tls is not None else "http"
        return f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    try:
        yield made
    finally:
        made.close()


async def ask(rig: Rig, model: str, *, stream: bool = True) -> tuple[Connection, Reply]:
    reply = Reply("openai", stream, keep=False)
    connection = await Connection.to(rig.port)
    connection.send(post("openai", model, rig.key, stream=stream, close=False), reply)
    await asyncio.wait_for(reply.begun.wait(), 20)
    assert reply.status == 200
    return connection, reply


async def still(measure: object, quiet: float = 0.5) -> None:
    """Returns when a number has not changed for a while: nothing moves any more."""
    assert callable(measure)
    last, since = measure(), time.monotonic()
    while time.monotonic() - since < quiet:
        await asyncio.sleep(0.02)
        if (now := measure()) != last:
            last, since = now, time.monotonic()


@pytest.mark.parametrize("stream", [False, True], ids=["answer", "stream"])
def test_a_stalled_reader_of_100_megabytes_costs_at_most_one(rig: Rig, stream: bool) -> None:
    async def scene() -> tuple[int, int]:
        raw = Raw()
        base = await raw.listen(None)
        await asyncio.to_thread(rig.start, CONFIG % (base, ""))
        worker = rig.pids("worker")[0]
        # The last one counts: before it, code runs for the first time and the allocator takes its arenas.
        for _ in range(3):
            before = rss(worker)
            connection, _ = await ask(rig, "huge", stream=stream)
            connection.stall()
            (upstream,) = raw.live
            await still(lambda at=upstream: at.sent)
            assert upstream.left > 0, "the upstream is paused in the middle"
            cost = rss(worker) - before
            connection.transport.resume_reading()
            await eventually(lambda at=upstream: at.left == 0, "read on, all of it comes")
            connection.abort()
            await eventually(lambda: not raw.live, "the upstream is let go")
        return cost, rss(worker) - before

    cost, after = run(scene())
    assert cost <= MIB, f"{cost / KIB:.0f} KiB"
    assert after <= 4 * MIB, f"{after / KIB:.0f} KiB stay behind"


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.soak)], ids=["short", "full"])
@pytest.mark.parametrize(("tls", "mark"), [(False, PLAIN_STREAM), (True, TLS_STREAM)], ids=["plain", "tls"])
def test_an_open_stream_costs_little(rig: Rig, tmp_path: Path, tls: bool, mark: int, count: int) -> None:
    context, trust = None, ""
    if tls:
        authority = Authority(tmp_path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("upstream", "127.0.0.1"))
        trust = f", tls: {{{{ca: {authority.ca_file}}}}}"

    async def scene() -> int:
        raw = Raw()
        base = await raw.listen(context)
        await asyncio.to_thread(rig.start, CONFIG % (base, trust))
        worker = rig.pids("worker")[0]
        first = [(await ask(rig, "open"))[0] for _ in range(8)]  # what the first few cost is not per stream
        before = rss(worker)
        connections = [(await ask(rig, "open"))[0] for _ in range(count)]
        assert len(raw.live) == count + len(first)
        cost = rss(worker) - before
        for connection in first + connections:
            connection.abort()
        await eventually(lambda: not raw.live, "all upstreams are let go")
        return cost // count

    each = run(scene())
    assert each <= mark, f"{each / KIB:.1f} KiB a stream"
    assert rig.stop() == 0


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.soak)], ids=["short", "full"])
def test_the_upstream_is_cancelled_soon_after_its_client_has_left(rig: Rig, count: int) -> None:
    async def scene() -> list[float]:
        raw = Raw()
        base = await raw.listen(None)
        await asyncio.to_thread(rig.start, CONFIG % (base, ""))
        took = []
        for _ in range(count):
            connection, _ = await ask(rig, "open")
            (upstream,) = raw.live
            left = time.monotonic()
            connection.abort()
            await eventually(lambda: not raw.live, "the upstream is let go", 5)
            took.append(upstream.lost_at - left)
        return took

    took = run(scene())
    assert max(took) <= 0.1 * SLACK
    assert rig.stop() == 0
    records = rig.records()
    assert len(records) == count
    assert {r["outcome"] for r in records} == {"cancelled"}
