"""Requests out of bytes: one connection's reader.

Heads are found here and parsed by llhttp; where a body ends is decided here, and llhttp follows along: when the two
disagree the request is refused. The next request is not looked at before the answer to the present one has ended, so
answers are in order by construction and a pipelining client waits in its own send buffer.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httptools

from trunkline.transport.server import framing
from trunkline.transport.server.answer import CONTINUE
from trunkline.transport.server.call import ServerCall
from trunkline.transport.server.chunks import ChunkedBody
from trunkline.transport.server.framing import CHUNKED, Refusal
from trunkline.transport.server.lifeline import (
    ANSWERING,
    BODY,
    CHUNKS,
    CLOSED,
    HEADED,
    LINGER_BYTES,
    LINGERING,
    NEVER,
    READING,
    Lifeline,
)
from trunkline.types.wire import Headers

if TYPE_CHECKING:
    from trunkline.transport.server.server import Server

#: Bytes of further requests that are kept while one is being answered; then reading pauses. Reading goes on until
#: then because only a reading server sees its client leave.
SURPLUS_BYTES = 64 * 1024

_END = b"\r\n\r\n"


class Connection(Lifeline):
    """The protocol of one accepted connection."""

    __slots__ = ("body", "chunks", "complete", "expected", "fields", "known", "parser", "partial")

    def __init__(self, server: Server, peer: str = "", sock: socket.socket | None = None) -> None:
        super().__init__(server, peer, sock)
        self.parser: httptools.HttpRequestParser | None = None
        self.fields: Headers = []  # where the parser puts headers
        self.known: dict[bytes, bytes] = {}  # the same by name, for those that decide framing
        self.complete = False  # the parser has seen the end of the request
        self.partial = False  # `buffer` begins with a head whose end has not arrived
        self.body = bytearray()
        self.expected = 0  # length of the whole body
        self.chunks: ChunkedBody | None = None

    # --- the parser's callbacks ----------------------------------------------------------------------------------
    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name.lower(), value.rstrip(b" \t")))  # llhttp keeps trailing white space

    def on_message_complete(self) -> None:
        self.complete = True

    # --- transport events ----------------------------------------------------------------------------------------
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.parser = None  # it holds references to our methods

    def discard(self) -> None:
        super().discard()
        self.body.clear()
        self.chunks = None

    def data_received(self, data: bytes) -> None:
        self.fresh = False
        if not self.buffer:
            if self.state < ANSWERING:
                self._process(data)
                return
        elif self.partial:
            self._more_head(data)
            return
        self._surplus(data)

    def _surplus(self, data: bytes) -> None:
        """Bytes that nobody can take now."""
        if self.state == LINGERING:
            self.lingered += len(data)
            if self.lingered > LINGER_BYTES:
                self.drop(reset=True)
        elif self.state != CLOSED and not (self.state == ANSWERING and self.unread):
            self.buffer += data
            if self._full():
                self.pause()

    def advance(self) -> None:
        """Takes up what had to wait, and reads on."""
        self.scheduled = False
        if self.state >= LINGERING or self.holding:
            return
        if (
            self.buffer
            and not self.partial
            and (self.state < ANSWERING and not (self.state == READING and self.blocked))
        ):
            data = bytes(self.buffer)
            self.buffer.clear()
            self._process(data)
        if self.paused and not self.holding and not self.scheduled and not self._full():
            self.unpause()

    def _full(self) -> bool:
        """Ends of heads are counted, not requests: a bound on work that is cheap and exact enough."""
        return len(self.buffer) > SURPLUS_BYTES or self.buffer.count(_END) >= self.limits.pipeline

    # --- taking requests out of bytes ----------------------------------------------------------------------------
    def _process(self, data: bytes) -> None:
        """Takes from `data` what can be taken now; the rest goes to `buffer`."""
        at, end = 0, len(data)
        turns = self.limits.pipeline  # requests, or pieces of a chunked body, before the loop gets its turn
        self.turning = True
        while at < end and turns and not self.holding:
            state = self.state
            if state == READING:
                if self.blocked:
                    break
                at = self._head(data, at)
                if self.partial:
                    break
                turns -= 1
            elif state == CHUNKS:
                at = self._chunks(data, at)
                turns = 0 if at < end and self.state == CHUNKS else turns
            elif state == BODY:
                at = self._body(data, at)
            elif state == ANSWERING and not self.unread:
                break
            else:
                at = end
        self.turning = False
        if at < end:
            self.buffer += memoryview(data)[at:]
            if not turns:
                self.pause()
                self.advance_soon()
            elif not self.partial and self._full():
                self.pause()

    def _head(self, data: bytes, at: int) -> int:
        """One head from `data[at:]`, and what follows from it. Returns the index behind what was used."""
        stop = data.find(_END, at)
        if stop < 0:
            return self._part_of_head(data, at)
        stop += 4
        head = data[at:stop]
        refusal = self._parse(head)
        if refusal is not None:
            return self._refuse_head(refusal, head, data)
        server = self.server
        found = framing.read_head(head, self.known, server.good_host)
        if isinstance(found, Refusal):
            return self._refuse_head(found, head, data)
        method, target, http11, length = found
        server.good_host = self.known.get(b"host")
        now = server.loop.time()
        keep = framing.keeps_alive(self.known.get(b"connection"), http11)
        call = ServerCall(self, (method, target, http11), self.fields, keep, now)
        self.deadline = NEVER
        if length:
            return self._head_with_body(call, length, data, stop)
        if not self.complete and self.parser is not None:
            return self._refuse_head(framing.BAD_SYNTAX, head, data)
        self.call = call
        self.state = ANSWERING
        self.unread = False
        try:
            if server.application.on_head(call) >= 0 and self.call is call:
                call.body_at = now
                server.application.on_request(call)
        except Exception as error:
            self.failed(error)
        return stop

    def _parse(self, head: bytes) -> Refusal | None:
        """Has llhttp fill `fields` and `known`."""
        lines = head.count(b"\r\n")
        if lines != head.count(b"\n") or lines != head.count(b"\r") or head[0] <= 32:
            return framing.BAD_BYTES
        if len(head) > self.limits.header_bytes:
            return framing.LONG_HEAD
        if lines - 2 > self.limits.header_count:
            return framing.MANY_HEADERS
        self.fields = []
        self.complete = False
        parser = self.parser
        if parser is None:
            parser = self.parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            # Never followed: to us the request is an ordinary one. The parser is of no use for its body.
            self.parser = None
            self.known = framing.joined(self.fields)
            return framing.NO_METHOD if head.startswith(b"CONNECT ") else None
        except httptools.HttpParserInvalidMethodError:
            return framing.NO_METHOD if any(framing.refused_line(head)) else framing.BAD_LINE
        except httptools.HttpParserError:
            return framing.BAD_SYNTAX
        self.known = known = dict(self.fields)
        if len(known) != len(self.fields):
            self.known = framing.joined(self.fields)
        return None

    def _refuse_head(self, refusal: Refusal, head: bytes, data: bytes) -> int:
        self.refuse(refusal, *framing.refused_line(head))
        return len(data)

    # --- heads that arrive in parts ------------------------------------------------------------------------------
    def _part_of_head(self, data: bytes, at: int) -> int:
        """The beginning of a head: it waits in `buffer`, for header_timeout at most."""
        piece = data[at:]
        if framing.bad_partial_head(piece, False) or piece[0] <= 32:
            return self._refuse_head(framing.BAD_BYTES, piece, data)
        if len(piece) > self.limits.header_bytes:
            return self._refuse_head(framing.LONG_HEAD, piece, data)
        self.partial = True
        self.deadline = self.server.loop.time() + self.limits.header_timeout
        return at

    def _more_head(self, data: bytes) -> None:
        """Only what is new is looked at, so that a head that comes byte by byte costs no more than one that does
        not."""
        buffer = self.buffer
        old = len(buffer)
        after_cr = buffer.endswith(b"\r")
        buffer += data
        if buffer.find(_END, max(0, old - 3)) >= 0:
            self.partial = False
            whole = bytes(buffer)
            buffer.clear()
            self._process(whole)
        elif framing.bad_partial_head(data, after_cr):
            self._refuse_head(framing.BAD_BYTES, bytes(buffer), data)
        elif len(buffer) > self.limits.header_bytes:
            self._refuse_head(framing.LONG_HEAD, bytes(buffer), data)

    # --- bodies --------------------------------------------------------------------------------------------------
    def _head_with_body(self, call: ServerCall, length: int, data: bytes, at: int) -> int:
        """Asks the application whether it wants the body; `data[at:]` is what has arrived of it."""
        limits, server = self.limits, self.server
        if length > limits.body_bytes:
            self.refuse(framing.TOO_LARGE, call.target, call.method)
            return len(data)
        self.unread = length == CHUNKED or length > len(data) - at
        self.call = call
        self.state = HEADED
        try:
            allowed = server.application.on_head(call)
        except Exception as error:
            self.failed(error)
            return len(data)
        if self.state != HEADED:  # answered, and the connection ends with it
            return len(data)
        if self.call is not call or allowed < 0:
            return self._skip_body(length, data, at)
        if length > allowed:
            self.refuse(framing.TOO_LARGE)
            return len(data)
        if server.inflight > limits.inflight_bytes + limits.inflight_bytes // 4:
            self.refuse(framing.OVERLOADED)
            return len(data)
        if not self.unread and server.inflight <= limits.inflight_bytes:
            body = data[at : at + length]
            self._follow(body)
            self._count(length)
            self._complete(body)
            return at + length
        if self.unread and call.http11 and b"expect" in self.known:
            self.send(CONTINUE)
        self._expect_body(length, min(allowed, limits.body_bytes))
        return at

    def _skip_body(self, length: int, data: bytes, at: int) -> int:
        """The application has answered from the head, or has begun to."""
        if self.call is None:
            self.state = READING
            self.deadline = self.server.loop.time() + self.limits.idle_timeout
        else:
            self.state = ANSWERING
        if self.unread:
            return len(data)  # and so is all that follows, until the answer ends and the connection with it
        self._follow(data[at : at + length])
        return at + length

    def _expect_body(self, length: int, limit: int) -> None:
        self.unread = True
        self.mark = 0
        self.deadline = self.server.loop.time() + self.limits.body_grace
        self.expected = length
        if length == CHUNKED:
            self.state = CHUNKS
            self.chunks = ChunkedBody(limit)
            self.fields = []  # trailers go nowhere
        else:
            self.state = BODY
        self._hold_if_full()

    def _body(self, data: bytes, at: int) -> int:
        piece = data[at : at + self.expected - self.held]
        self._follow(piece)
        self.body += piece
        self._count(len(piece))
        if self.held == self.expected:
            body = bytes(self.body)
            self.body.clear()
            self._complete(body)
        else:
            self._hold_if_full()
        return at + len(piece)

    def _chunks(self, data: bytes, at: int) -> int:
        chunks = self.chunks
        assert chunks is not None
        stop = chunks.feed(data, at)
        refusal = chunks.refusal
        if refusal is None and not self._follow(data[at:stop]):
            refusal = framing.BAD_CHUNK
        if refusal is None and self.parser is not None and self.complete != chunks.done:
            refusal = framing.BAD_CHUNK
        if refusal is not None:
            self.refuse(refusal)
            return len(data)
        self._count(len(chunks.body) - self.held)
        if chunks.done:
            self.chunks = None
            self._complete(bytes(chunks.body))
        else:
            self._hold_if_full()
        return stop

    def _follow(self, piece: bytes) -> bool:
        """Takes llhttp along to where the body has been read to; False when it objects."""
        parser = self.parser
        if parser is None:
            return True
        try:
            parser.feed_data(piece)
        except httptools.HttpParserError:
            return False
        return True

    def _count(self, size: int) -> None:
        self.held += size
        self.server.inflight += size

    def _hold_if_full(self) -> None:
        if self.server.inflight > self.limits.inflight_bytes:
            self.hold()

    def _complete(self, body: bytes) -> None:
        call = self.call
        assert call is not None
        if not self.complete and self.parser is not None:
            self.refuse(framing.BAD_SYNTAX)
            return
        self.unread = False
        self.state = ANSWERING
        self.deadline = NEVER
        call.body = body
        call.body_at = self.server.loop.time()
        try:
            self.server.application.on_request(call)
        except Exception as error:
            self.failed(error)
