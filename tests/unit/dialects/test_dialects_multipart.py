"""multipart/form-data, strictly (RFC 7578)."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.dialects.multipart import PARTS, Part, is_multipart, read, write
from trunkline.types.failure import Failure

TYPE = "multipart/form-data; boundary=b"


def test_a_form_as_httpx_writes_it() -> None:
    request = httpx.Request(
        "POST",
        "http://a",
        data={"prompt": "späte Böte", "n": "1"},
        files={"f": ('a"b.png', b"\r\n--x\r\n", "image/png")},
    )
    found = read(request.read(), request.headers["content-type"])
    assert found == [
        Part("prompt", "späte Böte".encode()),
        Part("n", b"1"),
        Part("f", b"\r\n--x\r\n", "a%22b.png", "image/png"),
    ]


names = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=20
)


@given(st.lists(st.tuples(names, st.binary(max_size=60), st.none() | names), max_size=5))
def test_what_is_written_is_read(fields: list[tuple[str, bytes, str | None]]) -> None:
    boundary = "never-in-any-of-these-bytes-0123456789"
    parts = [Part(name, data, filename, "image/png" if filename else "") for name, data, filename in fields]
    assert read(write(parts, boundary), f"multipart/form-data; boundary={boundary}") == parts


@given(st.binary(max_size=200))
def test_garbage_is_refused_and_never_raises(data: bytes) -> None:
    found = read(b"--b" + data, TYPE)
    assert isinstance(found, list | Failure)


GOOD = b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n'


def test_good() -> None:
    assert read(GOOD, TYPE) == [Part("a", b"x")]
    assert read(GOOD, 'Multipart/Form-Data; charset=utf-8; boundary="b"') == [Part("a", b"x")]
    assert read(b"--b--\r\n", TYPE) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        GOOD[1:],
        GOOD[:-6],
        GOOD.replace(b"\r\n", b"\n"),
        GOOD.replace(b"name", b"nome"),
        GOOD.replace(b"form-data", b"attachment"),
        GOOD.replace(b'"a"', b'"a'),
        GOOD.replace(b"content-disposition:", b"content-disposition"),
        b"--b\r\nx-a: b\r\n\r\nx\r\n--b--",
        b"--b\r\n" + b"x-a: " + b"y" * 9000 + b"\r\n\r\nx\r\n--b--",
        b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\n' * (PARTS + 1) + b"--b--",
    ],
)
def test_bad(body: bytes) -> None:
    assert isinstance(read(body, TYPE), Failure)


BOUNDARY = "multipart/form-data; boundary="


@pytest.mark.parametrize("kind", ["", "multipart/form-data", BOUNDARY, BOUNDARY + "x" * 71])
def test_a_boundary_is_needed(kind: str) -> None:
    assert isinstance(read(GOOD, kind), Failure)
    assert is_multipart("Multipart/form-data; boundary=b") and not is_multipart("application/json")
