"""The answering side of one request: the concrete `Call`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trunkline.transport.contract import Call, CallWatcher
from trunkline.transport.server.answer import (
    CHUNKED_END,
    CLOSE,
    CRLF,
    KEEP_ALIVE,
    LAST_CHUNK,
    bodiless,
    header_lines,
    status_line,
)
from trunkline.types.wire import Headers

if TYPE_CHECKING:
    from trunkline.transport.server.lifeline import Lifeline

# How the answer's body is framed.
UNSTARTED: Final = 0
NO_BODY: Final = 1  # HEAD, 204, 304: writes are dropped
CHUNKED: Final = 2
UNTIL_CLOSE: Final = 3  # HTTP/1.0
ENDED: Final = 4
SIZED: Final = 5  # Content-Length was promised

#: Above this many bytes a copy costs more than a second buffer in the same write.
JOIN = 16 * 1024


class ServerCall:
    """See `contract.Call`. Target: as sent, but an absolute URI whose authority is that of Host is reduced to its
    path and query. `bytes_out` counts body bytes handed to the transport, without framing.

    Answering after the client is gone does nothing. Answering twice, or writing before `start`, is a bug in the
    caller and raises RuntimeError; a status outside 200–599 or a header with control characters raises ValueError
    before anything is written.
    """

    __slots__ = (
        "_connection",
        "_form",
        "_gone",
        "_held",
        "_keep",
        "_left",
        "body",
        "body_at",
        "bytes_out",
        "head_at",
        "headers",
        "http11",
        "method",
        "peer",
        "target",
        "watcher",
    )

    def __init__(self, connection: Lifeline, line: tuple[bytes, bytes, bool], headers: Headers, keep: bool, now: float):
        """`line` is method, target and whether the client speaks HTTP/1.1."""
        self.method, self.target, self.http11 = line
        self.headers = headers
        self.peer = connection.peer
        self.body = b""
        self.head_at = now
        self.body_at = 0.0
        self.watcher: CallWatcher | None = None
        self.bytes_out = 0
        self._connection: Lifeline | None = connection  # None: the answer ended, or nobody is there to read it
        self._keep = keep
        self._form = UNSTARTED
        self._held = b""  # the head between `start` and the first write
        self._gone = False
        self._left = 0  # of a promised length

    @property
    def blocked(self) -> bool:
        connection = self._connection
        return connection is not None and connection.blocked

    @property
    def gone(self) -> bool:
        return self._gone

    @property
    def started(self) -> bool:
        """Bytes of an answer have been handed to the transport."""
        return self._form != UNSTARTED and not self._held

    # --- a whole answer ------------------------------------------------------------------------------------------
    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        connection = self._connection
        if connection is None:
            self._late()
            return
        if self._form != UNSTARTED:
            raise RuntimeError("this call is being answered already")
        keep = self._keep and connection.may_stay
        if bodiless(status):
            length, body = b"", b""
        else:
            length = b"content-length: %d\r\n" % len(body)
            if self.method == b"HEAD":
                body = b""
        head = self._head(connection, status, headers, keep) + length + CRLF
        self._form = ENDED
        self._connection = None
        self.bytes_out = len(body)
        if len(body) > JOIN:
            connection.send_parts(head, body)
        else:
            connection.send(head + body)
        connection.answered(keep)

    def _head(self, connection: Lifeline, status: int, headers: Headers, keep: bool) -> bytes:
        """Everything but the headers that frame the body, and the empty line."""
        server = connection.server
        head = status_line(status) + server.date.at(server.loop.time()) + header_lines(headers)
        if keep:
            return head if self.http11 else head + KEEP_ALIVE
        return head + CLOSE

    # --- a streamed answer ---------------------------------------------------------------------------------------
    def start(self, status: int, headers: Headers, length: int | None = None) -> None:
        connection = self._connection
        if connection is None:
            self._late()
            return
        if self._form != UNSTARTED:
            raise RuntimeError("this call is being answered already")
        if self.method == b"HEAD" or bodiless(status):
            form, end = NO_BODY, CRLF
        elif length is not None:
            form, end = SIZED, b"content-length: %d\r\n\r\n" % length
            self._left = length
        elif self.http11:
            form, end = CHUNKED, CHUNKED_END
        else:
            form, end = UNTIL_CLOSE, CRLF
        keep = self._keep and connection.may_stay and form != UNTIL_CLOSE
        self._held = self._head(connection, status, headers, keep) + end
        self._form = form
        self._keep = keep

    def write(self, data: bytes) -> None:
        connection = self._connection
        if connection is None or not data:
            return
        form = self._form
        size = len(data)
        if form == CHUNKED:
            self.bytes_out += size
            if size <= JOIN:
                if self._held:
                    held, self._held = self._held, b""
                    connection.send(b"%b%x\r\n%b\r\n" % (held, size, data))
                else:
                    connection.send(b"%x\r\n%b\r\n" % (size, data))
            else:
                held, self._held = self._held, b""
                connection.send_parts(b"%b%x\r\n" % (held, size), data, CRLF)
        elif form == SIZED:
            if size > self._left:
                raise RuntimeError("more was written than was promised")
            self._left -= size
            self.bytes_out += size
            held, self._held = self._held, b""
            if held and size <= JOIN:
                connection.send(held + data)
            elif held:
                connection.send_parts(held, data)
            else:
                connection.send(data)
        elif form == UNTIL_CLOSE:
            self.bytes_out += size
            held, self._held = self._held, b""
            connection.send(held + data if held else data)
        elif form == UNSTARTED:
            raise RuntimeError("write before start")

    def flush(self) -> None:
        connection = self._connection
        if connection is not None and self._held:
            held, self._held = self._held, b""
            connection.send(held)

    def end(self) -> None:
        connection = self._connection
        if connection is None:
            self._late()
            return
        if self._form == UNSTARTED:
            raise RuntimeError("end before start")
        if self._form == SIZED and self._left:
            self.abort()  # the client has to see that it is not whole
            return
        last = self._held + LAST_CHUNK if self._form == CHUNKED else self._held
        self._held = b""
        self._form = ENDED
        self._connection = None
        if last:
            connection.send(last)
        connection.answered(self._keep)

    def _late(self) -> None:
        """Nobody is left to read this; but an answer given twice to a live client is a bug worth hearing of."""
        if not self._gone:
            raise RuntimeError("this call has been answered already")

    # --- not an answer -------------------------------------------------------------------------------------------
    def abort(self) -> None:
        connection = self._connection
        if connection is None:
            return
        until_close = self._form == UNTIL_CLOSE
        self.leave()
        # Without framing only a reset tells a cut from an end; otherwise what was written may still arrive.
        connection.drop(reset=until_close)

    def reset(self) -> None:
        connection = self._connection
        if connection is None:
            return
        self.leave()
        connection.drop(reset=True)

    def leave(self) -> None:
        """Cuts the ties with the connection: from here on nothing this call is told has an effect."""
        self._connection = None
        self._gone = True
        self._held = b""
        self.watcher = None


_: type[Call] = ServerCall
