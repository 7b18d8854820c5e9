"""Reading answers: the split of the bytes never matters, and what is not a whole answer never ends cleanly."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import h11
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transport_doubles import AtOnce, FakeTransport, RecordingSink, post
from trunkline.transport.client.connection import ClientCall, Connection
from trunkline.transport.contract import Fault


class Nobody:
    """A `Keeper` that only notes whether the connection was free for another request."""

    free = False

    def on_free(self, connection: Connection) -> None:
        self.free = True

    def on_ended(self, connection: Connection) -> None: ...

    def on_stale(self, connection: Connection, call: ClientCall) -> None: ...

    def on_give_up(self, call: ClientCall) -> None: ...


def transcript(reads: list[bytes], *, method: bytes = b"POST", eof: bool = True) -> list[Any]:
    """What the sink of one request hears: head, all data as one, how it ended, and whether the connection is free."""
    keeper = Nobody()
    connection = Connection(keeper, AtOnce(), 65536)
    transport = FakeTransport(connection)
    connection.connection_made(transport)
    sink = RecordingSink()
    connection.send(ClientCall(post(method=method), b"", sink, keeper))
    for data in reads:
        if data and not transport.closed:
            connection.data_received(data)
    if eof and not transport.closed:
        connection.eof_received()
    heads = [event for event in sink.events if isinstance(event, tuple)]
    assert len(heads) <= 1
    ends = [event for event in sink.events if event == "end" or isinstance(event, Fault)]
    assert len(ends) <= 1 and (not ends or sink.events[-1] is ends[0])
    end = ends[0].kind if ends and isinstance(ends[0], Fault) else (ends[0] if ends else None)
    return [heads, sink.body, end, keeper.free]


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    borders = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(borders)]


TOKEN = st.text("abcdefgh-XYZ", min_size=1, max_size=8).map(str.encode)
VALUE = st.text("abc ,;=\té0", max_size=12).map(lambda text: text.strip().encode())
BODY = st.binary(max_size=300)


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    out = b""
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="x y"']))
        out += b"%x" % size + extension + b"\r\n" + body[:size] + b"\r\n"
        body = body[size:]
    trailer = draw(st.sampled_from([b"", b"digest: abc\r\n"]))
    return out + b"0\r\n" + trailer + b"\r\n"


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes, bool]:
    """(bytes, body, whether it ends only with the connection)."""
    fields = [(b"x-" + name, value) for name, value in draw(st.lists(st.tuples(TOKEN, VALUE), max_size=4))]
    status = draw(st.sampled_from([b"200 OK", b"404 Not Found", b"529", b"200 "]))
    body = draw(BODY)
    kind = draw(st.sampled_from(["sized", "chunked", "close", "old"]))
    version = b"HTTP/1.0" if kind == "old" else b"HTTP/1.1"
    wire = body
    if kind == "sized":
        fields.append((b"Content-Length", b"%d" % len(body)))
    elif kind == "chunked":
        fields.append((b"Transfer-Encoding", b"Chunked"))
        wire = draw(chunked(body))
    elif kind == "close":
        fields.append((b"Connection", b"close"))
    fields = draw(st.permutations(fields))
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nlink: x\r\n\r\n"]))
    head = version + b" " + status + b"\r\n" + b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    return interim + head + b"\r\n" + wire, body, kind in ("close", "old")


@given(answers(), st.lists(st.integers(0, 10_000), max_size=8))
def test_any_split_of_a_whole_answer_gives_the_same_transcript(answer: tuple[bytes, bytes, bool], cuts: list[int]):
    data, body, until_close = answer
    whole = transcript([data])
    assert whole[1:] == [body, "end", not until_close]
    assert transcript(split(data, cuts)) == whole
    assert transcript([bytes([byte]) for byte in data]) == whole


@given(answers(), st.integers(0, 10_000), st.lists(st.integers(0, 10_000), max_size=4))
def test_a_prefix_of_an_answer_never_ends_cleanly(answer: tuple[bytes, bytes, bool], length: int, cuts: list[int]):
    data, body, until_close = answer
    prefix = data[: length % len(data)]
    heads, delivered, end, free = transcript(split(prefix, cuts))
    if until_close and heads:
        assert end == "end" and body.startswith(delivered) and not free
    else:
        assert end == ("cut" if prefix else "reset")
        assert body.startswith(delivered) and not free


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(["delete", "double", "replace", "insert"]),
        st.sampled_from(
            [
                b"\r",
                b"\n",
                b"\0",
                b" ",
                b":",
                b",",
                b"0",
                b"9",
                b"\t",
                b"\x80",
                b"\r\n",
                b"content-length: 3\r\n",
                b"transfer-encoding: chunked\r\n",
                b"\r\n\r\n",
                b"HTTP/1.1 200 OK\r\n",
                b";",
                b"f",
            ]
        ),
    ),
    min_size=1,
    max_size=3,
)


def mutated(data: bytes, mutations: list[tuple[int, str, bytes]]) -> bytes:
    for position, action, material in mutations:
        at = position % (len(data) + 1)
        if action == "delete":
            data = data[:at] + data[at + 1 :]
        elif action == "double":
            data = data[:at] + data[at : at + 1] + data[at:]
        elif action == "replace":
            data = data[:at] + material + data[at + len(material) :]
        else:
            data = data[:at] + material + data[at:]
    return data


def by_h11(data: bytes) -> tuple[int, bytes] | None:
    """Status and body as h11 reads them; None when it refuses, or finds no whole answer."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(data)
    connection_ended = False
    status, body = 0, b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return status, body
            elif event is h11.NEED_DATA:
                if connection_ended:
                    return None
                connection_ended = True
                connection.receive_data(b"")
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None


@settings(max_examples=300, suppress_health_check=[HealthCheck.filter_too_much])
@given(answers(), MUTATIONS, st.lists(st.integers(0, 10_000), max_size=4))
def test_a_damaged_answer_reads_the_same_in_any_split_and_where_we_accept_it_h11_agrees(
    answer: tuple[bytes, bytes, bool], mutations: list[tuple[int, str, bytes]], cuts: list[int]
):
    data = mutated(answer[0], mutations)
    heads, body, end, free = transcript([data])
    again = transcript(split(data, cuts))
    assert again[0] == heads
    assert (again[2] == "end") == (end == "end")
    if end == "end":
        assert again[1] == body
        theirs = by_h11(data)
        if theirs is not None:
            assert theirs == (heads[0][0], body)
    else:
        assert not free and not again[3]


@given(st.binary(max_size=400), st.lists(st.integers(0, 10_000), max_size=4))
def test_noise_never_ends_cleanly(noise: bytes, cuts: list[int]):
    _, _, end, free = transcript(split(noise, cuts))
    assert end in ("cut", "protocol", "reset") and not free


@given(answers(), st.binary(min_size=1, max_size=50))
def test_bytes_behind_an_answer_never_leave_the_connection_free(answer: tuple[bytes, bytes, bool], surplus: bytes):
    data, body, until_close = answer
    if until_close or not surplus.strip(b"\r\n"):
        return
    heads, delivered, end, free = transcript([data + surplus])
    assert heads and (delivered, end, free) == (body, "end", False)


@given(answers())
def test_the_answer_to_head_has_no_body_whatever_follows(answer: tuple[bytes, bytes, bool]):
    data, _, _ = answer
    heads, delivered, end, free = transcript([data], method=b"HEAD")
    assert heads and (delivered, end, free) == (b"", "end", False)
