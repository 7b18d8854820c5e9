"""Must-show 7, second half, and D8: kill -9 of a worker, of the recorder, of the supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_rig import error_event, has_finish, has_terminator
from process_rig import SLACK, Rig, alive, eventually, listens, until
from raw_client import Reply, crowd, run, streams

pytestmark = pytest.mark.acceptance


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    try:
        yield made
    finally:
        made.close()


def whole(reply: Reply) -> bool:
    finished = has_finish(reply.client, reply.answer) and has_terminator(reply.client, reply.answer)
    return reply.status == 200 and reply.clean and finished and error_event(reply.client, reply.answer) is None


async def journaled(rig: Rig, seen: list[Reply]) -> None:
    """Returns when both workers have written what was open before: a later exchange of each has its record."""

    async def asked() -> bool:
        await crowd(rig.port, rig.key, "assistant", clients=4, requests=4, seen=seen)
        return {r["worker"] for r in rig.records()} == {0, 1}

    while not await asked():
        pass


@pytest.mark.parametrize("live", [24, pytest.param(200, marks=pytest.mark.soak)], ids=["short", "full"])
def test_a_killed_worker_is_back_in_a_second_and_takes_only_its_own_streams(rig: Rig, live: int) -> None:
    rig.start(workers=2, extra="ledger: {durability: strict}\n")
    rig.twins["openai"].pace(tokens_per_second=20, tokens=80)

    async def scene() -> tuple[list[Reply], list[Reply], float]:
        waiting = await streams(rig.port, rig.key, "assistant", live)
        rig.twins["openai"].pace(tokens_per_second=4000, tokens=20)
        quick: list[Reply] = []
        await asyncio.wait_for(journaled(rig, quick), 10)
        before = rig.pids("worker")
        ready = rig.log.count('"ready"')
        os.kill(before[0], signal.SIGKILL)
        killed = time.monotonic()
        await eventually(lambda: rig.log.count('"ready"') > ready, "another worker is ready", SLACK)
        took = time.monotonic() - killed
        now = rig.pids("worker")
        assert len(now) == 2 and before[1] in now
        after = quick
        await crowd(rig.port, rig.key, "assistant", clients=16, requests=64, seen=after)
        for stream in waiting:
            await stream.ended.wait()
        return waiting, after, took

    waiting, after, took = run(scene())
    assert took <= SLACK
    assert [r for r in after if r.status != 200 or not r.clean] == []
    lost = [r for r in waiting if not r.clean]
    assert 0 < len(lost) < live
    assert all(whole(r) for r in waiting if r.clean)

    def missing() -> list[Reply]:
        logged = {r["id"] for r in rig.records()}
        return [r for r in waiting + after if r.id not in logged]

    until(lambda: not missing(), missing, 5)
    records = rig.records()
    assert sorted(r["id"] for r in records) == sorted(r.id for r in waiting + after)
    assert sorted(r["id"] for r in records if r["outcome"] == "unknown") == sorted(r.id for r in lost)
    assert len({r["worker"] for r in records if r["outcome"] == "unknown"}) == 1
    assert {r["outcome"] for r in records} == {"ok", "unknown"}
    assert rig.stop() == 0


def test_a_killed_recorder_disturbs_no_traffic_and_its_successor_brings_every_record(rig: Rig) -> None:
    rig.start()

    async def scene() -> list[Reply]:
        seen: list[Reply] = []
        load = asyncio.create_task(crowd(rig.port, rig.key, "assistant", clients=8, requests=400, seen=seen))
        for kills in range(1, 3):
            await eventually(lambda at=kills * 100: len(seen) >= at, "some traffic")
            victim = rig.pids("recorder")[0]
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda old=victim: rig.pids("recorder") not in ([], [old]), "another recorder runs", SLACK)
        await load
        return seen

    seen = run(scene())
    assert [r for r in seen if r.status != 200 or not r.clean] == []
    until(lambda: len(rig.records()) >= len(seen), "the records arrive", 5)
    assert sorted(r["id"] for r in rig.records()) == sorted(r.id for r in seen)
    assert rig.stop() == 0


def test_after_the_supervisors_death_workers_drain_and_nobody_stays_behind(rig: Rig) -> None:
    rig.start(workers=2)
    rig.twins["openai"].pace(tokens_per_second=20, tokens=60)

    async def scene() -> tuple[list[Reply], list[int]]:
        waiting = await streams(rig.port, rig.key, "assistant", 8)
        children = rig.pids()
        assert len(children) == 3
        rig.signal(signal.SIGKILL)
        for stream in waiting:
            await stream.ended.wait()
        return waiting, children

    waiting, children = run(scene())
    try:
        assert all(whole(r) for r in waiting)
        until(lambda: not any(alive(pid) for pid in children), "workers and recorder have gone", 2 * SLACK)
    finally:
        for pid in filter(alive, children):
            os.kill(pid, signal.SIGKILL)
    assert not listens(rig.port)
    rig.restart()
    until(lambda: len(rig.records()) >= len(waiting), "the next start brings what is left in the journals", 5)
    assert sorted(r["id"] for r in rig.records()) == sorted(r.id for r in waiting)
    assert {r["outcome"] for r in rig.records()} == {"ok"}
    assert rig.stop() == 0


def test_twins_that_were_served_along_do_not_outlive_the_supervisor_either(rig: Rig) -> None:
    rig.start(twins=True)
    children = rig.pids()
    assert len(children) == 3
    rig.signal(signal.SIGKILL)
    try:
        until(lambda: not any(alive(pid) for pid in children), "worker, recorder and twins have gone", 2 * SLACK)
    finally:
        for pid in filter(alive, children):
            os.kill(pid, signal.SIGKILL)
