"""Worker, recorder's half of jobs, twins and a client in one event loop on the virtual clock, over real sockets and a real
SQLite store: a day of waiting takes a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway_rig import Answer, Rig, read_answer
from trunkline.app.jobs import Place, egress_of, job_house
from trunkline.app.keyring import Keys
from trunkline.jobs.contract import T
from trunkline.jobs.follow import Follower
from trunkline.jobs.keeper import Keeper
from trunkline.jobs.media import Copier
from trunkline.jobs.poll import Poller
from trunkline.jobs.rows import Rows
from trunkline.jobs.webhooks import Postman
from trunkline.ledger.encoding import whole
from trunkline.policy.keys import Issued
from trunkline.policy.pepper import load_pepper
from trunkline.routing.fleet import Fleet
from trunkline.storage.contract import JobMatch, RecordFilter, Store
from trunkline.storage.open import open_store
from trunkline.transport.client import Client
from trunkline.transport.virtual import run_virtual
from trunkline.types.job import Job

EPOCH = 1_790_000_000.0  # 2026-09-21
CONFIG = """
providers:
  modelark: {credentials: {main: {api_key: acct1~a}, spare: {api_key: acct2~a}}}
  google: {api_key: gkey}
  openai: {api_key: okey}
deployments:
  seedance: {provider: modelark, credential: main, model: dreamina-seedance-2-0-260128, base_url: "{modelark}"}
  lite: {provider: modelark, credential: spare, model: seedance-1-0-pro-250528, base_url: "{modelark}"}
  veo: {provider: google, model: veo-3.1-generate-preview, base_url: "{google}"}
  sora: {provider: openai, model: sora-2, base_url: "{openai}"}
routes:
  video: {use: [seedance]}
  either: {use: [seedance], fallback: [veo]}
  spare: {use: [lite]}
  again: {use: [seedance], fallback: [lite], resubmit: 1}
  google: {use: [veo]}
  openai: {use: [sora]}
"""
WISH = {"model": "video", "prompt": "A lighthouse in fog", "seconds": "5", "size": "1280x720"}


class Direct:
    """The store without a thread: the virtual clock would jump while one works. `down` makes it unreachable."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.down = False

    async def ask(self, question: Callable[[Store], T], patience: float) -> T:
        from trunkline.policy.admit import Unanswered
        from trunkline.storage.contract import RowRefused, StoreUnavailable

        await asyncio.sleep(0)
        if self.down:
            raise Unanswered("the store is down")
        try:
            return question(self.store)
        except (StoreUnavailable, RowRefused) as problem:
            raise Unanswered(str(problem)) from None


class JobStage:
    def __init__(self, rig: Rig, store: Store, directory: Path) -> None:
        self.rig = rig
        self.store = store
        self.directory = directory
        self.direct = Direct(store)
        self.logged: list[tuple[str, dict[str, object]]] = []
        self.running: list[asyncio.Task[None]] = []
        loop, boot = rig.loop, rig.plane.boot
        began = loop.time()
        self.wall = lambda: EPOCH + loop.time() - began
        jobs = rig.plane.jobs
        jobs.rows, jobs.ground.store, jobs.ground.wall = Rows(self.direct), self.direct, self.wall
        jobs.ground.log = self._log
        rig.plane.house.wall = self.wall
        self.client = Client(egress=egress_of(boot))
        place = Place(
            upstreams=self.client,
            store=self.direct,
            fleet=Fleet(1),
            pepper=load_pepper(boot.state_dir),
            log=self._log,
            worker="recorder",
        )
        self.recorder = job_house(boot, place)
        self.recorder.ground.wall = self.wall
        self.copier = Copier(self.recorder.ground)
        self.poller = Poller(self.recorder, Follower(self.recorder, Keeper(self.recorder, self.copier)))
        self.postman = Postman(self.recorder.ground, egress_of(boot))

    # --- life --------------------------------------------------------------------------------------------------------
    def follow(self) -> None:
        """The recorder begins (again)."""
        self.stopping = asyncio.Event()
        self.running = [
            self.rig.loop.create_task(self.poller.run(self.stopping)),
            self.rig.loop.create_task(self._post()),
        ]

    async def _post(self) -> None:
        while not self.stopping.is_set():
            await self.postman.deliver_due(self.recorder.now_us)
            await asyncio.sleep(self.poller.idle)

    async def long(self, seconds: float) -> None:
        """A long wait, in which the recorder looks up only every two minutes."""
        self.poller.idle = 120.0
        await asyncio.sleep(seconds)
        self.poller.idle = 1.0
        await asyncio.sleep(125.0)

    async def close(self) -> None:
        if self.running:
            self.stopping.set()
            await asyncio.gather(*self.running)
        self.client.close()
        await self.rig.close()
        self.store.close()

    def _log(self, event: str, fields: dict[str, object]) -> None:
        assert event != "job_error", fields
        self.logged.append((event, fields))

    def said(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.logged if name == event]

    # --- the client ----------------------------------------------------------------------------------------------------
    async def send(
        self, method: str, path: str, body: Any = None, *, key: str = "", headers: dict[str, str] | None = None
    ) -> Answer:
        said = {"authorization": f"Bearer {key or self.rig.key}", **(headers or {})}
        if body is not None:
            said["content-type"] = "application/json"
        return await self.rig.send(method, path, said, json.dumps(body).encode() if body is not None else b"")

    async def create(self, **fields: Any) -> Answer:
        headers = fields.pop("headers", None)
        return await self.send("POST", "/v1/videos", {**WISH, **fields}, headers=headers)

    async def task(self, text: str = "A lighthouse in fog", **fields: Any) -> Answer:
        """Created in Ark's own format."""
        body = {"model": "video", "content": [{"type": "text", "text": text}], **fields}
        return await self.send("POST", "/api/v3/contents/generations/tasks", body)

    async def until(self, shown: str, *states: str, within: float = 300.0) -> dict[str, Any]:
        """Polls as a client would."""
        path = f"/v1/videos/{shown}" if shown.startswith("video_") else f"/api/v3/contents/generations/tasks/{shown}"
        until = self.rig.loop.time() + within
        while True:
            found: dict[str, Any] = (await self.send("GET", path)).json
            if found["status"] in states:
                return found
            assert self.rig.loop.time() < until, found
            await asyncio.sleep(0.5)

    def new_key(self) -> str:
        made = Keys(self.rig.plane.boot).create(name="other")
        assert isinstance(made, Issued)
        row = self.store.list_keys()
        self.rig.plane.gate.ring.apply(row)
        return made.key

    # --- what there is -------------------------------------------------------------------------------------------------
    def job(self, shown: str = "") -> Job:
        jobs = self.jobs()
        if shown:
            jobs = [job for job in jobs if job.id == shown.removeprefix("video_").removeprefix("cgt-")]
        assert len(jobs) == 1, jobs
        return jobs[0]

    def jobs(self) -> list[Job]:
        return list(self.store.list_jobs(JobMatch(hidden=True), limit=1000)[0])

    def settlements(self) -> list[dict[str, Any]]:
        """The jobs' own records."""
        page = self.store.query_records(RecordFilter(), None, 1000)
        return [r for r in map(whole, page.bodies) if r["operation"] == "video_job"]

    # --- the twins -----------------------------------------------------------------------------------------------------
    async def twin(self, name: str, method: str, path: str, body: Any = None) -> Any:
        door = self.rig.twins[name].door  # type: ignore[index]
        reader, writer = await asyncio.open_connection(door.host, door.port)
        data = json.dumps(body).encode() if body is not None else b""
        head = f"{method} /_twin/{path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        answer = await read_answer(reader)
        writer.close()
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def elsewhere(self, path: str, body: Any, secret: str) -> None:
        """A request to the ModelArk twin that does not come from the gateway."""
        door = self.rig.twins["ark"].door
        reader, writer = await asyncio.open_connection(door.host, door.port)
        data = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\n"
        )
        writer.write(f"{head}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        assert (await read_answer(reader)).status == 200
        writer.close()

    async def fault(self, name: str, *faults: dict[str, Any]) -> None:
        await self.twin(name, "PUT", "faults", list(faults))

    async def heal(self, name: str) -> None:
        await self.twin(name, "DELETE", "faults")

    async def pace(self, name: str = "ark", **pace: Any) -> None:
        await self.twin(name, "PUT", "videos", pace)

    async def made(self, name: str = "ark") -> list[dict[str, Any]]:
        """Every task that the twin has ever created: the judge."""
        found: list[dict[str, Any]] = (await self.twin(name, "GET", "ledger"))["videos"]
        return found


def play(directory: Path, scene: Callable[[JobStage], Awaitable[None]], config: str = CONFIG, more: str = "") -> None:
    """One scene on the virtual clock; `more` goes before the configuration."""

    async def whole_scene() -> None:
        rig = await Rig.start(directory, more + config)
        stage = JobStage(rig, open_store(f"sqlite:///{directory}/t.db"), directory)
        try:
            await scene(stage)
        finally:
            await stage.close()

    run_virtual(whole_scene())
