"""The transport's application: health, surfaces, keys at the head, and one task per exchange."""

from __future__ import annotations

import json
from typing import Literal

from trunkline.dialects.contract import Voice
from trunkline.engine.exchange import Exchange, Note
from trunkline.engine.house import House
from trunkline.engine.ids import new_id
from trunkline.engine.line import abandon, launch, refuse_at_head
from trunkline.jobs.serving import JobAsk, JobFront
from trunkline.server.caller import read_caller
from trunkline.server.shedding import Shedder, overloaded
from trunkline.server.surfaces import Surface, Unmatched, dialect_of, match, not_served
from trunkline.transport.contract import Call
from trunkline.types.failure import Failure, http_status, invalid
from trunkline.types.principal import Principal
from trunkline.types.wire import DialectName, Headers, Operation

MAX_LIVE = 16_384  # exchanges at once in one worker; above it: 503, before the body is read
BODY_BYTES = 32 << 20

Phase = Literal["starting", "ready", "draining"]

_JSON = (b"content-type", b"application/json")


class Gateway:
    """`Application` of the data plane. `phase` drives `/readyz`; draining never refuses what still arrives."""

    def __init__(
        self, house: House, *, body_bytes: int = BODY_BYTES, max_live: int = MAX_LIVE, jobs: JobFront | None = None
    ) -> None:
        self.house = house
        self.jobs = jobs
        self.voices: dict[str, Voice] = {**house.dialects, **(jobs.house.dialects if jobs is not None else {})}
        self.phase: Phase = "starting"
        self.body_bytes = body_bytes
        self.shedder = Shedder(house.loop, house.live, max_live, house.rand)
        self.details: dict[str, object] = {}

    # --- Application -----------------------------------------------------------------------------------------------
    def on_head(self, call: Call) -> int:
        path, _, query = call.target.partition(b"?")
        if path == b"/healthz" or path == b"/readyz":
            self._health(call, path)
            return -1
        if call.method == b"OPTIONS":
            call.respond(204, [(b"allow", b"POST, OPTIONS")], b"")
            return -1
        surface = match(call.method, path, query, call.headers)
        if isinstance(surface, Surface) and surface.target.dialect not in self.voices:
            surface = Unmatched(surface.target.dialect, not_served(path))
        if isinstance(surface, Unmatched):
            self._unmatched(call, surface)
            return -1
        house = self.house
        voice = self.voices[surface.target.dialect]
        wall = house.wall()
        x = Exchange(house, call, voice, surface.target, surface.name, new_id(wall), wall, house.snapshot)
        if surface.operation != "chat":
            x.note = Note(operation=surface.operation)
        caller = read_caller(call.headers, query)
        if isinstance(caller, Failure):
            refuse_at_head(x, caller)
            return -1
        x.presented, x.labels = caller.presented, caller.labels
        if caller.presented is None and speaks_for_itself(surface.operation, query):
            x.decision = NOBODY
        else:
            x.decision = house.gate.known(caller.presented)
        failure = x.decision if isinstance(x.decision, Failure) else self._overload(x.decision)
        if failure is not None:
            refuse_at_head(x, failure)
            return -1
        call.watcher = Arrival(x, surface)
        return self.body_bytes

    def on_request(self, call: Call) -> None:
        arrival = call.watcher
        assert isinstance(arrival, Arrival)
        x, surface = arrival.x, arrival.surface
        call.watcher = x
        if surface.operation == "chat":
            launch(x)
            return
        jobs = self.jobs
        assert jobs is not None  # without it no voice of its dialects is known
        query = call.target.partition(b"?")[2]
        ask = JobAsk(operation=surface.operation, shown=surface.shown, query=query)
        launch(x, lambda x: jobs.serve(x, ask))

    # --- answers without an exchange -------------------------------------------------------------------------------
    def _health(self, call: Call, path: bytes) -> None:
        if call.method not in (b"GET", b"HEAD"):
            call.respond(405, [_JSON, (b"allow", b"GET, HEAD")], b'{"error":{"message":"takes GET"}}')
            return
        if path == b"/healthz":
            call.respond(200, [_JSON], b'{"status":"ok"}')
            return
        ready = self.phase == "ready" and self.house.books.healthy
        state = {"status": self.phase if self.house.books.healthy else "journal_full", **self.details}
        call.respond(200 if ready else 503, [_JSON, (b"cache-control", b"no-store")], json.dumps(state).encode())

    def _unmatched(self, call: Call, unmatched: Unmatched) -> None:
        headers: Headers = [_JSON]
        if unmatched.allow:
            headers.append((b"allow", unmatched.allow))
        body = self.voice_of(unmatched.dialect).error_body(unmatched.failure, "")
        call.respond(http_status(unmatched.failure), headers, body)

    def _overload(self, principal: Principal | None) -> Failure | None:
        failure = self.shedder.refuses(principal)
        if failure is not None:
            return failure
        if not self.house.books.healthy:
            return overloaded("this gateway cannot account for requests now", 1.0 + 4.0 * self.house.rand())
        return None

    def error_body(self, status: int, code: str, message: str, target: bytes) -> tuple[Headers, bytes]:
        """Words for what the transport refuses by itself (bad framing, limits), in the shape of the path's dialect."""
        path = target.partition(b"?")[0]
        return [_JSON], self.voice_of(dialect_of(path, [])).error_body(refusal(status, code, message), "")

    def voice_of(self, dialect: DialectName) -> Voice:
        return self.voices.get(dialect) or self.voices["openai_chat"]


class Arrival:
    """Watches a client that is still sending its body."""

    __slots__ = ("surface", "x")

    def __init__(self, x: Exchange, surface: Surface) -> None:
        self.x = x
        self.surface = surface

    def on_gone(self) -> None:
        abandon(self.x)

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        refuse_at_head(self.x, refusal(status, code, message))
        return self.x.early_headers()

    def on_blocked(self) -> None:
        """Nothing is being written yet."""

    def on_writable(self) -> None:
        """Nothing is being written yet."""


#: Who comes with a token in the URL instead of a key: it names one job and is checked when that is known.
NOBODY = Principal(key_id="")


def speaks_for_itself(operation: Operation, query: bytes) -> bool:
    """A provider's callback, or a result by a link that we have signed."""
    return operation == "video_callback" or (operation == "video_content" and b"signature=" in query)


def refusal(status: int, code: str, message: str) -> Failure:
    """What the transport refuses by itself."""
    return overloaded(message, 1.0) if status == 503 else invalid(message, status=status, code=code)
