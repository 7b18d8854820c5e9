"""Results: relayed with backpressure, copied whole or not at all, served from disk and from a bucket. Real sockets."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from gateway_rig import Answer, read_answer
from s3_server import ACCESS, SECRET, S3Server
from transport_doubles import post
from transport_upstream import Peer, Talk, Upstream
from trunkline.jobs.contract import Ground, JobSettings, S3Settings
from trunkline.jobs.media import Copier
from trunkline.jobs.relay import Relayed, relay
from trunkline.transport.client import Client
from trunkline.transport.contract import Call, Outbound, ServerLimits
from trunkline.transport.server import Server
from trunkline.types.job import Copy, Job

FILM = bytes(range(256)) * 4096  # a mebibyte
JOB = Job(id="0" * 30 + "a7", key_id="k", dialect="ark_tasks", alias="video", finished_at=1_000_000)


def whole(body: bytes, extra: bytes = b"", *, length: bool = True) -> Talk:
    async def talk(peer: Peer) -> None:
        await peer.request()
        size = b"content-length: %d\r\n" % len(body) if length else b"connection: close\r\n"
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\n" + extra + size + b"\r\n" + body)

    return talk


async def cut(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: 1000000\r\n\r\n" + FILM[:5000])


async def denied(peer: Peer) -> None:
    await peer.request()
    await peer.say(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 5\r\n\r\n<xml>")


class Front:
    """An application that relays, or serves a copy, and remembers how it went."""

    def __init__(self, work: Any) -> None:
        self.work = work
        self.done: asyncio.Future[Relayed] = asyncio.get_running_loop().create_future()

    def on_head(self, call: Call) -> int:
        return 0

    def on_request(self, call: Call) -> None:
        self.task = asyncio.get_running_loop().create_task(self.answer(call))

    async def answer(self, call: Call) -> None:
        result = await self.work(call)
        if not result.started:
            call.respond(502, [], result.problem.encode())
        self.done.set_result(result)


@asynccontextmanager
async def serving(work: Any) -> AsyncIterator[tuple[Front, int]]:
    front = Front(work)
    server = Server(front, ServerLimits(), loop=asyncio.get_running_loop())
    try:
        yield front, (await server.listen("127.0.0.1", 0))[1]
    finally:
        server.stop_accepting()
        server.abort_all()


async def got(port: int, headers: str = "") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET / HTTP/1.1\r\nhost: a\r\n{headers}\r\n".encode())
    try:
        return await read_answer(reader)
    finally:
        writer.close()


def at(upstream: Upstream) -> Outbound:
    return post(b"", origin=upstream.origin(), method=b"GET", headers=[])


# --- relaying ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [True, False])
def test_a_file_is_relayed_whole_with_its_length_if_that_is_known(length: bool) -> None:
    async def main() -> None:
        extra = b'etag: "a"\r\nset-cookie: no\r\nserver: theirs\r\nx-amz-id: no\r\n'
        async with Upstream(whole(FILM, extra, length=length)) as upstream:
            client = Client()

            async def work(call: Call) -> Relayed:
                return await relay(client, call, at(upstream), [(b"x-trunkline-request-id", b"r")])

            async with serving(work) as (front, port):
                answer = await got(port)
                assert (answer.status, answer.clean, answer.body == FILM) == (200, True, True)
                assert answer.headers.get("content-length") == (str(len(FILM)) if length else None)
                assert answer.headers["etag"] == '"a"' and answer.headers["x-trunkline-request-id"] == "r"
                assert not {"set-cookie", "server", "x-amz-id"} & set(answer.headers)
                assert (await front.done).whole
            client.close()

    asyncio.run(main())


def test_a_cut_file_is_never_a_clean_end() -> None:
    async def main() -> None:
        async with Upstream(cut) as upstream:
            client = Client()

            async def work(call: Call) -> Relayed:
                return await relay(client, call, at(upstream), [])

            async with serving(work) as (front, port):
                answer = await got(port)
                assert (answer.status, answer.clean, len(answer.body)) == (200, False, 5000)
                assert not (await front.done).whole
            client.close()

    asyncio.run(main())


def test_what_is_gone_is_said_before_anything_has_left() -> None:
    async def main() -> None:
        async with Upstream(denied) as upstream:
            client = Client()

            async def work(call: Call) -> Relayed:
                return await relay(client, call, at(upstream), [])

            async with serving(work) as (front, port):
                assert (await got(port)).status == 502
                done = await front.done
                assert (done.started, done.gone, done.status) == (False, True, 403)
            client.close()

    asyncio.run(main())


def test_a_client_that_leaves_ends_the_transfer_at_once() -> None:
    async def main() -> None:
        left: list[float] = []

        async def endless(peer: Peer) -> None:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n" + FILM)
            await peer.gone()
            left.append(time.monotonic())

        async with Upstream(endless) as upstream:
            client = Client()

            async def work(call: Call) -> Relayed:
                return await relay(client, call, at(upstream), [])

            async with serving(work) as (front, port):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                await reader.readexactly(1000)
                gone_at = time.monotonic()
                writer.transport.abort()
                await front.done
                while not left:
                    await asyncio.sleep(0.005)
                assert left[0] - gone_at < 0.5, "five times the mark"
            client.close()

    asyncio.run(main())


# --- copies --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def bucket() -> Iterator[S3Server]:
    server = S3Server()
    yield server
    server.close()


def files_in(directory: Path) -> list[Path]:
    return [p for p in directory.rglob("*") if p.is_file()]


def ground(client: Client, directory: Path, bucket: S3Server | None = None) -> Ground:
    s3 = None
    if bucket is not None:
        s3 = S3Settings(endpoint=bucket.endpoint, bucket="films", prefix="p/", access_key=ACCESS, secret_key=SECRET)
    settings = JobSettings(
        copy_media="s3" if s3 else "local", media_dir=str(directory / "media"), s3=s3, retention=60.0
    )
    return Ground(
        loop=asyncio.get_running_loop(),
        upstreams=client,
        store=cast(Any, None),
        settings=settings,
        wall=time.time,
        rand=lambda: 0.5,
        log=lambda event, fields: None,
        pepper=b"p",
    )


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_copy_is_whole_has_its_digest_and_is_served_with_ranges(tmp_path: Path, place: str, bucket: S3Server) -> None:
    async def main() -> None:
        film = FILM * 20  # more than two parts
        async with Upstream(whole(film)) as upstream:
            client = Client()
            copier = Copier(ground(client, tmp_path, bucket if place == "s3" else None))
            bucket.fail = 1
            copy = await copier.copy(JOB, "video", at(upstream))
            assert isinstance(copy, Copy), copy
            assert (copy.place, copy.size, copy.content_type) == (place, len(film), "video/mp4")
            assert copy.sha256 == hashlib.sha256(film).hexdigest()
            assert copy.until == 1_000_000 + 60_000_000

            async def work(call: Call) -> Relayed:
                headers = dict(call.headers)
                return await copier.serve(copy, call, headers.get(b"range"), [(b"x-own", b"1")])

            for asked, status, body in (
                ("", 200, film),
                ("range: bytes=5-9\r\n", 206, film[5:10]),
                (f"range: bytes={len(film) - 3}-\r\n", 206, film[-3:]),
            ):
                async with serving(work) as (_, port):
                    answer = await got(port, asked)
                assert (answer.status, answer.body == body, answer.clean) == (status, True, True)
                assert answer.headers["content-type"] == "video/mp4" and answer.headers["x-own"] == "1"
                assert answer.headers["content-length"] == str(len(body))
            await copier.drop(copy)
            async with serving(work) as (front, port):
                await got(port)
                assert (await front.done).gone
            client.close()
            assert bucket.wrong == 0 and bucket.objects == {}
            if place == "s3":
                assert bucket.largest <= 8 << 20, "never more than a part at once"

    asyncio.run(main())


@pytest.mark.parametrize("place", ["local", "s3"])
def test_a_copy_of_a_cut_file_leaves_nothing_behind(tmp_path: Path, place: str, bucket: S3Server) -> None:
    async def main() -> None:
        async with Upstream(cut) as upstream:
            client = Client()
            copier = Copier(ground(client, tmp_path, bucket if place == "s3" else None))
            assert isinstance(await copier.copy(JOB, "video", at(upstream)), str)
            assert files_in(tmp_path) == []
            assert bucket.objects == {} and bucket.uploads == {}
            client.close()

    asyncio.run(main())


def test_a_copy_is_private_and_a_killed_one_is_swept(tmp_path: Path) -> None:
    async def main() -> None:
        client = Client()
        copier = Copier(ground(client, tmp_path))
        copy = await copier.put_inline(JOB, FILM, "video/mp4")
        assert isinstance(copy, Copy)
        (path,) = files_in(tmp_path)
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        left = path.with_name(path.name + ".part-1-abcd")
        left.write_bytes(b"half")
        await copier.sweep(time.time())
        assert left.exists(), "somebody may still be writing it"
        await copier.sweep(time.time() + 7200)
        assert not left.exists() and path.exists()
        client.close()

    asyncio.run(main())


def test_a_bucket_that_is_down_is_a_reason_and_no_exception(tmp_path: Path, bucket: S3Server) -> None:
    async def main() -> None:
        async with Upstream(whole(FILM)) as upstream:
            client = Client()
            copier = Copier(ground(client, tmp_path, bucket))
            bucket.fail = 100
            problem = await copier.copy(JOB, "video", at(upstream))
            assert isinstance(problem, str) and "bucket" in problem
            client.close()

    asyncio.run(main())


def test_the_names_of_files_are_ours(tmp_path: Path) -> None:
    from trunkline.jobs.media_local import Files

    files = Files(tempfile.gettempdir())
    for name in ("../../etc/passwd", "a", "0" * 32, "0" * 32 + "-video/../x", "0" * 32 + "-other.mp4", "\0"):
        with pytest.raises(ValueError, match="name"):
            files.path(name)
