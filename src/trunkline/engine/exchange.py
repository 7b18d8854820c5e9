"""The one mutable object: a client request with all its attempts, and what happens to its client meanwhile."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from trunkline.dialects.contract import Dialect, Target, Voice
from trunkline.engine.faults import lost_race, stopped
from trunkline.engine.flight import Signal
from trunkline.engine.house import House
from trunkline.transport.contract import Call
from trunkline.types.canonical import ChatRequest
from trunkline.types.envelope import Envelope
from trunkline.types.facts import Guess
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Route, Snapshot
from trunkline.types.plan import ANYTHING, Asked, Plan
from trunkline.types.principal import Principal
from trunkline.types.record import AttemptRecord
from trunkline.types.wire import Headers, Loss, Operation

if TYPE_CHECKING:
    from trunkline.engine.attempt import Attempt

#: WAITING: nothing but perhaps the head has left. COMMITTED: content has. DONE / BROKEN: ended, well or badly.
State = Literal["waiting", "committed", "done", "broken"]


class Note(msgspec.Struct, kw_only=True):
    """What an exchange that is no chat says of itself: its answer, and what its record tells.

    `answer` (status, headers beyond the early ones, body) is None where it has been written to the call already.
    """

    operation: Operation
    job: str = ""
    alias: str = ""
    candidate: Candidate | None = None
    attempts: list[AttemptRecord] = []
    losses: list[Loss] = []
    cost: dict[str, Any] | None = None
    evidence: list[dict[str, Any]] = []
    answer: tuple[int, Headers, bytes] | None = None


class Exchange(msgspec.Struct, eq=False):
    """Owned by `line.run`; a `CallWatcher` for its client. All instants are loop seconds, `wall` epoch seconds."""

    house: House
    call: Call
    dialect: Voice
    target: Target
    surface: str
    id: str
    wall: float
    snapshot: Snapshot
    presented: str | None = None
    decision: Principal | Failure | None = None
    principal: Principal | None = None
    labels: dict[str, str] = {}
    facts: Envelope | None = None
    request: ChatRequest | None = None
    spliced: tuple[str, bytes] | None = None
    route: Route | None = None
    plan: Plan | None = None
    asked: Asked = ANYTHING
    guess: Guess | None = None
    attempts: list[Attempt] = []
    serving: Attempt | None = None
    winner: Attempt | None = None
    delivered: list[bytes] | None = None  # what the client has of a stream that may be spliced
    splicing: bool = False
    shadow: Route | None = None  # of a copy that nobody waits for: where it goes
    losses: tuple[Loss, ...] = ()
    state: State = "waiting"
    failure: Failure | None = None
    status: int = 0
    ending_bytes: int = 0  # of a whole answer that has not left yet
    terminator: str = ""
    head_sent: bool = False
    gone: bool = False
    cut_by: str = ""
    intended: bool = False
    signal: Signal | None = None
    light: bool = False
    deadline: float = 0.0
    keepalive_at: float = 0.0
    planned_at: float = 0.0
    ended_at: float = 0.0
    task: asyncio.Task[None] | None = None
    shown_at: float = 0.0
    blocked_at: float = 0.0
    client_s: float = 0.0
    backoff_s: float = 0.0
    queue_s: float = 0.0
    note: Note | None = None

    @property
    def chat(self) -> Dialect:
        """The dialect, of an exchange that the chat line serves."""
        return self.house.dialects[self.dialect.name]

    # --- the client, as CallWatcher --------------------------------------------------------------------------------
    def on_gone(self) -> None:
        """The client left: every attempt and wait stops now, unless the route drains the upstream for its usage."""
        if self.state in ("done", "broken") or self.gone:
            return
        self.gone = True
        if self.serving is not None and self.serving.drain_on():
            return
        self.stop("client")

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        """Only after a bug of ours: the body is complete."""
        self.on_gone()
        return []

    def on_blocked(self) -> None:
        self.blocked_at = self.house.loop.time()
        if self.serving is not None:
            self.serving.pause()

    def on_writable(self) -> None:
        if self.blocked_at:
            self.client_s += self.house.loop.time() - self.blocked_at
            self.blocked_at = 0.0
        if self.serving is not None:
            self.serving.resume()

    def stop(self, by: str) -> None:
        """Abort whatever is under way (`by`: client, deadline, drain) and wake the line."""
        if not self.cut_by:
            self.cut_by = by
        for attempt in self.attempts:
            attempt.cancel(stopped(by))
        self.wake()

    def leads(self, attempt: Attempt) -> None:
        """This attempt shows content first: whatever races it has lost."""
        for other in self.attempts:
            if other is not attempt:
                other.cancel(lost_race())

    def wake(self) -> None:
        if self.signal is not None:
            self.signal.fire()

    # --- waiting ---------------------------------------------------------------------------------------------------
    async def wait(self, seconds: float) -> None:
        """Backoff or a stated delay; ends early when the exchange is stopped."""
        if self.cut_by:
            return
        loop = self.house.loop
        started = loop.time()
        self.signal = signal = Signal(loop, self.house.turn, self.light)
        timer = loop.call_later(seconds, self.wake)
        self.house.deadlines.add(self, self._next_deadline(started))
        try:
            await signal
        finally:
            self.signal = None
            timer.cancel()
            self.house.deadlines.remove(self)
            self.backoff_s += loop.time() - started

    def on_deadline(self, now: float) -> float | None:
        """While waiting: only the keep-alive can fall due (waits are never longer than the deadline)."""
        self.keep_alive(now)
        return self._next_deadline(now)

    def _next_deadline(self, now: float) -> float:
        return self.keepalive_at if self.keepalive_at > now else now + 60.0

    def show(self, data: bytes) -> None:
        """Content, or what belongs to it, goes to the client."""
        if self.delivered is not None:
            self.delivered.append(data)
        if not self.gone:
            self.call.write(data)

    # --- the head --------------------------------------------------------------------------------------------------
    def keep_alive(self, now: float) -> None:
        """Keep-alive while holding (reliability.md 2.3): commits the head, not the content."""
        if (
            not self.keepalive_at
            or now < self.keepalive_at
            or (self.state != "waiting" and not self.splicing)
            or self.gone
        ):
            return
        assert self.route is not None
        self.keepalive_at = now + self.route.stream.keepalive_every
        stream = self.facts is not None and self.facts.stream
        if not self.head_sent:
            self.head_sent = True
            self.status = 200
            kind = self.dialect_content_type() if stream else b"application/json"
            self.call.start(200, [(b"content-type", kind), *self.early_headers()])
        self.call.write(self.dialect.keepalive() if stream else b"\n")

    def dialect_content_type(self) -> bytes:
        if self.facts is not None and self.facts.stream and self.facts.sse:
            return b"text/event-stream"
        return b"application/json"

    def early_headers(self) -> Headers:
        """What is known before any attempt has served."""
        headers = [
            *self.dialect.answer_headers(self.id),
            (b"x-trunkline-request-id", self.id.encode()),
            (b"x-trunkline-snapshot", b"%d" % self.snapshot.number),
        ]
        if self.route is not None:
            headers.append((b"x-trunkline-route", _ascii(self.route.name)))
            if self.route.rule:
                headers.append((b"x-trunkline-rule", b"%d" % self.route.rule))
        if self.guess is not None:
            headers.append((b"x-trunkline-task", _ascii(self.guess.label)))
        if self.facts is not None and self.facts.stream:
            headers.append((b"cache-control", b"no-cache"))
            headers.append((b"x-accel-buffering", b"no"))
        return headers

    def served_headers(self, candidate: Candidate, losses: tuple[Loss, ...]) -> Headers:
        """All `x-trunkline-*` headers of an answer."""
        headers = self.early_headers()
        tries = len(self.attempts) if self.note is None else max(1, len(self.note.attempts))
        headers += (
            (b"x-trunkline-deployment", _ascii(candidate.deployment.name)),
            (b"x-trunkline-model", _ascii(candidate.deployment.model)),
            (b"x-trunkline-attempts", b"1" if tries == 1 else b"%d" % tries),
        )
        if losses:
            text = ", ".join(f"{loss.field};{loss.reason}" for loss in losses)
            headers.append((b"x-trunkline-loss", _ascii(text)[:4096]))
        return headers


@lru_cache(32_768)
def _ascii(text: str) -> bytes:
    """Header-safe: printable ASCII, everything else percent-encoded as UTF-8."""
    if text.isascii() and text.isprintable():
        return text.encode()
    return b"".join(bytes((c,)) if 0x20 <= c < 0x7F and c != 0x25 else b"%%%02X" % c for c in text.encode())
