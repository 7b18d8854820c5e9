"""Must-show 5: the primary provider's process is killed under load, and nobody but committed streams notices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_rig import CLIENTS, error_event, has_finish, has_terminator
from process_rig import Rig, eventually, until
from raw_client import Reply, begin, crowd, run, streams

pytestmark = pytest.mark.acceptance


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    try:
        yield made.start()
    finally:
        made.close()


class Scene:
    def __init__(self) -> None:
        self.calls: list[Reply] = []
        self.committed: list[Reply] = []
        self.held: list[Reply] = []

    @property
    def all(self) -> list[Reply]:
        return self.calls + self.committed + self.held


async def the_primary_dies(rig: Rig, requests: int, live: int) -> Scene:
    """Streams that have begun, streams that the primary has not yet given a word, and load; then SIGKILL."""
    scene, primary = Scene(), rig.twins["openai"]
    primary.pace(tokens_per_second=1, tokens=1000)
    scene.committed = await streams(rig.port, rig.key, "assistant", live)
    primary.pace(first_token_ms=60_000)
    scene.held = [await begin(rig.port, rig.key, CLIENTS[n % 3], "assistant") for n in range(live)]
    await eventually(lambda: primary.asked() == 2 * live, "all streams have reached the primary")
    primary.pace(tokens_per_second=4000, tokens=20)
    load = asyncio.create_task(crowd(rig.port, rig.key, "assistant", clients=32, requests=requests, seen=scene.calls))
    while len(scene.calls) < requests // 5:
        await asyncio.sleep(0.001)
    primary.kill()
    await load
    for stream in scene.committed + scene.held:
        await stream.ended.wait()
    return scene


@pytest.mark.parametrize(
    ("requests", "live"), [(250, 12), pytest.param(5000, 200, marks=pytest.mark.soak)], ids=["short", "full"]
)
def test_a_killed_primary_costs_nothing_but_an_honest_end_of_its_committed_streams(
    rig: Rig, requests: int, live: int
) -> None:
    scene = run(the_primary_dies(rig, requests, live))

    assert len(scene.calls) == requests
    assert [r for r in scene.calls if r.status != 200 or not r.clean] == []
    served = {r.headers["x-trunkline-deployment"] for r in scene.calls}
    assert served == {"gpt", "claude"}

    for stream in scene.committed:
        assert stream.headers["x-trunkline-deployment"] == "gpt"
        assert stream.status == 200 and stream.clean, stream
        assert error_event(stream.client, stream.answer) is not None, stream
        assert not has_finish(stream.client, stream.answer) and not has_terminator(stream.client, stream.answer), stream
    for stream in scene.held:
        assert stream.headers["x-trunkline-deployment"] == "claude"
        assert stream.status == 200 and stream.clean, stream
        assert has_finish(stream.client, stream.answer) and has_terminator(stream.client, stream.answer), stream
        assert error_event(stream.client, stream.answer) is None, stream

    seen = sorted(r.id for r in scene.all)
    until(lambda: len(rig.records()) >= len(seen), "every exchange has its record")
    records = rig.logged()
    assert sorted(r["id"] for r in records) == seen
    assert len(set(seen)) == len(seen)
    outcome = {r["id"]: r["outcome"] for r in records}
    assert {outcome[r.id] for r in scene.committed} == {"broken"}
    assert {outcome[r.id] for r in scene.held} == {"ok_saved"}
    assert {outcome[r.id] for r in scene.calls} <= {"ok", "ok_saved"}
    dead = [r for r in records if r["outcome"] == "ok" and r["attempts"][0]["deployment"] == "claude"]
    assert dead, "the dead primary is left out after its ejection"
    assert rig.stop() == 0
