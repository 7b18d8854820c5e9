"""A body that the transport refuses after its head was admitted: answered under the exchange's id, recorded as refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from gateway_rig import Rig
from trunkline.transport.virtual import run_virtual

CONFIG = """
limits: {body: 64KiB}
providers:
  openai: {api_key: k, base_url: "{openai}"}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol}
routes:
  gpt: {use: [gpt]}
"""


async def refused(rig: Rig, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """What a chunked request gets that is cut off by the answer."""
    reader, writer = await asyncio.open_connection(*rig.address)
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: rig\r\nAuthorization: Bearer "
        + rig.key.encode()
        + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
        + body
    )
    answer = await reader.read()
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), rest


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [(b"20000\r\n" + b"x" * 0x20000, 413, "request_too_large"), (b"5\r\n{", 408, "request_timeout")],
    ids=["too large", "too slow"],
)
def test_a_refused_body_has_an_id_and_a_record_that_says_why(
    tmp_path: Path, body: bytes, status: int, code: str
) -> None:
    async def scene() -> None:
        rig = await Rig.start(tmp_path, CONFIG)
        try:
            got, headers, text = await refused(rig, body)
            assert got == status
            assert json.loads(text)["error"]["code"] == code
            assert [r.id for r in rig.records] == [headers["x-trunkline-request-id"]]
            assert [(r.outcome, r.status, r.kind) for r in rig.records] == [("client_fault", status, "invalid_request")]
        finally:
            await rig.close()

    run_virtual(scene())
