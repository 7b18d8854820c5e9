"""Reload (reliability.md 4.6, D1), the store out of reach (D2, D3), and a revoked key (K5), with the real processes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gateway_rig import error_event, has_finish, has_terminator
from process_rig import CLI, SLACK, Rig, eventually, get, until
from raw_client import Connection, Reply, crowd, post, run, streams
from trunkline.app.keyring import Keys
from trunkline.policy.keys import mint

pytestmark = pytest.mark.acceptance

SECOND = "  second: {use: [claude]}\n"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    try:
        yield made
    finally:
        made.close()


async def one(rig: Rig, model: str = "assistant", key: str = "") -> Reply:
    reply = Reply("openai")
    connection = await Connection.to(rig.port)
    connection.send(post("openai", model, key or rig.key, stream=False), reply)
    await asyncio.wait_for(reply.ended.wait(), 10)
    return reply


def ask(rig: Rig, model: str = "assistant", key: str = "") -> Reply:
    return run(one(rig, model, key))


async def snapshots(rig: Rig) -> set[str]:
    """What the workers say is in force: asked often enough that both are met."""
    seen: list[Reply] = []
    await crowd(rig.port, rig.key, "assistant", clients=16, requests=16, seen=seen)
    assert [r for r in seen if r.status != 200] == []
    return {r.headers["x-trunkline-snapshot"] for r in seen}


def metric(rig: Rig, name: str) -> int:
    status, _, body = get(rig.metrics_port, "/metrics")
    found = re.search(rf"^{name} (\d+)$", body.decode(), re.MULTILINE)
    assert status == 200 and found is not None
    return int(found[1])


async def changed(rig: Rig, before: str, within: float) -> str:
    """Both workers have another snapshot, the same; its number."""
    started = time.monotonic()
    while (now := await snapshots(rig)) & {before} or len(now) != 1:
        assert time.monotonic() - started < within, f"snapshots {now}"
    return now.pop()


def test_a_reload_changes_the_snapshot_everywhere_and_cuts_no_stream(rig: Rig) -> None:
    rig.start(workers=2)
    rig.twins["openai"].pace(tokens_per_second=20, tokens=80)

    async def scene() -> list[Reply]:
        waiting = await streams(rig.port, rig.key, "assistant", 12)
        rig.twins["openai"].pace(tokens_per_second=4000, tokens=20)
        (first,) = await snapshots(rig)
        assert (await one(rig, "second")).status == 404
        rig.path.write_text(rig.config + SECOND)
        rig.signal(signal.SIGHUP)
        second = await changed(rig, first, SLACK)
        assert int(second) > int(first)
        assert (await one(rig, "second")).status == 200
        rig.path.write_text(rig.config)  # and nobody says so
        third = await changed(rig, second, 2 * SLACK)
        assert (await one(rig, "second")).status == 404
        assert metric(rig, "trunkline_config_snapshot") == int(third)
        assert {r.headers["x-trunkline-snapshot"] for r in waiting} == {first}
        for stream in waiting:
            await stream.ended.wait()
        return waiting

    for stream in run(scene()):
        assert (
            stream.clean and has_finish(stream.client, stream.answer) and has_terminator(stream.client, stream.answer)
        )
        assert error_event(stream.client, stream.answer) is None
    assert rig.stop() == 0


def test_an_invalid_file_changes_nothing_stays_visible_and_survives_a_workers_death(rig: Rig) -> None:
    rig.start()

    async def scene() -> None:
        (first,) = await snapshots(rig)
        assert metric(rig, "trunkline_config_invalid") == 0
        rig.path.write_text(rig.config + "  second: {use: [nobody]}\n")
        rig.signal(signal.SIGHUP)
        await eventually(lambda: metric(rig, "trunkline_config_invalid") == 1, "the refusal is visible", SLACK)
        assert "nobody" in rig.log
        assert await snapshots(rig) == {first}
        ready = rig.log.count('"ready"')
        os.kill(rig.pids("worker")[0], signal.SIGKILL)
        await eventually(lambda: rig.log.count('"ready"') > ready, "another worker is ready", SLACK)
        assert await snapshots(rig) == {first}
        rig.path.write_text(rig.config + SECOND)
        rig.signal(signal.SIGHUP)
        assert int(await changed(rig, first, SLACK)) > int(first)
        await eventually(lambda: metric(rig, "trunkline_config_invalid") == 0, "a valid file ends the alarm", SLACK)
        assert (await one(rig, "second")).status == 200

    run(scene())
    assert rig.stop() == 0


def test_reloads_in_a_row_lose_no_worker_and_leave_all_on_the_last_file(rig: Rig) -> None:
    rig.start(workers=2)

    async def scene() -> None:
        (first,) = await snapshots(rig)
        seen: list[Reply] = []
        load = asyncio.create_task(crowd(rig.port, rig.key, "assistant", clients=4, requests=300, seen=seen))
        workers = rig.pids("worker")
        os.kill(workers[1], signal.SIGKILL)  # its successor hears of some of them too early
        for number in range(20):
            rig.path.write_text(rig.config + SECOND.replace("second", f"second-{number}"))
            rig.signal(signal.SIGHUP)
            await eventually(lambda at=number + 1: len(seen) >= 10 * at, "traffic goes on")
        await load
        # Whoever was connected to the killed one has lost that answer, and nothing else is lost.
        assert sum(1 for r in seen if r.status != 200 or not r.clean) <= 4
        last = await changed(rig, first, 2 * SLACK)
        await eventually(lambda: str(metric(rig, "trunkline_config_snapshot")) == last, "all agree", 2 * SLACK)
        assert await snapshots(rig) == {last}
        assert (await one(rig, "second-19")).status == 200
        now = rig.pids("worker")
        assert len(now) == 2 and workers[0] in now
        assert rig.log.count('"child_died"') == 1

    run(scene())
    assert rig.stop() == 0


@contextlib.contextmanager
def gone(rig: Rig) -> Iterator[None]:
    """The file cannot be seen."""
    file, away = rig.directory / "store.db", rig.directory / "away.db"
    file.rename(away)
    yield
    away.rename(file)


@contextlib.contextmanager
def locked(rig: Rig) -> Iterator[None]:
    """Somebody holds every lock of the write-ahead log: bytes 120 to 127 of its shared memory."""
    with (rig.directory / "store.db-shm").open("r+b") as file:

        def taken() -> bool:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 8, 120)
            except OSError:
                return False
            return True

        until(taken, "all locks of the store are ours", 10)
        yield


@pytest.mark.parametrize("outage", [gone, locked])
def test_without_its_store_known_keys_are_served_and_unknown_ones_are_not_called_so(
    rig: Rig, outage: Callable[[Rig], AbstractContextManager[None]]
) -> None:
    rig.start()
    assert ask(rig).status == 200
    until(lambda: len(rig.records()) == 1, "the first record")
    stranger = mint()
    mistyped = stranger[:-1] + ("a" if stranger[-1] != "a" else "b")
    with outage(rig):
        until(lambda: "store_unreachable" in rig.log, "the worker has noticed", 10)
        assert [ask(rig).status for _ in range(5)] == [200] * 5
        for _ in range(3):
            refused = ask(rig, key=stranger)
            assert refused.status == 503
            assert 1 <= int(refused.headers["retry-after"]) <= 5
        assert ask(rig, key=mistyped).status == 401
        assert get(rig.port, "/readyz")[0] == 200
    until(lambda: "store_reached" in rig.log, "the worker has noticed", 10)
    until(lambda: ask(rig, key=stranger).status == 401, "the unknown key is known to be unknown", 10)
    until(lambda: sum(1 for r in rig.records() if r["outcome"] == "ok") == 6, "nothing is lost", 15)
    ids = [r["id"] for r in rig.records()]
    assert len(ids) == len(set(ids))
    assert rig.log.count("store_unreachable") == 1
    assert rig.stop() == 0


def test_a_revoked_key_is_refused_in_two_seconds_and_a_new_one_works_at_once(rig: Rig) -> None:
    rig.start(workers=2)
    assert ask(rig).status == 200
    key, key_id = rig.create_key("later")

    async def both(key: str) -> set[int]:
        seen: list[Reply] = []
        await crowd(rig.port, key, "assistant", clients=12, requests=12, seen=seen)
        return {r.status for r in seen}

    assert run(both(key)) == {200}
    assert Keys(rig.boot()).revoke(key_id)
    took = until(lambda: run(both(key)) == {401}, "the key is refused everywhere", 2.0 * SLACK)
    assert took <= 2.0 * SLACK
    assert run(both(key)) == {401}
    assert ask(rig).status == 200
    assert rig.stop() == 0


def test_a_restart_with_an_invalid_file_serves_the_last_good_one_and_a_first_start_says_what_is_wrong(
    rig: Rig, tmp_path: Path
) -> None:
    rig.start()
    assert rig.stop() == 0
    invalid = rig.config.replace("use: [gpt", "use: [gtp")
    rig.path.write_text(invalid)
    rig.restart()
    assert ask(rig).status == 200
    assert metric(rig, "trunkline_config_invalid") == 1
    rig.path.write_text(rig.config)
    assert rig.stop() == 0

    first = tmp_path / "first"
    first.mkdir()
    path = first / "trunkline.yaml"
    path.write_text(invalid.replace(str(rig.directory), str(first)))
    refused = subprocess.run(
        [*CLI, "serve", "--config", str(path)], cwd=first, capture_output=True, text=True, timeout=20
    )
    assert refused.returncode == 2
    assert re.search(r"trunkline\.yaml:\d+", refused.stderr) and "gtp" in refused.stderr


def command(rig: Rig, *words: str) -> None:
    done = subprocess.run(
        [*CLI, "config", *words, "--config", str(rig.path)], capture_output=True, timeout=60, cwd=rig.directory
    )
    assert done.returncode == 0, done.stderr.decode()


def test_a_rollback_is_followed_by_a_running_gateway_and_outlives_changes_of_the_file(rig: Rig) -> None:
    rig.start(workers=2)
    assert ask(rig, "second").status == 404
    rig.path.write_text(rig.config + SECOND)
    until(lambda: ask(rig, "second").status == 200, "the new route is there")
    command(rig, "rollback", "1")
    until(lambda: run(snapshots(rig)) == {"1"}, "every worker is back on the first")
    assert ask(rig, "second").status == 404
    rig.path.write_text(rig.config + SECOND + "# touched\n")
    until(lambda: '"configuration_pinned"' in rig.log, "the change is refused aloud")
    assert ask(rig, "second").status == 404
    for pid in rig.pids("worker"):
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(rig.pids("worker")) == 2 and ask(rig, "assistant").status == 200, "workers are back")
    assert ask(rig, "second").status == 404
    command(rig, "pin", "--lift")
    until(lambda: ask(rig, "second").status == 200, "the file counts again")
    assert rig.stop() == 0
