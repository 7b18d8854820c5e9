"""Must-show 7, first half: SIGTERM cuts no stream, loses no record, and is seen by readiness at once."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_rig import error_event, has_finish, has_terminator
from process_rig import SLACK, Rig, eventually, get, listens
from raw_client import Connection, Reply, crowd, run, streams

pytestmark = pytest.mark.acceptance

READYZ = b"GET /readyz HTTP/1.1\r\nhost: gateway\r\n\r\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    try:
        yield made
    finally:
        made.close()


def accounted(rig: Rig, seen: list[Reply]) -> dict[str, str]:
    """Outcome by id; every exchange stands there once and nothing else does. After the exit nothing is waited for."""
    records = rig.records()
    logged = {r["id"] for r in records}
    assert len(logged) == len(records)
    assert [r for r in seen if r.id not in logged] == []
    assert logged == {r.id for r in seen}
    return {r["id"]: r["outcome"] for r in records}


@pytest.mark.parametrize("live", [20, pytest.param(200, marks=pytest.mark.soak)], ids=["short", "full"])
def test_sigterm_cuts_no_stream_fails_readiness_at_once_and_still_serves_during_the_grace(rig: Rig, live: int) -> None:
    rig.start(workers=2, drain="{grace: 1s}")
    rig.twins["openai"].pace(tokens_per_second=20, tokens=60)

    async def scene() -> tuple[list[Reply], list[Reply], float, bool]:
        waiting = await streams(rig.port, rig.key, "assistant", live)
        rig.twins["openai"].pace(tokens_per_second=4000, tokens=20)
        rig.signal(signal.SIGTERM)
        term = time.monotonic()
        await eventually(lambda: get(rig.port, "/readyz")[0] == 503, "/readyz says 503", 0.1 * SLACK)
        late: list[Reply] = []
        while time.monotonic() < term + 0.6:
            assert get(rig.port, "/readyz")[0] == 503
            await crowd(rig.port, rig.key, "assistant", clients=4, requests=8, seen=late)
        await eventually(lambda: not listens(rig.port), "the listening socket is closed", 1.0 + SLACK)
        closed = time.monotonic() - term
        under_way = not all(r.ended.is_set() for r in waiting)
        for stream in waiting:
            await stream.ended.wait()
        return waiting, late, closed, under_way

    waiting, late, closed, under_way = run(scene())
    assert under_way, "streams outlived the listener"
    assert closed >= 1.0, "new connections are served for the whole grace"
    assert late and [r for r in late if r.status != 200 or not r.clean] == []
    for stream in waiting:
        assert (
            stream.clean and has_finish(stream.client, stream.answer) and has_terminator(stream.client, stream.answer)
        )
        assert error_event(stream.client, stream.answer) is None
    assert rig.process is not None and rig.process.wait(20) == 0
    assert set(accounted(rig, waiting + late).values()) == {"ok"}


@pytest.mark.parametrize("live", [12, pytest.param(200, marks=pytest.mark.soak)], ids=["short", "full"])
def test_past_the_drain_limit_streams_end_with_their_dialects_error_event_and_are_settled(rig: Rig, live: int) -> None:
    rig.start(drain="{grace: 0s, limit: 500ms}")
    rig.twins["openai"].pace(tokens_per_second=5, tokens=5000)

    async def scene() -> tuple[list[Reply], Connection]:
        idle = await Connection.to(rig.port)
        await idle.send(READYZ, Reply()).ended.wait()
        waiting = await streams(rig.port, rig.key, "assistant", live)
        rig.signal(signal.SIGTERM)
        await asyncio.wait_for(idle.closed.wait(), 0.5 * SLACK)
        for stream in waiting:
            await asyncio.wait_for(stream.ended.wait(), 10)
        return waiting, idle

    waiting, _ = run(scene())
    for stream in waiting:
        assert stream.clean, stream
        assert error_event(stream.client, stream.answer) is not None, stream
        assert not has_finish(stream.client, stream.answer) and not has_terminator(stream.client, stream.answer), stream
    assert rig.process is not None and rig.process.wait(20) == 0
    assert set(accounted(rig, waiting).values()) == {"broken"}


def test_a_second_signal_ends_everything_at_once_with_the_journal_intact(rig: Rig) -> None:
    rig.start(extra="ledger: {durability: strict}\n")
    rig.twins["openai"].pace(tokens_per_second=5, tokens=5000)

    async def scene() -> tuple[list[Reply], list[Reply]]:
        done: list[Reply] = []
        waiting = await streams(rig.port, rig.key, "assistant", 3)
        await asyncio.to_thread(rig.twins["openai"].pace, tokens_per_second=4000, tokens=20)
        await crowd(rig.port, rig.key, "assistant", clients=2, requests=6, seen=done)
        rig.signal(signal.SIGTERM)
        await eventually(lambda: not listens(rig.port), "the drain has begun")
        rig.signal(signal.SIGTERM)
        for stream in waiting:
            await asyncio.wait_for(stream.ended.wait(), 5)
        return waiting, done

    waiting, done = run(scene())
    assert rig.process is not None and rig.process.wait(5) == 0
    assert not any(s.clean for s in waiting)
    rig.restart()
    assert rig.stop() == 0
    outcomes = accounted(rig, waiting + done)
    assert {outcomes[r.id] for r in done} == {"ok"}
    assert {outcomes[r.id] for r in waiting} == {"unknown"}
