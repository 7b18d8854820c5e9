"""Webhooks to callers, over real sockets and the virtual clock; signatures are judged by an independent library (J8)."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from job_stage import CONFIG, JobStage, play
from transport_upstream import Peer, Upstream
from trunkline.jobs.webhooks import secret_of, sign
from trunkline.types.job import Job

ALLOW = "egress: {allow: [127.0.0.1]}\n"


class Receiver:
    """What arrived, and what is answered in turn (the last one again and again)."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers) or [b"HTTP/1.1 204 No Content\r\n\r\n"]
        self.seen: list[tuple[dict[str, str], bytes, float]] = []

    async def talk(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            lines = head.decode().split("\r\n")[1:]
            headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)}
            self.seen.append((headers, body, asyncio.get_running_loop().time()))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer == b"":
                await peer.gone()
                return
            await peer.say(answer)


def told(directory: Path, receiver: Receiver, scene: Callable[[JobStage, str], Awaitable[None]]) -> None:
    async def whole(s: JobStage) -> None:
        async with Upstream(receiver.talk) as upstream:
            await scene(s, f"http://127.0.0.1:{upstream.port}/hook?secret=1")

    play(directory, whole, CONFIG, ALLOW)


def status(code: int, extra: str = "") -> bytes:
    return f"HTTP/1.1 {code} X\r\ncontent-length: 0\r\n{extra}\r\n".encode()


def owner(s: JobStage) -> Job:
    return s.jobs()[0]


def test_a_finished_video_is_told_with_a_signature_that_others_can_check(tmp_path: Path) -> None:
    receiver = Receiver()

    async def scene(s: JobStage, url: str) -> None:
        s.follow()
        made = await s.create(callback_url=url)
        await s.until(made.json["id"], "completed")
        await asyncio.sleep(3)
        ((headers, body, _),) = receiver.seen
        secret = secret_of(s.recorder.ground.pepper, owner(s).key_id)
        moment = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        assert abs(moment.timestamp() - s.wall()) < 10
        assert headers["webhook-signature"] == Webhook(secret).sign(headers["webhook-id"], moment, body.decode())
        event = json.loads(body)
        assert (event["object"], event["type"]) == ("event", "video.completed")
        assert event["data"] == {"id": made.json["id"]}
        assert event["id"] == headers["webhook-id"]
        task = (await s.twin("ark", "GET", "ledger"))["requests"]
        assert all("hook" not in json.dumps(entry) for entry in task), "the provider never hears of the caller's URL"
        assert all("secret=1" not in json.dumps(fields) for _, fields in s.logged)

    told(tmp_path, receiver, scene)


@pytest.mark.parametrize("body", [b"{}", '{"prompt": "späť"}'.encode(), b"x" * 100_000])
def test_the_independent_library_accepts_our_signature_and_nothing_else(body: bytes) -> None:
    import time

    secret = secret_of(b"pepper", "key_1")
    now = int(time.time())
    headers = {name.decode(): value.decode() for name, value in sign(secret, "evt_1", now, body)}
    if body.startswith(b"{"):
        assert Webhook(secret).verify(body, headers) == json.loads(body)
    for wrong in (
        {**headers, "webhook-id": "evt_2"},
        {**headers, "webhook-timestamp": str(now + 1)},
        {**headers, "webhook-signature": headers["webhook-signature"][:-4] + "AAA="},
    ):
        with pytest.raises(Exception, match="signature"):
            Webhook(secret).verify(body, wrong)
    with pytest.raises(Exception, match="signature"):
        Webhook(secret_of(b"pepper", "key_2")).verify(body, headers)
    assert secret_of(b"other", "key_1") != secret


def test_ark_is_told_of_every_change_with_the_whole_task(tmp_path: Path) -> None:
    receiver = Receiver()

    async def scene(s: JobStage, url: str) -> None:
        await s.pace(queued_s=5, running_s=10)
        s.follow()
        made = await s.task(callback_url=url)
        await s.until(made.json["id"], "succeeded")
        await asyncio.sleep(3)
        states = [json.loads(body) for _, body, _ in receiver.seen]
        assert [task["status"] for task in states] == ["queued", "running", "succeeded"]
        assert {task["id"] for task in states} == {made.json["id"]}
        assert states[-1]["content"]["video_url"].startswith("http")
        assert "callback_url" not in states[-1]

    told(tmp_path, receiver, scene)


def test_a_failing_receiver_is_tried_five_times_within_the_hour(tmp_path: Path) -> None:
    receiver = Receiver(status(500))

    async def scene(s: JobStage, url: str) -> None:
        s.follow()
        made = await s.create(callback_url=url)
        await s.until(made.json["id"], "completed")
        await s.long(4000)
        times = [at for _, _, at in receiver.seen]
        assert len(times) == 5
        assert len({headers["webhook-id"] for headers, _, _ in receiver.seen}) == 1
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert gaps[0] >= 5 and gaps[1] >= 60 and gaps[2] >= 600 and gaps[3] >= 2000
        assert times[-1] - times[0] <= 3600
        (given_up,) = s.said("webhook_given_up")
        assert given_up["problem"] == "status 500"
        assert s.job().state == "succeeded", "and the job is none the worse"

    told(tmp_path, receiver, scene)


def test_it_is_delivered_as_soon_as_the_receiver_is_well_and_gone_means_gone(tmp_path: Path) -> None:
    receiver = Receiver(status(503, "retry-after: 30\r\n"), status(204))

    async def scene(s: JobStage, url: str) -> None:
        s.follow()
        made = await s.create(callback_url=url)
        await s.until(made.json["id"], "completed")
        await asyncio.sleep(60)
        assert len(receiver.seen) == 2
        assert receiver.seen[1][2] - receiver.seen[0][2] >= 30, "as long as it asked for"
        receiver.answers = [status(410)]
        again = await s.create(callback_url=url)
        await s.until(again.json["id"], "completed")
        await s.long(3000)
        assert len(receiver.seen) == 3, "410 is the end"

    told(tmp_path, receiver, scene)


def test_a_receiver_that_hangs_delays_nobody_else(tmp_path: Path) -> None:
    slow, quick = Receiver(b""), Receiver()

    async def scene(s: JobStage, url: str) -> None:
        async with Upstream(quick.talk) as other:
            await s.pace(concurrency=50, queue=100)
            s.follow()
            for _ in range(10):
                await s.create(callback_url=url)
            made = await s.create(callback_url=f"http://127.0.0.1:{other.port}/x")
            done = await s.until(made.json["id"], "completed")
            await asyncio.sleep(4)
            assert done["status"] == "completed"
            assert len(quick.seen) == 1
            assert len(slow.seen) <= 4, "no more than four at once to one host"

    told(tmp_path, slow, scene)


SSRF = [
    "http://127.0.0.1:1/x",
    "https://127.0.0.1/x",
    "https://localhost/x",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/x",
    "https://[::ffff:10.0.0.1]/x",
    "https://0x7f000001/x",
    "https://user:pw@example.com/x",
    "file:///etc/passwd",
    "https://metadata.google.internal/x",
]


@pytest.mark.parametrize("url", SSRF)
def test_a_callback_that_leads_inside_is_refused_in_the_callers_own_words(tmp_path: Path, url: str) -> None:
    async def scene(s: JobStage) -> None:
        refused = await s.create(callback_url=url)
        assert refused.status == 400
        assert refused.json["error"]["param"] == "callback_url"
        native = await s.task(callback_url=url)
        assert native.status == 400
        assert native.json["error"]["param"] == "callback_url"
        assert await s.made() == []

    play(tmp_path, scene)


def test_a_name_that_turns_inside_later_is_given_up_at_once(tmp_path: Path) -> None:
    async def scene(s: JobStage) -> None:
        async def lookup(name: str) -> list[str]:
            return ["127.0.0.1"]

        s.client._resolver._lookup = lookup
        s.follow()
        made = await s.create(callback_url="https://hooks.example.com/x")
        assert made.status == 200
        await s.until(made.json["id"], "completed")
        await asyncio.sleep(5)
        (given_up,) = s.said("webhook_given_up")
        assert str(given_up["problem"]).startswith("egress")

    play(tmp_path, scene)
