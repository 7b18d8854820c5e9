"""The TLS layer, two ends joined in memory: no socket, every byte under the test's control."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from transport_doubles import FakeTransport
from transport_pki import Authority
from trunkline.transport.tls import TlsProtocol, TlsTruncated


class App(asyncio.Protocol):
    """The inner protocol: keeps what it is told."""

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.log: list[str] = []
        self.error: Exception | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.log.append("made")

    def data_received(self, data: bytes) -> None:
        self.reads.append(data)

    def eof_received(self) -> None:
        self.log.append("eof")

    def pause_writing(self) -> None:
        self.log.append("pause")

    def resume_writing(self) -> None:
        self.log.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.log.append("lost")
        self.error = exc


class End:
    """One side: app, TLS layer and raw transport."""

    def __init__(self, context: ssl.SSLContext, *, server_side: bool = False, hostname: str | None = None) -> None:
        self.app = App()
        self.handshakes: list[Exception | None] = []
        self.tls = TlsProtocol(
            self.app,
            context,
            server_side=server_side,
            server_hostname=hostname,
            on_handshake=self.handshakes.append,
        )
        self.raw = FakeTransport(self.tls)

    def take(self) -> bytes:
        """What this side has put on the wire since last asked."""
        data = b"".join(self.raw.written)
        self.raw.written.clear()
        return data


class Pair:
    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, hostname: str = "api.test") -> None:
        self.client = End(client, hostname=hostname)
        self.server = End(server, server_side=True)
        self.server.tls.connection_made(self.server.raw)
        self.client.tls.connection_made(self.client.raw)

    def run(self, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> None:
        """Carries bytes both ways until both are quiet, in the pieces that `cut` makes."""
        while True:
            out, back = self.client.take(), self.server.take()
            if not out and not back:
                return
            for piece in cut(out) if out else ():
                self.server.tls.data_received(piece)
            for piece in cut(back) if back else ():
                self.client.tls.data_received(piece)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def contexts(authority: Authority) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    return authority.client_context(), authority.server_context("api.test")


@pytest.fixture
def pair(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Pair:
    joined = Pair(*contexts)
    joined.run()
    return joined


def test_the_inner_protocol_is_made_after_the_handshake_and_the_opener_is_told(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
):
    pair = Pair(*contexts)
    assert pair.client.app.log == [] and pair.client.handshakes == []
    pair.run()
    assert pair.client.app.log == pair.server.app.log == ["made"]
    assert pair.client.handshakes == pair.server.handshakes == [None]


def test_bytes_arrive_in_both_directions(pair: Pair):
    pair.client.app.transport.write(b"question")
    pair.run()
    pair.server.app.transport.writelines([b"ans", b"wer"])
    pair.run()
    assert pair.server.app.reads == [b"question"]
    assert pair.client.app.reads == [b"answer"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_any_split_of_the_ciphertext_gives_the_same_bytes(contexts: tuple[ssl.SSLContext, ssl.SSLContext], size: int):
    pair = Pair(*contexts)
    cut = lambda data: [data[i : i + size] for i in range(0, len(data), size)]  # noqa: E731  # reads better here
    pair.run(cut)
    sent = bytes(range(256)) * 200
    pair.client.app.transport.write(sent)
    pair.run(cut)
    assert b"".join(pair.server.app.reads) == sent


def test_many_records_in_one_read_are_one_data_received(pair: Pair):
    for index in range(300):
        pair.server.app.transport.write(b"%03d" % index * 100)
    pair.run()
    assert len(pair.client.app.reads) == 1
    assert pair.client.app.reads[0] == b"".join(b"%03d" % index * 100 for index in range(300))


def test_data_in_the_same_read_as_the_end_of_the_handshake_is_not_lost(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
):
    pair = Pair(*contexts)
    pair.server.tls.data_received(pair.client.take())
    pair.client.tls.data_received(pair.server.take())
    pair.client.app.transport.write(b"early")
    pair.server.tls.data_received(pair.client.take())  # Finished and data together
    assert pair.server.app.log == ["made"] and pair.server.app.reads == [b"early"]


def test_close_sends_close_notify_and_the_other_side_sees_a_clean_end(pair: Pair):
    pair.client.app.transport.write(b"bye")
    pair.client.app.transport.close()
    assert pair.client.raw.closed and not pair.client.raw.aborted
    pair.server.tls.data_received(pair.client.take())
    assert pair.server.app.reads == [b"bye"]
    assert pair.server.app.log == ["made", "eof"] and pair.server.raw.closed
    pair.server.raw.lose(None)
    pair.client.raw.lose(None)
    assert pair.server.app.log[-1] == pair.client.app.log[-1] == "lost"
    assert pair.server.app.error is None and pair.client.app.error is None


def test_an_end_without_close_notify_is_an_error(pair: Pair):
    pair.server.app.transport.write(b"half")
    pair.client.tls.data_received(pair.server.take())
    pair.client.raw.lose(None)
    assert pair.client.app.log == ["made", "lost"]
    assert isinstance(pair.client.app.error, TlsTruncated)


def test_a_reset_is_passed_on_as_it_is(pair: Pair):
    reset = ConnectionResetError("reset by peer")
    pair.client.raw.lose(reset)
    assert pair.client.app.error is reset


def test_tampered_ciphertext_ends_the_connection_with_an_ssl_error_after_the_good_data(pair: Pair):
    pair.server.app.transport.write(b"good")
    pair.server.app.transport.write(b"evil")
    good, evil = pair.server.raw.written[-2:]
    pair.client.tls.data_received(good + evil[:-1] + bytes([evil[-1] ^ 1]))
    assert pair.client.app.reads == [b"good"]
    assert pair.client.raw.closed
    pair.client.raw.lose(None)
    assert isinstance(pair.client.app.error, ssl.SSLError)


def test_garbage_instead_of_a_handshake_is_an_ssl_error_and_the_inner_protocol_hears_nothing(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
):
    for server_side in (True, False):
        end = End(contexts[server_side], server_side=server_side, hostname=None if server_side else "api.test")
        end.tls.connection_made(end.raw)
        end.tls.data_received(b"GET / HTTP/1.1\r\n\r\n")
        end.tls.data_received(b"more")
        end.raw.lose(None)
        assert len(end.handshakes) == 1
        assert isinstance(end.handshakes[0], ssl.SSLError)
        assert not isinstance(end.handshakes[0], ssl.SSLCertVerificationError)
        assert end.app.log == [] and end.raw.closed


def test_a_peer_that_closes_during_the_handshake_is_reported_once(contexts: tuple[ssl.SSLContext, ssl.SSLContext]):
    end = End(contexts[0], hostname="api.test")
    end.tls.connection_made(end.raw)
    end.raw.lose(None)
    assert len(end.handshakes) == 1 and isinstance(end.handshakes[0], TlsTruncated)
    assert end.app.log == []


@pytest.mark.parametrize(
    ("hosts", "days", "words"),
    [(("other.test",), (-1, 1), "hostname"), (("api.test",), (-9, -2), "expired"), (("api.test",), (1, 2), "not yet")],
)
def test_a_certificate_that_is_not_valid_is_told_apart(
    authority: Authority, hosts: tuple[str, ...], days: tuple[float, float], words: str
):
    pair = Pair(authority.client_context(), authority.server_context(*hosts, valid_days=days))
    pair.run()
    (error,) = pair.client.handshakes
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert words in error.verify_message.lower()
    assert isinstance(pair.server.handshakes[0], ssl.SSLError)  # our alert reached it


def test_a_foreign_authority_is_a_certificate_error(authority: Authority):
    pair = Pair(ssl.create_default_context(), authority.server_context("api.test"))
    pair.run()
    assert isinstance(pair.client.handshakes[0], ssl.SSLCertVerificationError)


def test_a_host_name_that_cannot_be_one_is_an_ssl_error_not_an_exception(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
):
    end = End(contexts[0], hostname=".")
    end.tls.connection_made(end.raw)
    end.raw.lose(None)
    assert len(end.handshakes) == 1 and isinstance(end.handshakes[0], ssl.SSLError)


def test_a_missing_client_certificate_is_an_ssl_error_on_an_open_connection(authority: Authority):
    pair = Pair(authority.client_context(), authority.server_context("api.test", client_ca=True))
    pair.run()
    assert pair.client.handshakes == [None]  # TLS 1.3: the client learns of it afterwards
    pair.client.raw.lose(None)
    assert isinstance(pair.client.app.error, ssl.SSLError)


def test_a_session_is_resumed(contexts: tuple[ssl.SSLContext, ssl.SSLContext], pair: Pair):
    pair.server.app.transport.write(b"x")
    pair.run()  # brings the tickets
    first = pair.client.app.transport.get_extra_info("ssl_object")
    again = Pair(*contexts)
    again.client.tls = TlsProtocol(again.client.app, contexts[0], server_hostname="api.test", session=first.session)
    again.client.raw = FakeTransport(again.client.tls)
    again.client.tls.connection_made(again.client.raw)
    again.run()
    assert again.client.app.transport.get_extra_info("ssl_object").session_reused


# --- backpressure ----------------------------------------------------------------------------------------------------
def test_a_full_raw_transport_pauses_the_inner_protocol_and_stops_encryption(pair: Pair):
    end = pair.client
    end.tls.pause_writing()
    end.app.transport.write(b"x" * 100_000)
    assert end.app.log == ["made", "pause"]
    assert end.raw.written == []
    assert end.app.transport.get_write_buffer_size() == 100_000
    end.tls.resume_writing()
    assert end.app.log == ["made", "pause", "resume"]
    assert end.app.transport.get_write_buffer_size() == 0
    pair.run()
    assert b"".join(pair.server.app.reads) == b"x" * 100_000


def test_the_inner_protocol_stays_paused_while_its_backlog_fills_the_raw_transport_again(pair: Pair):
    end = pair.client
    end.tls.pause_writing()
    end.app.transport.write(b"x" * 100_000)
    write = end.raw.write

    def write_and_fill(data: bytes) -> None:
        write(data)
        end.tls.pause_writing()

    end.raw.write = write_and_fill  # type: ignore[method-assign]  # a raw transport that is full after each write
    end.tls.resume_writing()
    assert end.app.log.count("resume") == 0
    assert end.app.transport.get_write_buffer_size() == 100_000 - 16384


def test_close_waits_for_the_backlog(pair: Pair):
    end = pair.client
    end.tls.pause_writing()
    end.app.transport.write(b"last words")
    end.app.transport.close()
    assert not end.raw.closed and end.app.transport.is_closing()
    end.app.transport.write(b"too late")
    end.tls.resume_writing()
    assert end.raw.closed
    pair.server.tls.data_received(end.take())
    assert pair.server.app.reads == [b"last words"] and "eof" in pair.server.app.log


def test_abort_closes_the_socket_at_once_and_nothing_is_delivered_afterwards(pair: Pair):
    pair.server.app.transport.write(b"late")
    pair.client.app.transport.abort()
    assert pair.client.raw.aborted
    pair.client.tls.data_received(pair.server.take())
    assert pair.client.app.reads == []
    pair.client.raw.lose(None)
    assert pair.client.app.log == ["made", "lost"] and pair.client.app.error is None


def test_reading_is_paused_on_the_socket(pair: Pair):
    pair.client.app.transport.pause_reading()
    assert not pair.client.raw.reading
    pair.client.app.transport.resume_reading()
    assert pair.client.raw.reading


def test_mutable_buffers_are_copied_before_they_wait(pair: Pair):
    pair.client.tls.pause_writing()
    buffer = bytearray(b"before")
    pair.client.app.transport.write(buffer)
    buffer[:] = b"after!"
    pair.client.tls.resume_writing()
    pair.run()
    assert b"".join(pair.server.app.reads) == b"before"


def test_the_transport_tells_about_the_connection(pair: Pair, tmp_path: Path):
    info = pair.client.app.transport.get_extra_info
    assert info("peername") == ("192.0.2.1", 443)
    assert info("cipher")[1] == "TLSv1.3"
    assert info("peercert")["subjectAltName"] == (("DNS", "api.test"),)
    assert info("nothing", 5) == 5
