"""Request boundaries against a second reader: what the server hands to the application is what h11 would read from
the same bytes, or the server has refused and closed. It never hands over a request that h11 does not see."""

from __future__ import annotations

import os
import random

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.transport.contract import Call, ServerLimits
from trunkline.transport.memory import MemoryLoop, MemoryTransport
from trunkline.transport.server import Server
from trunkline.transport.server.connection import Connection

Request = tuple[bytes, bytes, bytes | None]  # method, target, body; None: there is no (whole) body

SOAK_CASES = int(os.environ.get("TRUNKLINE_FUZZ_CASES", "1000000"))
CASES = 4000

A = b" HTTP/1.1\r\nHost: a\r\n"  # the rest of a request line, and the one header that must be there
NEXT = b"GET /next" + A + b"\r\n"
CHUNKED = b"POST /c" + A + b"Transfer-Encoding: chunked\r\n\r\n"
INNER = b"GET /inner" + A + b"X: 1\r\n\r\n"  # 40 bytes, hexadecimal 28, that look like a request inside a body

SEEDS: tuple[bytes, ...] = (
    b"GET /" + A + b"\r\n",
    b"GET /?q=1 HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
    b"POST /p" + A + b"Content-Length: 5\r\n\r\nhello" + NEXT,
    b"POST /p" + A + b"Content-Length: 40\r\n\r\n" + INNER + NEXT,
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + NEXT,
    CHUNKED + b"5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\nPOST /" + A + b"Content-Length: 0\r\n\r\n",
    CHUNKED + b"28\r\n" + INNER + b"\r\n0\r\n\r\n",
    b"HEAD /" + A + b"\r\nOPTIONS *" + A + b"\r\nDELETE /x" + A + b"\r\n",
    b"GET http://a/x?y" + A + b"\r\n",
    b"POST /u" + A + b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc" + NEXT,
    b"POST /u"
    + A
    + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    + NEXT,
    b"POST /e" + A + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /" + A + b"Connection: close\r\n\r\n" + NEXT,
)

#: What mutations insert or put in place of something else.
PIECES: tuple[bytes, ...] = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b" ", b"\t", b"\0", b"\x0b", b"\x0c", b"\x7f", b"\x80", b":", b";"),
    *(b",", b"0", b"1", b"5", b"f", b"+", b"-", b"0x", b"\xd9\xa5", b"0\r\n\r\n", b"5\r\n", b" \r\n", b"\r\n "),
    *(
        b"ffffffffffffffffffff",
        b"#",
        b"*",
        b"/",
        b"GET ",
        b"POST ",
        b"CONNECT a:1",
        b"HTTP/1.0",
        b"HTTP/1.1",
        b"HTTP/2.0",
    ),
    *(b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"Content-Length:5\r\n", b"content-length: 5, 5\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding : chunked\r\n"),
    *(
        b"Transfer-Encoding: identity\r\n",
        b"Transfer_Encoding: chunked\r\n",
        b"X: \r\n",
        b"Host: b\r\n",
        b"Host: a\r\n",
    ),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Upgrade: websocket\r\n", b"Expect: 100-continue\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Content-Encoding: identity\r\n", b" folded\r\n"),
    *(NEXT, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
)


def seen_by_h11(stream: bytes) -> list[Request]:
    """The requests in `stream`, read one connection each so that keep-alive plays no part. The last one may be a
    head whose body is not whole or not valid."""
    found: list[Request] = []
    while stream:
        reader = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
        reader.receive_data(stream)
        request: h11.Request | None = None
        body = b""
        while True:
            try:
                event = reader.next_event()
            except h11.RemoteProtocolError:
                event = h11.NEED_DATA
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return found if request is None else [*found, (request.method, origin_form(request.target), None)]
        assert request is not None
        found.append((request.method, origin_form(request.target), body))
        stream = reader.trailing_data[0]
    return found


def origin_form(target: bytes) -> bytes:
    for scheme in (b"http://", b"https://"):
        if target.lower().startswith(scheme):
            rest = target[len(scheme) :]
            cut = min([len(rest)] + [rest.index(mark) for mark in (b"/", b"?") if mark in rest])
            return rest[cut:] if rest[cut : cut + 1] == b"/" else b"/" + rest[cut:]
    return target


class Recorder:
    """An application that notes what it is handed, and answers at once, in the next turn, or from the head."""

    def __init__(self, loop: MemoryLoop, manner: str) -> None:
        self.loop = loop
        self.manner = manner
        self.seen: list[Request] = []
        self.heads = 0

    def on_head(self, call: Call) -> int:
        self.heads += 1
        if self.manner == "head" and self.heads % 2:
            self.seen.append((call.method, call.target, None))
            call.respond(404, [], b"no")
            return -1
        return 1 << 20

    def on_request(self, call: Call) -> None:
        self.seen.append((call.method, call.target, call.body))
        if self.manner == "later":
            self.loop.call_soon(call.respond, 200, [], b"ok")
        elif self.manner == "stream":
            call.start(200, [])
            call.write(b"o")
            self.loop.call_soon(call.end)
        else:
            call.respond(200, [], b"ok")


def served(reads: list[bytes], manner: str) -> tuple[list[Request], MemoryTransport, Connection]:
    loop = MemoryLoop()
    application = Recorder(loop, manner)
    server = Server(application, ServerLimits(pipeline=3), loop=loop)
    connection = server.connection("192.0.2.1")
    transport = MemoryTransport(loop, connection)
    for data in reads:
        for _ in range(len(data) + 2):  # a paused reader takes up again within a few turns
            loop.run()
            if transport.reading or transport.is_closing():
                break
        transport.feed(data)
    loop.run()
    assert loop.errors == []
    return application.seen, transport, connection


def check(stream: bytes, reads: list[bytes], manner: str) -> str:
    """Returns what became of the connection: "open", "refused" or "closed" (on the client's wish)."""
    seen, transport, connection = served(reads, manner)
    truth = seen_by_h11(stream)
    assert len(seen) <= len(truth), (stream, seen, truth)
    for ours, theirs in zip(seen, truth, strict=False):
        assert ours[:2] == theirs[:2], (stream, seen, truth)
        assert ours[2] is None or ours[2] == theirs[2], (stream, seen, truth)
    ended = transport.received_eof or transport.is_closing()
    whole = [request for request in truth if request[2] is not None]
    if len(seen) != len(whole):
        assert ended, (stream, seen, truth)
    if ended:
        before = len(seen)
        transport.feed(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        connection.server.loop.run()  # type: ignore[attr-defined]  # a MemoryLoop, see `served`
        assert len(seen) == before
    assert transport.sent.count(b"\r\ndate: ") <= len(seen) + 1
    refused = ended and (b"HTTP/1.1 4" in transport.sent or b"HTTP/1.1 5" in transport.sent)
    return "refused" if refused else "closed" if ended else "open"


def mutated(dice: random.Random) -> bytes:
    stream = bytearray(b"".join(dice.choice(SEEDS) for _ in range(dice.randint(1, 3))))
    for _ in range(dice.choice((0, 0, 1, 1, 1, 1, 2, 3))):
        at = dice.randrange(len(stream) + 1)
        match dice.randrange(6):
            case 0:
                stream[at:at] = dice.choice(PIECES)
            case 1:
                stream[at : at + dice.randint(1, 4)] = dice.choice(PIECES)
            case 2:
                del stream[at : at + dice.randint(1, 6)]
            case 3 if at < len(stream):
                stream[at] = dice.randrange(256)
            case 4:  # a whole line, where a line begins
                lines = bytes(stream).split(b"\r\n")
                lines.insert(dice.randrange(len(lines) + 1), dice.choice(PIECES).removesuffix(b"\r\n"))
                stream = bytearray(b"\r\n".join(lines))
            case _:  # a line twice, or away
                lines = bytes(stream).split(b"\r\n")
                index = dice.randrange(len(lines))
                lines[index : index + 1] = [lines[index]] * dice.choice((0, 2))
                stream = bytearray(b"\r\n".join(lines))
    return bytes(stream)


def split(stream: bytes, dice: random.Random) -> list[bytes]:
    if dice.random() < 0.3:
        return [stream]
    size = dice.choice((1, 2, 3, 7, 40, 200))
    reads, at = [], 0
    while at < len(stream):
        step = dice.randint(1, size)
        reads.append(stream[at : at + step])
        at += step
    return reads


def fuzz(cases: int, seed: int) -> dict[str, int]:
    dice = random.Random(seed)
    fates = {"open": 0, "refused": 0, "closed": 0}
    for _ in range(cases):
        stream = mutated(dice)
        fates[check(stream, split(stream, dice), dice.choice(("now", "later", "stream", "head")))] += 1
    return fates


def test_mutated_requests_have_the_boundaries_that_h11_sees_or_are_refused() -> None:
    fates = fuzz(CASES, seed=20260711)
    # The mutations must neither leave everything valid nor break everything, or the test would say nothing.
    assert min(fates["open"], fates["refused"]) > CASES // 20


@pytest.mark.soak
def test_a_million_mutated_requests_have_the_boundaries_that_h11_sees_or_are_refused() -> None:
    fates = fuzz(SOAK_CASES, seed=7)
    assert sum(fates.values()) == SOAK_CASES


TOKEN = st.text("abcXYZ-_", min_size=1, max_size=6).map(str.encode)
VALUE = st.text("abc ,;=\té0:", max_size=12).map(lambda text: text.strip().encode())
CHUNKS = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


@st.composite
def valid_request(draw: st.DrawFn) -> bytes:
    method = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"]))
    target = b"/" + draw(st.text("ab/%2?=&.", max_size=10)).encode()
    head = method + b" " + target + b" HTTP/1.1\r\nhost: example.test:8080\r\n"
    for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=4)):
        head += b"x-" + name + b":" + draw(st.sampled_from([b"", b" ", b"\t "])) + value + b"\r\n"
    match draw(st.sampled_from(["none", "length", "chunked"])):
        case "none":
            return head + b"\r\n"
        case "length":
            body = draw(st.binary(max_size=100))
            return head + b"content-length: %d\r\n\r\n" % len(body) + body
        case _:
            pieces = b"".join(
                b"%x%b\r\n%b\r\n" % (len(data), draw(st.sampled_from([b"", b";a", b';a="b"'])), data)
                for data in draw(CHUNKS)
            )
            trailer = draw(st.sampled_from([b"", b"x-sum: 1\r\n"]))
            return head + b"transfer-encoding: chunked\r\n\r\n" + pieces + b"0\r\n" + trailer + b"\r\n"


@settings(max_examples=300, deadline=None)
@given(requests=st.lists(valid_request(), min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_valid_requests_are_all_served_however_the_bytes_are_split(requests: list[bytes], seed: int) -> None:
    stream = b"".join(requests)
    dice = random.Random(seed)
    seen, transport, _ = served(split(stream, dice), dice.choice(("now", "later", "stream")))
    assert seen == seen_by_h11(stream)
    assert len(seen) == len(requests)
    assert not transport.is_closing()


@settings(max_examples=300, deadline=None)
@given(stream=st.binary(max_size=200), seed=st.integers(0, 2**32))
def test_noise_is_never_taken_for_more_requests_than_h11_sees(stream: bytes, seed: int) -> None:
    check(stream, split(stream, random.Random(seed)), "now")
