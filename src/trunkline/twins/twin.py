"""One twin: a surface, its faults, its ledger, and the door it listens at."""

from __future__ import annotations

import asyncio
import os
import ssl

from trunkline.transport.contract import Call
from trunkline.twins.anthropic import Anthropic
from trunkline.twins.ark import Ark
from trunkline.twins.callbacks import Callbacks
from trunkline.twins.door import Door
from trunkline.twins.faults import Effects
from trunkline.twins.gemini import Gemini
from trunkline.twins.ledger import Entry, Ledger
from trunkline.twins.openai import OpenAI
from trunkline.twins.perform import Pace, Performance
from trunkline.twins.rules import Board
from trunkline.twins.studio import Studio
from trunkline.twins.wire import Mood, Reply, Request, Surface, Trouble, TwinName, fingerprint, read_request
from trunkline.types.wire import Headers, header

_NO_PACE = Pace()
_NORMAL = Mood()

#: Prefix of the control endpoint on every twin's port.
CONTROL = b"/_twin/"

#: Largest control request, bytes.
CONTROL_BODY = 1 << 20


def surface_of(name: TwinName, body_limit: int | None = None) -> Surface:
    """The wire format of a twin; `body_limit` replaces the provider's own (bytes)."""
    made: dict[str, type[OpenAI] | type[Anthropic] | type[Gemini] | type[Ark]] = {
        "openai": OpenAI,
        "anthropic": Anthropic,
        "gemini": Gemini,
        "ark": Ark,
    }
    kind = made[name]
    return kind() if body_limit is None else kind(body_limit)


class Control:
    """What answers under `/_twin/`; the real one is given by `control.py`."""

    def answer(self, twin: Twin, call: Call) -> None:
        call.respond(404, [], b"")


class Twin:
    """A provider on a port. Made by `serve.start_twins`."""

    def __init__(
        self,
        surface: Surface,
        control: Control,
        loop: asyncio.AbstractEventLoop,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name: TwinName = surface.name
        self.surface = surface
        self.loop = loop
        self.board = Board()
        self.board.on_change = self._sync_door
        self.ledger = Ledger()
        self.revoked: frozenset[str] = frozenset()
        self.pace = _NO_PACE
        self.door = Door(self, loop, tls, self._error_body)
        self._tls = tls is not None
        self._control = control
        self._serial = 0
        self._nonce = os.urandom(8).hex()  # ids must not repeat when a twin starts anew
        self.studio = Studio(loop, self.ledger, self._nonce, surface.result_s)
        self.studio.url = lambda: self.url
        self._callbacks = Callbacks(loop)
        self.studio.on_change = self._callbacks.tell
        surface.studio = self.studio
        self._live: set[Performance] = set()
        self._began = loop.time()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def url(self) -> str:
        """Scheme, host and port, without a path."""
        host = f"[{self.door.host}]" if ":" in self.door.host else self.door.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.door.port}"

    def set_pace(self, pace: Pace | None) -> None:
        """Sets how fast and how long it talks from now on; None takes the pace away."""
        self.pace = _NO_PACE if pace is None else pace

    async def kill(self) -> None:
        """As if the process were gone: no listener, every connection cut, until `revive`."""
        self.door.want("refuse")
        for performance in list(self._live):
            performance.cancel()  # the server's own end is not reported to watchers
        self.door.sever_all()
        await self.door.settled()

    async def revive(self) -> None:
        self._sync_door()
        await self.door.settled()

    async def close(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
        for performance in list(self._live):
            performance.cancel()
        self.studio.close()
        self._callbacks.close()
        await self.door.close()

    # -- transport.contract.Application ---------------------------------------------------------------------------

    def on_head(self, call: Call) -> int:
        if call.target.startswith(CONTROL):
            return CONTROL_BODY
        limit = self.surface.body_limit
        length = header(call.headers, b"content-length")
        if length is None or not length.isdigit() or int(length) <= limit:
            return limit
        request, entry = self._open(call)
        entry.bytes_in = int(length)
        self._respond(call, self.surface.too_large(request), entry)
        return -1

    def on_request(self, call: Call) -> None:
        if call.target.startswith(CONTROL):
            self._control.answer(self, call)
            return
        request, entry = self._open(call)
        effects = self.board.draw(request, self.loop.time())
        if effects is None:
            reply = self._reply(request, self._mood("normal"))
            if reply.beats is None and (self.pace is _NO_PACE or reply.free):
                self._respond(call, reply, entry)
                return
            effects = Effects()
        else:
            entry.faults = effects.words
            if effects.connection:
                self._sever(call, entry, effects.connection)
                return
            reply = self._faulted(request, effects)
        entry.status = reply.status
        if reply.serves is not None:
            self.ledger.serve(entry, reply.serves)
        # The pace is that of a model that talks; bytes of a video are slowed down by the fault alone.
        pace = _NO_PACE if reply.free else self.pace
        performance = Performance(self, call, reply, entry, effects, pace)
        self._live.add(performance)
        performance.begin(self.surface.heartbeat, lambda first: self.surface.error_event(request, first=first))

    # -- inside ---------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.loop.time() - self._began

    def done(self, performance: Performance) -> None:
        self._live.discard(performance)

    def _reply(self, request: Request, mood: Mood) -> Reply:
        if request.key in self.revoked:
            return self.surface.trouble(request, Trouble(kind="bad_credential"))
        return self.surface.respond(request, mood)

    def _open(self, call: Call) -> tuple[Request, Entry]:
        self._serial = serial = self._serial + 1
        request_id = self.surface.request_id(f"{self._nonce}:{serial}")
        request = read_request(call.method, call.target, call.headers, call.body, request_id)
        self.surface.identify(request)
        entry = Entry(
            serial=serial,
            id=request_id,
            at=self.now(),
            method=request.method,
            path=request.path,
            key=fingerprint(request.key),
            model=request.model,
            stream=request.stream,
            bytes_in=len(call.body),
        )
        self.ledger.open(entry)
        return request, entry

    def _error_body(self, status: int, code: str, message: str, target: bytes) -> tuple[Headers, bytes]:
        """How the provider words what the transport refuses by itself."""
        request = read_request(b"", target, [], b"", self.surface.request_id(f"{self._nonce}:refused"))
        if status == 413:
            reply = self.surface.too_large(request)
        else:
            reply = self.surface.trouble(request, Trouble(kind="status", status=status))
        return reply.headers, reply.body

    def _respond(self, call: Call, reply: Reply, entry: Entry) -> None:
        entry.status = reply.status
        if not reply.free:
            entry.prompt_tokens, entry.output_tokens = reply.prompt_tokens, reply.output_tokens
        if reply.serves is not None:
            self.ledger.serve(entry, reply.serves)
        call.respond(reply.status, reply.headers, reply.body)
        entry.bytes_out = call.bytes_out
        self.ledger.close(entry, "complete")

    def _mood(self, shape: str) -> Mood:
        if shape == "normal":
            return _NORMAL if self.pace.tokens is None else Mood(tokens=self.pace.tokens)
        return Mood(shape="refusal" if shape == "refusal" else "empty")

    def _faulted(self, request: Request, effects: Effects) -> Reply:
        """The reply that the faults leave: the provider's error for one, or an answer in the mood they set."""
        fault = effects.failure
        if fault is None:
            return self._reply(request, self._mood(effects.shape))
        delay = fault.value if fault.word == "throttle" and fault.stated else None
        match fault.word:
            case "status":
                trouble = Trouble(kind="status", status=int(fault.value))
            case "throttle" | "quota" | "bad_credential" | "context_length":
                trouble = Trouble(kind=fault.word, delay=delay)
            case _:
                raise AssertionError(fault.word)
        return self.surface.trouble(request, trouble)

    def _sever(self, call: Call, entry: Entry, word: str) -> None:
        """A fault of the connection, struck on one that is open: silence, or a reset."""
        if word == "blackhole":
            call.watcher = _Abandoned(self.ledger, entry)
            return
        call.reset()
        self.ledger.close(entry, "broken")

    def _sync_door(self) -> None:
        word = self.board.listener
        self.door.want(
            "refuse" if word == "refuse" else "blackhole" if word == "blackhole" else "tls" if word else "serve"
        )
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        expiry = self.board.next_expiry
        if expiry is not None:
            self._expiry = self.loop.call_at(expiry, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        self.board.expire(self.loop.time())
        if self.board.next_expiry is not None and self._expiry is None:
            self._sync_door()


class _Abandoned:
    """Watches a request that is never answered, to see its client leave."""

    __slots__ = ("_entry", "_ledger")

    def __init__(self, ledger: Ledger, entry: Entry) -> None:
        self._ledger = ledger
        self._entry = entry

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        self.on_gone()
        return []

    def on_gone(self) -> None:
        self._ledger.close(self._entry, "disconnected")

    def on_blocked(self) -> None:
        """Nothing is written."""

    def on_writable(self) -> None:
        """Nothing is written."""
