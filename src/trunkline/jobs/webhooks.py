"""Webhooks to callers: signed as Standard Webhooks, sent through the egress guard, tried five times within an hour.

A delivery is a row: it outlives every process, its id is the same in each try (so that a receiver can tell), and it is
taken by moving its time ahead before it is sent, so that a second recorder does not send it too. Each is sent on its own: a
receiver that fails or hangs delays its own deliveries and nobody else's. Those of one job may overtake each other when
the first had to be repeated; they carry the state and the time, and the job can always be read.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections import Counter

from trunkline.jobs.contract import Ground
from trunkline.jobs.fetch import Fetched, fetch
from trunkline.jobs.rows import Rows
from trunkline.policy.admit import Unanswered
from trunkline.providers.addresses import AGENT, JSON
from trunkline.providers.delays import stated_delay
from trunkline.storage.contract import Delivery
from trunkline.transport.contract import Outbound
from trunkline.transport.egress import Egress
from trunkline.types.fleet import Tls
from trunkline.types.wire import Headers

#: Seconds from one try to the next; five tries, the last within the hour.
SCHEDULE = (5.0, 60.0, 600.0, 2000.0)
JITTER = 0.1
PATIENCE = 10.0  # seconds for one try
LEASE = 30.0  # seconds: whoever took it and died has it back after that
AT_ONCE = 32
PER_HOST = 4
ANSWER = 64 * 1024  # bytes of an answer that are read


def secret_of(pepper: bytes, key_id: str) -> str:
    """The secret that a key's webhooks are signed with. Derived, so that nothing has to be kept."""
    made = hmac.new(pepper, b"trunkline webhook secret\0" + key_id.encode(), hashlib.sha256).digest()
    return "whsec_" + base64.b64encode(made).decode()


def sign(secret: str, delivery_id: str, timestamp: int, body: bytes) -> Headers:
    """The three headers of the Standard Webhooks specification; `timestamp` in epoch seconds."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    return [
        (b"webhook-id", delivery_id.encode()),
        (b"webhook-timestamp", str(timestamp).encode()),
        (b"webhook-signature", b"v1," + signature),
    ]


class Postman:
    """One per recorder. `deliver_due` starts what is due and returns at once; `idle` waits for what is under way."""

    def __init__(self, ground: Ground, egress: Egress) -> None:
        self.egress = egress
        self.delivered_total = 0
        self.given_up_total = 0
        self._ground = ground
        self._rows = Rows(ground.store)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._hosts: Counter[str] = Counter()

    async def deliver_due(self, now_us: int) -> int:
        """How many were started. Raises Unanswered."""
        room = AT_ONCE - len(self._tasks)
        if room <= 0:
            return 0
        started = 0
        due = await self._rows.ask(lambda s: s.due_deliveries(now_us, 8 * AT_ONCE))
        for delivery in due:
            host = host_of(delivery.url)
            if started == room:
                break
            if delivery.id in self._tasks or self._hosts[host] >= PER_HOST:
                continue
            self._hosts[host] += 1
            task = self._ground.loop.create_task(self._deliver(delivery, host))
            self._tasks[delivery.id] = task
            started += 1
        return started

    async def idle(self) -> None:
        while self._tasks:
            await asyncio.gather(*list(self._tasks.values()), return_exceptions=True)

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()

    async def _deliver(self, delivery: Delivery, host: str) -> None:
        try:
            delivery.tries += 1
            delivery.next_at = self._now_us() + round(LEASE * 1e6)
            await self._rows.ask(lambda s: s.change_delivery(delivery))
            problem, delay, final = await self._sent(delivery)
            self._judge(delivery, host, problem, delay, final=final)
            await self._rows.ask(lambda s: s.change_delivery(delivery))
        except Unanswered:
            pass  # it is due again when the lease is over
        finally:
            self._hosts[host] -= 1
            del self._tasks[delivery.id]

    async def _sent(self, delivery: Delivery) -> tuple[str, float | None, bool]:
        """What went wrong ("": delivered), a stated delay, and whether there is no use in trying again."""
        found = self.egress.read_url(delivery.url)
        if isinstance(found, str):
            return f"refused: {found}", None, True
        origin, target = found
        timestamp = int(self._ground.wall())
        secret = secret_of(self._ground.pepper, delivery.key_id)
        headers: Headers = [JSON, AGENT, *sign(secret, delivery.id, timestamp, delivery.body)]
        request = Outbound(
            origin=origin,
            method=b"POST",
            target=target,
            headers=headers,
            body=delivery.body,
            tls=Tls(),
            connect_timeout=5.0,
            guarded=True,
        )
        fetched = await fetch(self._ground.upstreams, request, patience=PATIENCE, limit=ANSWER)
        delivery.status = fetched.status
        return self._read(fetched)

    def _read(self, fetched: Fetched) -> tuple[str, float | None, bool]:
        if fetched.fault is not None:
            return f"{fetched.fault.kind}: {fetched.fault.message}"[:200], None, fetched.fault.kind == "egress"
        if fetched.timed_out:
            return f"no answer within {PATIENCE:g} s", None, False
        if 200 <= fetched.status < 300:
            return "", None, False
        delay = None
        if fetched.status in (429, 503):
            delay = stated_delay(fetched.headers, None, self._ground.wall())
        return f"status {fetched.status}", delay, fetched.status == 410

    def _judge(self, delivery: Delivery, host: str, problem: str, delay: float | None, *, final: bool) -> None:
        log = self._ground.log
        said: dict[str, object] = {
            "job": delivery.job_id,
            "delivery": delivery.id,
            "host": host,
            "tries": delivery.tries,
        }
        delivery.problem = problem
        if not problem:
            delivery.delivered_at, delivery.next_at = self._now_us(), None
            self.delivered_total += 1
            log("webhook_delivered", said)
        elif final or delivery.tries > len(SCHEDULE):
            delivery.next_at = None
            self.given_up_total += 1
            log("webhook_given_up", {**said, "problem": problem})
        else:
            wait = SCHEDULE[delivery.tries - 1] * (1.0 + JITTER * self._ground.rand())
            # A longer wait than the schedule has left would be no try at all.
            wait = max(wait, min(delay or 0.0, SCHEDULE[-1]) + 0.01)
            delivery.next_at = self._now_us() + round(wait * 1e6)
            log("webhook_failed", {**said, "problem": problem, "wait_s": round(wait, 1)})

    def _now_us(self) -> int:
        return int(self._ground.wall() * 1e6)


def host_of(url: str) -> str:
    """For logs and for counting: nothing of a URL but its host may hold no secret."""
    return url.partition("://")[2].partition("/")[0].partition("?")[0].rpartition("@")[2][:100]
