"""The ModelArk twin tells a callback address what becomes of a task. The receiver is a real socket, the clock is not."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from trunkline.transport.virtual import run_virtual
from trunkline.twins.callbacks import read_address
from trunkline.types.wire import Origin
from twins_films import TASKS, Filmset


class Receiver:
    """Takes posts, and answers with the statuses it was given, then with 200. A status of 0: no answer at all."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses = statuses
        self.posts: list[tuple[float, str, Any]] = []
        self.port = 0

    async def open(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = next(int(line[15:]) for line in head.lower().split("\r\n") if line.startswith("content-length:"))
                body = json.loads(await reader.readexactly(size))
                self.posts.append((asyncio.get_running_loop().time(), head.split("\r\n")[0], body))
                status = self.statuses.pop(0) if self.statuses else 200
                if status:
                    writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % status)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def told(statuses: list[int], wait: float = 60.0, **pace: Any) -> tuple[list[tuple[float, str]], Receiver]:
    """Seconds since the task was made, and the status, of every post."""

    async def main() -> tuple[list[tuple[float, str]], Receiver]:
        receiver = Receiver(list(statuses))
        server = await receiver.open()
        stage = Filmset("ark")
        stage.pace(**pace)
        start = asyncio.get_running_loop().time()
        stage.task(callback_url=f"http://127.0.0.1:{receiver.port}/told?token=1")
        await asyncio.sleep(wait)
        await stage.twin.close()
        server.close()
        return [(round(at - start, 1), body["status"]) for at, _, body in receiver.posts], receiver

    return run_virtual(main())


def test_every_change_is_told_with_the_whole_task() -> None:
    posts, receiver = told([], queued_s=1, running_s=2)
    assert posts == [(0.0, "queued"), (1.0, "running"), (3.0, "succeeded")]
    assert {line for _, line, _ in receiver.posts} == {"POST /told?token=1 HTTP/1.1"}
    last = receiver.posts[-1][2]
    assert last["id"].startswith("cgt-") and last["usage"]["completion_tokens"] == 108_900
    assert last["content"]["video_url"]


def test_a_failure_is_told() -> None:
    posts, receiver = told([], queued_s=1, running_s=2, fail={"code": "InternalServiceError", "message": "Oh."})
    assert [status for _, status in posts] == ["queued", "running", "failed"]
    assert receiver.posts[-1][2]["error"] == {"code": "InternalServiceError", "message": "Oh."}


@pytest.mark.parametrize("status", [500, 0, 302])
def test_an_end_that_nobody_took_is_told_three_more_times(status: int) -> None:
    posts, _ = told([200, 200] + [status] * 9, queued_s=1, running_s=2)
    assert posts[2:] == [(3.0, "succeeded"), (8.0, "succeeded"), (13.0, "succeeded"), (18.0, "succeeded")]


def test_it_is_told_until_somebody_takes_it() -> None:
    posts, _ = told([200, 200, 503, 200], queued_s=1, running_s=2)
    assert posts[2:] == [(3.0, "succeeded"), (8.0, "succeeded")]


def test_other_changes_are_told_once() -> None:
    posts, _ = told([500, 500], queued_s=10, running_s=20)
    assert posts == [(0.0, "queued"), (10.0, "running"), (30.0, "succeeded")]


def test_an_address_where_nobody_listens_harms_nothing() -> None:
    async def main() -> None:
        stage = Filmset("ark")
        task = stage.task(callback_url="http://127.0.0.1:9/told")
        await asyncio.sleep(60)
        assert stage.status(task) == "succeeded"
        await stage.twin.close()

    run_virtual(main())


def test_a_call_that_is_taken_back_is_not_told() -> None:
    async def main() -> None:
        receiver = Receiver([])
        server = await receiver.open()
        stage = Filmset("ark")
        task = stage.task(callback_url=f"http://127.0.0.1:{receiver.port}/")
        stage.ask("DELETE", f"{TASKS}/{task}")
        await asyncio.sleep(60)
        assert [body["status"] for _, _, body in receiver.posts] == ["queued"]
        await stage.twin.close()
        server.close()

    run_virtual(main())


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("http://example.com", Origin("http", "example.com", 80), "/"),
        ("https://example.com:8443/a?b=c#d", Origin("https", "example.com", 8443), "/a?b=c"),
        ("http://[::1]:80/x", Origin("http", "::1", 80), "/x"),
    ],
)
def test_an_address_is_read(url: str, origin: Origin, path: str) -> None:
    assert read_address(url) == (origin, path)


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://a/b", "http://", "http://a:x/", "http://a/\r\nb", "http://a/b c", "http://ä/"]
)
def test_what_is_no_address_is_not_read(url: str) -> None:
    assert read_address(url) is None
