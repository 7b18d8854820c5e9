"""Splitting a stream into events, reading one event, and telling JSON from what is not."""

from __future__ import annotations

import json
import time

import pytest

from trunkline.dialects.sse import EventSplitter, is_json, parts


def split(*pieces: bytes, max_event: int = 1 << 20) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter(max_event)
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events, splitter.tail


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"])
def test_an_event_ends_with_its_blank_line_whatever_the_line_ends(end: bytes) -> None:
    assert split(b"data: 1" + end + b"data: 2" + end) == ([b"data: 1" + end, b"data: 2" + end], b"")


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\n\n"])
def test_byte_by_byte_gives_the_same_events(end: bytes) -> None:
    stream = b"data: 1" + end + b"\n" + b"\r\n" + b": c" + end + b"event: x\ndata: 2" + end + b"rest"
    whole = split(stream)
    assert split(*(stream[at : at + 1] for at in range(len(stream)))) == whole
    assert whole[1] == b"rest"


def test_the_unfinished_tail_waits_for_its_rest() -> None:
    assert split(b"data: 1\n") == ([], b"data: 1\n")
    assert split(b"data: 1\n", b"\ndata") == ([b"data: 1\n\n"], b"data")


def test_a_blank_line_that_ends_nothing_is_an_event_of_its_own() -> None:
    assert split(b"\n\ndata: 1\n\n\n") == ([b"\n", b"\n", b"data: 1\n\n", b"\n"], b"")
    assert split(b"\r\n", b"data: 1\r\n\r\n") == ([b"\r\n", b"data: 1\r\n\r\n"], b"")
    assert split(b"\r", b"\ndata: 1\n\n") == ([b"\r\n", b"data: 1\n\n"], b"")


@pytest.mark.parametrize("cut", range(1, 14))
def test_an_event_beyond_the_limit_ends_the_stream_wherever_it_is_cut(cut: int) -> None:
    stream = b"a: 1\n\n" + b"a: 234\n\n" + b"a: 5\n\n"
    splitter = EventSplitter(max_event=6)
    events = splitter.feed(stream[:cut]) + splitter.feed(stream[cut:])
    assert events == [b"a: 1\n\n"]
    assert splitter.oversized


def test_an_event_that_just_fits_passes_and_an_endless_one_is_noticed_before_it_ends() -> None:
    assert split(b"a: 1\n\n", max_event=6) == ([b"a: 1\n\n"], b"")
    splitter = EventSplitter(max_event=6)
    assert splitter.feed(b"a: 1234") == [] and splitter.oversized
    assert splitter.feed(b"\n\na: 1\n\n") == []


def test_a_large_event_in_small_reads_costs_no_more_than_its_length() -> None:
    splitter = EventSplitter(max_event=64 << 20)
    piece = b"x" * 4096
    started = time.process_time()
    for _ in range(4096):
        splitter.feed(piece)
    assert splitter.feed(b"\n\n") == [piece * 4096 + b"\n\n"]
    assert time.process_time() - started < 1.0  # joining at every read would copy 32 GB


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'data: {"a":1}\n\n', (b"", b'{"a":1}')),
        (b'data:{"a":1}\n\n', (b"", b'{"a":1}')),
        (b'data:  {"a":1}\r\n\r\n', (b"", b' {"a":1}')),
        (b"event: ping\ndata: {}\n\n", (b"ping", b"{}")),
        (b"event:ping\ndata: {}\n\n", (b"ping", b"{}")),
        (b"data: {}\nevent: ping\n\n", (b"ping", b"{}")),
        (b'id: 1\nretry: 5\ndata: {"a":\ndata: 1}\n: why\n\n', (b"", b'{"a":\n1}')),
        (b'data: {"a":\rdata: 1}\n\n', (b"", b'{"a":\n1}')),
        (b": only a comment\n\n", (b"", b"")),
        (b"event: ping\n\n", (b"ping", b"")),
        (b"data:\n\n", (b"", b"")),
        (b"\n", (b"", b"")),
        (b"database: 1\n\n", (b"", b"")),
        (b"\xef\xbb\xbfdata: 1\n\n", (b"", b"1")),
    ],
)
def test_one_event_is_read_as_the_standard_says(event: bytes, expected: tuple[bytes, bytes]) -> None:
    assert parts(event) == expected


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1}',
        b' {"a" : [1, -0, 1.0, 1e400, null, true]} ',
        b'"\\u00e9\xc3\xa9"',
        b'{"half":"\\ud83d"}',
        b"[" * 500 + b"]" * 500,
        b"123456789012345678901234567890",
    ],
)
def test_json_is_recognised(data: bytes) -> None:
    json.loads(data)
    assert is_json(data)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b" ", b'{"a":1,}', b'{"a":1}x', b'{"a":1}{"b":2}', b'{"a":01}', b'{"a":1.}', b'{"a":.5}', b'{"a":-}'),
        *(
            b'{"a":NaN}',
            b'{"a":Infinity}',
            b'{"a":"\\x"}',
            b'{"a":"\\u12"}',
            b'{"a":"\n"}',
            b'{"a":"\xff"}',
            b"{'a':1}",
        ),
        *(b'{"a":"\\ud83d",}', b'{"a":NaN,"b":"\\ud83d"}', b'{"a"', b'{"a":tru}', b"[DONE]", b"[" * 100_000),
        b"[" * 100_000 + b"]" * 100_000,
        b'["\\ud83d",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    ],
)
def test_what_is_no_json_is_refused(data: bytes) -> None:
    assert not is_json(data)
