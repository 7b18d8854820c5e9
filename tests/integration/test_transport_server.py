"""The server on real sockets, on both event loops, with clients as they are: slow, sudden, greedy, stalled."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from transport_pki import Authority
from transport_server_doubles import GET, Desk, Watcher, ok, post
from trunkline.transport.contract import Call, ServerLimits
from trunkline.transport.server import Server
from trunkline.types.wire import Headers

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.SelectorEventLoop,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Awaitable[Any]], Any]]:
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield lambda main: runner.run(within(main))


async def within(main: Awaitable[Any]) -> Any:
    return await asyncio.wait_for(main, 30)


class Gateway:
    """A listening server, closed at the end. Each test has its own."""

    def __init__(self, desk: Desk, tls: ssl.SSLContext | None = None, **limits: Any) -> None:
        self.server = Server(desk, ServerLimits(**limits), loop=asyncio.get_running_loop())
        self.tls = tls
        self.port = 0

    async def __aenter__(self) -> Gateway:
        host, self.port = await self.server.listen("127.0.0.1", 0, tls=self.tls)
        assert host == "127.0.0.1"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.server.abort_all()
        for _ in range(50):
            if not self.server.connections:
                break
            await asyncio.sleep(0.01)
        assert self.server.connections == 0
        assert len(self.server.deadlines) == 0

    async def dial(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bytes]:
    """(status, head, body) of an answer with Content-Length."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    return int(head[9:12]), head, await reader.readexactly(length)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> float:
    """Waits for a condition; returns how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        await asyncio.sleep(0.001)
    return time.monotonic() - began


class Memory:
    """How far the resident memory of this process has risen above what it is now, in KiB (Linux)."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark to the present
        self.before = self._read("VmRSS")

    def grown(self) -> int:
        return self._read("VmHWM") - self.before

    def _read(self, name: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition(f"{name}:")[2].split()[0])


# --- the ordinary --------------------------------------------------------------------------------------------------


def test_requests_follow_each_other_on_one_connection(run: Any) -> None:
    async def main() -> None:
        desk = Desk(lambda call: call.respond(200, [], b"to " + call.target + b" " + call.body))
        async with Gateway(desk) as gateway:
            reader, writer = await gateway.dial()
            for number in range(20):
                writer.write(post(b"%d" % number, target=b"/x"))
                assert (await read_answer(reader))[2] == b"to /x %d" % number
            assert gateway.server.connections == 1
            writer.close()

    run(main())


def test_pipelined_requests_with_late_answers_are_answered_in_order(run: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        waits = iter((0.02, 0.0, 0.01) * 10)
        desk = Desk(lambda call: loop.call_later(next(waits), call.respond, 200, [], call.body))  # type: ignore[arg-type,return-value]  # the handle is of no interest
        async with Gateway(desk, pipeline=4) as gateway:
            reader, writer = await gateway.dial()
            writer.write(b"".join(post(b"body %d" % number) for number in range(30)))
            for number in range(30):
                assert (await read_answer(reader))[2] == b"body %d" % number
            writer.close()

    run(main())


def test_a_large_body_arrives_whole_with_or_without_length(run: Any) -> None:
    async def main() -> None:
        desk = Desk(lambda call: call.respond(200, [], b"%d" % call.body.count(b"\xff")), allow=32 << 20)
        body = b"\xff\0" * (5 << 20)
        async with Gateway(desk) as gateway:
            reader, writer = await gateway.dial()
            writer.write(post(body))
            assert (await read_answer(reader))[2] == b"%d" % (5 << 20)
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for at in range(0, len(body), 100_000):
                piece = body[at : at + 100_000]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            writer.write(b"0\r\n\r\n")
            assert (await read_answer(reader))[2] == b"%d" % (5 << 20)
            assert gateway.server.inflight == 0
            writer.close()

    run(main())


def test_nagle_is_off(run: Any) -> None:
    async def main() -> None:
        seen: list[int] = []
        async with Gateway(Desk(ok)) as gateway:
            make = gateway.server.connection

            def connection(peer: str, sock: socket.socket) -> Any:
                seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
                return make(peer, sock)

            gateway.server.connection = connection  # type: ignore[method-assign,assignment]  # to see the socket
            reader, writer = await gateway.dial()
            writer.write(GET)
            await read_answer(reader)
            writer.close()
        assert seen == [1]

    run(main())


def test_continue_lets_the_client_send_its_body(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok)) as gateway:
            reader, writer = await gateway.dial()
            writer.write(post(b"abc", b"Expect: 100-continue")[:-3])
            assert await reader.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert (await read_answer(reader))[0] == 200
            writer.close()

    run(main())


def test_tls_serves_the_same_and_refuses_the_same(run: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def main() -> None:
        async with Gateway(Desk(ok), authority.server_context("localhost"), body_bytes=100) as gateway:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", gateway.port, ssl=authority.client_context(), server_hostname="localhost"
            )
            for _ in range(3):
                writer.write(post(b"abc"))
                assert (await read_answer(reader))[2] == b"ok"
            writer.write(post(b"x" * 101))
            assert (await read_answer(reader))[0] == 413
            writer.close()
            plain_reader, plain_writer = await gateway.dial()
            plain_writer.write(GET)
            await plain_reader.read()  # an alert, or nothing
            plain_writer.close()
            await until(lambda: gateway.server.connections == 0)

    run(main())


def test_a_tls_handshake_that_does_not_come_is_given_up(run: Any, tmp_path: Path) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok), Authority(tmp_path).server_context("localhost"), header_timeout=0.2) as gateway:
            reader, writer = await gateway.dial()
            assert await reader.read() == b""
            writer.close()
            await until(lambda: gateway.server.connections == 0)

    run(main())


# --- clients that leave, and clients that are left -----------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "within"])
@pytest.mark.parametrize("how", ["close", "reset", "half-close"])
def test_a_client_that_leaves_is_noticed_within_100_ms(run: Any, how: str, when: str) -> None:
    async def main() -> None:
        desk = Desk()
        async with Gateway(desk) as gateway:
            _, writer = await gateway.dial()
            writer.write(post(b"abc"))
            await until(lambda: bool(desk.calls))
            call = desk.calls[0]
            watcher = call.watcher
            assert isinstance(watcher, Watcher)
            if when == "within":
                call.start(200, [])
                call.write(b"hello")
            if how == "half-close":
                writer.write_eof()
            elif how == "reset":
                writer.transport.abort()
            else:
                writer.close()
            assert await until(lambda: bool(watcher.events)) < 0.1
            assert watcher.events == ["gone"]
            assert call.gone
            writer.close()

    run(main())


def test_abort_truncates_and_reset_resets(run: Any) -> None:
    async def main() -> None:
        desk = Desk()
        async with Gateway(desk) as gateway:
            reader, writer = await gateway.dial()
            writer.write(GET)
            await until(lambda: bool(desk.calls))
            desk.calls[0].start(200, [])
            desk.calls[0].write(b"hello")
            desk.calls[0].abort()
            assert (await reader.read()).endswith(b"5\r\nhello\r\n")
            writer.close()

            reader, writer = await gateway.dial()
            writer.write(GET)
            await until(lambda: len(desk.calls) == 2)
            desk.calls[1].reset()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

            reader, writer = await gateway.dial()
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            await until(lambda: len(desk.calls) == 3)
            desk.calls[2].start(200, [])
            desk.calls[2].write(b"hello")
            await reader.readuntil(b"hello")
            desk.calls[2].abort()
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()

    run(main())


class Flood:
    """Writes `total` bytes as fast as the client takes them, and not faster."""

    def __init__(self, total: int) -> None:
        self.left = total
        self.most = 0  # bytes seen waiting in the write buffer
        self.call: Call | None = None
        self.transport: asyncio.WriteTransport | None = None

    def __call__(self, call: Call) -> None:
        self.call = call
        self.transport = call._connection.transport  # type: ignore[attr-defined]  # to measure its buffer
        call.watcher = self
        call.start(200, [])
        self.on_writable()

    def on_writable(self) -> None:
        call, transport = self.call, self.transport
        assert call is not None and transport is not None
        while self.left and not call.blocked:
            call.write(b"x" * min(self.left, 16_384))
            self.left -= min(self.left, 16_384)
            self.most = max(self.most, transport.get_write_buffer_size())
        if not self.left:
            call.end()

    def on_blocked(self) -> None: ...

    def on_gone(self) -> None: ...

    def on_refused(self, status: int, code: str, message: str) -> Headers:
        return []


def test_a_stalled_reader_of_100_mb_buffers_less_than_1_mb_and_gets_all_of_it_later(run: Any) -> None:
    async def main() -> None:
        flood = Flood(100_000_000)
        async with Gateway(Desk(flood)) as gateway:
            sock = socket.create_connection(("127.0.0.1", gateway.port))
            sock.sendall(GET)
            await until(lambda: flood.call is not None and flood.call.blocked)
            memory = Memory()
            await asyncio.sleep(0.2)
            left = flood.left
            assert left > 80_000_000
            assert flood.most < 200_000
            assert memory.grown() < 1024

            got = await asyncio.get_running_loop().run_in_executor(None, drain_socket, sock, b"\r\n0\r\n\r\n")
            assert got > 100_000_000
            assert flood.most < 200_000
            sock.close()

    run(main())


def drain_socket(sock: socket.socket, end: bytes) -> int:
    got, tail = 0, b""
    while not tail.endswith(end):
        data = sock.recv(1 << 20)
        if not data:
            break
        got += len(data)
        tail = (tail + data)[-16:]
    return got


def test_a_stalled_reader_is_given_up(run: Any) -> None:
    async def main() -> None:
        flood = Flood(100_000_000)
        async with Gateway(Desk(flood), write_timeout=0.3) as gateway:
            sock = socket.create_connection(("127.0.0.1", gateway.port))
            sock.sendall(GET)
            await until(lambda: flood.call is not None and flood.call.gone)
            sock.close()

    run(main())


# --- limits --------------------------------------------------------------------------------------------------------


def send_all_then_read(port: int, head: bytes, size: int) -> tuple[bytes, int]:
    """A client that looks at the answer only when all is sent, or cannot be. Returns the answer, and what it sent."""
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(head)
        block = b"\0" * 65_536
        try:
            while sent < size:
                sent += sock.send(block)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while data := sock.recv(65_536):
                answer += data
        except ConnectionResetError:
            pass
    return answer, sent


def test_a_client_that_sends_too_much_before_it_reads_still_gets_its_413(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok), body_bytes=1 << 20) as gateway:
            head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n"
            answer, _ = await asyncio.get_running_loop().run_in_executor(
                None, send_all_then_read, gateway.port, head, 40_000_000
            )
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert answer.endswith(b"}}")

    run(main())


def test_a_bomb_of_ten_gigabytes_is_413_at_once_and_costs_no_memory(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok)) as gateway:
            memory = Memory()
            reader, writer = await gateway.dial()
            began = time.monotonic()
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000000\r\n\r\n")
            assert (await read_answer(reader))[0] == 413
            assert time.monotonic() - began < 0.1
            writer.close()
            head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2540be400\r\n"
            _, sent = await asyncio.get_running_loop().run_in_executor(
                None, send_all_then_read, gateway.port, head, 10_000_000_000
            )
            assert sent < 100_000_000
            assert memory.grown() < 16 * 1024

    run(main())


def test_slow_clients_are_cut_and_do_not_hold_up_honest_ones(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok), header_timeout=0.5, body_grace=0.5) as gateway:
            heads = [await gateway.dial() for _ in range(100)]
            bodies = [await gateway.dial() for _ in range(100)]
            for _, writer in heads:
                writer.write(GET[:20])
            for _, writer in bodies:
                writer.write(post(b"x" * 10_000)[:-9_990])
            reader, writer = await gateway.dial()
            worst = 0.0
            for _ in range(50):
                began = time.monotonic()
                writer.write(GET)
                assert (await read_answer(reader))[0] == 200
                worst = max(worst, time.monotonic() - began)
                await asyncio.sleep(0.005)
            assert worst < 0.1
            for slow_reader, slow_writer in heads + bodies:
                assert (await read_answer(slow_reader))[0] == 408
                slow_writer.close()
            writer.close()

    run(main())


def test_connections_over_the_cap_are_told_so_and_room_is_given_back(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok), connections=2) as gateway:
            kept = [await gateway.dial() for _ in range(2)]
            await until(lambda: gateway.server.connections == 2)
            reader, writer = await gateway.dial()
            writer.write(GET)
            status, head, _ = await read_answer(reader)
            assert (status, b"retry-after: 1\r\n" in head) == (503, True)
            writer.close()
            kept[0][1].close()
            await until(lambda: gateway.server.connections == 1)
            reader, writer = await gateway.dial()
            writer.write(GET)
            assert (await read_answer(reader))[0] == 200
            writer.close()
            kept[1][1].close()

    run(main())


def test_connections_of_one_address_have_their_own_cap(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok), connections_per_address=1) as gateway:
            _, first = await gateway.dial()
            await until(lambda: gateway.server.connections == 1)
            reader, writer = await gateway.dial()
            writer.write(GET)
            assert (await read_answer(reader))[0] == 503
            other_reader, other = await asyncio.open_connection("127.0.0.1", gateway.port, local_addr=("127.0.0.2", 0))
            other.write(GET)
            assert (await read_answer(other_reader))[0] == 200
            for each in (first, writer, other):
                each.close()

    run(main())


def test_without_descriptors_connections_wait_in_the_queue_and_nothing_spins(run: Any) -> None:
    async def main() -> None:
        desk = Desk(ok)
        async with Gateway(desk) as gateway:
            clients = [socket.socket() for _ in range(3)]
            highest = max(int(name) for name in os.listdir("/proc/self/fd"))
            spare = [os.dup(0) for _ in range(highest)]  # fill the holes
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(spare) + 1, hard))
            try:
                for client in clients:
                    client.connect(("127.0.0.1", gateway.port))
                    client.sendall(GET)
                used = time.process_time()
                await asyncio.sleep(0.4)
                assert time.process_time() - used < 0.2
                assert desk.calls == []
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
                for descriptor in spare:
                    os.close(descriptor)
            await until(lambda: len(desk.calls) == 3)
            for client in clients:
                client.close()

    run(main())


# --- the drain -----------------------------------------------------------------------------------------------------


def test_stopping_serves_the_accept_queue_first(run: Any) -> None:
    async def main() -> None:
        desk = Desk(ok)
        async with Gateway(desk) as gateway:
            waiting = []
            for _ in range(300):  # the loop does not run in between: nothing of this has been accepted
                sock = socket.create_connection(("127.0.0.1", gateway.port))
                sock.sendall(GET)
                waiting.append(sock)
            assert gateway.server.connections == 0
            gateway.server.stop_accepting()
            gateway.server.close_idle()
            assert gateway.server.connections == 300
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", gateway.port))
            await until(lambda: gateway.server.live_calls == 0)
            assert len(desk.calls) == 300
            for sock in waiting:
                sock.settimeout(5)
                answer = await asyncio.get_running_loop().run_in_executor(None, sock.recv, 4096)
                assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
                assert b"connection: close\r\n" in answer
                sock.close()

    run(main())


def test_a_request_that_crosses_with_the_closing_of_idle_connections_is_answered(run: Any) -> None:
    async def main() -> None:
        async with Gateway(Desk(ok)) as gateway:
            idle_reader, idle = await gateway.dial()
            sock = socket.create_connection(("127.0.0.1", gateway.port))
            sock.sendall(GET)
            idle.write(GET)
            await read_answer(idle_reader)
            await until(lambda: gateway.server.connections == 2 and gateway.server.live_calls == 0)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK\r\n")
            sock.sendall(GET)  # in the kernel, but not read by the server yet
            gateway.server.close_idle()
            assert await idle_reader.read() == b""
            await until(lambda: gateway.server.live_calls == 0)
            sock.settimeout(5)
            assert b"connection: close\r\n" in sock.recv(4096)
            sock.close()
            idle.close()

    run(main())


def test_an_inherited_socket_is_served(run: Any) -> None:
    async def main() -> None:
        sock = socket.create_server(("127.0.0.1", 0))
        server = Server(Desk(ok), ServerLimits(), loop=asyncio.get_running_loop())
        await server.serve_socket(sock)
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        writer.write(GET)
        assert (await read_answer(reader))[0] == 200
        server.abort_all()
        assert await reader.read() == b""
        writer.close()

    run(main())


def test_two_servers_share_a_port_when_told_to(run: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        first, second = (Server(Desk(ok), ServerLimits(), loop=loop) for _ in range(2))
        _, port = await first.listen("127.0.0.1", 0, reuse_port=True)
        assert await second.listen("127.0.0.1", port, reuse_port=True) == ("127.0.0.1", port)
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{port}"):
            await Server(Desk(ok), ServerLimits(), loop=loop).listen("127.0.0.1", port)
        first.abort_all()
        second.abort_all()

    run(main())


def test_many_clients_at_once_get_their_own_answers(run: Any) -> None:
    async def main() -> None:
        desk = Desk(lambda call: call.respond(200, [], call.body))

        async def client(gateway: Gateway, number: int) -> None:
            reader, writer = await gateway.dial()
            for turn in range(20):
                body = b"%d/%d" % (number, turn)
                writer.write(post(body))
                assert (await read_answer(reader))[2] == body
            writer.close()

        async with Gateway(desk) as gateway:
            await asyncio.gather(*(client(gateway, number) for number in range(50)))
            await until(lambda: gateway.server.connections == 0)

    run(main())
