"""One connection, one request: what the sink hears and what becomes of the socket."""

from __future__ import annotations

import ssl

from transport_doubles import AtOnce, FakeTransport, RecordingSink, post
from trunkline.transport.client.connection import ClientCall, Connection
from trunkline.transport.contract import Fault

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Ledger:
    """A `Keeper` that writes down what it is told."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def on_free(self, connection: Connection) -> None:
        self.log.append("free")

    def on_ended(self, connection: Connection) -> None:
        self.log.append("ended")

    def on_stale(self, connection: Connection, call: ClientCall) -> None:
        self.log.append("stale")

    def on_give_up(self, call: ClientCall) -> None:
        self.log.append("gave up")


class Scene:
    """A connection with a fake transport, on which `uses` requests have been answered before."""

    def __init__(self, uses: int = 0) -> None:
        self.keeper = Ledger()
        self.connection = Connection(self.keeper, AtOnce(), 65536)
        self.connection.address = "192.0.2.1:443"
        self.transport = FakeTransport(self.connection)
        self.connection.connection_made(self.transport)
        for _ in range(uses):
            self.send()
            self.connection.data_received(OK + b"ok")
        self.keeper.log.clear()
        self.transport.written.clear()

    def send(self, body: bytes = b"{}", *, paused: bool = False) -> tuple[ClientCall, RecordingSink]:
        sink = RecordingSink()
        call = ClientCall(post(body), b"HEAD\r\n\r\n", sink, self.keeper)
        call.paused = paused
        self.connection.send(call)
        return call, sink


def test_a_small_request_is_one_write_and_the_sink_hears_of_it_at_once():
    scene = Scene()
    call, sink = scene.send(b"body")
    assert scene.transport.written == [b"HEAD\r\n\r\nbody"]
    assert sink.events == ["connected"]
    assert (call.address, call.reused, call.sent) == ("192.0.2.1:443", False, True)


def test_a_large_body_is_not_copied_into_one_write_with_the_head():
    scene = Scene()
    scene.send(b"x" * 65537)
    assert scene.transport.written == [b"HEAD\r\n\r\n", b"x" * 65537]


def test_one_read_gives_one_head_one_piece_of_data_and_one_end():
    scene = Scene()
    _, sink = scene.send()
    scene.connection.data_received(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n1\r\nf\r\n0\r\n\r\n"
    )
    assert sink.events == ["connected", (200, [(b"transfer-encoding", b"chunked")]), b"abcdef", "end"]
    assert scene.keeper.log == ["free"]


def test_the_connection_is_free_before_the_sink_hears_the_end():
    scene = Scene()
    call, sink = scene.send()
    seen: list[list[str]] = []
    sink.on_end = lambda: seen.append(list(scene.keeper.log))  # type: ignore[method-assign]  # a probe
    scene.connection.data_received(OK + b"ok")
    assert seen == [["free"]] and call.done


def test_a_reused_connection_that_dies_before_any_byte_is_stale_and_the_sink_hears_nothing():
    for how in ("eof", "reset"):
        scene = Scene(uses=1)
        call, sink = scene.send()
        assert call.reused
        if how == "eof":
            scene.connection.eof_received()
        else:
            scene.transport.lose(ConnectionResetError("reset"))
        assert scene.keeper.log == ["stale"]
        assert sink.events == ["connected"] and call.resent and not call.done


def test_a_request_is_sent_again_only_once():
    scene = Scene(uses=1)
    call, sink = scene.send()
    scene.connection.eof_received()
    second = Scene(uses=1)
    second.connection.send(call)
    second.connection.eof_received()
    assert second.keeper.log == ["ended"]
    assert sink.events[0] == "connected" and sink.fault.kind == "reset"
    assert len(sink.events) == 2


def test_a_fresh_connection_that_dies_before_any_byte_is_a_reset():
    scene = Scene()
    _, sink = scene.send()
    scene.transport.lose(ConnectionResetError("gone"))
    assert sink.fault == Fault(kind="reset", message="ConnectionResetError: gone", before_response=True, sent=True)
    assert scene.keeper.log == ["ended"]


def test_one_byte_of_answer_makes_it_a_cut_even_on_a_reused_connection():
    scene = Scene(uses=1)
    _, sink = scene.send()
    scene.connection.data_received(b"H")
    scene.connection.eof_received()
    assert (sink.fault.kind, sink.fault.before_response) == ("cut", False)
    assert scene.keeper.log == ["ended"]


def test_a_body_cut_by_eof_reset_or_missing_close_notify_is_a_cut_after_its_data():
    for exc in (None, ConnectionResetError("reset"), ssl.SSLError("bad record")):
        scene = Scene()
        _, sink = scene.send()
        scene.connection.data_received(OK + b"o")
        scene.transport.lose(exc)
        assert sink.body == b"o"
        assert (sink.fault.kind, sink.fault.before_response) == ("cut", False)


def test_a_tls_alert_before_the_answer_is_a_tls_fault():
    scene = Scene()
    _, sink = scene.send()
    scene.transport.lose(ssl.SSLError("tlsv13 alert certificate required"))
    assert (sink.fault.kind, sink.fault.before_response) == ("tls", True)


def test_bad_http_is_a_protocol_fault_and_the_socket_is_closed():
    scene = Scene()
    _, sink = scene.send()
    scene.connection.data_received(b"HTTP/1.1 200 OK\nx: y\r\n\r\n")
    assert (sink.fault.kind, sink.fault.before_response) == ("protocol", False)
    assert scene.transport.aborted and scene.keeper.log == ["ended"]


def test_bad_framing_behind_good_data_delivers_the_data_then_the_fault():
    scene = Scene()
    _, sink = scene.send()
    scene.connection.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\nZ\r\n")
    assert sink.body == b"ab" and sink.fault.kind == "protocol"


def test_an_answer_with_bytes_behind_it_is_delivered_and_the_connection_closed():
    scene = Scene()
    _, sink = scene.send()
    scene.connection.data_received(OK + b"okHTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsmuggled!")
    assert sink.body == b"ok" and sink.ended
    assert scene.transport.closed and scene.keeper.log == ["ended"]


def test_bytes_on_an_idle_connection_close_it():
    scene = Scene(uses=1)
    scene.connection.data_received(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert scene.transport.aborted and scene.keeper.log == ["ended"]


def test_an_idle_connection_that_the_peer_closes_leaves_the_pool_once():
    scene = Scene(uses=1)
    scene.connection.eof_received()
    scene.transport.lose(None)
    assert scene.keeper.log == ["ended"]


def test_an_answer_that_comes_before_the_request_is_out_is_delivered_and_the_connection_closed():
    scene = Scene()
    _, sink = scene.send(b"x" * 1_000_000)
    scene.transport.buffered = 500_000
    scene.connection.data_received(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
    assert (sink.status, sink.body, sink.ended) == (413, b"no", True)
    assert scene.transport.aborted and scene.keeper.log == ["ended"]


def test_abort_closes_the_socket_before_it_returns_and_silences_the_sink():
    scene = Scene()
    call, sink = scene.send()
    call.abort()
    assert scene.transport.aborted and scene.keeper.log == ["ended"]
    scene.transport.lose(None)
    call.abort()
    assert sink.events == ["connected"] and scene.keeper.log == ["ended"]


def test_a_sink_that_aborts_in_a_callback_hears_nothing_after_it():
    for moment in ("on_head", "on_data"):
        scene = Scene()
        call, sink = scene.send()
        setattr(sink, moment, lambda *_, call=call: call.abort())
        scene.connection.data_received(OK + b"ok")
        assert not sink.ended and scene.keeper.log == ["ended"]


def test_abort_after_the_end_leaves_the_connection_to_its_next_user():
    scene = Scene()
    first, _ = scene.send()
    scene.connection.data_received(OK + b"ok")
    _, sink = scene.send()
    first.abort()
    first.pause()
    assert not scene.transport.closed and scene.transport.reading
    scene.connection.data_received(OK + b"ok")
    assert sink.ended


def test_pause_stops_the_socket_also_when_it_came_before_the_connection():
    scene = Scene()
    call, _ = scene.send(paused=True)
    assert not scene.transport.reading
    call.resume()
    assert scene.transport.reading
    call.pause()
    assert not scene.transport.reading


def test_pause_and_resume_leave_a_socket_alone_that_the_loop_has_closed():
    scene = Scene()
    call, _ = scene.send()
    scene.transport.closed = True  # connection_lost comes in the next round of the loop
    call.pause()
    call.resume()
    assert not call.paused


def test_a_paused_call_leaves_a_reading_connection_behind():
    scene = Scene()
    call, sink = scene.send()
    call.pause()
    scene.connection.data_received(OK + b"ok")  # was in the same read as the head
    assert sink.ended and scene.transport.reading


def test_an_answer_until_close_ends_cleanly_with_the_eof():
    scene = Scene()
    _, sink = scene.send()
    scene.connection.data_received(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall")
    scene.connection.eof_received()
    assert sink.body == b"all" and sink.ended
    assert scene.keeper.log == ["ended"]
