"""Byte ranges (RFC 9110, 14.1.2), by hand."""

from __future__ import annotations

import pytest

from trunkline.jobs.ranges import Range, read_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        (b"bytes=0-0", Range(0, 0)),
        (b"bytes=0-", Range(0, 99)),
        (b"bytes=10-19", Range(10, 19)),
        (b"bytes=90-1000", Range(90, 99)),
        (b"bytes=99-", Range(99, 99)),
        (b"bytes=-1", Range(99, 99)),
        (b"bytes=-1000", Range(0, 99)),
        (b"bytes=100-", "unsatisfiable"),
        (b"bytes=100-200", "unsatisfiable"),
        (b"bytes=-0", "unsatisfiable"),
        (b"bytes=5-4", None),
        (b"bytes=0-1,3-4", None),
        (b"bytes=-", None),
        (b"bytes=a-b", None),
        (b"lines=0-1", None),
        (b"bytes=1", None),
        (b"bytes=--1", None),
        (b"bytes=99999999999999999999-", None),
    ],
)
def test_a_range_of_a_hundred_bytes(header: bytes | None, expected: object) -> None:
    assert read_range(header, 100) == expected


def test_what_a_range_says_of_itself() -> None:
    part = Range(10, 19)
    assert (part.length, part.header(100)) == (10, b"bytes 10-19/100")
    assert read_range(b"bytes=-5", 0) == "unsatisfiable"
    assert read_range(b"bytes=0-", 0) == "unsatisfiable"
