"""Name resolution: cached, refreshed, and surviving the name server (D10)."""

from __future__ import annotations

import asyncio

from trunkline.transport.client.resolve import Resolver
from trunkline.transport.virtual import run_virtual


class NameServer:
    """Answers what `answer` holds; an OSError is raised; a float is seconds of silence first."""

    def __init__(self, *addresses: str) -> None:
        self.answer: list[str] | OSError = list(addresses)
        self.delay = 0.0
        self.asked = 0

    async def __call__(self, host: str) -> list[str]:
        self.asked += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if isinstance(self.answer, OSError):
            raise self.answer
        return self.answer


def resolver(server: NameServer) -> Resolver:
    return Resolver(asyncio.get_running_loop(), ttl=30.0, stale=3600.0, lookup=server)


def test_an_ip_literal_is_never_looked_up():
    async def main() -> None:
        server = NameServer()
        names = resolver(server)
        assert await names.addresses("192.0.2.1", 1.0) == ["192.0.2.1"]
        assert await names.addresses("2001:db8::1", 1.0) == ["2001:db8::1"]
        assert server.asked == 0

    run_virtual(main())


def test_an_answer_is_used_until_it_is_30_seconds_old():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        names = resolver(server)
        await names.addresses("a.test", 1.0)
        server.answer = ["192.0.2.2"]
        await asyncio.sleep(29)
        assert await names.addresses("a.test", 1.0) == ["192.0.2.1"]
        await asyncio.sleep(2)
        assert await names.addresses("a.test", 1.0) == ["192.0.2.2"]
        assert server.asked == 2

    run_virtual(main())


def test_requests_at_the_same_time_share_one_lookup():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        server.delay = 0.1
        names = resolver(server)
        answers = await asyncio.gather(*(names.addresses("a.test", 1.0) for _ in range(50)))
        assert answers == [["192.0.2.1"]] * 50
        assert server.asked == 1

    run_virtual(main())


def test_while_the_name_server_fails_the_last_answer_serves_for_an_hour():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        names = resolver(server)
        await names.addresses("a.test", 1.0)
        server.answer = OSError("temporary failure")
        await asyncio.sleep(3590)
        assert await names.addresses("a.test", 1.0) == ["192.0.2.1"]
        await asyncio.sleep(20)
        assert await names.addresses("a.test", 1.0) == []

    run_virtual(main())


def test_a_hung_name_server_delays_a_known_name_by_half_a_second_only():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        names = resolver(server)
        await names.addresses("a.test", 2.0)
        server.delay = 60.0
        await asyncio.sleep(31)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await names.addresses("a.test", 2.0) == ["192.0.2.1"]
        assert 0.49 < loop.time() - began < 0.51
        assert await names.addresses("a.test", 2.0) == ["192.0.2.1"]
        assert loop.time() - began < 0.51  # only the first one waits
        names.close()

    run_virtual(main())


def test_a_failing_name_server_is_asked_every_five_seconds_only():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        names = resolver(server)
        await names.addresses("a.test", 1.0)
        server.answer = OSError("temporary failure")
        await asyncio.sleep(31)
        for _ in range(100):
            await names.addresses("a.test", 1.0)
            await asyncio.sleep(0.2)
        assert 4 <= server.asked - 1 <= 5

    run_virtual(main())


def test_a_hung_name_server_costs_an_unknown_name_its_patience():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        server.delay = 60.0
        names = resolver(server)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await names.addresses("a.test", 2.0) == []
        assert 1.99 < loop.time() - began < 2.01
        names.close()

    run_virtual(main())


def test_an_unknown_name_has_no_addresses_and_is_asked_for_again():
    async def main() -> None:
        server = NameServer()
        server.answer = OSError("no such name")
        names = resolver(server)
        assert await names.addresses("a.test", 1.0) == []
        server.answer = ["192.0.2.9"]
        assert await names.addresses("a.test", 1.0) == ["192.0.2.9"]

    run_virtual(main())


def test_the_family_that_worked_comes_first_also_after_a_refresh():
    async def main() -> None:
        server = NameServer("2001:db8::1", "2001:db8::2", "192.0.2.1")
        names = resolver(server)
        await names.addresses("a.test", 1.0)
        names.worked("a.test", "192.0.2.1")
        assert await names.addresses("a.test", 1.0) == ["192.0.2.1", "2001:db8::1", "2001:db8::2"]
        server.answer = ["2001:db8::3", "192.0.2.3"]
        await asyncio.sleep(31)
        assert await names.addresses("a.test", 1.0) == ["192.0.2.3", "2001:db8::3"]

    run_virtual(main())


def test_after_all_addresses_failed_the_name_is_asked_for_again():
    async def main() -> None:
        server = NameServer("192.0.2.1")
        names = resolver(server)
        await names.addresses("a.test", 1.0)
        server.answer = ["192.0.2.2"]
        names.doubt("a.test")
        assert await names.addresses("a.test", 1.0) == ["192.0.2.2"]

    run_virtual(main())


def test_the_system_resolves_localhost_and_refuses_what_is_no_name():
    async def main() -> None:
        names = Resolver(asyncio.get_running_loop())
        assert "127.0.0.1" in await names.addresses("localhost", 5.0)
        assert await names.addresses("a" * 64 + ".test", 5.0) == []
        assert await names.addresses("nul\0.test", 5.0) == []

    run_virtual(main())
