"""A request as bytes: head and body, with the two header fields that belong to transport."""

from __future__ import annotations

from trunkline.transport.contract import Outbound
from trunkline.types.wire import Headers

KEPT = 256  # targets of one pool whose heads are kept
TOGETHER = 65536  # a body up to here is sent in one piece with the head


def prefix(authority: str, proxy_authorization: bytes | None = None) -> bytes:
    """What follows the request target, up to the request's own headers. The same for a whole pool."""
    lines = b" HTTP/1.1\r\nhost: " + authority.encode("ascii") + b"\r\n"
    if proxy_authorization is not None:
        lines += b"proxy-authorization: " + proxy_authorization + b"\r\n"
    return lines


class HeadWriter:
    """`encode_head` for one pool: requests to it mostly differ in their length only, so what comes before that is kept
    for each target."""

    __slots__ = ("_between", "_kept", "_start")

    def __init__(self, start: bytes, between: bytes) -> None:
        self._start = start
        self._between = between
        self._kept: dict[bytes, tuple[Headers, bytes]] = {}

    def head(self, request: Outbound) -> bytes:
        """Raises ValueError as `encode_head` does."""
        if request.method != b"POST":
            return encode_head(request, self._start, self._between)
        kept = self._kept.get(request.target)
        if kept is not None and kept[0] == request.headers:
            return b"%b%d\r\n\r\n" % (kept[1], len(request.body))
        head = encode_head(request, self._start, self._between)
        if len(self._kept) >= KEPT:
            self._kept.clear()
        self._kept[request.target] = request.headers, head[: head.rindex(b" ") + 1]
        return head


def encode_head(request: Outbound, start: bytes, between: bytes) -> bytes:
    """`start` is put before the target (scheme and authority for a proxy, else nothing), `between` is `prefix(…)`.

    Raises ValueError when a header or the target would change the framing. Whoever fills an `Outbound` takes values
    only from parsed requests and configuration, so that would be a bug there; it must not become a second request.
    """
    headers = request.headers
    body = request.body
    fields = b"\r\n".join(map(_LINE, headers))
    lines = between.count(b"\n") + len(headers) + 1
    if body or request.method not in _BODILESS:
        length = b"\r\ncontent-length: %d\r\n\r\n" % len(body)
        lines += 1
    else:
        length = b"\r\n\r\n"
    if not headers:
        length = length[2:]
    head = b"".join((request.method, b" ", start, request.target, between, fields, length))
    if head.count(10) != lines or head.count(13) != lines or 0 in head or 32 in request.target:  # LF, CR, NUL, space
        raise ValueError("a header or the target of an upstream request contains CR, LF, NUL or a space")
    return head


_LINE = b": ".join
_BODILESS = frozenset({b"GET", b"HEAD", b"DELETE", b"OPTIONS"})
