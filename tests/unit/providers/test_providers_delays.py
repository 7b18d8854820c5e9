"""Stated delays: which word counts, and what is no word at all."""

from __future__ import annotations

import pytest

from provider_samples import NOW
from trunkline.providers.delays import http_date, stated_delay
from trunkline.types.wire import Headers


def after(value: bytes) -> Headers:
    return [(b"retry-after", value)]


@pytest.mark.parametrize(
    ("headers", "inside", "delay"),
    [
        ([], None, None),
        (after(b"7"), None, 7.0),
        (after(b" 1.5 "), None, 1.5),
        ([(b"retry-after-ms", b"250"), *after(b"9")], None, 0.25),
        ([(b"retry-after-ms", b"soon"), *after(b"9")], None, 9.0),
        (after(b"7"), 46.0, 7.0),
        ([], 46.0, 46.0),
        (after(b"later"), 46.0, 46.0),
        (after(b"Fri, 15 Jan 2027 08:00:30 GMT"), None, 30.0),
        (after(b"Friday, 15-Jan-27 08:01:00 GMT"), None, 60.0),
        (after(b"Fri Jan 15 09:00:00 2027"), None, 3600.0),
        (after(b"Fri, 15 Jan 2027 07:59:30 GMT"), None, None),  # passed
        (after(b"0"), None, None),  # a wait of nothing states none
        (after(b"-5"), None, None),
        (after(b"nan"), None, None),
        (after(b"inf"), None, None),
        (after(b"1e9"), None, None),
        (after(b"1_000"), None, None),
        (after(b"\xd9\xa7"), None, None),  # a digit, but not ASCII
        (after(b"999999999999"), None, 1e7),
        (after(b""), None, None),
        ([], float("nan"), None),
        ([], float("inf"), 1e7),
        ([], -1.0, None),
    ],
)
def test_a_delay_is_read_from_headers_then_from_the_body(
    headers: Headers, inside: float | None, delay: float | None
) -> None:
    assert stated_delay(headers, inside, NOW) == delay


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1483228799.0),
    ],
)
def test_the_three_forms_of_an_http_date_are_read(text: str, moment: float) -> None:
    assert http_date(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "Sun, 06 Nov 1994 08:49:37 PST",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)
def test_anything_else_is_no_date(text: str) -> None:
    assert http_date(text) is None
