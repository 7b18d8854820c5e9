"""Twins on real sockets: the faults that are done to connections, the control endpoint, TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from transport_pki import Authority
from trunkline.twins.door import GARBAGE
from trunkline.twins.scenario import parse_scenario
from trunkline.twins.serve import Twins, start_twins
from trunkline.twins.twin import Twin
from trunkline.twins.wire import TWIN_NAMES, TwinName
from twins_stage import HEADERS, PATHS, body_of, rule

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]
both_loops = pytest.mark.parametrize("loop", LOOPS, ids=["asyncio", "uvloop"])


def run(
    loop: Callable[[], asyncio.AbstractEventLoop], main: Callable[[Twins], Coroutine[Any, Any, None]], **more: Any
) -> None:
    async def start() -> None:
        twins = await start_twins(dict.fromkeys(TWIN_NAMES, 0), **more)
        try:
            await asyncio.wait_for(main(twins), 20)
        finally:
            await twins.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(start())


def request_bytes(name: TwinName, **fields: Any) -> bytes:
    body = json.dumps(body_of(name, **fields)).encode()
    head = f"POST {PATHS[name]} HTTP/1.1\r\nhost: twin\r\ncontent-length: {len(body)}\r\n".encode()
    return head + b"".join(key + b": " + value + b"\r\n" for key, value in HEADERS[name]) + b"\r\n" + body


async def connect(twin: Twin, tls: ssl.SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = "localhost" if tls is not None else None
    return await asyncio.open_connection("127.0.0.1", twin.door.port, ssl=tls, server_hostname=name)


async def answer_head(reader: asyncio.StreamReader) -> bytes:
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)


async def control(twin: Twin, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    return await control_at(twin.door.port, method, path, body)


async def control_at(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    raw = b"" if body is None else json.dumps(body).encode()
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(raw)}\r\n\r\n".encode() + raw)
    head = await answer_head(reader)
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    answer = json.loads(await reader.readexactly(size))
    writer.close()
    return int(head.split()[1]), answer


async def healthy(twin: Twin) -> bool:
    reader, writer = await connect(twin)
    writer.write(request_bytes(twin.name))
    head = await answer_head(reader)
    writer.close()
    return head.startswith(b"HTTP/1.1 200")


@both_loops
def test_refuse_closes_the_listener_until_it_is_healed(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        status, shown = await control(twins["ark"], "PUT", "/_twin/faults?twin=openai", {"fault": "refuse"})
        assert (status, shown["openai"][0]["fault"]) == (200, "refuse")
        with pytest.raises(ConnectionRefusedError):
            await connect(twin)
        await control(twins["ark"], "DELETE", "/_twin/faults?twin=openai")
        assert await healthy(twin)

    run(loop, main)


@both_loops
def test_refuse_resets_the_next_request_on_a_connection_that_stays(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        reader, writer = await connect(twin)
        writer.write(request_bytes("openai"))
        await answer_head(reader)
        twin.board.put([rule("refuse")], twin.loop.time())
        await twin.door.settled()
        writer.write(request_bytes("openai"))
        with pytest.raises(ConnectionResetError):
            while await reader.read(65536):
                pass

    run(loop, main)


@both_loops
def test_a_black_hole_takes_connections_and_says_nothing(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["anthropic"]
        await control(twin, "PUT", "/_twin/faults", {"fault": "blackhole"})
        reader, writer = await connect(twin)
        writer.write(request_bytes("anthropic"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        assert twin.ledger.totals.requests == 0
        twin.board.put([], twin.loop.time())
        await twin.door.settled()
        assert await healthy(twin)
        writer.close()

    run(loop, main)


@both_loops
def test_a_black_hole_for_one_model_swallows_only_its_requests(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        await control(twin, "PUT", "/_twin/faults", {"fault": "blackhole", "match": {"model": "gpt-4o"}})
        assert await healthy(twin)
        reader, writer = await connect(twin)
        writer.write(request_bytes("openai", model="gpt-4o"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.3)
        writer.close()
        await asyncio.sleep(0.05)
        assert [entry.outcome for entry in twin.ledger.entries] == ["complete", "disconnected"]

    run(loop, main)


@both_loops
def test_reset_is_a_tcp_reset_before_any_byte(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["gemini"]
        await control(twin, "PUT", "/_twin/faults", {"fault": "reset", "times": 1})
        reader, writer = await connect(twin)
        writer.write(request_bytes("gemini"))
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        writer.close()
        assert await healthy(twin)

    run(loop, main)


@both_loops
def test_garbage_instead_of_an_answer(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["ark"]
        twin.board.put([rule("tls")], twin.loop.time())
        await twin.door.settled()
        reader, writer = await connect(twin)
        writer.write(request_bytes("ark"))
        assert await reader.read() == GARBAGE
        writer.close()
        with pytest.raises(ssl.SSLError):
            await connect(twin, ssl.create_default_context())
        twin.board.put([], twin.loop.time())
        await twin.door.settled()
        assert await healthy(twin)

    run(loop, main)


@both_loops
def test_a_fault_with_a_duration_heals_by_itself(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        await control(twin, "PUT", "/_twin/faults", {"fault": "refuse", "for": "200ms"})
        with pytest.raises(ConnectionRefusedError):
            await connect(twin)
        await asyncio.sleep(0.3)
        assert await healthy(twin)

    run(loop, main)


@both_loops
def test_a_killed_twin_cuts_live_streams_and_refuses_until_it_is_revived(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        await control(twin, "PUT", "/_twin/pace", {"tokens_per_second": 20})
        reader, writer = await connect(twin)
        writer.write(request_bytes("openai", stream=True))
        await answer_head(reader)
        await twin.kill()
        rest = b""
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            while True:
                rest += await asyncio.wait_for(reader.readexactly(1), 5)
        assert b"[DONE]" not in rest
        assert twin.ledger.entries[-1].outcome == "broken"
        with pytest.raises(ConnectionRefusedError):
            await connect(twin)
        await twin.revive()
        twin.set_pace(None)
        assert await healthy(twin)
        writer.close()

    run(loop, main)


@both_loops
def test_a_client_that_leaves_is_noticed_at_once_and_billed_for_what_left(loop: Any) -> None:
    async def main(twins: Twins) -> None:
        twin = twins["anthropic"]
        twin.set_pace(twin.pace.__class__(tokens_per_second=50, tokens=1000))
        reader, writer = await connect(twin)
        writer.write(request_bytes("anthropic", stream=True))
        await answer_head(reader)
        await asyncio.sleep(0.2)
        writer.close()
        await asyncio.sleep(0.1)
        entry = twin.ledger.entries[-1]
        assert entry.outcome == "disconnected"
        assert 5 <= entry.output_tokens <= 20

    run(loop, main)


def test_the_control_endpoint_refuses_what_it_does_not_understand() -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        for method, path, body, status, words in (
            ("PUT", "/_twin/faults", {"fault": "explode"}, 400, "unknown fault 'explode'"),
            ("PUT", "/_twin/faults", None, 400, "the body must be JSON"),
            ("PUT", "/_twin/faults", [{"fault": "reset", "twin": "mistral"}], 400, "no twin 'mistral' here"),
            ("PUT", "/_twin/faults?twin=mistral", {"fault": "reset"}, 404, "no twin 'mistral' here"),
            ("POST", "/_twin/faults", {"fault": "reset"}, 405, "takes GET, PUT and DELETE"),
            ("PUT", "/_twin/pace", {"speed": 1}, 400, "unknown key 'speed'"),
            ("GET", "/_twin/ledger?limit=x", None, 400, "must be whole numbers"),
            ("GET", "/_twin/nothing", None, 404, "faults, ledger, pace and health"),
        ):
            answered, told = await control(twin, method, path, body)
            assert answered == status
            assert words in told["error"]
        assert twin.board.rules == []

    run(asyncio.new_event_loop, main)


def test_faults_pace_and_ledger_are_shown_and_cleared() -> None:
    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        faults = [{"fault": "latency:1", "share": 0.5}, {"fault": "cut:1", "twin": "gemini"}]
        await control(twin, "PUT", "/_twin/faults", faults)
        assert [one["fault"] for one in (await control(twin, "GET", "/_twin/faults"))[1]] == ["latency:1"]
        assert [one["fault"] for one in (await control(twins["gemini"], "GET", "/_twin/faults"))[1]] == ["cut:1"]
        await control(twin, "PUT", "/_twin/faults", [])
        assert (await control(twin, "GET", "/_twin/faults"))[1] == []
        await control(twin, "PUT", "/_twin/pace", {"tokens": 5})
        assert await healthy(twin)
        assert (await control(twin, "GET", "/_twin/pace"))[1]["tokens"] == 5
        await control(twin, "DELETE", "/_twin/pace")
        assert await healthy(twin)
        shown = (await control(twin, "GET", "/_twin/ledger"))[1]
        assert (shown["twin"], shown["totals"]["requests"], len(shown["requests"])) == ("openai", 2, 2)
        assert shown["requests"][0]["output_tokens"] == 5
        assert shown["requests"][0]["key"] and "sk-test" not in json.dumps(shown)
        after = shown["requests"][0]["serial"]
        assert len((await control(twin, "GET", f"/_twin/ledger?after={after}"))[1]["requests"]) == 1
        await control(twin, "DELETE", "/_twin/ledger")
        assert (await control(twin, "GET", "/_twin/ledger"))[1]["totals"]["requests"] == 0
        assert set((await control(twin, "GET", "/_twin/health"))[1]) == set(TWIN_NAMES)

    run(asyncio.new_event_loop, main)


def test_the_control_port_outlives_every_fault() -> None:
    async def main(twins: Twins) -> None:
        assert twins.control is not None
        port = twins.control.port
        for name in TWIN_NAMES:
            await control_at(port, "PUT", f"/_twin/faults?twin={name}", {"fault": "refuse"})
        for name in TWIN_NAMES:
            with pytest.raises(ConnectionRefusedError):
                await connect(twins[name])
            await control_at(port, "DELETE", f"/_twin/faults?twin={name}")
            assert await healthy(twins[name])

    run(asyncio.new_event_loop, main, control_port=0)


def test_a_body_above_the_limit_is_413_in_the_providers_shape() -> None:
    async def main(twins: Twins) -> None:
        for name, sign in (
            ("openai", b"Maximum content size"),
            ("anthropic", b"request_too_large"),
            ("gemini", b"limit"),
        ):
            reader, writer = await connect(twins[name])
            writer.write(request_bytes(name, prompt="x" * 5000))
            head = await answer_head(reader)
            assert head.startswith(b"HTTP/1.1 413")
            assert sign in await reader.read(65536)
            writer.close()

    run(asyncio.new_event_loop, main, body_limit=1000)


def test_a_chunked_body_above_the_limit_is_413_in_the_providers_shape() -> None:
    async def main(twins: Twins) -> None:
        reader, writer = await connect(twins["anthropic"])
        writer.write(b"POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"7d0\r\n" + b"x" * 2000 + b"\r\n")
        assert (await answer_head(reader)).startswith(b"HTTP/1.1 413")
        assert b"request_too_large" in await reader.read(65536)
        writer.close()

    run(asyncio.new_event_loop, main, body_limit=1000)


@both_loops
def test_twins_speak_tls_when_given_a_context(loop: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def main(twins: Twins) -> None:
        twin = twins["openai"]
        assert twin.url.startswith("https://")
        reader, writer = await connect(twin, authority.client_context())
        writer.write(request_bytes("openai", stream=True))
        assert (await answer_head(reader)).startswith(b"HTTP/1.1 200")
        await asyncio.wait_for(reader.readuntil(b"data: [DONE]"), 5)
        writer.close()

    run(loop, main, tls=authority.server_context("localhost"))


def test_a_scenario_plays_its_steps_in_time() -> None:
    steps = parse_scenario(
        """
        - {at: 0s, twin: openai, fault: "status:503"}
        - {at: 200ms, twin: openai, clear: true}
        - {at: 250ms, twin: gemini, kill: true}
        - {at: 400ms, twin: gemini, revive: true}
        """
    )
    assert not isinstance(steps, str)

    async def main(twins: Twins) -> None:
        playing = twins.play(steps)
        await asyncio.sleep(0.05)
        assert not await healthy(twins["openai"])
        await asyncio.sleep(0.25)
        assert await healthy(twins["openai"])
        with pytest.raises(ConnectionRefusedError):
            await connect(twins["gemini"])
        await asyncio.wait_for(playing, 5)
        assert await healthy(twins["gemini"])

    run(asyncio.new_event_loop, main)


def test_a_scenario_file_that_is_wrong_and_a_twin_that_does_not_exist_are_refused(tmp_path: Path) -> None:
    async def main(twins: Twins) -> None:
        file = tmp_path / "bad.yaml"
        file.write_text("- {at: 5s, twin: openai, fault: explode}")
        with pytest.raises(ValueError, match=r"bad\.yaml: step 1: unknown fault 'explode'"):
            twins.play(file)
        with pytest.raises(OSError):
            twins.play(str(tmp_path / "missing.yaml"))
        with pytest.raises(ValueError, match="no twin is called 'mistral'"):
            await start_twins({"mistral": 0})

    run(asyncio.new_event_loop, main)


def test_a_port_that_is_taken_leaves_nothing_running() -> None:
    async def main(twins: Twins) -> None:
        taken = twins["openai"].door.port
        with pytest.raises(OSError):
            await start_twins({"ark": 0, "openai": taken})

    run(asyncio.new_event_loop, main)
