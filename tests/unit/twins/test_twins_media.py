"""Results as bytes: ranges, signed addresses, expiry, sizes, and the faults that strike downloads."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from twins_films import TASKS, Filmset, on_set, target
from twins_stage import ScriptedCall

DAY = 86_400


async def result(stage: Filmset, **pace: Any) -> str:
    """Path and query of a finished film."""
    stage.pace(queued_s=0, running_s=0, **pace)
    url: str = stage.get(f"{TASKS}/{stage.task()}").json["content"]["video_url"]
    return target(url)


def fetch(stage: Filmset, path: str, method: str = "GET", **headers: str) -> ScriptedCall:
    """Without a key: the address is enough."""
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return stage.ask(method, path, headers=sent)


def data(call: ScriptedCall) -> bytes:
    return b"".join(call.writes)


@pytest.mark.parametrize(
    ("asked", "status", "part", "said"),
    [
        ("", 200, slice(0, 8192), None),
        ("bytes=0-", 206, slice(0, 8192), "bytes 0-8191/8192"),
        ("bytes=0-0", 206, slice(0, 1), "bytes 0-0/8192"),
        ("bytes=100-199", 206, slice(100, 200), "bytes 100-199/8192"),
        ("bytes=8000-9999", 206, slice(8000, 8192), "bytes 8000-8191/8192"),
        ("bytes=-10", 206, slice(8182, 8192), "bytes 8182-8191/8192"),
        ("bytes=-9999", 206, slice(0, 8192), "bytes 0-8191/8192"),
        ("bytes=5-3", 200, slice(0, 8192), None),
        ("bytes=1-2,4-5", 200, slice(0, 8192), None),
        ("lines=1-2", 200, slice(0, 8192), None),
        ("bytes=8192-", 416, slice(0, 0), "bytes */8192"),
        ("bytes=-0", 416, slice(0, 0), "bytes */8192"),
    ],
)
def test_a_range_is_that_part_of_the_file(asked: str, status: int, part: slice, said: str | None) -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=8192)
        whole = data(fetch(stage, path))
        assert len(whole) == 8192 and whole[4:12] == b"ftypisom"
        call = fetch(stage, path, **({"range": asked} if asked else {}))
        assert (call.status, data(call)) == (status, whole[part])
        assert call.header("content-range") == said
        assert call.header("accept-ranges") == "bytes" and call.header("content-type") == "video/mp4"

    on_set("ark", play)


def test_an_address_needs_no_key_and_is_for_get_only() -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage)
        for method in ("HEAD", "POST", "PUT", "DELETE"):
            call = fetch(stage, path, method)
            assert call.status == 403 and "<Code>AccessDenied</Code>" in call.text
        call = ScriptedCall("GET", path, [], b"")
        stage.twin.on_request(call)
        assert call.status == 200
        assert stage.videos[0].downloads == 1 and stage.videos[0].bytes_served == len(data(call))

    on_set("ark", play)


def test_an_address_that_was_changed_is_refused() -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage)
        plain, _, query = path.partition("?")
        expires, signature = (pair.partition("=")[2] for pair in query.split("&"))
        for bad in (
            plain,
            f"{plain}?X-Expires={int(expires) + 1}&X-Signature={signature}",
            f"{plain}?X-Expires={expires}&X-Signature={signature[:-1]}",
            f"{plain}?X-Expires={expires}&X-Signature=%C3%A4",
        ):
            call = fetch(stage, bad)
            assert call.status == 403 and "SignatureDoesNotMatch" in call.text
            assert call.header("content-type") == "application/xml"
        for gone in ("/media/x.mp4", plain.replace(".mp4", ".png") + "x", "/media/" + "0" * 32 + plain[39:]):
            call = fetch(stage, f"{gone}?{query}")
            assert call.status == 404 and "NoSuchKey" in call.text
        assert fetch(stage, plain.replace(".mp4", ".png") + "?" + query).status == 403  # signed for the film
        assert stage.videos[0].downloads == 0

    on_set("ark", play)


@pytest.mark.parametrize(("pace", "seconds"), [({}, DAY), ({"url_valid_s": 60}, 60), ({"url_valid_s": 0.5}, 0.5)])
def test_an_address_expires(pace: dict[str, Any], seconds: float) -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, **pace)
        await asyncio.sleep(seconds - 0.25)
        assert fetch(stage, path).status == 200
        await asyncio.sleep(0.25)
        call = fetch(stage, path)
        assert call.status == 403 and "<Message>Request has expired.</Message>" in call.text

    on_set("ark", play)


def test_a_result_outlives_its_record() -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage)
        assert stage.ask("DELETE", f"{TASKS}/{stage.videos[0].id}").status == 200
        assert fetch(stage, path).status == 200

    on_set("ark", play)


def test_two_films_differ_and_one_is_always_the_same() -> None:
    async def play(stage: Filmset) -> None:
        first, second = await result(stage, bytes=8192), await result(stage, bytes=8192)
        assert data(fetch(stage, first)) == data(fetch(stage, first)) != data(fetch(stage, second))

    on_set("ark", play)


# -- large ones ---------------------------------------------------------------------------------------------------


def test_a_large_result_is_made_while_it_is_sent() -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=3_000_000)
        call = fetch(stage, path)
        await asyncio.sleep(1)
        assert call.ended == "end" and len(data(call)) == 3_000_000
        assert max(map(len, call.writes)) == 48 * 1024
        part = fetch(stage, path, range="bytes=1000000-1999999")
        await asyncio.sleep(1)
        assert part.status == 206 and data(part) == data(call)[1_000_000:2_000_000]
        assert stage.videos[0].bytes_served == 4_000_000
        totals = stage.twin.ledger.totals
        assert (totals.output_tokens, totals.prompt_tokens) == (0, 0)

    on_set("ark", play)


def test_nothing_is_made_for_a_client_that_does_not_read() -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=500_000_000)
        call = ScriptedCall("GET", path, [], b"")
        call.blocks_after = 3
        stage.twin.on_request(call)
        await asyncio.sleep(100)
        assert len(call.writes) == 3
        call.unblock()
        call.leave()
        await asyncio.sleep(1)
        assert stage.videos[0].downloads == 1
        assert stage.videos[0].bytes_served == len(data(call)) < 500_000_000

    on_set("ark", play)


@pytest.mark.parametrize(
    ("fault", "ended", "pieces"),
    [("cut:3", "abort", 3), ("eof:3", "end", 3), ("stall:3", "", 3), ("cut:1000", "abort", 21), ("cut:0", "abort", 0)],
)
def test_faults_break_a_large_download(fault: str, ended: str, pieces: int) -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=1_000_000)
        stage.fault(fault, match={"path": "/media/*"})
        call = fetch(stage, path)
        await asyncio.sleep(10)
        assert (call.ended, len(call.writes)) == (ended, pieces)
        if not ended:
            call.leave()
        assert stage.videos[0].bytes_served == len(data(call))
        assert stage.get(TASKS).status == 200

    on_set("ark", play)


@pytest.mark.parametrize(("fault", "ended"), [("cut:1", "abort"), ("eof:1", "end"), ("stall:1", "")])
def test_faults_break_a_small_download_and_a_range_in_the_middle(fault: str, ended: str) -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=8000)
        stage.fault(fault, match={"path": "/media/*"})
        for headers, size in (({}, 4000), ({"range": "bytes=0-99"}, 50)):
            call = fetch(stage, path, **headers)
            await asyncio.sleep(10)
            assert (call.ended, len(data(call))) == (ended, size)

    on_set("ark", play)


@pytest.mark.parametrize("size", [64 * 1024, 512 * 1024])
def test_a_slow_download_takes_its_time(size: int) -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=size)
        stage.fault("slow:64")
        call = fetch(stage, path)
        await asyncio.sleep(size / 65536 * 0.8)
        assert call.ended == ""
        await asyncio.sleep(size / 65536 * 0.4)
        assert call.ended in ("end", "respond") and len(data(call)) == size
        assert stage.twin.ledger.totals.output_tokens == 0

    on_set("ark", play)


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [("status:503", 503, "SlowDown"), ("throttle", 503, "SlowDown"), ("bad_credential", 403, "AccessDenied")],
)
def test_the_store_words_its_troubles_as_stores_do(fault: str, status: int, code: str) -> None:
    async def play(stage: Filmset) -> None:
        path = await result(stage)
        stage.fault(fault)
        call = fetch(stage, path)
        assert call.status == status and f"<Code>{code}</Code>" in call.text

    on_set("ark", play)


def test_a_talking_pace_does_not_slow_films_down() -> None:
    from trunkline.twins.perform import Pace

    async def play(stage: Filmset) -> None:
        path = await result(stage, bytes=1_000_000)
        stage.twin.set_pace(Pace(tokens_per_second=1, first_token_ms=60_000))
        call = fetch(stage, path)
        await asyncio.sleep(0.1)
        assert call.ended == "end"

    on_set("ark", play)
