"""A server connection without its parser: transport events, writing, every way to end, and time.

All deadlines of a connection are two numbers (`deadline` of its state, `stall_at` of its unsent bytes) that the
wheel of the server looks at every few seconds: a request that goes well touches no timer at all.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from trunkline.transport.contract import ServerLimits
from trunkline.transport.server.answer import CLOSE, CRLF, header_lines, status_line
from trunkline.transport.server.framing import FAILED, OVERLOADED, TIMEOUT, Refusal
from trunkline.types.wire import Headers, header

if TYPE_CHECKING:
    from trunkline.transport.server.call import ServerCall
    from trunkline.transport.server.server import Server

NEVER: Final = float("inf")

# States, in the order of a request's life. Those below ANSWERING take what arrives.
READING: Final = 0  # a head, or nothing yet
HEADED: Final = 1  # the application looks at the head of a request that has a body
BODY: Final = 2  # of known length
CHUNKS: Final = 3
ANSWERING: Final = 4  # the request is complete, the application has it
LINGERING: Final = 5  # the last answer is out; what still arrives is thrown away, so that the client can read it
CLOSED: Final = 6

LINGER_SECONDS = 5.0  # a client that is still sending gets this long to notice that it has its answer
LINGER_BYTES = 64 << 20
HOLD_SECONDS = 1.0  # how long a body waits for others to leave memory before it is refused
RETRY_AFTER = (b"retry-after", b"1")

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 seconds: close sends RST


class Lifeline(asyncio.Protocol):
    """What `ServerCall` and `Server` see of a connection. `Connection` adds the reading of requests."""

    __slots__ = (
        "blocked",
        "buffer",
        "call",
        "deadline",
        "drained",
        "fresh",
        "held",
        "holding",
        "limits",
        "lingered",
        "mark",
        "on_closed",
        "opened_at",
        "outbox",
        "paused",
        "peer",
        "scheduled",
        "server",
        "sock",
        "stall_at",
        "state",
        "transport",
        "turned_away",
        "turning",
        "unread",
        "written",
    )

    def __init__(self, server: Server, peer: str, sock: socket.socket | None) -> None:
        self.server = server
        self.limits: ServerLimits = server.limits
        self.outbox = server.outbox
        self.peer = peer
        self.sock = sock
        self.transport: asyncio.Transport  # from connection_made on
        self.state = READING
        self.call: ServerCall | None = None
        self.buffer = bytearray()  # received and not yet looked at
        self.held = 0  # bytes of the present request's body that count as in flight
        self.unread = False  # the body of the present request has not wholly arrived
        self.fresh = True  # nothing has been received yet
        self.blocked = False
        self.paused = False
        self.holding = False  # the body waits until others have left memory
        self.turning = False  # requests are being taken out of `buffer`
        self.scheduled = False  # … or will be in the next turn of the loop
        self.written = 0
        self.drained = -1  # `written` less what was unsent when last looked at
        self.stall_at = NEVER
        self.deadline = NEVER
        self.opened_at = 0.0
        self.turned_away: Refusal | None = None  # said instead of serving
        self.on_closed: Callable[[], None] | None = None  # whoever counts connections
        self.mark = 0  # body bytes at the beginning of the present window of body_grace
        self.lingered = 0

    # --- transport events ----------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(self.limits.high_water)
        self.opened_at = self.server.loop.time()
        self.deadline = self.opened_at + self.limits.header_timeout
        self.server.opened(self)
        if self.turned_away is not None:
            self.refuse(self.turned_away)

    def eof_received(self) -> bool:
        """A half-closed client is a gone client: no HTTP library stops sending and waits for the answer."""
        self.outbox.flush()
        if self.call is not None:
            self.client_gone()
        elif self.state != CLOSED:
            self.state = CLOSED
            self.discard()
        return False  # the transport sends what is left and closes

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = CLOSED
        self.server.closed(self)
        self.forget(gone=True)
        self.discard()
        self.sock = None

    def pause_writing(self) -> None:
        self.blocked = True
        call = self.call
        if call is not None and call.watcher is not None:
            call.watcher.on_blocked()

    def resume_writing(self) -> None:
        self.blocked = False
        call = self.call
        if call is not None:
            if call.watcher is not None:
                call.watcher.on_writable()
        elif self.state == READING and (self.buffer or self.paused):
            self.advance_soon()

    # --- reading, as far as it is flow control -------------------------------------------------------------------
    def pause(self) -> None:
        if not self.paused and not self.transport.is_closing():
            self.paused = True
            self.transport.pause_reading()

    def unpause(self) -> None:
        if self.paused:
            self.paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()

    def advance_soon(self) -> None:
        """Take up `buffer` in the next turn of the loop: not inside whatever the application is doing now."""
        if not self.scheduled:
            self.scheduled = True
            self.server.loop.call_soon(self.advance)

    def advance(self) -> None:
        raise NotImplementedError

    def discard(self) -> None:
        """Forgets what was received and will not be used."""
        self.buffer.clear()

    def hold(self) -> None:
        """The bodies in flight fill their share of memory: this one's client waits in its own send buffer."""
        self.holding = True
        self.pause()
        self.server.holding[self] = None
        self._expect(HOLD_SECONDS)

    def unhold(self) -> None:
        self.holding = False
        self.mark = self.held
        self.deadline = self.server.loop.time() + self.limits.body_grace
        self.advance_soon()

    # --- writing -------------------------------------------------------------------------------------------------
    def send(self, data: bytes) -> None:
        self.written += len(data)
        self.outbox.put(self.transport, data)

    def send_parts(self, *parts: bytes) -> None:
        self.written += sum(map(len, parts))
        self.outbox.flush()
        self.transport.writelines(parts)

    @property
    def may_stay(self) -> bool:
        """Whether another request may follow the present one."""
        return not self.unread and not self.server.closing

    def answered(self, keep: bool) -> None:
        """The call has handed the end of its answer to the transport."""
        self.call = None
        if self.held:
            held, self.held = self.held, 0
            self.server.release(held)
        if self.state == HEADED and keep:
            return  # the reader skips the body, which is here already
        if self.unread:
            self.linger()
        elif keep and not self.server.closing:
            self.state = READING
            self.deadline = self.server.loop.time() + self.limits.idle_timeout
            if not self.turning and (self.buffer or self.paused):
                self.advance_soon()
        elif self.paused or self.server.closing:
            self.linger()
        else:
            self.close()

    def refuse(self, refusal: Refusal, target: bytes = b"", method: bytes = b"") -> None:
        """The transport's own answer; nothing after it is read as a request. A call that is open is told; when its
        answer has begun, its client counts as gone, and the connection is cut instead."""
        call = self.call
        added: Headers = []
        if call is not None:
            target, method, watcher = call.target, call.method, call.watcher
            if call.started:
                self.forget(gone=True)
                self.drop(reset=True)
                return
            self.forget(gone=False)
            if watcher is not None:
                added = watcher.on_refused(refusal.status, refusal.code, refusal.message)
        headers, body = self.server.words(refusal, target)
        headers = headers + added
        if refusal.status == 503 and header(headers, b"retry-after") is None:
            headers = [*headers, RETRY_AFTER]
        lines = status_line(refusal.status) + self.server.date.at(self.server.loop.time()) + header_lines(headers)
        length = b"content-length: %d\r\n" % len(body)
        self.send(lines + CLOSE + length + CRLF + (b"" if method == b"HEAD" else body))
        self.linger()

    def failed(self, error: Exception) -> None:
        """The application raised: its bug must neither hang the client nor end the connection's other duties."""
        self.server.loop.call_exception_handler(
            {"message": "the application failed on a request", "exception": error, "protocol": self}
        )
        if self.state in (LINGERING, CLOSED):
            return
        if self.call is None:
            self.drop(reset=False)
        else:
            self.refuse(FAILED)

    # --- the ends ------------------------------------------------------------------------------------------------
    def close(self) -> None:
        """Send what was written, then close."""
        self.state = CLOSED
        self.deadline = NEVER
        self.outbox.flush()
        self.transport.close()

    def linger(self) -> None:
        """The last answer is written, but the client may still be sending. A close now would turn its unread bytes
        into a reset, which can destroy the answer on its way; so say that we are done, and read into nothing."""
        self.state = LINGERING
        self.discard()
        self.outbox.flush()
        if self.transport.is_closing():
            return
        try:
            if self.transport.can_write_eof():
                self.transport.write_eof()
        except OSError:  # the client has reset the connection just now
            self.drop(reset=True)
            return
        self.unpause()
        self._expect(LINGER_SECONDS)

    def drop(self, *, reset: bool) -> None:
        """End without an end. What was written may still arrive unless `reset`, which sends RST at once."""
        self.forget(gone=False)
        self.state = CLOSED
        self.deadline = NEVER
        self.outbox.flush()
        if not reset:
            self.transport.close()
            return
        if self.sock is not None:
            try:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass  # closed already
        self.transport.abort()

    def client_gone(self) -> None:
        """The client left, or stopped reading for longer than anyone waits."""
        self.state = CLOSED
        self.deadline = NEVER
        self.transport.abort()
        self.forget(gone=True)

    def forget(self, *, gone: bool) -> None:
        """Parts with the present call, if there is one. `gone`: and tells its watcher."""
        if self.holding:
            self.holding = False
            self.server.holding.pop(self, None)
        if self.held:
            held, self.held = self.held, 0
            self.server.release(held)
        call, self.call = self.call, None
        if call is None:
            return
        watcher = call.watcher
        call.leave()
        if gone and watcher is not None:
            watcher.on_gone()

    def close_if_idle(self) -> None:
        """For the drain. A connection that has not spoken yet was accepted for its first request; one whose next
        request is already in the kernel would lose it: both get an answer with `Connection: close` first."""
        if self.state != READING or self.fresh or self.buffer or self.scheduled:
            return
        if self.sock is not None:
            try:
                if self.sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    return
            except OSError:
                pass  # nothing there
        self.close()

    @property
    def owes(self) -> bool:
        """Whether closing now would lose something: a request under way, or an answer not yet sent."""
        if HEADED <= self.state <= ANSWERING or self.buffer or self.scheduled:
            return True
        if self.state == READING and self.fresh:
            return self.server.stopped and self.server.loop.time() < self.opened_at + HOLD_SECONDS
        return self.transport.get_write_buffer_size() > 0

    # --- time ----------------------------------------------------------------------------------------------------
    def _expect(self, seconds: float) -> None:
        """A deadline that may come sooner than the next visit of the wheel."""
        self.deadline = self.server.loop.time() + seconds
        self.server.deadlines.move(self, self.deadline)

    def on_deadline(self, now: float) -> float | None:
        """Visited every few seconds, and never later than a deadline."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            self.stall_at = NEVER
        elif self.written - unsent != self.drained:
            self.drained = self.written - unsent
            self.stall_at = now + self.limits.write_timeout
        elif now >= self.stall_at:
            self.client_gone()
            return None
        if now >= self.deadline:
            self._expired(now, unsent)
        return min(self.deadline, self.stall_at, now + self.server.visit)

    def _expired(self, now: float, unsent: int) -> None:
        match self.state:
            case 0:  # READING
                if self.buffer and not self.blocked:
                    self.refuse(TIMEOUT)
                elif unsent:  # the last answer is still on its way: not idle
                    self.deadline = now + self.limits.idle_timeout
                else:
                    self.close()
            case 2 | 3:  # BODY, CHUNKS
                if self.holding:
                    self.refuse(OVERLOADED)
                elif self.held - self.mark < self.limits.body_rate * self.limits.body_grace:
                    self.refuse(TIMEOUT)
                else:
                    self.mark = self.held
                    self.deadline = now + self.limits.body_grace
            case 5:  # LINGERING
                self.drop(reset=True)
            case _:
                self.deadline = NEVER
