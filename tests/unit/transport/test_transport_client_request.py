"""How a request looks on the wire."""

from __future__ import annotations

import pytest

from transport_doubles import post
from trunkline.transport.client.request import encode_head, prefix


def test_host_comes_first_and_content_length_last():
    request = post(b"12345", headers=[(b"authorization", b"Bearer x"), (b"accept", b"*/*")])
    assert encode_head(request, b"", prefix("upstream.test:8000")) == (
        b"POST /v1/x HTTP/1.1\r\n"
        b"host: upstream.test:8000\r\n"
        b"authorization: Bearer x\r\n"
        b"accept: */*\r\n"
        b"content-length: 5\r\n"
        b"\r\n"
    )


def test_an_empty_post_says_so_and_a_get_says_nothing():
    assert encode_head(post(b"", headers=[]), b"", prefix("h")) == (
        b"POST /v1/x HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\n\r\n"
    )
    assert (
        encode_head(post(b"", headers=[], method=b"GET"), b"", prefix("h")) == b"GET /v1/x HTTP/1.1\r\nhost: h\r\n\r\n"
    )


def test_a_plain_request_through_a_proxy_names_the_whole_url_and_the_proxys_credentials():
    head = encode_head(
        post(b"", method=b"GET", headers=[]), b"http://upstream.test:8000", prefix("upstream.test:8000", b"Basic eA==")
    )
    assert head == (
        b"GET http://upstream.test:8000/v1/x HTTP/1.1\r\n"
        b"host: upstream.test:8000\r\n"
        b"proxy-authorization: Basic eA==\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": [(b"a", b"b\r\nx: y")]},
        {"headers": [(b"a", b"b\ny")]},
        {"headers": [(b"a", b"b\ry")]},
        {"headers": [(b"a\r\nb", b"c")]},
        {"headers": [(b"a", b"b\0")]},
        {"target": b"/x HTTP/1.1\r\nx: y"},
        {"target": b"/x y"},
        {"method": b"GET\n"},
    ],
)
def test_nothing_can_smuggle_a_line_into_the_head(changes: dict[str, object]):
    with pytest.raises(ValueError, match="CR, LF, NUL"):
        encode_head(post(**changes), b"", prefix("h"))  # type: ignore[arg-type]  # one test over several fields
