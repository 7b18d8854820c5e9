"""The recorder's side of jobs: follows every task to its end, whether or not a client asks.

Tasks of one credential at one address are a group: looked at one after the other, at a bounded rate; when the provider
fails, one look at a time with jittered backoff that never exceeds the longest interval, so that the end of an outage is
noticed within one interval and nothing storms when it comes (reliability.md J6).
"""

from __future__ import annotations

import asyncio
import traceback
from collections import deque

from trunkline.jobs.calls import ask
from trunkline.jobs.follow import Follower
from trunkline.jobs.house import JobHouse, candidate_of
from trunkline.policy.admit import Unanswered
from trunkline.providers.tasks import TaskOutgoing
from trunkline.types.failure import Failure, FaultClass
from trunkline.types.job import Job
from trunkline.types.video import Task

EVERY = 0.25  # seconds between two looks at the store, at least
IDLE = 1.0  # and at most: jobs are made in other processes
BATCH = 500
AT_ONCE = 4  # looks at once in one group
#: A group that holds this many is not given more.
FULL = 200
#: A task that the provider does not know: looked for again so often, over a growing time, before it counts as gone.
GONE_AFTER = 5


class Group:
    """One credential at one address."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: deque[str] = deque()
        self.running = 0
        self.failures = 0
        self.not_before = 0.0
        self.worker: asyncio.Task[None] | None = None
        self.woken = asyncio.Event()


class Poller:
    """One per recorder, on its loop. `run` returns when `stop` is set."""

    def __init__(self, house: JobHouse, follower: Follower) -> None:
        self.house = house
        self.follower = follower
        self.groups: dict[str, Group] = {}
        self.busy: set[str] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.polls_total = 0
        self.healthy = True
        self.idle = IDLE

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.step()
            try:
                async with asyncio.timeout(await self._pause()):
                    await stop.wait()
            except TimeoutError:
                pass
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def step(self) -> None:
        """Takes what is due."""
        now = self.house.now_us
        avoid = [name for name, group in self.groups.items() if len(group.waiting) >= FULL]
        try:
            due = await self.house.rows.due(now, BATCH, avoid)
        except Unanswered as problem:
            self._turn(healthy=False, problem=str(problem))
            return
        self._turn(healthy=True)
        for job in due:
            if job.id in self.busy:
                continue
            self.busy.add(job.id)
            if job.state in ("queued", "running"):
                self._group(job.secret).waiting.append(job.id)
                self._group(job.secret).woken.set()
            else:
                self._spawn(self._cared(job.id))

    async def _pause(self) -> float:
        """Seconds until something is due, within bounds."""
        try:
            due = await self.house.rows.ask(lambda s: s.next_due())
        except Unanswered:
            return self.idle
        ahead = self.idle if due is None else (due - self.house.now_us) / 1e6
        return min(self.idle, max(EVERY, ahead))

    def _turn(self, *, healthy: bool, problem: str = "") -> None:
        """One line for each change of state."""
        if healthy != self.healthy:
            self.healthy = healthy
            self.house.ground.log("jobs_store", {"reached": healthy, "problem": problem})

    def _group(self, name: str) -> Group:
        group = self.groups.get(name)
        if group is None:
            group = self.groups[name] = Group(name)
        if group.worker is None or group.worker.done():
            group.worker = self._spawn(self._work(group))
        return group

    def _spawn(self, coroutine: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine)  # type: ignore[arg-type]
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # --- one group -----------------------------------------------------------------------------------------------------
    async def _work(self, group: Group) -> None:
        loop = self.house.ground.loop
        pace = 1.0 / self.house.ground.settings.poll_rate
        while True:
            while not group.waiting:
                group.woken.clear()
                await group.woken.wait()
            wait = group.not_before - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            most = 1 if group.failures else AT_ONCE
            if group.running >= most:
                group.woken.clear()
                await group.woken.wait()
                continue
            group.running += 1
            group.not_before = max(group.not_before, loop.time() + pace)
            self._spawn(self._polled(group, group.waiting.popleft()))

    async def _polled(self, group: Group, job_id: str) -> None:
        try:
            job = await self.house.rows.find(job_id)
            if job is not None and job.state in ("queued", "running"):
                await self._poll(group, job)
        except Unanswered:
            pass  # it stays due
        except Exception:
            self._bug(job_id)
        finally:
            group.running -= 1
            self.busy.discard(job_id)
            group.woken.set()

    async def _poll(self, group: Group, job: Job) -> None:
        house = self.house
        candidate = candidate_of(house, job)
        if candidate is None:
            # Its provider has left the configuration; it may come back.
            await self.follower.missed(job, "its provider is no longer configured", house.ground.settings.poll_cap)
            return
        dialect = house.dialects[job.upstream_dialect]
        self.polls_total += 1
        asking = TaskOutgoing(
            candidate=candidate, operation="get", task=job.upstream_id, body=dialect.encode_poll(job.upstream_id)
        )
        asked = await ask(house, asking, house.ground.settings.poll_timeout)
        if asked.failure is not None:
            await self._failed(group, job, asked.failure, asked.fetched.status)
            return
        task = dialect.read_task(asked.body)
        if isinstance(task, Failure):
            await self._failed(group, job, task, asked.fetched.status)
            return
        group.failures = 0
        await self._followed(job, task)

    async def _followed(self, job: Job, task: Task) -> None:
        await self.follower.seen(job, task)

    async def _failed(self, group: Group, job: Job, failure: Failure, status: int) -> None:
        settings, rand = self.house.ground.settings, self.house.ground.rand()
        if status == 404 and failure.fault in (FaultClass.CLIENT, FaultClass.ENDPOINT):
            # About this task only: the group goes on.
            await self.follower.unknown_to_provider(job, GONE_AFTER)
            return
        group.failures += 1
        backoff = min(settings.poll_cap, settings.poll_first * 2.0 ** min(group.failures - 1, 10))
        wait = backoff * (0.5 + rand / 2)
        if failure.delay is not None:
            wait = max(wait, failure.delay) if failure.delay > backoff else max(failure.delay, wait)
        loop = self.house.ground.loop
        group.not_before = max(group.not_before, loop.time() + wait)
        if group.failures == 1:
            self.house.ground.log(
                "polling_failed", {"credential": group.name, "class": failure.fault.value, "code": failure.code}
            )
        await self.follower.missed(job, failure.message, wait)

    # --- everything that is no poll ------------------------------------------------------------------------------------
    async def _cared(self, job_id: str) -> None:
        try:
            job = await self.house.rows.find(job_id)
            if job is not None:
                await self.follower.care(job)
        except Unanswered:
            pass  # it stays due
        except Exception:
            self._bug(job_id)
        finally:
            self.busy.discard(job_id)

    def _bug(self, job_id: str) -> None:
        """One job must not stop the others; it comes again."""
        self.house.ground.log("job_error", {"job": job_id, "trace": traceback.format_exc(limit=20)})
