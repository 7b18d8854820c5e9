"""One try: receives one upstream answer, holds it until it may be shown, then relays it.

States: *waiting* (nothing of the answer has left), *relaying* (committed: bytes pass as they come), *closed*.
Everything runs in transport callbacks; the line sleeps until `over` is called. Rules: reliability.md section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from trunkline.dialects.contract import Answer, StreamRelay
from trunkline.engine.due import FINISH_GRACE, next_look, timeouts_of
from trunkline.engine.exchange import Exchange
from trunkline.engine.faults import broken_body, broken_stream, from_fault, silent
from trunkline.engine.leg import Leg
from trunkline.engine.verdict import complete_answer, failed_answer
from trunkline.routing.fleet import Way
from trunkline.transport.contract import Fault, UpstreamCall
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Timeouts
from trunkline.types.plan import AttemptReason, Try
from trunkline.types.wire import Headers, Loss

HOLD_ANSWER = 8 << 20  # a complete answer up to this size is held, so that a cut body can fail over
HOLD_STREAM = 64 << 10  # preamble and window of a stream; when full, commit
ERROR_BODY = 1 << 20  # an error body is read up to here
TRANSLATED = 64 << 20  # an answer that must be translated has to fit in memory

Stage = Literal["waiting", "relaying", "closed"]


class Attempt(msgspec.Struct, eq=False):
    """An `UpstreamSink`. `failure` is set when it did not serve; `committed` when the client saw content of it."""

    x: Exchange
    candidate: Candidate
    reason: AttemptReason
    leg: Leg
    relay: StreamRelay | None
    timeouts: Timeouts
    number: int
    started_at: float
    last_byte: float
    last_progress: float
    clock: Callable[[], float]
    stage: Stage = "waiting"
    way: Way = "open"
    committed: bool = False
    draining: bool = False
    paused: bool = False
    streaming: bool = False
    status: int = 0
    headers: Headers = []
    fields: dict[bytes, bytes] = {}
    body: list[bytes] = []
    out: bytes = b""
    held: list[bytes] = []
    held_size: int = 0
    bytes_in: int = 0
    answer: Answer | None = None
    failure: Failure | None = None
    upstream: UpstreamCall | None = None
    connected_at: float = 0.0
    first_at: float = 0.0
    last_at: float = 0.0
    ended_at: float = 0.0
    finish_at: float = 0.0
    seen_progress: int = 0
    longest_gap: float = 0.0

    @classmethod
    def of(cls, x: Exchange, step: Try, leg: Leg, relay: StreamRelay | None) -> Attempt:
        """The next attempt of an exchange; it has begun with its making, as far as its timers go."""
        assert x.route is not None
        clock = x.house.loop.time
        now = clock()
        number = len(x.attempts) + 1
        timeouts = timeouts_of(x, step.candidate)
        return cls(x, step.candidate, step.reason, leg, relay, timeouts, number, now, now, now, clock)

    # --- life ------------------------------------------------------------------------------------------------------
    def begin(self) -> None:
        house = self.x.house
        self.way = house.fleet.began(self.candidate, self.started_at)
        house.deadlines.note(self, next_look(self, self.started_at), self.started_at)
        upstream = house.upstreams.send(self.leg.outbound, self)
        self.upstream = upstream
        if self.stage == "closed":
            upstream.abort()
        elif self.paused:
            upstream.pause()

    def cancel(self, failure: Failure) -> None:
        """Stop now; the upstream socket is closed before this returns."""
        self._fail(failure)

    def _close(self) -> None:
        """The line goes on at the end of this turn: whoever closes may have more to do."""
        house = self.x.house
        self.stage = "closed"
        self.ended_at = house.loop.time()
        house.deadlines.remove(self)
        if self.draining:
            house.pumps -= 1
        self.x.wake()

    def _fail(self, failure: Failure) -> None:
        if self.stage == "closed":
            return
        self.failure = failure
        self.held = []
        self._close()
        if self.upstream is not None:
            self.upstream.abort()

    # --- flow ------------------------------------------------------------------------------------------------------
    def pause(self) -> None:
        self.paused = True
        if self.upstream is not None and self.stage != "closed" and not self.draining:
            self.upstream.pause()

    def resume(self) -> None:
        if self.paused:
            self.paused = False
            self.last_byte = self.last_progress = self.clock()
            if self.upstream is not None and self.stage != "closed":
                self.upstream.resume()

    def drain_on(self) -> bool:
        """The client left a committed stream whose route reads on for the usage: True if this pump may run."""
        house = self.x.house
        route = self.x.route
        if route is None or route.on_disconnect != "drain" or self.relay is None or house.pumps >= 64:
            return False
        house.pumps += 1
        self.draining = True
        self.resume()
        return True

    # --- UpstreamSink ----------------------------------------------------------------------------------------------
    def on_connected(self) -> None:
        self.connected_at = self.clock()

    def on_head(self, status: int, headers: Headers) -> None:
        self.last_byte = self.clock()
        self.status = status
        self.headers = headers
        self.fields = fields = dict(headers)
        good = 200 <= status < 300
        self.streaming = good and self.relay is not None
        if good and self.relay is None and self.leg.same:
            length = fields.get(b"content-length")
            if length is not None and int(length) > HOLD_ANSWER:
                self._commit_raw()

    def on_data(self, data: bytes) -> None:
        if self.stage == "closed":
            return
        now = self.clock()
        self.bytes_in += len(data)
        if self.streaming:
            self._on_stream(data, now)
            return
        self.last_byte = now
        if self.stage == "relaying":
            self.x.call.write(data)
            return
        if not self.first_at and not data.isspace():
            self.first_at = now
        self.body.append(data)
        self.held_size += len(data)
        if self.status >= 300:
            if self.held_size > ERROR_BODY:
                self._fail(failed_answer(self))
        elif self.held_size > HOLD_ANSWER:
            if self.leg.same:
                self._commit_raw()
            elif self.held_size > TRANSLATED:
                self._fail(broken_body("the provider's answer is too large to translate", code="too_large"))

    def on_end(self) -> None:
        if self.stage == "closed":
            return
        if not 200 <= self.status < 300:
            self._fail(failed_answer(self))
        elif self.relay is not None:
            self._stream_ended("the provider ended the stream before it was finished")
        elif self.stage == "relaying":
            self.last_at = self.clock()
            self._close()
        else:
            self._answer_ended()

    def on_fault(self, fault: Fault) -> None:
        if self.stage == "closed":
            return
        if self.streaming:
            self._stream_ended("the provider's connection broke in the middle of the stream")
        else:
            self._fail(from_fault(fault))

    # --- streams ---------------------------------------------------------------------------------------------------
    def _on_stream(self, data: bytes, now: float) -> None:
        relay = self.relay
        assert relay is not None
        gap = now - self.last_byte
        self.last_byte = now
        out = relay.feed(data)
        if relay.progress != self.seen_progress:
            self.seen_progress = relay.progress
            self.last_progress = now
        if self.stage == "relaying":
            if gap > self.longest_gap:
                self.longest_gap = gap
            if out:
                self.last_at = now
                self.x.show(out)
        elif out:
            self._hold(out, now)
        elif relay.content and not self.first_at:
            self.first_at = now  # it repeats what the client has: alive, with nothing to show yet
        if relay.error is not None:
            self._fail(failed_answer(self))
        elif relay.broken:
            self._fail(broken_stream(f"the provider's stream is {relay.broken}", code=relay.broken))
        elif relay.finished and not self.finish_at:
            self.finish_at = now
            self.x.house.deadlines.move(self, now + FINISH_GRACE)

    def _hold(self, out: bytes, now: float) -> None:
        relay = self.relay
        assert relay is not None and self.x.route is not None
        self.held.append(out)
        self.held_size += len(out)
        if relay.content:
            rule = self.x.route.stream
            if not self.first_at:
                self.first_at = now
                if len(self.x.attempts) > 1:
                    self.x.leads(self)
                if rule.hold is not None:
                    self.x.house.deadlines.move(self, now + rule.hold)
            if rule.hold_tokens is None:
                if rule.hold is None:
                    self._commit()
            elif relay.contents >= rule.hold_tokens:
                self._commit()
        if self.stage == "waiting" and self.held_size > HOLD_STREAM:
            self._commit()

    def _commit(self) -> None:
        """The first content byte goes to the client: from here on no other attempt."""
        self.stage = "relaying"
        self.last_at = self.x.shown_at = self.clock()
        self._show_head(self.x.dialect_content_type())
        held, self.held = self.held, []
        if held:
            self.x.show(held[0] if len(held) == 1 else b"".join(held))

    def _commit_raw(self) -> None:
        """A same-dialect answer too large to hold: relayed as it comes; if it is cut, the transfer is aborted."""
        self.x.leads(self)
        self.stage = "relaying"
        if not self.first_at:
            self.first_at = self.clock()
        self._show_head(self.fields.get(b"content-type") or b"application/json")
        body, self.body = self.body, []
        if body:
            self.x.call.write(b"".join(body))

    def _show_head(self, content_type: bytes) -> None:
        x = self.x
        self.committed = True
        x.state = "committed"
        x.serving = self
        x.losses = self._losses()
        if not x.head_sent:
            x.head_sent = True
            x.status = 200
            x.call.watcher = x
            x.call.start(200, [(b"content-type", content_type), *x.served_headers(self.candidate, x.losses)])
        if x.call.blocked:
            self.pause()

    def _losses(self) -> tuple[Loss, ...]:
        return self.leg.losses + (self.relay.losses if self.relay is not None else ())

    def _stream_ended(self, why: str) -> None:
        relay = self.relay
        assert relay is not None
        if not relay.finished:
            self._fail(broken_stream(why, code="unfinished"))
            return
        terminated = relay.terminated
        tail = relay.finalise()
        if relay.error is not None or relay.broken:
            self._fail(broken_stream("the provider's stream broke at its end", code=relay.broken or "error"))
            return
        if self.stage == "waiting":
            self._commit()
        if tail:
            self.last_at = self.clock()
            self.x.show(tail)
        self.x.terminator = "provider" if terminated else "supplied"
        self.answer = relay.answer
        self._close()

    # --- complete answers ------------------------------------------------------------------------------------------
    def _answer_ended(self) -> None:
        self.last_at = self.clock()
        if not self.first_at:
            self.first_at = self.last_at
        done = complete_answer(self)
        if isinstance(done, Failure):
            self._fail(done)
            return
        self.out, self.answer = done
        self._close()

    # --- time ------------------------------------------------------------------------------------------------------
    def on_deadline(self, now: float) -> float | None:
        """One lazily moved deadline per attempt; what has fallen due is found by looking."""
        if self.stage == "closed":
            return None
        x = self.x
        if self.stage == "waiting" and now >= x.deadline:
            x.stop("deadline")
            return None
        x.keep_alive(now)
        if self.relay is None or self.stage == "waiting":
            self._waiting_due(now)
        else:
            self._relaying_due(now)
        return None if self.ended_at else next_look(self, now)

    def _waiting_due(self, now: float) -> None:
        if self.relay is None:
            if self.stage == "waiting" and now >= self.started_at + self.timeouts.answer:
                self._fail(silent("the provider gave no complete answer in time", code="answer"))
            elif self.stage == "relaying" and not self.paused and now >= self.last_byte + self.timeouts.idle:
                self._fail(silent("the provider went silent in the middle of its answer", code="idle"))
            return
        if self.first_at:
            rule = self.x.route.stream if self.x.route is not None else None
            if rule is not None and rule.hold is not None and now >= self.first_at + rule.hold:
                self._commit()
                return
        elif now >= self.started_at + self.timeouts.first_token:
            self._fail(silent("the provider sent no content in time", code="first_token"))
            return
        self._relaying_due(now)

    def _relaying_due(self, now: float) -> None:
        if self.finish_at:
            if now >= self.finish_at + FINISH_GRACE:
                self._finish_late()
            return
        if self.paused or not self.first_at:
            return
        idle = self.timeouts.idle
        if now >= self.last_byte + idle or now >= self.last_progress + 3 * idle:
            self._fail(broken_stream("the provider went silent in the middle of the stream", code="idle"))

    def _finish_late(self) -> None:
        """Finished, but upstream neither sends usage nor closes: finalise now and close the upstream."""
        self._stream_ended("")
        if self.upstream is not None:
            self.upstream.abort()
