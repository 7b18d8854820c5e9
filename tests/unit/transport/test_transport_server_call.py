"""Answers, byte for byte."""

from __future__ import annotations

import re

import pytest

from transport_server_doubles import GET, Desk, Line, events, ok, post, without_date
from trunkline.transport.contract import Call

HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\n\r\n"
OLD_KEEP = b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PLAIN = [(b"content-type", b"text/plain")]


def stream(call: Call) -> None:
    call.start(200, PLAIN)
    call.write(b"hello")
    call.write(b"")
    call.write(b"0123456789abcdef")
    call.end()


def answer_to(request: bytes, at_request: object) -> tuple[bytes, Line]:
    assert callable(at_request)
    line = Line(Desk(at_request))
    line.feed(request)
    return without_date(line.sent), line


def test_a_whole_answer_is_one_write_with_its_length() -> None:
    answer, line = answer_to(GET, lambda call: call.respond(200, PLAIN, b"hello"))
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello"
    assert line.transport.writes == 1
    assert not line.over


def test_a_large_answer_is_one_write_too() -> None:
    body = b"x" * 100_000
    answer, line = answer_to(GET, lambda call: call.respond(200, [], body))
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + body
    assert line.transport.writes == 1


def test_a_stream_is_chunked_and_its_head_leaves_with_the_first_bytes() -> None:
    answer, line = answer_to(GET, stream)
    assert answer == (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"
    )
    assert line.transport.writes == 3
    assert not line.over


def test_a_large_chunk_is_one_write() -> None:
    data = b"x" * 20_000

    def large(call: Call) -> None:
        call.start(200, [])
        call.write(data)
        call.write(data)

    answer, line = answer_to(GET, large)
    assert answer == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + (b"4e20\r\n" + data + b"\r\n") * 2
    assert line.transport.writes == 2


def sized(call: Call) -> None:
    call.start(206, PLAIN, 7)
    call.write(b"abc")
    call.write(b"defg")
    call.end()


@pytest.mark.parametrize(
    ("request_", "tail"),
    [
        (GET, b"content-length: 7\r\n\r\nabcdefg"),
        (OLD, b"connection: close\r\ncontent-length: 7\r\n\r\nabcdefg"),
        (OLD_KEEP, b"connection: keep-alive\r\ncontent-length: 7\r\n\r\nabcdefg"),
        (LAST, b"connection: close\r\ncontent-length: 7\r\n\r\nabcdefg"),
    ],
)
def test_a_stream_of_known_length_says_it(request_: bytes, tail: bytes) -> None:
    answer, _ = answer_to(request_, sized)
    assert answer == b"HTTP/1.1 206 Partial Content\r\ncontent-type: text/plain\r\n" + tail


def test_head_of_a_stream_of_known_length_has_no_body() -> None:
    answer, line = answer_to(HEAD, sized)
    assert answer.endswith(b"\r\n\r\n") and b"abc" not in answer
    assert not line.over


def test_less_than_was_promised_is_cut_and_more_is_a_bug() -> None:
    def short(call: Call) -> None:
        call.start(200, [], 7)
        call.write(b"abc")
        call.end()

    answer, line = answer_to(GET, short)
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nabc"
    assert line.over, "the client sees that it is not whole"

    def long(call: Call) -> None:
        call.start(200, [], 2)
        with pytest.raises(RuntimeError, match="promised"):
            call.write(b"abc")
        call.write(b"ab")
        call.end()

    answer, line = answer_to(GET, long)
    assert answer.endswith(b"\r\n\r\nab") and not line.over


def test_nothing_promised_and_nothing_written_is_whole() -> None:
    def empty(call: Call) -> None:
        call.start(200, [], 0)
        call.end()

    answer, line = answer_to(GET, empty)
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert not line.over


def test_a_large_piece_of_a_known_length_is_not_copied() -> None:
    data = b"x" * 20_000

    def large(call: Call) -> None:
        call.start(200, [], 40_000)
        call.write(data)
        call.write(data)
        call.end()

    answer, line = answer_to(GET, large)
    assert answer.endswith(data + data)
    assert line.transport.writes == 2


def test_flush_sends_the_head_alone() -> None:
    def flushed(call: Call) -> None:
        call.start(200, [])
        call.flush()
        call.flush()
        call.write(b"a")

    answer, line = answer_to(GET, flushed)
    assert answer == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
    assert line.transport.writes == 2


def test_an_empty_stream_ends_properly() -> None:
    def empty(call: Call) -> None:
        call.start(200, [])
        call.end()

    answer, _ = answer_to(GET, empty)
    assert answer == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"


def test_head_gets_the_length_but_no_body() -> None:
    answer, line = answer_to(HEAD, lambda call: call.respond(200, [], b"hello"))
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    assert not line.over


def test_head_of_a_stream_gets_no_chunks() -> None:
    answer, line = answer_to(HEAD, stream)
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n"
    assert not line.over


@pytest.mark.parametrize("status", [204, 304])
def test_answers_that_cannot_have_a_body_have_none_and_no_length(status: int) -> None:
    answer, _ = answer_to(GET, lambda call: call.respond(status, [], b"ignored"))
    assert re.fullmatch(rb"HTTP/1.1 %d [A-Za-z ]+\r\n\r\n" % status, answer)


def test_http_1_0_gets_a_stream_that_ends_with_the_connection() -> None:
    answer, line = answer_to(OLD, stream)
    assert answer == (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\nhello0123456789abcdef")
    assert line.transport.closed


def test_http_1_0_is_closed_after_its_answer() -> None:
    answer, line = answer_to(OLD, ok)
    assert answer == b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    assert line.transport.closed


def test_http_1_0_is_kept_alive_when_it_asks_and_the_answer_has_a_length() -> None:
    answer, line = answer_to(OLD_KEEP, ok)
    assert answer == b"HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok"
    assert not line.over
    answer, line = answer_to(OLD_KEEP, stream)
    assert line.transport.closed


def test_connection_close_is_echoed_and_done() -> None:
    answer, line = answer_to(LAST + GET, ok)
    assert answer == b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
    assert line.transport.closed


def test_headers_that_frame_the_answer_are_the_transports_own() -> None:
    given = [(b"content-length", b"99"), (b"transfer-encoding", b"chunked"), (b"connection", b"close"), (b"date", b"x")]
    answer, line = answer_to(GET, lambda call: call.respond(200, given, b"ok"))
    assert answer == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    assert not line.over


@pytest.mark.parametrize("bad", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b", b"a\x1bb"])
def test_a_control_character_in_a_header_is_an_error_before_anything_is_written(bad: bytes) -> None:
    def answer(call: Call) -> None:
        with pytest.raises(ValueError, match="control character"):
            call.respond(200, [(b"date", b"dropped"), (b"x", bad)], b"")
        with pytest.raises(ValueError, match="control character"):
            call.start(200, [(bad, b"x")])
        call.respond(500, [], b"")

    _, line = answer_to(GET, answer)
    assert line.status == 500


@pytest.mark.parametrize("status", [100, 101, 199, 600])
def test_a_status_that_is_not_final_is_an_error(status: int) -> None:
    def answer(call: Call) -> None:
        with pytest.raises(ValueError, match="not the status"):
            call.respond(status, [], b"")
        ok(call)

    answer_to(GET, answer)


def test_an_unregistered_status_has_an_empty_reason() -> None:
    answer, _ = answer_to(GET, lambda call: call.respond(529, [], b""))
    assert answer.startswith(b"HTTP/1.1 529 \r\n")


def test_answering_twice_is_a_bug_in_the_application() -> None:
    def twice(call: Call) -> None:
        ok(call)
        with pytest.raises(RuntimeError):
            ok(call)
        with pytest.raises(RuntimeError):
            call.start(200, [])
        with pytest.raises(RuntimeError):
            call.end()
        call.write(b"late")
        call.abort()
        call.reset()

    answer, line = answer_to(GET, twice)
    assert answer.endswith(b"\r\n\r\nok")
    assert not line.over


def test_abort_cuts_a_stream_without_an_end() -> None:
    def cut(call: Call) -> None:
        call.start(200, [])
        call.write(b"hello")
        call.abort()
        assert call.gone
        call.write(b"more")
        call.end()

    answer, line = answer_to(GET, cut)
    assert answer == b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    assert line.transport.closed


def test_abort_of_an_answer_that_ends_by_close_is_a_reset() -> None:
    def cut(call: Call) -> None:
        call.start(200, [])
        call.write(b"hello")
        call.abort()

    _, line = answer_to(OLD, cut)
    assert line.transport.aborted


def test_abort_before_the_answer_sends_nothing() -> None:
    line = Line(Desk(lambda call: call.abort()))
    line.feed(GET)
    assert line.sent == b""
    assert line.transport.closed


def test_body_bytes_are_counted_without_framing() -> None:
    calls: list[Call] = []

    def count(call: Call) -> None:
        calls.append(call)
        stream(call)

    answer_to(GET, count)
    assert calls[0].bytes_out == 21


def test_an_answer_from_the_head_keeps_the_connection_when_the_body_is_here() -> None:
    desk = Desk(ok, at_head=lambda call: call.respond(401, [], b"no"))
    line = Line(desk)
    line.feed(post(b"{}"))
    assert b"connection: close" not in line.sent
    line.feed(post(b"{}"))
    assert len(desk.heads) == 2
    assert desk.calls == []


def test_an_answer_from_the_head_ends_the_connection_when_the_body_is_not_here() -> None:
    desk = Desk(ok, at_head=lambda call: call.respond(401, [], b"no"))
    line = Line(desk)
    line.feed(post(b"x" * 100)[:-1])
    assert line.status == 401
    assert b"connection: close\r\n" in line.sent
    assert line.transport.received_eof
    line.feed(b"x" + GET)  # the rest is read, so that the client is not reset, and thrown away
    assert len(desk.heads) == 1


def test_a_stream_begun_from_the_head_ignores_the_body_and_ends_the_connection() -> None:
    desk = Desk(ok, at_head=lambda call: call.start(200, []))
    line = Line(desk)
    line.feed(post(b"x" * 100)[:-50])
    line.feed(b"x" * 50 + GET)
    desk.heads[0].write(b"hello")
    desk.heads[0].end()
    assert b"connection: close\r\n" in line.sent
    assert line.sent.endswith(b"5\r\nhello\r\n0\r\n\r\n")
    assert line.transport.received_eof
    assert len(desk.heads) == 1


def test_a_refusal_while_the_body_arrives_ends_the_connection() -> None:
    desk = Desk(ok)
    line = Line(desk)
    line.feed(post(b"x" * 100)[:-50])
    desk.heads[0].respond(503, [], b"busy")
    assert line.status == 503
    assert line.transport.received_eof
    line.feed(b"x" * 50 + GET)
    assert len(desk.heads) == 1
    assert line.server.inflight == 0


def test_an_application_that_raises_is_answered_for() -> None:
    def fails(call: Call) -> None:
        raise KeyError("bug")

    _, line = answer_to(GET, fails)
    assert line.status == 500
    assert line.error == "internal_error"
    assert isinstance(line.loop.errors[0]["exception"], KeyError)


def test_an_application_that_raises_within_a_stream_cuts_it() -> None:
    def fails(call: Call) -> None:
        call.start(200, [])
        call.write(b"hello")
        raise KeyError("bug")

    answer, line = answer_to(GET, fails)
    assert answer.endswith(b"5\r\nhello\r\n")
    assert line.transport.closed


def test_the_watcher_hears_of_a_slow_reader_and_of_its_recovery() -> None:
    desk = Desk()
    line = Line(desk)
    line.transport.stalled = True
    line.feed(GET)
    call = desk.calls[0]
    call.start(200, [])
    call.write(b"x" * 60_000)
    assert not call.blocked
    call.write(b"x" * 10_000)
    assert call.blocked
    assert events(call) == ["blocked"]
    line.transport.take(60_000)
    assert not call.blocked
    assert events(call) == ["blocked", "writable"]


@pytest.mark.parametrize("how", ["eof", "lost"])
@pytest.mark.parametrize("when", ["body", "request", "stream"])
def test_a_client_that_leaves_is_reported_once_and_at_once(how: str, when: str) -> None:
    desk = Desk()
    line = Line(desk)
    line.feed(post(b"abc")[: -1 if when == "body" else None])
    call = desk.heads[0]
    if when == "stream":
        call.start(200, [])
        call.write(b"hello")
    told = events(call)
    if how == "eof":
        line.transport.feed_eof()
        assert told == ["gone"]
    else:
        line.transport.lose(ConnectionResetError())
        line.loop.run()
    line.loop.run()
    assert told == ["gone"]
    assert call.gone
    assert line.transport.closed
    call.write(b"more")
    call.respond(200, [], b"late")  # nobody is left to be told twice
    assert line.server.live_calls == 0
    assert line.server.inflight == 0


def test_a_client_that_leaves_after_its_answer_is_nobodys_business() -> None:
    desk = Desk(ok)
    line = Line(desk)
    line.feed(GET)
    call = desk.calls[0]
    told = events(call)
    line.transport.feed_eof()
    line.loop.run()
    assert told == []
    assert not call.gone
    assert line.transport.closed
