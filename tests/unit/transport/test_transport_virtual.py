"""The virtual loop: long waits are short, sockets and threads are still waited for."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from trunkline.transport.virtual import Stuck, VirtualLoop, run_virtual


def test_five_minutes_pass_in_no_time_and_in_order():
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        seen: list[float] = []
        for delay in (300.0, 0.5, 20.0):
            loop.call_later(delay, lambda: seen.append(loop.time() - began))
        await asyncio.sleep(301)
        return seen

    began = time.monotonic()
    assert run_virtual(main()) == pytest.approx([0.5, 20.0, 300.0])
    assert time.monotonic() - began < 2


def test_loopback_answers_come_before_the_clock_jumps():
    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65536):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        began = loop.time()
        for _ in range(20):
            async with asyncio.timeout(0.1):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"x" * 100_000)
                assert await reader.readexactly(100_000) == b"x" * 100_000
                writer.close()
                await writer.wait_closed()
        assert loop.time() - began < 0.1
        server.close()
        await server.wait_closed()

    run_virtual(main())


def test_a_slow_upstream_takes_its_virtual_time():
    async def main() -> float:
        loop = asyncio.get_running_loop()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            await asyncio.sleep(300)
            writer.write(b"answer\n")
            writer.close()

        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        began = loop.time()
        writer.write(b"question\n")
        assert await reader.readline() == b"answer\n"
        writer.close()
        server.close()
        return loop.time() - began

    assert run_virtual(main()) == pytest.approx(300.0)


def test_work_in_a_thread_is_not_jumped_over():
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(0.05):
            await asyncio.to_thread(time.sleep, 0.2)
        async with asyncio.timeout(0.05):
            await loop.getaddrinfo("localhost", 80)
        return loop.time() - began

    assert run_virtual(main()) == 0.0


def test_a_wake_up_from_another_thread_is_heard():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        threading.Timer(0.05, loop.call_soon_threadsafe, (woken.set,)).start()
        await woken.wait()

    run_virtual(main())


def test_a_program_that_waits_for_nothing_is_told_so():
    loop = VirtualLoop(patience=0.05)
    try:
        with pytest.raises(Stuck, match=r"0\.05"):
            loop.run_until_complete(loop.create_future())
    finally:
        loop.close()


def test_time_stands_still_while_there_is_something_to_do():
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(1000):
            await asyncio.sleep(0)
        return loop.time() - began

    assert run_virtual(main()) == 0.0
