"""What is refused before anyone could disagree about it (reliability.md K12)."""

from __future__ import annotations

import pytest

from transport_server_doubles import GET, Desk, Line, ok

A = b" HTTP/1.1\r\nHost: a\r\n"
CHUNKED = b"POST /" + A + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED: dict[str, tuple[bytes, int, str]] = {
    # The request line
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request_line"),
    "space after version": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "malformed_request"),
    "tab instead of space": (b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
    "no version": (b"GET /\r\nHost: a\r\n\r\n", 400, "malformed_request_line"),
    "empty first line": (b"\r\n" + GET, 400, "malformed_header"),
    "lone CR first": (b"\r" + GET, 400, "malformed_header"),
    "space first": (b" " + GET, 400, "malformed_header"),
    "lower-case method": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "unsupported_method"),
    "unknown method": (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, "unsupported_method"),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501, "unsupported_method"),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported_version"),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505, "unsupported_version"),
    "the HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "unsupported_version"),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00", 400, "malformed_header"),
    "relative target": (b"GET v1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
    "fragment": (b"GET /a#b" + A + b"\r\n", 400, "malformed_target"),
    "non-ASCII target": ("GET /é".encode() + A + b"\r\n", 400, "malformed_request"),
    "NUL in target": (b"GET /\0" + A + b"\r\n", 400, "malformed_request"),
    "asterisk for GET": (b"GET *" + A + b"\r\n", 400, "malformed_target"),
    "absolute target of another host": (b"GET http://b/" + A + b"\r\n", 400, "host_mismatch"),
    "absolute target with user": (b"GET http://u@a/" + A + b"\r\n", 400, "host_mismatch"),
    "absolute target without Host": (b"GET http://a/ HTTP/1.0\r\n\r\n", 400, "host_mismatch"),
    "absolute target of another scheme": (b"GET ftp://a/" + A + b"\r\n", 400, "malformed_target"),
    # Headers
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400, "missing_host"),
    "two Hosts": (b"GET /" + A + b"Host: a\r\n\r\n", 400, "malformed_host"),
    "two different Hosts": (b"GET /" + A + b"hOST: b\r\n\r\n", 400, "malformed_host"),
    "space in Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "malformed_host"),
    "slash in Host": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "malformed_host"),
    "bare LF after the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400, "malformed_header"),
    "bare LF after a header": (b"GET /" + A + b"X: 1\nY: 2\r\n\r\n", 400, "malformed_header"),
    "bare LFs only": (b"GET / HTTP/1.1\nHost: a\n\n", 400, "malformed_header"),
    "bare CR in a value": (b"GET /" + A + b"X: a\rb\r\n\r\n", 400, "malformed_header"),
    "obs-fold": (b"GET /" + A + b"X: a\r\n b\r\n\r\n", 400, "malformed_request"),
    "obs-fold with a tab": (b"GET /" + A + b"X: a\r\n\tb\r\n\r\n", 400, "malformed_request"),
    "fold before the first header": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "malformed_request"),
    "space before the colon": (b"GET /" + A + b"X : a\r\n\r\n", 400, "malformed_request"),
    "no colon": (b"GET /" + A + b"nonsense\r\n\r\n", 400, "malformed_request"),
    "empty name": (b"GET /" + A + b": a\r\n\r\n", 400, "malformed_request"),
    "non-ASCII name": (b"GET /" + A + b"X\xe9: a\r\n\r\n", 400, "malformed_request"),
    "NUL in a value": (b"GET /" + A + b"X: a\0b\r\n\r\n", 400, "malformed_request"),
    "DEL in a value": (b"GET /" + A + b"X: a\x7fb\r\n\r\n", 400, "malformed_request"),
    "vertical tab in a value": (b"GET /" + A + b"X: a\x0bb\r\n\r\n", 400, "malformed_request"),
    # How long the body is
    "two equal lengths": (b"POST /" + A + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, "malformed_request"),
    "two lengths in one": (b"POST /" + A + b"Content-Length: 1, 1\r\n\r\na", 400, "malformed_request"),
    "signed length": (b"POST /" + A + b"Content-Length: +1\r\n\r\na", 400, "malformed_request"),
    "negative length": (b"POST /" + A + b"Content-Length: -1\r\n\r\na", 400, "malformed_request"),
    "padded length": (b"POST /" + A + b"Content-Length: 01\r\n\r\na", 400, "malformed_content_length"),
    "empty length": (b"POST /" + A + b"Content-Length:\r\n\r\na", 400, "malformed_request"),
    "unicode digits": ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ١\r\n\r\na".encode(), 400, "malformed_request"),
    "hexadecimal length": (b"POST /" + A + b"Content-Length: 0x1\r\n\r\na", 400, "malformed_request"),
    "length of 2**64": (b"POST /" + A + b"Content-Length: 18446744073709551616\r\n\r\n", 400, "malformed_request"),
    "length of 2**50": (b"POST /" + A + b"Content-Length: 1125899906842624\r\n\r\n", 400, "malformed_content_length"),
    "length and coding": (
        b"POST /" + A + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "malformed_request",
    ),
    "coding and length": (
        b"POST /" + A + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        400,
        "malformed_request",
    ),
    "two codings": (CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "malformed_request"),
    "gzip, chunked": (b"POST /" + A + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 400, "malformed_transfer_encoding"),
    "identity": (b"POST /" + A + b"Transfer-Encoding: identity\r\n\r\n", 400, "malformed_request"),
    "xchunked": (b"POST /" + A + b"Transfer-Encoding: xchunked\r\n\r\n", 400, "malformed_request"),
    "chunked with parameter": (b"POST /" + A + b"Transfer-Encoding: chunked;a\r\n\r\n", 400, "malformed_request"),
    "chunked in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "malformed_transfer_encoding",
    ),
    # Chunks
    "bare LF after a size": (CHUNKED + b"1\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "bare LF after data": (CHUNKED + b"1\r\na\n0\r\n\r\n", 400, "malformed_chunk"),
    "bare LF at the end": (CHUNKED + b"1\r\na\r\n0\r\n\n", 400, "malformed_chunk"),
    "space after a size": (CHUNKED + b"1 \r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "space before a size": (CHUNKED + b" 1\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "signed size": (CHUNKED + b"+1\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "0x size": (CHUNKED + b"0x1\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "empty size": (CHUNKED + b"\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "size of 17 digits": (CHUNKED + b"00000000000000001\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "chunk longer than its size": (CHUNKED + b"1\r\nab\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "extension over the limit": (CHUNKED + b"1;" + b"a" * 127 + b"\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "LF in an extension": (CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n", 400, "malformed_chunk"),
    "obs-fold in a trailer": (CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n", 400, "malformed_chunk"),
    "Content-Length in a trailer": (CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n", 400, "malformed_chunk"),
    "trailers without end": (CHUNKED + b"0\r\nX: " + b"a" * 4096, 431, "header_too_large"),
    # What is not understood
    "compressed body": (
        b"POST /" + A + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
        415,
        "unsupported_content_encoding",
    ),
    "compressed chunks": (CHUNKED[:-2] + b"Content-Encoding: br\r\n\r\n", 415, "unsupported_content_encoding"),
    "two encodings": (
        b"POST /" + A + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na",
        415,
        "unsupported_content_encoding",
    ),
    "unknown expectation": (
        b"POST /" + A + b"Expect: 200-maybe\r\nContent-Length: 1\r\n\r\n",
        417,
        "unsupported_expectation",
    ),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytewise"])
@pytest.mark.parametrize("case", REFUSED)
def test_malformed_requests_are_refused_and_nothing_behind_them_is_read(case: str, whole: bool) -> None:
    stream, status, code = REFUSED[case]
    desk = Desk(ok)
    line = Line(desk)
    line.feed(*([stream] if whole else [stream[i : i + 1] for i in range(len(stream))]))
    assert line.status == status
    assert b"connection: close\r\n" in line.sent
    if whole or line.error != "malformed_header":  # byte by byte, a bare line feed is seen before what else is wrong
        assert line.error == code
    assert line.over
    line.feed(GET)
    assert desk.calls == []
    assert line.sent.count(b"\r\ndate: ") == 1


ACCEPTED: dict[str, tuple[bytes, bytes, bytes]] = {
    "plain": (GET, b"/", b""),
    "white space around a length": (b"POST /" + A + b"Content-Length: \t 1 \t\r\n\r\na", b"/", b"a"),
    "upper-case coding": (b"POST /" + A + b"Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", b"/", b"a"),
    "extensions and trailers": (CHUNKED + b'1;a;b="c d"\r\na\r\n0;e\r\nX: y\r\n\r\n', b"/", b"a"),
    "upper-case and padded sizes": (CHUNKED + b"0000A\r\n0123456789\r\n0\r\n\r\n", b"/", b"0123456789"),
    "absolute target": (b"GET http://A/x?y" + A + b"\r\n", b"/x?y", b""),
    "absolute target without path": (b"GET http://a?y" + A + b"\r\n", b"/?y", b""),
    "asterisk for OPTIONS": (b"OPTIONS *" + A + b"\r\n", b"*", b""),
    "empty Host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", b"/", b""),
    "IPv6 Host with port": (b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", b"/", b""),
    "identity": (b"POST /" + A + b"Content-Encoding: identity\r\nContent-Length: 1\r\n\r\na", b"/", b"a"),
    "encoding without a body": (b"GET /" + A + b"Content-Encoding: gzip\r\n\r\n", b"/", b""),
    "an offer of h2c": (
        b"POST /" + A + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: 1\r\n\r\na",
        b"/",
        b"a",
    ),
    "an offer of h2c with chunks": (
        b"POST /" + A + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        b"/",
        b"a",
    ),
    "a WebSocket": (b"GET /ws" + A + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", b"/ws", b""),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "bytewise"])
@pytest.mark.parametrize("case", ACCEPTED)
def test_unusual_but_unambiguous_requests_are_served_and_the_connection_goes_on(case: str, whole: bool) -> None:
    stream, target, body = ACCEPTED[case]
    desk = Desk(ok)
    line = Line(desk)
    line.feed(*([stream] if whole else [stream[i : i + 1] for i in range(len(stream))]))
    assert [(call.target, call.body) for call in desk.calls] == [(target, body)]
    assert line.sent.startswith(b"HTTP/1.1 200 OK\r\n")
    line.feed(GET)
    assert len(desk.calls) == 2
    assert not line.over


def test_headers_reach_the_application_lower_cased_in_order_with_duplicates_and_trimmed() -> None:
    desk = Desk(ok)
    Line(desk).feed(b"GET /" + A + b"X-B: 1 \t\r\nx-a:\r\nX-B:\t2\xff\r\n\r\n")
    assert desk.calls[0].headers == [(b"host", b"a"), (b"x-b", b"1"), (b"x-a", b""), (b"x-b", b"2\xff")]


def test_trailers_do_not_become_headers() -> None:
    desk = Desk(ok)
    Line(desk).feed(CHUNKED + b"0\r\nX-Admin: yes\r\n\r\n")
    assert desk.calls[0].headers == [(b"host", b"a"), (b"transfer-encoding", b"chunked")]
