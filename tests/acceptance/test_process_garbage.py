"""Must-show 10, in part: garbage on the data port gets a clear answer or none, never another's; the process lives on."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from process_rig import Rig, rss
from raw_client import Reply, crowd, raw, run

pytestmark = pytest.mark.acceptance

GET = b"GET /readyz HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\n"
CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(32)) + b"\x20" + bytes(166)
KNOCKS = {
    "zeros": bytes(512),
    "tls": CLIENT_HELLO,
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "no-version": b"GET /readyz\r\n\r\n",
    "bad-version": b"GET /readyz HTTP/7.9\r\nhost: gateway\r\n\r\n",
    "no-host": b"GET /readyz HTTP/1.1\r\n\r\n",
    "two-hosts": GET + b"host: other\r\n\r\n",
    "bare-lf": b"GET /readyz HTTP/1.1\nhost: gateway\n\n",
    "nul": GET + b"x: a\x00b\r\n\r\n",
    "obs-fold": GET + b"x: a\r\n b\r\n\r\n",
    "space-before-colon": GET + b"x : a\r\n\r\n",
    "smuggle-cl-te": POST
    + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /readyz HTTP/1.1\r\n\r\n",
    "two-lengths": POST + b"content-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
    "negative-length": POST + b"content-length: -1\r\n\r\n",
    "unicode-length": POST + "content-length: ٤\r\n\r\n".encode() + b"abcd",
}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    made = Rig(tmp_path_factory.mktemp("garbage"))
    try:
        yield made.start(extra="limits: {header_timeout: 1s}\n")
        assert made.stop() == 0
        assert '"child_died"' not in made.log and "internal_error" not in made.log and "Traceback" not in made.log
    finally:
        made.close()


def statuses(answer: bytes) -> list[int]:
    """Of every answer on the connection."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)]


def alive(rig: Rig) -> None:
    """The same worker still serves everybody."""
    seen: list[Reply] = []
    run(crowd(rig.port, rig.key, "assistant", clients=2, requests=6, seen=seen))
    assert [r.status for r in seen] == [200] * 6


@pytest.mark.parametrize("knock", KNOCKS.values(), ids=KNOCKS.keys())
def test_what_is_not_http_gets_one_400_and_the_connection_is_closed(rig: Rig, knock: bytes) -> None:
    answer = run(raw(rig.port, knock))
    assert statuses(answer) == [400], answer[:200]
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"]["message"]
    alive(rig)


def test_the_http2_preface_is_told_which_version_is_spoken_here(rig: Rig) -> None:
    answer = run(raw(rig.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)))
    assert statuses(answer) == [505], answer[:200]
    alive(rig)


def test_a_client_that_never_finishes_its_head_is_let_go(rig: Rig) -> None:
    answer = run(raw(rig.port, b"SSH-2.0-OpenSSH_9.6\r\n", within=10))
    assert statuses(answer) == [408], answer[:200]
    alive(rig)


@pytest.mark.parametrize(
    "head",
    [b"x: " + b"a" * 100_000 + b"\r\n", b"".join(b"x-%d: a\r\n" % n for n in range(500))],
    ids=["one-huge-header", "many-headers"],
)
def test_too_much_head_is_431_and_keeps_no_memory(rig: Rig, head: bytes) -> None:
    worker = rig.pids("worker")[0]
    alive(rig)
    before = rss(worker)

    async def knocks() -> list[bytes]:
        return [await raw(rig.port, GET + head + b"\r\n") for _ in range(50)]

    for answer in run(knocks()):
        assert statuses(answer) == [431], answer[:200]
    assert rss(worker) - before <= 4 << 20
    alive(rig)


@pytest.mark.parametrize(
    ("body", "length", "status"),
    [
        (b"", b"content-length: 99999999999\r\n", 413),
        (b'{"model":', b"content-length: 9\r\n", 400),
        (b"[" * 100_000, b"content-length: 100000\r\n", 400),
        (b"\xff\xfe\x00", b"content-length: 3\r\n", 400),
        (b"null", b"content-length: 4\r\n", 400),
        (b"zz\r\n", b"transfer-encoding: chunked\r\n", 400),
        (b"\x1f\x8b\x08", b"content-length: 3\r\ncontent-encoding: gzip\r\n", 415),
    ],
    ids=["too-large", "cut-json", "deep-json", "not-utf8", "null", "bad-chunk", "compressed"],
)
def test_a_body_that_cannot_be_taken_is_refused_in_the_dialect(
    rig: Rig, body: bytes, length: bytes, status: int
) -> None:
    head = POST + b"connection: close\r\nauthorization: Bearer %s\r\n" % rig.key.encode()
    answer = run(raw(rig.port, head + length + b"\r\n" + body))
    assert statuses(answer) == [status], answer[:200]
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert error["type"] == "invalid_request_error" and error["message"]
    alive(rig)


def test_a_thousand_random_knocks_end_in_a_refusal_or_silence_and_leave_no_descriptor(rig: Rig) -> None:
    dice = random.Random(20_261_123)
    worker = rig.pids("worker")[0]
    alive(rig)
    before = open_descriptors(worker)
    pieces = [GET, POST, CLIENT_HELLO, b"\r\n", b"\r\n\r\n", b"\0", b"content-length: 5\r\n", b":", b" ", b"\xff" * 9]

    def knock() -> bytes:
        made = b"".join(dice.choices(pieces, k=dice.randrange(1, 8)))
        at = dice.randrange(len(made))
        return made[:at] + dice.randbytes(dice.randrange(4)) + made[at:]

    async def one(data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        try:
            writer.write(data)
            writer.write_eof()
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def scene() -> list[bytes]:
        found: list[bytes] = []
        for _ in range(20):
            found += await asyncio.gather(*(one(knock()) for _ in range(50)))
        return found

    for answer in run(scene()):
        assert all(status in (200, 400, 401, 405, 411, 413, 415, 431, 501, 505) for status in statuses(answer)), answer[
            :300
        ]
    assert rig.pids("worker") == [worker]
    alive(rig)
    assert open_descriptors(worker) <= before + 4


def open_descriptors(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
