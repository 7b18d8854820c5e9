"""Callers that arrive at a constant rate, whatever becomes of those before them (open loop), and what each of them got.

For scenarios on the virtual clock: time passes only where something waits, so what a fault adds is exact.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_rig import Answer, Rig, read_answer, request
from scenario import Told
from trunkline.app.keyring import Keys
from trunkline.policy.keys import Issued
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule
from trunkline.types.record import Record

DICE = 20260


def play(directory: Path, config: str, scene: Callable[[Rig], Awaitable[None]]) -> None:
    """A scene on the virtual clock. The dice are the same in every run; connect probes run, as in a real worker."""

    async def whole() -> None:
        rig = await Rig.start(directory, config)
        rig.plane.house.rand = random.Random(DICE).random
        rig.plane.prober.start()
        try:
            await scene(rig)
        finally:
            rig.plane.prober.stop()
            await rig.close()

    run_virtual(whole())


# --- faults and keys ------------------------------------------------------------------------------------------------------
def fault(rig: Rig, twin: str, *rules: dict[str, Any]) -> None:
    """Replaces the faults of a twin; none heals it."""
    made = [parse_rule(rule) for rule in rules]
    assert not any(isinstance(rule, str) for rule in made), made
    rig.twins[twin].board.put(made, rig.loop.time())  # type: ignore[arg-type]


def more_keys(rig: Rig, count: int) -> list[str]:
    """Keys of other callers; the gateway hears of them when they are used."""
    made = [Keys(rig.plane.boot).create(name=f"caller {n}", team="t", feature="f") for n in range(count)]
    return [issued.key for issued in made if isinstance(issued, Issued)]


@dataclass
class Line:
    """A log line of the worker, and when it was said (loop seconds)."""

    at: float
    event: str
    fields: dict[str, object]


def overhear(rig: Rig) -> list[Line]:
    """What the worker logs from now on; it is written as ever."""
    heard: list[Line] = []
    log = rig.plane.house.log

    def tee(event: str, fields: dict[str, object]) -> None:
        heard.append(Line(rig.loop.time(), event, fields))
        log(event, fields)

    rig.plane.house.log = tee
    return heard


# --- callers --------------------------------------------------------------------------------------------------------------
@dataclass
class Ask:
    """One request to send."""

    model: str
    client: str = "openai"
    stream: bool = False
    key: str = ""
    text: str = "Say something."
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    """One exchange as its caller saw it. Loop seconds; `first_at` is when the first byte came."""

    ask: Ask
    at: float
    first_at: float
    ended_at: float
    answer: Answer

    @property
    def took(self) -> float:
        return self.ended_at - self.at

    @property
    def first_after(self) -> float:
        return self.first_at - self.at

    @property
    def good(self) -> bool:
        return self.answer.status == 200 and self.answer.clean

    @property
    def id(self) -> str:
        return self.answer.headers["x-trunkline-request-id"]

    @property
    def by(self) -> str:
        return self.answer.headers.get("x-trunkline-deployment", "")


class _Caller(asyncio.Protocol):
    """Sends its bytes and keeps what comes until the connection ends."""

    def __init__(self, data: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._data = data
        self._loop = loop
        self.got = bytearray()
        self.first_at = 0.0
        self.ended_at = 0.0
        self.over: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._data)

    def data_received(self, data: bytes) -> None:
        self.first_at = self.first_at or self._loop.time()
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_at = self._loop.time()
        self.over.set_result(None)


async def one(rig: Rig, ask: Ask) -> Heard:
    path, headers, body = request(ask.client, ask.model, ask.key or rig.key, ask.stream, ask.text)
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: rig\r\nConnection: close\r\nContent-Length: {len(data)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in {**headers, **ask.headers}.items())
    caller = _Caller(head.encode() + b"\r\n" + data, rig.loop)
    at = rig.loop.time()
    await rig.loop.create_connection(lambda: caller, *rig.address)
    await caller.over
    return Heard(ask, at, caller.first_at, caller.ended_at, await _read(bytes(caller.got)))


async def _read(got: bytes) -> Answer:
    reader = asyncio.StreamReader(limit=1 << 20)
    reader.feed_data(got)
    reader.feed_eof()
    try:
        return await read_answer(reader)
    except asyncio.IncompleteReadError:
        return Answer(0, {}, got, False)


async def arrive(rig: Rig, asks: Iterable[Ask], rate: float) -> list[Heard]:
    """Sends them `rate` a second, none waiting for another; returns when all have ended, in the order sent."""
    began, tasks = rig.loop.time(), []
    for number, ask in enumerate(asks):
        await until(rig, began + number / rate)
        tasks.append(rig.loop.create_task(one(rig, ask)))
    return list(await asyncio.gather(*tasks))


async def until(rig: Rig, at: float) -> None:
    """Loop seconds."""
    left = at - rig.loop.time()
    if left > 0:
        await asyncio.sleep(left)


# --- judging --------------------------------------------------------------------------------------------------------------
async def written(rig: Rig, heard: list[Heard], told: Told) -> dict[str, Record]:
    """The records of these exchanges by id. Each exchange has exactly one, and the numbers are told."""
    for _ in range(200):
        if len(rig.records) >= len(heard):
            break
        await asyncio.sleep(0.01)
    found = {record.id: record for record in rig.records}
    assert len(rig.records) == len(found) == len(heard)
    assert set(found) == {h.id for h in heard}
    rig.records.clear()
    well = sum(h.good for h in heard)
    assert well == sum(record.outcome in ("ok", "ok_saved") for record in found.values())
    told("sent / succeeded / records", f"{len(heard)} / {well} / {len(found)}", "agree")
    return found


def p99(values: Iterable[float]) -> float:
    """The value that 99 % do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[-(-99 * len(ranked) // 100) - 1]
