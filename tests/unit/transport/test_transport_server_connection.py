"""Requests on one connection: order, limits, time."""

from __future__ import annotations

import pytest

from transport_server_doubles import GET, Desk, Line, events, ok, post
from trunkline.transport.contract import Call, ServerLimits
from trunkline.transport.memory import MemoryLoop, MemoryTransport
from trunkline.transport.server import Server
from trunkline.transport.server.framing import TOO_MANY_CONNECTIONS

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECT = b"Expect: 100-Continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ANSWER = b"\r\n\r\nok"


def get(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number


# --- order ---------------------------------------------------------------------------------------------------------


def test_pipelined_requests_are_handed_over_one_by_one_and_answered_in_order() -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(get(1) + post(b"two", target=b"/2") + get(3))
    assert desk.targets == [b"/1"]
    for number, call_body in ((1, b""), (2, b"two"), (3, b"")):
        call = desk.calls[-1]
        assert (call.target, call.body) == (b"/%d" % number, call_body)
        call.respond(200, [], b"answer %d" % number)
        line.loop.run()
    assert line.sent.index(b"answer 1") < line.sent.index(b"answer 2") < line.sent.index(b"answer 3")


def test_a_pipelining_client_waits_in_its_own_buffer_beyond_the_limit() -> None:
    desk = Desk()
    line = Line(desk, pipeline=4)
    line.feed(*[get(number) for number in range(10)])
    assert line.transport.reading is False
    assert line.connection.buffer.count(b"\r\n\r\n") == 4
    desk.calls[0].respond(200, [], b"")
    line.loop.run()
    assert desk.targets == [b"/0", b"/1"]
    assert line.transport.reading is True


def test_a_client_that_sends_much_while_it_waits_is_paused() -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(GET)
    for _ in range(100):
        line.feed(b"x" * 1000)
    assert line.transport.reading is False
    assert len(line.connection.buffer) <= 66_000


def test_many_requests_in_one_read_do_not_keep_the_loop_to_themselves() -> None:
    desk = Desk(ok)
    line = Line(desk, pipeline=16)
    line.transport.feed(GET * 100)
    assert len(desk.calls) == 16
    line.loop.run()
    assert len(desk.calls) == 100
    assert line.transport.reading


def test_many_chunks_in_one_read_do_not_keep_the_loop_to_themselves() -> None:
    desk = Desk(ok)
    line = Line(desk)
    line.transport.feed(CHUNKED + b"1\r\na\r\n" * 40_000 + b"0\r\n\r\n")
    assert desk.calls == []
    line.loop.run()
    assert desk.calls[0].body == b"a" * 40_000
    assert line.transport.reading


def test_no_further_request_is_taken_while_the_client_does_not_read_its_answers() -> None:
    desk = Desk(lambda call: call.respond(200, [], b"x" * 70_000))
    line = Line(desk)
    line.transport.stalled = True
    line.feed(GET * 5)
    assert len(desk.calls) == 1
    line.transport.take(60_000)
    line.loop.run()
    assert len(desk.calls) == 2


def test_a_head_may_come_byte_by_byte() -> None:
    desk = Desk(ok)
    line = Line(desk)
    request = post(b"abc", b"X-Key: value")
    line.feed(*[request[i : i + 1] for i in range(len(request))])
    assert desk.calls[0].body == b"abc"


def test_idle_requests_leave_no_state_behind() -> None:
    line = Line(Desk(ok))
    line.feed(post(b"abc"))
    line.feed(CHUNKED + b"3\r\nabc\r\n0\r\n\r\n")
    assert (line.server.inflight, line.connection.call, bytes(line.connection.buffer)) == (0, None, b"")
    assert line.server.live_calls == 0


# --- expectations --------------------------------------------------------------------------------------------------


def test_continue_is_sent_once_the_application_wants_the_body() -> None:
    desk = Desk(ok)
    line = Line(desk)
    request = post(b"abc", EXPECT)
    line.feed(request[:-3])
    assert line.sent == CONTINUE
    line.feed(b"abc")
    assert line.sent.count(b"HTTP/1.1 200 OK") == 1
    assert desk.calls[0].body == b"abc"


def test_continue_is_not_sent_when_the_head_decides() -> None:
    line = Line(Desk(at_head=lambda call: call.respond(401, [], b"no")))
    line.feed(post(b"abc", EXPECT)[:-3])
    assert line.status == 401
    assert CONTINUE not in line.sent
    assert line.over


@pytest.mark.parametrize(
    "request_",
    [
        post(b"abc", EXPECT),
        post(b"", EXPECT),
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    ],
    ids=["body is here", "no body", "HTTP/1.0"],
)
def test_continue_is_not_sent_when_nobody_waits_for_it(request_: bytes) -> None:
    line = Line(Desk(ok))
    line.feed(request_)
    assert CONTINUE not in line.sent


# --- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in parts"])
def test_a_head_over_the_limit_is_431(whole: bool) -> None:
    desk = Desk(ok)
    line = Line(desk, header_bytes=1000)
    head = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 1000 + b"\r\n\r\n"
    line.feed(*([head] if whole else [head[i : i + 100] for i in range(0, len(head), 100)]))
    assert (line.status, line.error, desk.heads) == (431, "header_too_large", [])
    assert line.over


def test_headers_over_the_count_are_431() -> None:
    line = Line(Desk(ok), header_count=10)
    line.feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 9 + b"\r\n")
    assert line.status == 200
    line = Line(Desk(ok), header_count=10)
    line.feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: 1\r\n" * 10 + b"\r\n")
    assert (line.status, line.error) == (431, "too_many_headers")


def test_a_claimed_length_over_the_limit_is_413_before_the_application_is_asked() -> None:
    desk = Desk(ok)
    line = Line(desk, body_bytes=1000)
    line.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n")
    assert (line.status, line.error, desk.heads) == (413, "request_too_large", [])
    assert line.over


def test_a_claimed_length_over_what_the_application_allows_is_413() -> None:
    desk = Desk(ok, allow=10)
    line = Line(desk)
    line.feed(post(b"x" * 11))
    assert (line.status, line.error) == (413, "request_too_large")
    assert desk.calls == []
    assert desk.heads[0].gone


@pytest.mark.parametrize("limit", ["server", "application"])
def test_a_chunked_body_is_413_as_soon_as_it_passes_the_limit(limit: str) -> None:
    desk = Desk(ok, allow=100 if limit == "application" else 1 << 20)
    line = Line(desk, body_bytes=100 if limit == "server" else 1 << 20)
    line.feed(CHUNKED + b"64\r\n" + b"x" * 100 + b"\r\n")
    assert line.sent == b""
    told = events(desk.heads[0])
    line.feed(b"1\r\n")  # not even its data is awaited
    assert (line.status, line.error) == (413, "request_too_large")
    assert told == ["refused 413"]
    assert line.server.inflight == 0


def test_a_body_of_ten_gigabytes_costs_nothing() -> None:
    line = Line(Desk(ok))
    line.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n" + b"x" * 1000)
    assert line.status == 413
    for _ in range(1000):
        line.feed(b"x" * 64_000)  # the client goes on for a while; nothing of it is kept
    assert len(line.connection.buffer) == 0
    assert line.server.inflight == 0
    line.feed(b"x" * 8_000_000)
    assert line.transport.aborted


def test_refusals_are_worded_by_the_application_if_it_wishes() -> None:
    loop = MemoryLoop()
    worded: list[tuple[int, str, bytes]] = []

    def words(status: int, code: str, message: str, target: bytes) -> tuple[list[tuple[bytes, bytes]], bytes]:
        worded.append((status, code, target))
        return [(b"x-own", b"1")], b"own words"

    server = Server(Desk(ok), ServerLimits(body_bytes=10), loop=loop, error_body=words)
    transport = MemoryTransport(loop, server.connection())
    transport.feed(post(b"x" * 11, target=b"/v1/messages?a=b"))
    assert worded == [(413, "request_too_large", b"/v1/messages?a=b")]
    assert b"x-own: 1\r\n" in transport.sent
    assert transport.sent.endswith(b"\r\n\r\nown words")


def test_a_refusal_answers_head_without_a_body() -> None:
    line = Line(Desk(ok))
    line.feed(b"HEAD / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    assert line.status == 400
    assert line.sent.endswith(b"\r\n\r\n")


# --- memory of bodies in flight ------------------------------------------------------------------------------------


def test_reading_pauses_when_the_bodies_in_flight_fill_their_share_and_goes_on_when_one_leaves() -> None:
    desk = Desk()
    line = Line(desk, inflight_bytes=1000)
    line.feed(post(b"x" * 1100))
    assert line.server.inflight == 1100
    other, _ = line.dial()
    other.feed(post(b"y" * 50))
    assert len(desk.calls) == 1  # its body waits
    assert other.reading is False
    desk.calls[0].respond(200, [], b"")
    line.loop.run()
    assert desk.calls[1].body == b"y" * 50
    assert other.reading is True
    desk.calls[1].respond(200, [], b"")
    assert line.server.inflight == 0


def test_a_body_that_waits_too_long_for_room_is_503_with_retry_after() -> None:
    desk = Desk()
    line = Line(desk, inflight_bytes=1000)
    line.feed(post(b"x" * 1100))
    other, _ = line.dial()
    other.feed(post(b"y" * 50))
    line.loop.advance(1.1)
    assert bytes(other.sent).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 1\r\n" in other.sent
    assert other.received_eof


def test_far_above_the_share_a_body_is_refused_at_once() -> None:
    desk = Desk()
    line = Line(desk, inflight_bytes=1000)
    line.feed(post(b"x" * 1300))
    other, _ = line.dial()
    other.feed(post(b"y"))
    assert bytes(other.sent).startswith(b"HTTP/1.1 503 ")


def test_requests_without_a_body_pass_when_bodies_wait() -> None:
    desk = Desk()
    line = Line(desk, inflight_bytes=1000)
    line.feed(post(b"x" * 1300))
    other, _ = line.dial()
    other.feed(GET)
    assert len(desk.calls) == 2


def test_bodies_of_clients_that_leave_are_in_flight_no_more() -> None:
    desk = Desk()
    line = Line(desk, inflight_bytes=1000)
    line.feed(post(b"x" * 600)[:-1])
    waiting = [line.dial()[0] for _ in range(3)]
    for transport in waiting:
        transport.feed(post(b"y" * 600)[:-1])
    assert [transport.reading for transport in waiting] == [False, False, False]
    line.transport.feed_eof()
    for transport in waiting[:2]:
        transport.lose()
    line.loop.run()
    assert waiting[2].reading
    waiting[2].feed(b"y")
    assert desk.calls[0].body == b"y" * 600
    assert line.server.inflight == 600
    assert line.server.holding == {}


# --- time ----------------------------------------------------------------------------------------------------------


def test_a_head_that_takes_too_long_is_408() -> None:
    line = Line(Desk(ok))
    line.feed(GET[:20])
    line.loop.advance(4)
    line.feed(GET[20:21])  # a byte now and then buys no time
    line.loop.advance(5.9)
    assert line.sent == b""
    line.loop.advance(0.2)
    assert (line.status, line.error) == (408, "request_timeout")
    assert line.over


def test_a_connection_that_never_speaks_is_closed_without_a_word() -> None:
    line = Line(Desk(ok))
    line.loop.advance(10.1)
    assert line.transport.closed
    assert line.sent == b""


def test_an_idle_connection_is_closed_after_sixty_seconds_without_a_word() -> None:
    line = Line(Desk(ok))
    line.feed(GET)
    sent = line.sent
    line.loop.advance(59.9)
    assert not line.transport.closed
    line.loop.advance(0.2)
    assert line.transport.closed
    assert line.sent == sent


def test_a_head_after_an_idle_time_has_its_own_ten_seconds() -> None:
    line = Line(Desk(ok))
    line.feed(GET)
    line.loop.advance(55)
    line.feed(GET[:10])
    line.loop.advance(9.9)
    assert line.sent.count(b"HTTP/1.1") == 1
    line.loop.advance(0.2)
    assert line.sent.count(b"HTTP/1.1 408 ") == 1


@pytest.mark.parametrize("begin", [post(b"x" * 100_000)[:-100_000], CHUNKED + b"186a0\r\n"], ids=["length", "chunked"])
def test_a_body_below_one_kibibyte_per_second_is_408(begin: bytes) -> None:
    desk = Desk(ok)
    line = Line(desk)
    line.feed(begin)
    told = events(desk.heads[0])
    for _ in range(2):
        for _ in range(5):
            line.loop.advance(0.99)
            line.feed(b"x" * 1100)
        assert line.sent == b""
    for _ in range(6):
        line.loop.advance(1)
        line.feed(b"x" * 1000)
    assert (line.status, line.error) == (408, "request_timeout")
    assert told == ["refused 408"]


def test_a_body_that_has_begun_fast_must_not_stop() -> None:
    line = Line(Desk(ok))
    line.feed(post(b"x" * 500_000)[:-1])
    line.loop.advance(5.1)
    assert line.sent == b""
    line.loop.advance(5)
    assert line.status == 408


def test_an_answer_may_take_as_long_as_it_takes() -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(post(b"abc"))
    line.loop.advance(3600)
    desk.calls[0].respond(200, [], b"at last")
    assert line.sent.endswith(b"at last")


def test_a_client_that_stops_reading_for_a_minute_is_gone() -> None:
    desk = Desk()
    line = Line(desk)
    line.transport.stalled = True
    line.feed(GET)
    call = desk.calls[0]
    told = events(call)
    call.start(200, [])
    call.write(b"x" * 70_000)
    for _ in range(10):
        line.loop.advance(20)
        line.transport.take(100)  # slow is not stalled
    assert told == ["blocked"]
    line.loop.advance(66)
    assert told == ["blocked", "gone"]
    assert line.transport.aborted


def test_a_client_that_does_not_take_the_end_of_its_answer_does_not_count_as_idle_but_as_stalled() -> None:
    line = Line(Desk(lambda call: call.respond(200, [], b"x" * 200_000)))
    line.transport.stalled = True
    line.feed(GET)
    for _ in range(10):
        line.loop.advance(30)
        line.transport.take(1000)
    assert not line.transport.closed
    line.loop.advance(66)
    assert line.transport.aborted


def test_a_refused_client_that_goes_on_sending_is_cut_after_a_while() -> None:
    line = Line(Desk(ok))
    line.feed(b"nonsense\r\n\r\n")
    assert line.status == 400
    line.loop.advance(4)
    line.feed(b"x")
    assert not line.transport.closed
    line.loop.advance(1.1)
    assert line.transport.aborted


def test_a_refused_client_that_closes_is_closed() -> None:
    line = Line(Desk(ok))
    line.feed(b"nonsense\r\n\r\n")
    line.transport.feed_eof()
    line.loop.run()
    assert line.transport.closed
    assert not line.transport.aborted


# --- the end of the server -----------------------------------------------------------------------------------------


def test_draining_closes_idle_connections_and_ends_the_others_with_their_answer() -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(GET)
    idle, _ = line.dial()
    idle.feed(GET)
    desk.calls[1].respond(200, [], b"")
    fresh, _ = line.dial()
    line.server.stop_accepting()
    line.server.close_idle()
    line.loop.run()
    assert idle.closed
    assert not line.transport.closed
    assert not fresh.closed  # it was accepted for a request that is on its way
    assert line.server.live_calls == 2
    fresh.feed(GET)
    for call in (desk.calls[0], desk.calls[2]):
        told = events(call)
        call.respond(200, [], b"last")
        assert told == []
    for transport in (line.transport, fresh):
        assert b"connection: close\r\n" in transport.sent
        assert transport.received_eof
    assert line.server.live_calls == 0


def test_a_stream_that_began_before_the_drain_is_the_last_on_its_connection() -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(GET)
    call = desk.calls[0]
    call.start(200, [])
    call.write(b"a")
    line.server.close_idle()
    call.write(b"b")
    call.end()
    assert line.sent.endswith(b"1\r\nb\r\n0\r\n\r\n")
    assert line.over


def test_a_fresh_connection_is_not_waited_for_forever() -> None:
    line = Line(Desk())
    line.server.stop_accepting()
    assert line.server.live_calls == 1
    line.loop.advance(1.1)
    assert line.server.live_calls == 0


def test_an_answer_on_its_way_is_owed() -> None:
    line = Line(Desk(ok))
    line.transport.stalled = True
    line.feed(GET)
    assert line.server.live_calls == 1
    line.transport.take(10_000)
    assert line.server.live_calls == 0


def test_the_servers_end_is_not_reported_as_the_clients() -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(GET)
    call = desk.calls[0]
    told = events(call)
    line.server.abort_all()
    line.loop.run()
    assert line.transport.closed
    assert told == []
    assert call.gone
    call.respond(200, [], b"late")


def test_a_connection_over_the_cap_is_told_so() -> None:
    loop = MemoryLoop()
    desk = Desk(ok)
    connection = Server(desk, ServerLimits(), loop=loop).connection()
    connection.turned_away = TOO_MANY_CONNECTIONS
    transport = MemoryTransport(loop, connection)
    transport.feed(GET)
    assert transport.sent.startswith(b"HTTP/1.1 503 ")
    assert b'"too_many_connections"' in transport.sent
    assert desk.heads == []


def test_no_timer_and_no_connection_is_left_when_all_are_gone() -> None:
    line = Line(Desk(ok))
    line.feed(GET)
    assert len(line.server.deadlines) == 1
    line.transport.feed_eof()
    line.loop.run()
    assert len(line.server.deadlines) == 0
    assert line.server.live_calls == 0


def test_times_of_head_and_body_are_those_of_the_loop() -> None:
    desk = Desk(ok)
    line = Line(desk)
    line.feed(post(b"abc")[:-1])
    line.loop.advance(2)
    line.feed(b"c")
    call: Call = desk.calls[0]
    assert call.body_at - call.head_at == pytest.approx(2)
    assert call.peer == "192.0.2.1"
