"""Performs one reply on the wire: pace, waits, heartbeats, and the faults that break it.

One `Performance` per request that is more than a plain answer. It is driven by timers of the loop and by the
connection's backpressure; nothing runs while it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from trunkline.transport.contract import Call
from trunkline.twins.faults import Effects
from trunkline.twins.ledger import Entry, Ledger
from trunkline.twins.wire import CLOSING, CONTENT, TERMINATOR, Beat, Reply, break_json
from trunkline.types.wire import Headers

#: Beats written per turn of the loop when no pace is set: enough to be fast, few enough that many streams share it.
SLICE = 32

#: Statuses of answers that carry what was asked for.
GOOD = (200, 206)

#: Shortest wait worth a timer, in seconds; beats due sooner leave at once.
SHORTEST_WAIT = 0.0005


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a twin talks, and with `tokens` how long its prose is. None: as fast as it can, as long as it likes."""

    tokens_per_second: float | None = None
    first_token_ms: float = 0.0
    tokens: int | None = None


class Stage(Protocol):
    """What a performance needs from its twin."""

    loop: asyncio.AbstractEventLoop
    ledger: Ledger

    def now(self) -> float:
        """Seconds since the twin started, as in `Entry.at`."""
        ...

    def done(self, performance: Performance) -> None: ...


class Performance:
    """One reply on its way; is the call's watcher. The twin keeps it until `Stage.done`."""

    __slots__ = (
        "_beats",
        "_body",
        "_broken",
        "_call",
        "_effects",
        "_entry",
        "_error_event",
        "_heart",
        "_heartbeat",
        "_held",
        "_over",
        "_rate",
        "_reply",
        "_said",
        "_stage",
        "_started",
        "_timer",
        "_waited",
        "first_wait",
    )

    def __init__(self, stage: Stage, call: Call, reply: Reply, entry: Entry, effects: Effects, pace: Pace) -> None:
        self._stage = stage
        self._call = call
        self._reply = reply
        self._entry = entry
        self._effects = effects
        self._rate = effects.rate or pace.tokens_per_second
        self.first_wait = effects.first_token if effects.first_token is not None else pace.first_token_ms / 1000
        self._beats: Iterator[Beat] | None = reply.beats
        self._body = reply.body
        self._timer: asyncio.Handle | None = None
        self._heart: asyncio.Handle | None = None
        self._heartbeat = b""
        self._error_event: Callable[[bool], bytes] = lambda first: b""
        self._held: Beat | None = None
        self._waited = False
        self._said = 0
        self._started = 0.0
        self._over = False
        self._broken = False

    def begin(self, heartbeat: bytes, error_event: Callable[[bool], bytes]) -> None:
        """Starts. `heartbeat` and `error_event` are the surface's bytes for this request."""
        self._heartbeat = heartbeat
        self._error_event = error_event
        self._call.watcher = self
        begin = self._begin_stream if self._beats is not None else self._begin_body
        self._after(self._effects.latency, self._lose if self._effects.lost else begin)

    # -- the client ---------------------------------------------------------------------------------------------

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        self.on_gone()
        return []

    def on_gone(self) -> None:
        self._finish("disconnected")

    def on_blocked(self) -> None:
        """`_pump` asks the call itself before every beat."""

    def on_writable(self) -> None:
        if not self._over and self._timer is None and self._beats is not None and self._started:
            self._pump()

    # -- an answer in one piece ---------------------------------------------------------------------------------

    def _begin_body(self) -> None:
        effects = self._effects
        wait = self.first_wait
        if self._rate is not None:
            wait += self._reply.output_tokens / self._rate
        if effects.breaks in ("stall", "cut", "eof") and self._reply.status in GOOD:
            self._call.start(self._reply.status, self._reply.headers)
            self._call.flush()
            self._after(wait, self._break_body)
            return
        if effects.malformed >= 0 and self._reply.status in GOOD:
            self._body = break_json(self._body)
        if effects.first_token is None and effects.heartbeat is None:
            self._after(wait, self._whole_body)
            return
        self._call.start(self._reply.status, self._reply.headers)
        self._call.flush()
        self._beat_on(b"\n")
        self._after(wait, self._late_body)

    def _whole_body(self) -> None:
        self._bill_all()
        self._call.respond(self._reply.status, self._reply.headers, self._body)
        self._finish("complete")

    def _late_body(self) -> None:
        self._bill_all()
        self._stop_heart()
        self._call.write(self._body)
        self._call.end()
        self._finish("complete")

    def _break_body(self) -> None:
        self._bill_all()
        if self._effects.breaks_at > 0:
            self._call.write(self._body[: len(self._body) // 2])
        self._break()

    def _lose(self) -> None:
        """Everything is done and billed, and the caller never hears of it."""
        self._bill_all()
        self._call.reset()
        self._finish("broken")

    def _bill_all(self) -> None:
        if not self._reply.free:
            self._entry.prompt_tokens = self._reply.prompt_tokens
            self._entry.output_tokens = self._reply.output_tokens

    # -- a stream -----------------------------------------------------------------------------------------------

    def _begin_stream(self) -> None:
        self._entry.prompt_tokens = self._reply.prompt_tokens
        self._call.start(self._reply.status, self._reply.headers)
        self._pump()

    def _pump(self) -> None:
        """Writes beats until the connection is blocked, a wait is due, the slice is used up, or the reply ends."""
        self._timer = None
        call, beats = self._call, self._beats
        if self._over or beats is None:
            return
        self._started = self._started or self._stage.loop.time()
        for _ in range(SLICE):
            if call.blocked:
                return
            beat = self._held or next(beats, None)
            self._held = None
            if beat is None:
                self._end()
                return
            if not self._write(beat):
                return
        self._timer = self._stage.loop.call_soon(self._pump)

    def _write(self, beat: Beat) -> bool:
        """Writes one beat, unless it has to wait or a fault strikes here. False: stop pumping."""
        kind, tokens, data = beat
        effects, entry = self._effects, self._entry
        if kind in (CONTENT, CLOSING):
            if effects.breaks and (entry.content_events >= effects.breaks_at or kind == CLOSING):
                self._break()
                return False
            if not self._is_due(beat):
                return False
            if effects.malformed >= 0 and (entry.content_events == effects.malformed or kind == CLOSING):
                data = break_json(data)
                effects.malformed = -1
                self._broken = True
            if kind == CONTENT:
                entry.content_events += 1
                self._said += tokens
                if not self._reply.free:
                    entry.output_tokens += tokens
        elif kind == TERMINATOR and effects.no_terminator:
            return True
        self._call.write(data)
        return True

    def _is_due(self, beat: Beat) -> bool:
        """True when the beat may leave now; else it is held and a timer set."""
        loop = self._stage.loop
        if not self._waited:
            self._waited = True
            if self.first_wait > 0:
                self._held = beat
                self._call.flush()
                self._beat_on(self._heartbeat)
                self._started = loop.time() + self.first_wait
                self._timer = loop.call_at(self._started, self._first)
                return False
        if self._rate is None:
            return True
        due = self._started + self._said / self._rate
        if due - loop.time() < SHORTEST_WAIT:
            return True
        self._held = beat
        self._timer = loop.call_at(due, self._pump)
        return False

    def _first(self) -> None:
        self._stop_heart()
        self._pump()

    def _end(self) -> None:
        if self._effects.left_open:
            return  # everything is said, but the connection stays open until the client goes
        self._call.end()
        self._finish("broken" if self._broken or self._effects.no_terminator else "complete")

    def _break(self) -> None:
        self._broken = True
        self._call.flush()
        match self._effects.breaks:
            case "cut":
                self._call.abort()
            case "error_event":
                self._call.write(self._error_event(self._entry.content_events == 0))
                self._call.end()
            case "eof":
                self._call.end()
            case _:
                self._beat_on(b"\n" if self._reply.beats is None else self._heartbeat)
                self._beats = None
                return  # nothing but heartbeats, if any, until the client goes
        self._finish("broken")

    # -- time ---------------------------------------------------------------------------------------------------

    def _after(self, seconds: float, step: Callable[[], None]) -> None:
        if seconds <= 0:
            step()
        else:
            self._timer = self._stage.loop.call_later(seconds, self._step, step)

    def _step(self, step: Callable[[], None]) -> None:
        self._timer = None
        step()

    def _beat_on(self, data: bytes) -> None:
        if self._effects.heartbeat is not None:
            self._heart = self._stage.loop.call_later(self._effects.heartbeat, self._beat, data)

    def _beat(self, data: bytes) -> None:
        if not self._call.blocked:
            self._call.write(data)
        self._beat_on(data)

    def _stop_heart(self) -> None:
        if self._heart is not None:
            self._heart.cancel()
            self._heart = None

    def _finish(self, outcome: str) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stop_heart()
        self._beats = None
        entry = self._entry
        entry.bytes_out = self._call.bytes_out
        entry.seconds = self._stage.now() - entry.at
        if outcome == "disconnected" and (self._broken or self._effects.left_open):
            outcome = "broken"
        self._stage.ledger.close(entry, outcome)
        self._stage.done(self)

    def cancel(self) -> None:
        """The twin closes."""
        self._finish("broken")
