"""The client through forward proxies, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from transport_doubles import post
from transport_pki import Authority
from transport_upstream import OK, Peer, Upstream, answers, ask
from trunkline.transport.client import Client, ProxyRules, parse_proxy
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


class Forward:
    """A forward proxy: notes each head; opens every tunnel to 127.0.0.1 at the asked-for port."""

    def __init__(self, refuse: bytes = b"") -> None:
        self.heads: list[bytes] = []
        self.refuse = refuse

    async def __call__(self, peer: Peer) -> None:
        head = await peer.reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.refuse:
            await peer.say(self.refuse)
            await peer.gone()
            return
        method, target, _ = head.split(b"\r\n")[0].split(b" ")
        if method != b"CONNECT":
            await peer.reader.readexactly(2)
            await peer.say(OK)
            await peer.gone()
            return
        reader, writer = await asyncio.open_connection("127.0.0.1", int(target.rpartition(b":")[2]))
        await peer.say(b"HTTP/1.1 200 Connection established\r\nvia: test\r\n\r\n")
        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.mark.parametrize("secure_proxy", [False, True], ids=["http proxy", "https proxy"])
def test_https_goes_through_a_tunnel_with_the_proxys_credentials(
    run: Run, authority: Authority, secure_proxy: bool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_FILE", authority.ca_file)  # the proxy is trusted by the system's authorities

    async def main() -> None:
        forward = Forward()
        proxy_context = authority.server_context("localhost") if secure_proxy else None
        async with (
            Upstream(answers, authority.server_context("api.test")) as upstream,
            Upstream(forward, proxy_context) as proxy,
        ):
            scheme = "https" if secure_proxy else "http"
            rules = ProxyRules.from_environ({"HTTPS_PROXY": f"{scheme}://user:pass@localhost:{proxy.port}"})
            client = Client(proxies=rules)
            request = post(origin=upstream.origin("api.test"), tls=Tls(ca_file=authority.ca_file))
            for _ in range(2):
                assert (await ask(client, request)).ended
            assert proxy.connections == upstream.connections == 1
            assert forward.heads == [
                b"CONNECT api.test:%d HTTP/1.1\r\nhost: api.test:%d\r\n" % (upstream.port, upstream.port)
                + b"proxy-authorization: Basic dXNlcjpwYXNz\r\n\r\n"
            ]
            client.close()

    run(main())


def test_plain_http_goes_through_a_proxy_by_its_whole_url(run: Run):
    async def main() -> None:
        forward = Forward()
        async with Upstream(forward) as proxy:
            client = Client()
            url = f"http://user:pass@127.0.0.1:{proxy.port}"
            sink = await ask(client, post(origin=Origin("http", "vllm.lan", 80), proxy=url))
            assert sink.ended
            assert forward.heads == [
                b"POST http://vllm.lan/v1/x HTTP/1.1\r\nhost: vllm.lan\r\n"
                b"proxy-authorization: Basic dXNlcjpwYXNz\r\na: b\r\ncontent-length: 2\r\n\r\n"
            ]
            client.close()

    run(main())


@pytest.mark.parametrize(
    "refusal",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 20_000,
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_a_proxy_fault(refusal: bytes):
    async def main() -> None:
        async with Upstream(Forward(refusal)) as proxy:
            client = Client(proxies=ProxyRules(https=parse_proxy(f"http://127.0.0.1:{proxy.port}")))
            sink = await ask(client, post(origin=Origin("https", "api.test", 443)))
            assert (sink.fault.kind, sink.fault.before_response, sink.fault.sent) == ("proxy", True, False)
            assert client.live == 0
            client.close()

    run_virtual(main())


def test_loopback_never_goes_through_the_environments_proxy():
    async def main() -> None:
        forward = Forward()
        async with Upstream(answers) as upstream, Upstream(forward) as proxy:
            client = Client(proxies=ProxyRules(http=parse_proxy(f"http://127.0.0.1:{proxy.port}")))
            assert (await ask(client, post(origin=upstream.origin()))).ended
            assert forward.heads == []
            client.close()

    run_virtual(main())
