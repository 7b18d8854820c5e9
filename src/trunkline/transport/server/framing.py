"""Where a request ends, decided strictly: whatever two readers could read differently is refused.

llhttp has checked the grammar of the head before any of this runs; here stands what it tolerates (verified against
llhttp as of httptools 0.9: two spaces in the request line, a missing or odd HTTP version, leading empty lines, zeros
before a Content-Length, `gzip, chunked`, Transfer-Encoding in HTTP/1.0, two Host headers, fragments), and the limits
it does not have. A refusal is a value; every refusal closes the connection.
"""

from __future__ import annotations

import re

import msgspec

from trunkline.types.wire import Headers


class Refusal(msgspec.Struct, frozen=True):
    """An answer of the transport itself. `code` is stable; `message` says what to change."""

    status: int
    code: str
    message: str


BAD_SYNTAX = Refusal(400, "malformed_request", "The request is not valid HTTP/1.1.")
BAD_LINE = Refusal(400, "malformed_request_line", "The request line must be METHOD SP target SP HTTP/1.1.")
BAD_BYTES = Refusal(
    400, "malformed_header", "The header section holds a bare line feed, an empty first line or a control character."
)
BAD_TARGET = Refusal(400, "malformed_target", "The request target must be an absolute path.")
BAD_AUTHORITY = Refusal(400, "host_mismatch", "The authority of the request target differs from the Host header.")
NO_HOST = Refusal(400, "missing_host", "HTTP/1.1 needs exactly one Host header.")
BAD_HOST = Refusal(400, "malformed_host", "There must be exactly one valid Host header.")
BAD_LENGTH = Refusal(400, "malformed_content_length", "Content-Length must be one plain decimal number.")
BAD_CODING = Refusal(400, "malformed_transfer_encoding", "Transfer-Encoding must be `chunked`, once, in HTTP/1.1.")
BOTH_LENGTHS = Refusal(
    400, "ambiguous_body_length", "A request must not have both Content-Length and Transfer-Encoding."
)
BAD_CHUNK = Refusal(400, "malformed_chunk", "The chunked body is malformed.")
TIMEOUT = Refusal(408, "request_timeout", "The request arrived too slowly.")
TOO_LARGE = Refusal(413, "request_too_large", "The request body is larger than this server accepts.")
COMPRESSED = Refusal(415, "unsupported_content_encoding", "Send the request body without Content-Encoding.")
EXPECTATION = Refusal(417, "unsupported_expectation", "The only expectation met here is 100-continue.")
LONG_HEAD = Refusal(431, "header_too_large", "The header section is larger than this server accepts.")
MANY_HEADERS = Refusal(431, "too_many_headers", "The request has more headers than this server accepts.")
FAILED = Refusal(500, "internal_error", "The server failed to answer this request.")
NO_METHOD = Refusal(501, "unsupported_method", "This method is not supported.")
OVERLOADED = Refusal(503, "overloaded", "The server holds as many request bodies as it can. Try again shortly.")
TOO_MANY_CONNECTIONS = Refusal(503, "too_many_connections", "The server has as many connections as it can hold.")
BAD_VERSION = Refusal(505, "unsupported_version", "This server speaks HTTP/1.1.")

#: Headers that decide framing and connection. Duplicates are joined by ", ", which none of the values that must be
#: single can contain, so a duplicate is malformed by itself.
WATCHED = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"content-encoding"))

#: What `bytes.translate` deletes so that only line ends and control characters remain: TAB, 0x20–0x7E, obs-text.
PLAIN = bytes(byte for byte in range(256) if byte == 9 or (byte >= 32 and byte != 127))

CHUNKED = -1  # a body length that is not known yet
MAX_LENGTH_DIGITS = 15  # 2**49: no body is that large, and no reader overflows on it

_HOST = re.compile(rb"[A-Za-z0-9._~%!$&'()*+;=-]*(?::[0-9]*)?|\[[0-9A-Fa-f:.]+\](?::[0-9]*)?")


#: Method, target in origin form, whether it is HTTP/1.1, body length or CHUNKED.
Head = tuple[bytes, bytes, bool, int]


def read_head(head: bytes, known: dict[bytes, bytes], good_host: bytes | None) -> Head | Refusal:
    """What a head means that llhttp has accepted. `known` are its watched headers; a Host equal to `good_host` has
    been checked before."""
    line = head[: head.find(b"\r\n")].split(b" ")
    if len(line) != 3:
        return BAD_LINE
    method, target, version = line
    http11 = version == b"HTTP/1.1"
    if not http11 and version != b"HTTP/1.0":
        return BAD_VERSION if version.startswith(b"HTTP/") else BAD_LINE
    length = body_length(known, http11)
    if isinstance(length, Refusal):
        return length
    host = known.get(b"host")
    if host is None or host != good_host:
        refusal = bad_host(host, http11)
        if refusal is not None:
            return refusal
    if target[:1] != b"/" or not target.isascii() or b"#" in target:
        reduced = origin_form(method, target, host)
        if isinstance(reduced, Refusal):
            return reduced
        target = reduced
    if length and b"content-encoding" in known and known[b"content-encoding"].lower() not in (b"", b"identity"):
        return COMPRESSED
    if http11 and b"expect" in known and known[b"expect"].lower() != b"100-continue":
        return EXPECTATION
    return method, target, http11, length


def joined(fields: Headers) -> dict[bytes, bytes]:
    """Fields by name, the duplicates of the watched ones joined."""
    known: dict[bytes, bytes] = {}
    for name, value in fields:
        known[name] = known[name] + b", " + value if name in known and name in WATCHED else value
    return known


def refused_line(head: bytes) -> tuple[bytes, bytes]:
    """(target, method) of a head that is refused, as far as they can be told; for the wording of the answer."""
    line = head[:8192].partition(b"\r\n")[0].split(b" ")
    return (line[1], line[0]) if len(line) == 3 and line[2].startswith(b"HTTP/") else (b"", b"")


def body_length(known: dict[bytes, bytes], http11: bool) -> int | Refusal:
    """Bytes of body that follow the head, or CHUNKED, from the watched headers."""
    length = known.get(b"content-length")
    coding = known.get(b"transfer-encoding")
    if length is None:
        if coding is None:
            return 0
        if not http11 or coding.lower() != b"chunked":
            return BAD_CODING
        return CHUNKED
    if coding is not None:
        return BOTH_LENGTHS
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS or (length[0] == 48 and length != b"0"):
        return BAD_LENGTH
    return int(length)


def bad_host(host: bytes | None, http11: bool) -> Refusal | None:
    """Duplicates arrive here joined by a comma, which is no host."""
    if host is None:
        return NO_HOST if http11 else None
    return None if _HOST.fullmatch(host) else BAD_HOST


def origin_form(method: bytes, target: bytes, host: bytes | None) -> bytes | Refusal:
    """The target as an absolute path with query. An absolute URI is reduced to its path once its authority is found
    to be that of Host (RFC 9112 3.2.2 lets it override Host; two views of one request are refused instead). The
    asterisk is for OPTIONS only."""
    if not target.isascii() or b"#" in target:
        return BAD_TARGET
    if target.startswith(b"/"):
        return target
    if target == b"*" and method == b"OPTIONS":
        return target
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return BAD_TARGET
    end = min(at for at in (rest.find(b"/"), rest.find(b"?"), len(rest)) if at >= 0)
    if host is None or rest[:end].lower() != host.lower():
        return BAD_AUTHORITY
    path = rest[end:]
    return path if path.startswith(b"/") else b"/" + path


def keeps_alive(connection: bytes | None, http11: bool) -> bool:
    """RFC 9112 9.3: HTTP/1.1 stays unless told otherwise, HTTP/1.0 closes unless told otherwise."""
    if connection is None:
        return http11
    if connection == b"keep-alive":  # what most libraries say
        return True
    tokens = [token.strip() for token in connection.lower().split(b",")]
    if b"close" in tokens:
        return False
    return http11 or b"keep-alive" in tokens


def bad_partial_head(piece: bytes | bytearray, after_cr: bool) -> bool:
    """Whether bytes of an unfinished head can never become one: each line feed must follow a carriage return, each
    carriage return (but one at the very end) must precede one, no other control character occurs. `after_cr`: the
    byte before `piece` was a carriage return."""
    marks = len(piece.translate(None, PLAIN))
    if after_cr:
        if piece[:1] != b"\n":
            return True
        marks -= 1
    if piece.endswith(b"\r"):
        marks -= 1
    return marks != 2 * piece.count(b"\r\n")
