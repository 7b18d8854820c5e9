"""Videos over real sockets: the control endpoint, large results, and faults that break connections."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from trunkline.twins.serve import Twins, start_twins

TASKS = "/api/v3/contents/generations/tasks"
AUTH = {"authorization": "Bearer acme~1"}
FILM = {"model": "ep-1", "content": [{"type": "text", "text": "A river."}]}


class Wire:
    """An Ark twin on a loop of its own thread, and a client that opens a connection for every request."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        started = start_twins({"ark": 0, "openai": 0}, control_port=0)
        self.twins: Twins = asyncio.run_coroutine_threadsafe(started, self.loop).result(10)
        self.port = self.twins["ark"].door.port

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def control(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, _, data = self.ask(method, f"/_twin/{path}", body)
        return status, json.loads(data)

    def film(self, **pace: Any) -> str:
        """Path and query of a finished film."""
        assert self.control("PUT", "videos", {"queued_s": 0, "running_s": 0, **pace})[0] == 200
        made = json.loads(self.ask("POST", TASKS, FILM, **AUTH)[2])["id"]
        parts = urlsplit(json.loads(self.ask("GET", f"{TASKS}/{made}", **AUTH)[2])["content"]["video_url"])
        assert (parts.scheme, parts.netloc) == ("http", f"127.0.0.1:{self.port}")
        return f"{parts.path}?{parts.query}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.twins.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    opened = Wire()
    yield opened
    opened.close()


def test_the_pace_of_videos_is_set_shown_and_taken_away(wire: Wire) -> None:
    usual = {
        "queued_s": 0.5,
        "running_s": 2.0,
        "concurrency": 10,
        "queue": 100,
        "url_valid_s": 86_400.0,
        "fail": None,
        "bytes": None,
        "poll_after_ms": 1000,
    }
    assert wire.control("GET", "videos") == (200, usual)
    fail = {"code": "InternalServiceError", "message": "Oh.", "share": 0.5}
    wanted = {
        "queued_s": 1,
        "running_s": 3.5,
        "concurrency": 2,
        "queue": 5,
        "url_valid_s": 60,
        "bytes": 5000,
        "fail": fail,
    }
    assert wire.control("PUT", "videos", wanted) == (200, {**usual, **wanted})
    assert wire.control("PUT", "videos", {"queue": 7})[1] == {**usual, "queue": 7}  # the rest is as usual again
    assert wire.control("DELETE", "videos") == (200, usual)
    status, told = wire.control("PUT", "videos", {"queue": -1})
    assert status == 400 and "queue" in told["error"]
    assert wire.control("POST", "videos", {})[0] == 405


def test_keys_are_revoked_shown_and_given_back(wire: Wire) -> None:
    assert wire.control("PUT", "keys", {"revoked": ["acme~1", "x"]}) == (200, {"revoked": ["acme~1", "x"]})
    assert wire.ask("GET", TASKS, **AUTH)[0] == 401
    assert wire.ask("GET", TASKS, authorization="Bearer acme~2")[0] == 200
    assert wire.control("GET", "keys") == (200, {"revoked": ["acme~1", "x"]})
    for bad in ({}, {"revoked": "x"}, {"revoked": [1]}, {"revoked": [], "more": 1}, []):
        status, told = wire.control("PUT", "keys", bad)
        assert status == 400 and "revoked" in told["error"]
    assert wire.control("POST", "keys")[0] == 405
    assert wire.control("DELETE", "keys") == (200, {"revoked": []})
    assert wire.ask("GET", TASKS, **AUTH)[0] == 200


def test_the_ledger_judges_by_task(wire: Wire) -> None:
    wire.film()
    status, ledger = wire.control("GET", "ledger")
    (video,) = ledger["videos"]
    assert status == 200 and video.pop("id").startswith("cgt-") and video.pop("created_at") > 1_700_000_000
    assert video == {
        "account": "acme",
        "model": "ep-1",
        "state": "succeeded",
        "marker": None,
        "prompt_digest": hashlib.sha256(b"A river.").hexdigest()[:16],
        "billed_tokens": 108_900,
        "billed_seconds": None,
        "polls": 1,
        "downloads": 0,
        "bytes_served": 0,
    }
    wire.control("DELETE", "ledger")
    assert wire.control("GET", "ledger")[1]["videos"] == []


def test_a_small_result_says_its_length_and_a_large_one_arrives_whole(wire: Wire) -> None:
    status, headers, data = wire.ask("GET", wire.film(bytes=200_000))
    assert (status, len(data), headers["content-length"]) == (200, 200_000, "200000")
    path = wire.film(bytes=20_000_000)
    status, headers, data = wire.ask("GET", path)
    assert (status, len(data), headers["transfer-encoding"]) == (200, 20_000_000, "chunked")
    status, headers, rest = wire.ask("GET", path, range="bytes=12345678-")
    assert (status, headers["content-range"]) == (206, "bytes 12345678-19999999/20000000")
    assert rest == data[12_345_678:]
    assert wire.ask("HEAD", path)[0] == 403


def test_a_download_that_is_cut_can_be_resumed(wire: Wire) -> None:
    path = wire.film(bytes=3_000_000)
    whole = wire.ask("GET", path)[2]
    wire.control("PUT", "faults", {"fault": "cut:20", "match": {"path": "/media/*"}, "times": 1})
    with pytest.raises(http.client.IncompleteRead) as cut:
        wire.ask("GET", path)
    assert 0 < len(cut.value.partial) <= 20 * 48 * 1024
    assert whole.startswith(cut.value.partial)
    rest = wire.ask("GET", path, range=f"bytes={len(cut.value.partial)}-")[2]
    assert cut.value.partial + rest == whole


@pytest.mark.parametrize(
    ("fault", "made"),
    [("lost_answer", 1), ("reset", 0), ("refuse", 0), ("latency:60000", 1), ("blackhole", 0), ("stall:0", 1)],
)
def test_whether_a_broken_create_leaves_a_task_behind(wire: Wire, fault: str, made: int) -> None:
    wire.control("PUT", "faults", {"fault": fault})
    connection = http.client.HTTPConnection("127.0.0.1", wire.port, timeout=0.3)
    with pytest.raises(OSError):
        connection.request("POST", TASKS, json.dumps(FILM), AUTH)
        connection.getresponse().read()
    connection.close()
    assert len(wire.twins["ark"].ledger.videos) == made


def test_callbacks_arrive_at_the_other_twin_and_do_no_harm(wire: Wire) -> None:
    address = wire.twins["openai"].url + "/v1/callback"
    wire.control("PUT", "videos", {"queued_s": 0, "running_s": 0})
    wire.ask("POST", TASKS, {**FILM, "callback_url": address}, **AUTH)
    for _ in range(100):
        entries = list(wire.twins["openai"].ledger.entries)
        if entries:
            break
        threading.Event().wait(0.01)
    assert (entries[0].method, entries[0].path) == ("POST", "/v1/callback")
