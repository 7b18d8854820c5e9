"""The client and TLS over real sockets: authorities, client certificates, and how each failure is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from transport_doubles import post
from transport_pki import Authority
from transport_upstream import OK, Peer, Upstream, answers, ask
from trunkline.transport.client import Client
from trunkline.transport.virtual import run_virtual
from trunkline.types.fleet import Tls
from trunkline.types.wire import Origin

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[uvloop.run, asyncio.run, run_virtual], ids=["uvloop", "asyncio", "virtual"])
def run(request: pytest.FixtureRequest) -> Run:
    loop: Run = request.param
    return loop


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


def test_a_private_authority_a_client_certificate_and_a_resumed_session(run: Run, authority: Authority):
    async def main() -> None:
        resumed: list[bool] = []

        async def talk(peer: Peer) -> None:
            secure = peer.writer.get_extra_info("ssl_object")
            resumed.append(secure.session_reused)
            assert secure.selected_alpn_protocol() == "http/1.1"
            assert secure.getpeercert()["subject"] == ((("commonName", "gateway"),),)
            await peer.request()
            await peer.say(OK)

        context = authority.server_context("127.0.0.1", client_ca=True)
        context.set_alpn_protocols(["http/1.1"])
        certificate, key = authority.issue("gateway")
        async with Upstream(talk, context) as upstream:
            client = Client()
            tls = Tls(ca_file=authority.ca_file, cert_file=certificate, key_file=key)
            for _ in range(2):
                assert (await ask(client, post(origin=upstream.origin(), tls=tls))).ended
                await asyncio.sleep(0.05)  # the server closes
            assert resumed == [False, True]
            client.close()

    run(main())


def test_tls_failures_have_their_own_kinds(run: Run, authority: Authority, tmp_path: Path):
    async def main() -> None:
        good, expired = (
            authority.server_context("127.0.0.1"),
            authority.server_context("127.0.0.1", valid_days=(-9, -1)),
        )
        other = authority.server_context("other.test")
        ours = Tls(ca_file=authority.ca_file)
        (tmp_path / "broken.pem").write_text("no certificate")
        cases = [
            (expired, ours, "certificate"),
            (other, ours, "certificate"),
            (good, Tls(), "certificate"),
            (None, ours, "tls"),  # a plain server
            (good, Tls(ca_file="/nonexistent"), "tls"),
            (good, Tls(ca_file=str(tmp_path / "broken.pem")), "tls"),
            # our certificate is missing: OpenSSL sends an alert, uvloop's own TLS just closes
            (authority.server_context("127.0.0.1", client_ca=True), ours, "tls reset"),
        ]
        for context, tls, kind in cases:
            async with Upstream(answers if context else garbles, context) as upstream:
                client = Client()
                origin = Origin("https", "127.0.0.1", upstream.port)
                sink = await ask(client, post(origin=origin, tls=tls))
                assert sink.fault.kind in kind.split() and sink.fault.before_response, (kind, sink.fault)
                client.close()

    run(main())


async def garbles(peer: Peer) -> None:
    await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await peer.gone()


def test_verification_can_be_switched_off(run: Run, authority: Authority):
    async def main() -> None:
        async with Upstream(answers, authority.server_context("other.test", valid_days=(-9, -1))) as upstream:
            client = Client()
            assert (await ask(client, post(origin=upstream.origin(), tls=Tls(verify=False)))).ended
            client.close()

    run(main())


def test_a_server_that_never_finishes_the_handshake_is_a_connect_timeout(run: Run, authority: Authority):
    async def main() -> None:
        async with Upstream(Peer.gone) as upstream:
            client = Client()
            origin = Origin("https", "127.0.0.1", upstream.port)
            sink = await ask(client, post(origin=origin, connect_timeout=0.2))
            assert sink.fault.kind == "connect_timeout"
            client.close()

    run(main())


def test_a_body_cut_without_close_notify_is_never_a_clean_end(run: Run, authority: Authority):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf of an answer")
            await asyncio.sleep(0.05)
            peer.writer.transport.abort()

        async with Upstream(talk, authority.server_context("127.0.0.1")) as upstream:
            client = Client()
            sink = await ask(client, post(origin=upstream.origin(), tls=Tls(ca_file=authority.ca_file)))
            assert sink.body == b"half of an answer"
            assert sink.fault.kind == "cut" and not sink.fault.before_response
            client.close()

    run(main())
