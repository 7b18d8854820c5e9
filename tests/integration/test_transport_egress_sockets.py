"""Guarded requests over real sockets: what is judged is what is connected to; nothing private ever hears of us."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest

from transport_doubles import post
from transport_upstream import OK, Peer, Upstream, answers, ask
from trunkline.transport.client import Client, ProxyRules
from trunkline.transport.contract import Fault, Outbound
from trunkline.transport.egress import Egress
from trunkline.types.wire import Origin


class Canary:
    """A listener on loopback that must never be connected to."""

    def __init__(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]

    @property
    def hits(self) -> int:
        count = 0
        while True:
            try:
                self.sock.accept()[0].close()
            except BlockingIOError:
                return count
            count += 1


@contextmanager
def canary() -> Iterator[Canary]:
    made = Canary()
    try:
        yield made
    finally:
        made.sock.close()


def guarded(host: str, port: int, scheme: str = "http") -> Outbound:
    origin = Origin("https" if scheme == "https" else "http", host, port)
    secret = (b"authorization", b"Bearer canary")
    return msgspec.structs.replace(post(), origin=origin, headers=[secret], guarded=True)


async def fault_of(client: Client, request: Outbound) -> Fault:
    sink = await ask(client, request)
    (fault,) = [event for event in sink.events if isinstance(event, Fault)]
    return fault


NAMES = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "inside.example", "mixed.example", "mapped.example", "zone.example"]
ANSWERS = {
    "inside.example": ["127.0.0.1"],
    "mixed.example": ["8.8.8.8", "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "zone.example": ["fe80::1%lo"],
}


@pytest.mark.parametrize("host", NAMES)
def test_nothing_on_this_machine_is_reached(host: str) -> None:
    async def lookup(name: str) -> list[str]:
        return ANSWERS[name]

    async def main() -> None:
        with canary() as trap:
            client = Client(lookup=lookup)
            fault = await fault_of(client, guarded(host, trap.port))
            assert (fault.kind, fault.sent) == ("egress", False)
            assert trap.hits == 0
            client.close()

    asyncio.run(main())


def test_a_name_that_changes_its_mind_is_judged_and_connected_by_one_answer() -> None:
    """A rebinding resolver: public when asked first, private ever after. The second answer is never asked for."""
    asked: list[str] = []

    async def lookup(name: str) -> list[str]:
        asked.append(name)
        return ["192.0.2.1"] if len(asked) > 1 else ["127.0.0.1"]

    async def main() -> None:
        async with Upstream(answers) as upstream:
            client = Client(lookup=lookup, egress=Egress(("127.0.0.0/8",)))
            await ask(client, guarded("rebinding.example", upstream.port))
            assert asked == ["rebinding.example"]
            client.close()

    asyncio.run(main())


def test_redirects_are_handed_back_and_not_followed() -> None:
    async def main() -> None:
        with canary() as trap:

            async def redirect(peer: Peer) -> None:
                await peer.request()
                location = b"http://127.0.0.1:%d/" % trap.port
                await peer.say(b"HTTP/1.1 302 Found\r\nlocation: " + location + b"\r\ncontent-length: 0\r\n\r\n")

            async with Upstream(redirect) as upstream:
                client = Client(egress=Egress((f"127.0.0.1:{upstream.port}",)))
                sink = await ask(client, guarded("127.0.0.1", upstream.port))
                assert sink.events[1][0] == 302
                assert trap.hits == 0
                client.close()

    asyncio.run(main())


def test_the_environments_proxy_is_not_for_guarded_requests() -> None:
    async def main() -> None:
        with canary() as trap:
            proxies = ProxyRules.from_environ({"http_proxy": f"http://127.0.0.1:{trap.port}"})

            async def lookup(name: str) -> list[str]:
                return ["10.0.0.1"]

            client = Client(proxies=proxies, lookup=lookup)
            assert (await fault_of(client, guarded("inside.example", 80))).kind == "egress"
            assert trap.hits == 0
            client.close()

    asyncio.run(main())


def test_a_guarded_request_never_takes_a_connection_that_was_made_unguarded() -> None:
    async def main() -> None:
        async with Upstream(answers) as upstream:
            client = Client()
            plain = msgspec.structs.replace(guarded("127.0.0.1", upstream.port), guarded=False)
            await ask(client, plain)
            assert client.idle == 1
            assert (await fault_of(client, guarded("127.0.0.1", upstream.port))).kind == "egress"
            client.close()

    asyncio.run(main())


# --- once ------------------------------------------------------------------------------------------------------------
def test_a_request_that_creates_something_goes_out_once_on_a_connection_of_its_own() -> None:
    async def main() -> None:
        seen: list[int] = []

        async def talk(peer: Peer) -> None:
            while True:
                await peer.request()
                seen.append(peer.number)
                if len(seen) == 2:
                    peer.reset()
                    return
                await peer.say(OK)

        async with Upstream(talk) as upstream:
            client = Client()
            plain = msgspec.structs.replace(guarded("127.0.0.1", upstream.port), guarded=False)
            await ask(client, plain)
            assert client.idle == 1
            fault = await fault_of(client, msgspec.structs.replace(plain, once=True))
            assert (fault.kind, fault.sent, fault.before_response) == ("reset", True, True)
            await asyncio.sleep(0.05)
            assert len(seen) == 2, "not sent again"
            assert seen[0] != seen[1], "not on the connection that was idle"
            client.close()

    asyncio.run(main())
