"""What `ResponseReader` takes for a response, what it refuses, and when a connection may be used again."""

from __future__ import annotations

import pytest

from trunkline.transport.client.response import ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"


def read(*reads: bytes, head_only: bool = False, eof: bool = False, limit: int = 65536) -> ResponseReader:
    reader = ResponseReader(limit)
    reader.expect(head_only)
    for data in reads:
        if not reader.error and not reader.complete:
            reader.feed(data)
    if eof:
        reader.eof()
    return reader


def test_a_sized_answer_is_complete_with_its_last_byte_and_leaves_the_connection_usable():
    reader = read(OK + b"Content-Type:  text/plain \t\r\nContent-Length: 5\r\n\r\nhel", b"lo")
    assert reader.status == 200
    assert reader.headers == [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    assert b"".join(reader.pieces) == b"hello"
    assert reader.complete and reader.keep and not reader.error


def test_a_chunked_answer_ends_with_its_last_chunk_and_its_trailers_are_no_headers():
    reader = read(OK + b"transfer-encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nDigest: z\r\n\r\n")
    assert reader.headers == [(b"transfer-encoding", b"chunked")]
    assert b"".join(reader.pieces) == b"hello"
    assert reader.complete and reader.keep


def test_the_same_reader_reads_one_response_after_another():
    reader = read(OK + b"content-length: 1\r\nx: 1\r\n\r\na")
    reader.pieces.clear()
    reader.expect(False)
    reader.feed(b"HTTP/1.1 404 Not Found\r\ncontent-length: 1\r\n\r\nb")
    assert (reader.status, reader.headers, reader.pieces) == (404, [(b"content-length", b"1")], [b"b"])
    assert reader.complete and reader.keep


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_204_and_304_have_no_body_whatever_their_headers_say(status: bytes):
    reader = read(b"HTTP/1.1 " + status + b"\r\ncontent-length: 7\r\n\r\n")
    assert reader.complete and reader.keep and not reader.pieces


def test_the_answer_to_a_head_request_ends_with_its_headers():
    reader = read(OK + b"content-length: 7\r\n\r\n", head_only=True)
    assert reader.complete and not reader.keep and not reader.error


def test_an_announced_end_by_close_is_a_clean_end():
    assert read(OK + b"Connection: foo, Close\r\n\r\nhello", eof=True).complete
    assert read(b"HTTP/1.0 200 OK\r\n\r\nhello", eof=True).complete


def test_an_end_by_close_that_was_not_announced_is_a_cut():
    reader = read(OK + b"content-type: text/plain\r\n\r\nhello", eof=True)
    assert not reader.complete and reader.error


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"content-length: 6\r\n\r\nhello",
        OK + b"connection: close\r\ncontent-length: 6\r\n\r\nhello",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        OK + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_eof_before_the_framing_is_satisfied_is_an_error(answer: bytes):
    reader = read(answer, eof=True)
    assert reader.error and not reader.complete


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="CL+TE"),
        pytest.param(OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n", id="TE+CL"),
        pytest.param(OK + b"content-length: 5\r\ncontent-length: 5\r\n\r\nhello", id="the same length twice"),
        pytest.param(OK + b"content-length: 5\r\ncontent-length: 4\r\n\r\nhello", id="two lengths"),
        pytest.param(OK + b"content-length: 5, 5\r\n\r\nhello", id="a list of lengths"),
        pytest.param(OK + b"content-length: +5\r\n\r\nhello", id="a signed length"),
        pytest.param(OK + b"content-length: 0x5\r\n\r\nhello", id="a hexadecimal length"),
        pytest.param(OK + "content-length: ٥\r\n\r\nhello".encode(), id="unicode digits"),
        pytest.param(OK + b"content-length: \r\n\r\nhello", id="an empty length"),
        pytest.param(OK + b"content-length: 99999999999999999999\r\n\r\nhello", id="a length over 64 bits"),
        pytest.param(OK + b"content-length : 5\r\n\r\nhello", id="space before the colon"),
        pytest.param(OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="TE twice"),
        pytest.param(OK + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="gzip, chunked"),
        pytest.param(OK + b"transfer-encoding: xchunked\r\nconnection: close\r\n\r\n0\r\n\r\n", id="xchunked"),
        pytest.param(b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", id="chunked HTTP/1.0"),
        pytest.param(b"HTTP/1.1 200 OK\ncontent-length: 5\r\n\r\nhello", id="bare LF after the status line"),
        pytest.param(OK + b"content-length: 5\n\r\nhello", id="bare LF after a field"),
        pytest.param(OK + b"content-length: 5\r\n\nhello", id="bare LF at the end of the head"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", id="bare LF after a chunk size"),
        pytest.param(OK + b"a: b\r\n c\r\ncontent-length: 5\r\n\r\nhello", id="obs-fold"),
        pytest.param(OK + b"a: b\0c\r\ncontent-length: 5\r\n\r\nhello", id="NUL in a value"),
        pytest.param(OK + b"a\0: b\r\ncontent-length: 5\r\n\r\nhello", id="NUL in a name"),
        pytest.param(b"HTTP/1.1 200 O\0K\r\ncontent-length: 5\r\n\r\nhello", id="NUL in the reason"),
        pytest.param(OK + b"nocolon\r\ncontent-length: 5\r\n\r\nhello", id="a field without colon"),
        pytest.param(OK + b": b\r\ncontent-length: 5\r\n\r\nhello", id="a field without name"),
        pytest.param(b"HTTP/2.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello", id="HTTP/2.0"),
        pytest.param(b"HTTP/0.9 200 OK\r\ncontent-length: 5\r\n\r\nhello", id="HTTP/0.9"),
        pytest.param(b"ICY 200 OK\r\ncontent-length: 5\r\n\r\nhello", id="not HTTP"),
        pytest.param(b"HTTP/1.1 20 OK\r\ncontent-length: 5\r\n\r\nhello", id="a status of two digits"),
        pytest.param(
            b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n" + OK + b"content-length: 0\r\n\r\n", id="status 099"
        ),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n", id="a chunk longer than said"),
        pytest.param(
            OK + b"transfer-encoding: chunked\r\n\r\n 5\r\nhello\r\n0\r\n\r\n", id="space before a chunk size"
        ),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", id="0x in a chunk size"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n", id="a negative chunk size"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n", id="a chunk size over 64 bits"),
        pytest.param(
            OK + b"transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 7\r\n\r\n", id="a length as trailer"
        ),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", id="101"),
        pytest.param(
            b"HTTP/1.1 103 Hints\r\ncontent-length: 2\r\n\r\nhi" + OK + b"content-length: 0\r\n\r\n", id="1xx body"
        ),
        pytest.param(b"HTTP/1.1 103 Hints\r\n\r\n" * 17 + OK + b"content-length: 0\r\n\r\n", id="a flood of 1xx"),
        pytest.param(OK + b"a: b\r\n" * 257 + b"content-length: 0\r\n\r\n", id="a flood of fields"),
        pytest.param(OK + b"a: " + b"b" * 70000 + b"\r\ncontent-length: 0\r\n\r\n", id="a huge field"),
        pytest.param(OK + b"a: " + b"b" * 70000, id="a huge unfinished field"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n5;" + b"x" * 70000, id="a huge chunk extension"),
        pytest.param(OK + b"transfer-encoding: chunked\r\n\r\n0\r\na: " + b"x" * 70000, id="a huge trailer"),
    ],
)
def test_a_malformed_answer_is_refused_whole_or_byte_by_byte(answer: bytes):
    for reads in ([answer], [bytes([byte]) for byte in answer]):
        reader = read(*reads)
        assert reader.error, reads[0][:80]
        assert not reader.complete and not reader.keep


def test_interim_responses_are_skipped():
    reader = read(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\n" + OK + b"content-length: 0\r\n\r\n"
    )
    assert (reader.status, reader.headers) == (200, [(b"content-length", b"0")])
    assert reader.complete and reader.keep


@pytest.mark.parametrize("rest", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"X", b"HTTP/1.1 2"])
def test_bytes_after_the_end_are_never_read_as_a_response_and_end_the_connection(rest: bytes):
    reader = read(OK + b"content-length: 2\r\n\r\nhi" + rest)
    assert reader.status == 200 and reader.pieces == [b"hi"]
    assert reader.complete and not reader.keep and not reader.error


def test_connection_close_is_heeded():
    assert not read(OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi").keep
    assert not read(b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi").keep
    assert read(b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi").keep
