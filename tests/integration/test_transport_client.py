"""The client over real sockets, on uvloop, on asyncio and in virtual time."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from transport_doubles import RecordingSink, post
from transport_pki import Authority
from transport_upstream import OK, Peer, Upstream, answers, ask
from trunkline.transport.client import Client
from trunkline.transport.client.connection import Connection
from trunkline.transport.client.response import ResponseReader
from trunkline.transport.contract import ClientLimits, Fault
from trunkline.transport.tls import TlsProtocol, TlsTransport
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


# --- reuse -----------------------------------------------------------------------------------------------------------
def test_requests_one_after_another_use_one_connection_and_the_second_is_written_at_once(run: Run):
    async def main() -> None:
        async with Upstream(answers) as upstream:
            client = Client()
            assert (await ask(client, post(origin=upstream.origin()))).ended
            assert (client.idle, client.live) == (1, 1)
            sink = RecordingSink()
            call = client.send(post(origin=upstream.origin()), sink)
            assert sink.events == ["connected"] and call.reused
            assert call.address == f"127.0.0.1:{upstream.port}"
            await sink.wait()
            assert upstream.connections == 1
            client.close()

    run(main())


def test_a_pooled_connection_that_dies_under_the_request_is_replaced_unseen(run: Run):
    async def main() -> None:
        for how in ("close", "reset"):

            async def talk(peer: Peer, how: str = how) -> None:
                await peer.request()
                await peer.say(OK)
                await peer.request()
                if peer.number == 1 and how == "close":
                    return
                if peer.number == 1:
                    peer.reset()
                    return
                await peer.say(OK)

            async with Upstream(talk) as upstream:
                client = Client()
                await ask(client, post(origin=upstream.origin()))
                sink = RecordingSink()
                call = client.send(post(b"again", origin=upstream.origin()), sink)
                await sink.wait()
                assert sink.events[0] == "connected" and sink.events.count("connected") == 1
                assert sink.body == b"ok" and sink.ended and not call.reused
                assert upstream.connections == 2 and client.live == 1
                client.close()

    run(main())


def test_a_pooled_connection_that_died_before_is_not_used(run: Run):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(OK)

        async with Upstream(talk) as upstream:
            client = Client()
            for _ in range(3):
                assert (await ask(client, post(origin=upstream.origin()))).ended
                await asyncio.sleep(0.05)
                assert (client.idle, client.live) == (0, 0)
            client.close()

    run(main())


def test_when_the_replacement_is_refused_that_is_the_fault(run: Run):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(OK)
            await peer.request()

        async with Upstream(talk) as upstream:
            client = Client()
            await ask(client, post(origin=upstream.origin()))
            upstream.server.close()
            await asyncio.sleep(0.01)
            sink = await ask(client, post(origin=upstream.origin()))
            assert (sink.fault.kind, sink.fault.before_response, sink.fault.sent) == ("refused", True, True)
            assert client.live == 0
            client.close()

    run(main())


def test_idle_connections_are_closed_after_30_seconds():
    async def main() -> None:
        closed: list[float] = []

        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(OK)
            await peer.gone()
            closed.append(asyncio.get_running_loop().time())

        async with Upstream(talk) as upstream:
            client = Client()
            await ask(client, post(origin=upstream.origin()))
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(29.9)
            assert client.idle == 1 and not closed
            await asyncio.sleep(1)
            assert client.idle == client.live == 0
            assert 30.0 <= closed[0] - began <= 30.1

    run_virtual(main())


# --- faults ----------------------------------------------------------------------------------------------------------
def test_a_closed_port_is_refused(run: Run):
    async def main() -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            origin = Origin("http", "127.0.0.1", sock.getsockname()[1])
            client = Client()
            sink = await ask(client, post(origin=origin))
            assert (sink.fault.kind, sink.fault.before_response, sink.fault.sent) == ("refused", True, False)
            assert sink.events == [sink.fault] and client.live == 0
            client.close()

    run(main())


def black_hole() -> tuple[socket.socket, list[socket.socket]]:
    """A listener whose accept queue is full: the kernel drops further SYNs. Keep both alive."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(4):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    return listener, fillers


def close_all(*sockets: socket.socket) -> None:
    for sock in sockets:
        sock.close()


def test_a_black_hole_is_a_connect_timeout_and_an_abort_ends_the_dial_at_once(run: Run):
    async def main() -> None:
        listener, fillers = black_hole()
        origin = Origin("http", "127.0.0.1", listener.getsockname()[1])
        loop = asyncio.get_running_loop()
        client = Client()
        began = loop.time()
        sink = await ask(client, post(origin=origin, connect_timeout=0.3))
        assert sink.fault.kind == "connect_timeout" and not sink.fault.sent
        assert 0.25 < loop.time() - began < 1.0
        aborted = RecordingSink()
        call = client.send(post(origin=origin, connect_timeout=5.0), aborted)
        await asyncio.sleep(0.05)
        assert client.live == 1
        call.abort()
        assert client.live == 0
        await asyncio.sleep(0.05)
        assert aborted.events == []
        client.close()
        close_all(listener, *fillers)

    run(main())


def test_a_name_without_addresses_is_a_dns_fault(run: Run):
    async def main() -> None:
        async def lookup(host: str) -> list[str]:
            raise OSError("no such host")

        client = Client(lookup=lookup)
        sink = await ask(client, post(origin=Origin("http", "nowhere.test", 80)))
        assert sink.fault.kind == "dns" and not sink.fault.sent
        client.close()

    run(main())


def test_addresses_are_tried_in_turn(run: Run):
    async def main() -> None:
        async def lookup(host: str) -> list[str]:
            return ["127.0.0.2", "127.0.0.1"]  # nobody listens on the first

        async with Upstream(answers) as upstream:
            client = Client(lookup=lookup)
            sink = RecordingSink()
            call = client.send(post(origin=upstream.origin("api.test")), sink)
            assert (await sink.wait()).ended
            assert call.address == f"127.0.0.1:{upstream.port}"
            client.close()

    run(main())


def test_an_address_family_that_does_not_work_here_is_passed_over(run: Run):
    async def main() -> None:
        async def lookup(host: str) -> list[str]:
            return ["2001:db8::1", "::1", "127.0.0.1"]  # no route, and nobody listens (or no IPv6 at all)

        async with Upstream(answers) as upstream:
            client = Client(lookup=lookup)
            sink = await ask(client, post(origin=upstream.origin("api.test"), connect_timeout=0.2))
            assert sink.ended
            client.close()

    run(main())


def test_a_fresh_connection_that_dies_and_an_answer_that_is_cut_are_told_apart(run: Run):
    async def main() -> None:
        words = [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"]

        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(words[peer.number - 1])

        async with Upstream(talk) as upstream:
            client = Client()
            died, head_cut, body_cut = [await ask(client, post(origin=upstream.origin())) for _ in words]
            assert (died.fault.kind, died.fault.before_response, died.fault.sent) == ("reset", True, True)
            assert (head_cut.fault.kind, head_cut.fault.before_response) == ("cut", False)
            assert (body_cut.fault.kind, body_cut.body) == ("cut", b"half")
            assert upstream.connections == 3 and client.live == 0
            client.close()

    run(main())


def test_a_malformed_answer_costs_its_connection(run: Run):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.request()
            if peer.number == 1:
                await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n")
                await peer.gone()
            await peer.say(OK)

        async with Upstream(talk) as upstream:
            client = Client()
            assert (await ask(client, post(origin=upstream.origin()))).fault.kind == "protocol"
            assert (await ask(client, post(origin=upstream.origin()))).ended
            assert upstream.connections == 2
            client.close()

    run(main())


# --- flow ------------------------------------------------------------------------------------------------------------
def test_an_abort_is_seen_by_the_peer_within_100_ms(run: Run):
    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: asyncio.Future[float] = loop.create_future()

        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
            await peer.gone()
            seen.set_result(loop.time())

        async with Upstream(talk) as upstream:
            client = Client()
            sink = RecordingSink()
            call = client.send(post(origin=upstream.origin()), sink)
            await asyncio.sleep(0.1)
            assert sink.body == b"hi"
            began = loop.time()
            call.abort()
            assert client.live == 0
            assert await asyncio.wait_for(seen, 2) - began < 0.1
            assert not sink.ended
            client.close()

    run(main())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_paused_call_stops_the_peer_and_a_resumed_one_loses_nothing(run: Run, secure: bool, authority: Authority):
    async def main() -> None:
        total = 40_000_000
        written = 0

        async def talk(peer: Peer) -> None:
            nonlocal written
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
            while written < total:
                await peer.say(b"x" * 100_000)
                written += 100_000
            await peer.gone()

        async with Upstream(talk, authority.server_context("127.0.0.1") if secure else None) as upstream:
            client = Client()
            sink = RecordingSink()
            call = client.send(post(origin=upstream.origin(), tls=Tls(ca_file=authority.ca_file)), sink)
            call.pause()
            await asyncio.sleep(0.3)
            stopped = written
            await asyncio.sleep(0.2)
            assert written == stopped < 20_000_000
            assert len(sink.body) <= 262_144
            call.resume()
            await sink.wait()
            assert len(sink.body) == total and sink.ended
            client.close()

    run(main())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_large_body_arrives_whole(run: Run, secure: bool, authority: Authority):
    async def main() -> None:
        body = bytes(range(256)) * 32768  # 8 MiB
        got: list[bytes] = []

        async def talk(peer: Peer) -> None:
            got.append((await peer.request())[1])
            await peer.say(OK)
            await peer.gone()

        async with Upstream(talk, authority.server_context("127.0.0.1") if secure else None) as upstream:
            client = Client()
            request = post(body, origin=upstream.origin(), tls=Tls(ca_file=authority.ca_file))
            assert (await ask(client, request)).ended
            assert got == [body]
            client.close()

    run(main())


def test_an_answer_before_the_body_is_out_is_delivered_and_the_connection_closed(run: Run):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.reader.readuntil(b"\r\n\r\n")
            await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
            await asyncio.sleep(0.5)
            await peer.gone()

        async with Upstream(talk) as upstream:
            client = Client()
            sink = await ask(client, post(b"x" * (30 << 20), origin=upstream.origin()))
            assert (sink.status, sink.body, sink.ended) == (413, b"no", True)
            assert client.live == client.idle == 0
            client.close()

    run(main())


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_an_ended_connection_leaves_nothing_to_the_garbage_collector(run: Run, secure: bool, authority: Authority):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.say(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok")

        async with Upstream(talk, authority.server_context("127.0.0.1") if secure else None) as upstream:
            client = Client()
            assert (await ask(client, post(origin=upstream.origin(), tls=Tls(ca_file=authority.ca_file)))).ended
            for _ in range(10):
                await asyncio.sleep(0.005)
            kinds = (Connection, ResponseReader, TlsProtocol, TlsTransport)
            assert [each for each in gc.get_objects() if isinstance(each, kinds)] == []
            client.close()

    gc.collect()
    gc.disable()
    try:
        run(main())
    finally:
        gc.enable()


# --- the pool --------------------------------------------------------------------------------------------------------
def test_above_the_limit_requests_wait_for_a_connection_and_not_for_ever():
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            while True:
                _, body = await peer.request()
                await asyncio.sleep(float(body))
                await peer.say(OK)

        async with Upstream(talk) as upstream:
            loop = asyncio.get_running_loop()
            client = Client(ClientLimits(connections_per_origin=1, waiting_per_origin=2, wait=1.0))
            origin = upstream.origin()
            began = loop.time()
            sinks = [RecordingSink() for _ in range(4)]
            for sink, seconds in zip(sinks, (b"0.5", b"2", b"1", b"1"), strict=True):
                client.send(post(seconds, origin=origin), sink)
            assert (client.live, client.waiting) == (1, 2)
            await sinks[3].wait()
            assert sinks[3].fault.kind == "pool" and loop.time() == began  # the queue was full
            await sinks[0].wait()
            await sinks[2].wait()
            assert sinks[2].fault.kind == "pool" and 1.0 <= loop.time() - began <= 1.1
            await sinks[1].wait()
            assert sinks[1].ended and upstream.connections == 1
            client.close()

    run_virtual(main())


def test_an_aborted_request_gives_its_place_to_the_next_in_line(run: Run):
    async def main() -> None:
        listener, fillers = black_hole()
        origin = Origin("http", "127.0.0.1", listener.getsockname()[1])
        client = Client(ClientLimits(connections_per_origin=1))
        first, second = RecordingSink(), RecordingSink()
        dialling = client.send(post(origin=origin, connect_timeout=5.0), first)
        client.send(post(origin=origin, connect_timeout=0.1), second)
        await asyncio.sleep(0.01)
        dialling.abort()
        await second.wait()
        assert first.events == [] and second.fault.kind == "connect_timeout"
        client.close()
        close_all(listener, *fillers)

    run(main())


def test_close_ends_everything_and_every_call_hears_of_it(run: Run):
    async def main() -> None:
        async def talk(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        async with Upstream(talk) as upstream:
            client = Client(ClientLimits(connections_per_origin=1))
            sinks = [RecordingSink(), RecordingSink()]
            for sink in sinks:
                client.send(post(origin=upstream.origin()), sink)
            await asyncio.sleep(0.05)
            client.close()
            assert [sink.fault.kind for sink in sinks] == ["reset", "pool"]
            late = await ask(client, post(origin=upstream.origin()))
            assert late.fault.kind == "pool"
            assert client.live == 0

    run(main())


def test_a_probe_connects_sends_nothing_and_reports_once(run: Run, authority: Authority):
    async def main() -> None:
        got: list[bytes] = []

        async def talk(peer: Peer) -> None:
            got.append(await peer.reader.read())

        heard: list[Fault | None] = []
        async with Upstream(talk, authority.server_context("127.0.0.1")) as upstream:
            client = Client()
            client.probe(post(origin=upstream.origin(), tls=Tls(ca_file=authority.ca_file)), heard.append)
            client.probe(post(origin=upstream.origin()), heard.append)
            for _ in range(50):
                await asyncio.sleep(0.01)
            assert sorted(fault.kind if fault else "" for fault in heard) == ["", "certificate"]
            assert b"".join(got) == b"" and client.live == 0
            client.close()

    run(main())
