"""TLS as a layer between a raw transport and a protocol, over `ssl.MemoryBIO`.

The event loops' own TLS keeps about 256 KiB of buffers per connection. Here a connection holds the OpenSSL state
and nothing else between reads: ciphertext is fed in slices so that the memory BIOs stay small, and plaintext is
handed on as fresh bytes, one `data_received` per raw read. Works the same on uvloop and asyncio, for both sides.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

RECORD = 16384  # most plaintext that one TLS record carries (RFC 8446 5.1)
SLICE = 32768  # ciphertext fed at once: a memory BIO keeps the largest size it ever had

Stage = Literal["new", "handshake", "open", "closing", "closed"]


class TlsTruncated(ConnectionError):
    """The peer's TCP connection ended without a close_notify: what was read may be cut."""


_GONE = asyncio.Protocol()


class TlsProtocol(asyncio.Protocol):
    """Wraps `inner`, which sees `connection_made` only after the handshake, and then an ordinary transport.

    `on_handshake(error)` is called once: with None on success (right after `inner.connection_made`), with an
    `ssl.SSLCertVerificationError` when we refuse the peer's certificate, with any other `ssl.SSLError` or `OSError`
    otherwise; `inner` then hears nothing. Nobody times the handshake here: whoever opened the connection does.

    When an open connection ends, `inner.connection_lost` gets None only after a close_notify or our own close; an
    end without one is `TlsTruncated`. A close_notify is reported as `inner.eof_received()` and then closes.
    """

    __slots__ = (
        "_close_notify",
        "_context",
        "_error",
        "_hostname",
        "_incoming",
        "_made",
        "_on_handshake",
        "_outgoing",
        "_raw",
        "_server_side",
        "_session",
        "_ssl",
        "_stage",
        "_transport",
        "inner",
    )

    def __init__(
        self,
        inner: asyncio.Protocol,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
        on_handshake: Callable[[Exception | None], None] | None = None,
    ):
        self.inner = inner
        self._context = context
        self._server_side = server_side
        self._hostname = server_hostname
        self._session = session
        self._on_handshake = on_handshake
        self._stage: Stage = "new"
        self._made = False
        self._error: Exception | None = None
        self._close_notify = False
        self._raw: asyncio.Transport
        self._incoming: ssl.MemoryBIO
        self._outgoing: ssl.MemoryBIO
        self._ssl: ssl.SSLObject
        self._transport: TlsTransport

    # --- handshake -------------------------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = cast(asyncio.Transport, transport)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._stage = "handshake"
        try:
            self._ssl = self._context.wrap_bio(
                self._incoming, self._outgoing, self._server_side, self._hostname, self._session
            )
        except ValueError as error:  # a host name that cannot be one, or a session of another context
            self._fail(ssl.SSLError(str(error)))
            return
        self._session = None
        if not self._server_side:
            self._handshake()

    def _handshake(self) -> bool:
        """One step; True when it was the last one and the connection is open."""
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._fail(error)
            return False
        self._flush()
        self._stage = "open"
        self._made = True
        self._transport = TlsTransport(self, self._raw, self._ssl, self._outgoing)
        self.inner.connection_made(self._transport)
        self._report(None)
        return self._stage == "open"

    def _report(self, error: Exception | None) -> None:
        report, self._on_handshake = self._on_handshake, None
        if report is not None:
            report(error)

    # --- reading ---------------------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        size = len(data)
        if self._stage == "open" and size <= SLICE:
            self._incoming.write(data)
            self._read_one(size)
            return
        view = memoryview(data)
        pieces: list[bytes] = []
        for start in range(0, size, SLICE):
            self._incoming.write(view[start : start + SLICE])
            if not self._take(pieces):
                break
        self._deliver(pieces)

    def _take(self, pieces: list[bytes]) -> bool:
        """What the ciphertext in `_incoming` yields. False when nothing after it can be used."""
        if self._stage == "handshake":
            return not self._handshake() or self._read_records(pieces)
        return self._stage == "open" and self._read_records(pieces)

    def _read_one(self, size: int) -> None:
        """The usual read: exactly one whole record. The plaintext is smaller than `size`, its ciphertext."""
        try:
            data = self._ssl.read(size if size < RECORD else RECORD)
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._fail(error)
            return
        if data and not self._incoming.pending and not self._ssl.pending():
            self.inner.data_received(data)
            return
        pieces = [data]
        if data:
            self._read_records(pieces)
        else:
            pieces.clear()
            self._close_notify = True
        self._deliver(pieces)

    def _read_records(self, pieces: list[bytes]) -> bool:
        """Decrypts all that is whole. False when nothing more will come: close_notify or an error."""
        while True:
            try:
                data = self._ssl.read(RECORD)
            except ssl.SSLWantReadError:
                self._flush()
                return True
            except ssl.SSLError as error:
                self._error = error
                return False
            if not data:
                self._close_notify = True
                return False
            pieces.append(data)
            if not self._incoming.pending and not self._ssl.pending():
                return True

    def _deliver(self, pieces: list[bytes]) -> None:
        """One `data_received` for everything of this raw read, then what ended it."""
        if pieces and self._stage == "open":
            self.inner.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._stage != "open":
            return
        if self._error is not None:
            self._fail(self._error)
        elif self._close_notify:
            self.inner.eof_received()
            self._transport.close()

    # --- writing ---------------------------------------------------------------------------------------------------
    def _flush(self) -> None:
        if self._outgoing.pending:  # nothing to send is the usual case
            self._raw.write(self._outgoing.read())

    def pause_writing(self) -> None:
        if self._made:
            self._transport.block()
            if self._stage == "open":
                self.inner.pause_writing()

    def resume_writing(self) -> None:
        if self._made:
            self._transport.unblock()
            if self._stage == "open" and not self._transport.blocked:
                self.inner.resume_writing()

    # --- the end ---------------------------------------------------------------------------------------------------
    def _fail(self, error: Exception) -> None:
        """A TLS error: the alert that OpenSSL has queued goes out, then the connection ends."""
        opening = self._stage == "handshake"
        self._error = error
        self._stage = "closing"
        self._flush()
        self._raw.close()
        if opening:
            self._report(error)

    def broken(self, error: Exception) -> None:
        """Writing failed inside OpenSSL."""
        if self._stage == "open":
            self._fail(error)

    def close_started(self) -> None:
        """The inner protocol closes or aborts: it is told nothing more but `connection_lost`."""
        self._stage = "closing"

    def connection_lost(self, exc: Exception | None) -> None:
        stage, self._stage = self._stage, "closed"
        error = exc or self._error
        if not self._made:
            self._report(error or TlsTruncated("the peer closed during the TLS handshake"))
        else:
            if stage == "open" and error is None:
                error = TlsTruncated("the peer closed without a TLS close_notify")
            self._transport.drop()
            self.inner.connection_lost(error)
            # A cycle: without this, buffers and OpenSSL state would wait for the garbage collector.
            del self._transport
            self.inner = _GONE


class TlsTransport(asyncio.Transport):
    """What the inner protocol writes to. Plaintext above the raw transport's high-water mark waits unencrypted.

    `abort` closes the socket at once, without close_notify; `close` sends what was written, close_notify, and does
    not wait for the peer's. There is no half-close.
    """

    __slots__ = ("_backlog", "_backlog_size", "_closing", "_outgoing", "_protocol", "_raw", "_ssl", "blocked")

    def __init__(
        self, protocol: TlsProtocol, raw: asyncio.Transport, ssl_object: ssl.SSLObject, outgoing: ssl.MemoryBIO
    ):
        super().__init__()
        self._protocol = protocol
        self._raw = raw
        self._ssl = ssl_object
        self._outgoing = outgoing
        self._backlog: deque[memoryview] = deque()
        self._backlog_size = 0
        self._closing = False
        self.blocked = False

    # --- writing ---------------------------------------------------------------------------------------------------
    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        size = len(data)
        if not size or self._closing:
            return
        if size <= RECORD and not self._backlog and not self.blocked:
            try:
                self._ssl.write(data)
            except ssl.SSLError as error:
                self._broken(error)
                return
            self._raw.write(self._outgoing.read())
            return
        kept = data if isinstance(data, bytes) else bytes(data)
        self._backlog.append(memoryview(kept))
        self._backlog_size += size
        self._pump()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        self.write(b"".join(list_of_data))

    def _pump(self) -> None:
        """Encrypts what waits, one record at a time, while the raw transport takes it."""
        backlog = self._backlog
        while backlog and not self.blocked:
            view = backlog[0]
            piece = view[:RECORD]
            try:
                self._ssl.write(piece)
            except ssl.SSLError as error:
                self._broken(error)
                return
            self._backlog_size -= len(piece)
            if len(piece) == len(view):
                backlog.popleft()
            else:
                backlog[0] = view[RECORD:]
            self._raw.write(self._outgoing.read())
        if self._closing and not backlog:
            self._shut()

    def _broken(self, error: Exception) -> None:
        """OpenSSL cannot go on (a protocol error earlier in this connection)."""
        self.drop()
        self._protocol.broken(error)

    def block(self) -> None:
        self.blocked = True

    def unblock(self) -> None:
        self.blocked = False
        self._pump()

    def can_write_eof(self) -> bool:
        return False

    def write_eof(self) -> None:
        raise NotImplementedError("TLS has no half-close here")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._backlog_size + self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    # --- reading ---------------------------------------------------------------------------------------------------
    def pause_reading(self) -> None:
        if not self.is_closing():
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_closing():
            self._raw.resume_reading()

    def is_reading(self) -> bool:
        return self._raw.is_reading()

    # --- the rest --------------------------------------------------------------------------------------------------
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol.inner = cast(asyncio.Protocol, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol.inner

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        match name:
            case "ssl_object":
                return self._ssl
            case "sslcontext":
                return self._ssl.context
            case "peercert":
                return self._ssl.getpeercert()
            case "cipher":
                return self._ssl.cipher()
            case _:
                return self._raw.get_extra_info(name, default)

    def is_closing(self) -> bool:
        return self._closing or self._raw.is_closing()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._protocol.close_started()
        if not self._backlog:
            self._shut()

    def _shut(self) -> None:
        try:
            self._ssl.unwrap()
        except ssl.SSLError:
            pass  # SSLWantRead: our close_notify is out, the peer's is not waited for
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())
        self._raw.close()

    def abort(self) -> None:
        self.drop()
        self._protocol.close_started()
        self._raw.abort()

    def drop(self) -> None:
        """The raw connection is gone, or may as well be: nothing more is written."""
        self._closing = True
        self._backlog.clear()
        self._backlog_size = 0
