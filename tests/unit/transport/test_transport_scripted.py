"""Scripted upstreams do what their scripts say, when they say it."""

from __future__ import annotations

import asyncio

import pytest

from transport_doubles import ORIGIN, RecordingSink, post
from trunkline.transport.contract import Fault
from trunkline.transport.scripted import ScriptedUpstreams, answer, cut, fault, hang, head, silence
from trunkline.transport.virtual import run_virtual
from trunkline.types.wire import Origin


def test_an_answer_comes_in_its_own_time():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        upstreams = ScriptedUpstreams(answer(200, head(retry_after="1"), [b"a", (5.0, b"b")], delay=2.0))
        sink = RecordingSink()
        began = loop.time()
        call = upstreams.send(post(b"body"), sink)
        assert sink.events == []
        await asyncio.sleep(2.001)
        assert sink.events == [
            "connected",
            (200, [(b"content-type", b"application/json"), (b"retry-after", b"1")]),
            b"a",
        ]
        await sink.wait()
        assert loop.time() - began == pytest.approx(7.0)
        assert sink.body == b"ab" and sink.ended and call.ended
        assert upstreams.requests[0].body == b"body" and upstreams.left == 0

    run_virtual(main())


def test_faults_cuts_hangs_and_silence():
    async def main() -> None:
        upstreams = ScriptedUpstreams(
            fault("refused"), fault("reset", delay=1.0), cut(chunks=[b"half"]), hang(chunks=b"half"), silence()
        )
        sinks = [RecordingSink() for _ in range(5)]
        for sink in sinks:
            upstreams.send(post(), sink)
        await asyncio.sleep(3600)
        refused, reset, broken, hung, silent = sinks
        assert refused.events == [Fault(kind="refused", message="scripted refused")]
        assert reset.events == ["connected", Fault(kind="reset", message="scripted reset", sent=True)]
        assert broken.body == b"half" and broken.fault.kind == "cut" and not broken.fault.before_response
        assert hung.body == b"half" and not hung.ended
        assert silent.events == ["connected"]

    run_virtual(main())


def test_a_paused_call_holds_its_chunks_back():
    async def main() -> None:
        upstreams = ScriptedUpstreams(answer(chunks=[(1.0, b"a"), (1.0, b"b")], reused=True))
        sink = RecordingSink()
        call = upstreams.send(post(), sink)
        assert sink.events == ["connected"] and call.reused and call.address == "upstream.test:8000"
        await asyncio.sleep(1.5)
        call.pause()
        await asyncio.sleep(100)
        assert sink.body == b"a" and call.paused and call.pauses == 1
        call.resume()
        await sink.wait()
        assert sink.body == b"ab"

    run_virtual(main())


def test_an_aborted_call_says_nothing_more():
    async def main() -> None:
        loop = asyncio.get_running_loop()
        upstreams = ScriptedUpstreams(answer(chunks=[(1.0, b"a"), (1.0, b"b")]))
        sink = RecordingSink()
        call = upstreams.send(post(), sink)
        await asyncio.sleep(1.5)
        call.abort()
        assert call.aborted and call.aborted_at == loop.time()
        await asyncio.sleep(100)
        assert sink.body == b"a" and not sink.ended

    run_virtual(main())


def test_scripts_of_an_origin_come_before_the_others():
    async def main() -> None:
        other = Origin("https", "other.test", 443)
        upstreams = ScriptedUpstreams(answer(201), otherwise=lambda request: answer(202))
        upstreams.queue(other, answer(203))
        statuses = []
        for origin in (other, other, ORIGIN):
            sink = RecordingSink()
            upstreams.send(post(origin=origin), sink)
            statuses.append((await sink.wait()).status)
        assert statuses == [203, 201, 202]

    run_virtual(main())


def test_running_out_of_scripts_is_an_error_in_the_test():
    async def main() -> None:
        with pytest.raises(AssertionError, match="no script"):
            ScriptedUpstreams().send(post(), RecordingSink())

    run_virtual(main())


def test_probes_are_noted_and_answered():
    async def main() -> None:
        upstreams = ScriptedUpstreams()
        heard: list[Fault | None] = []
        upstreams.probe(post(), heard.append)
        upstreams.probe_faults[ORIGIN] = Fault(kind="refused", message="x")
        upstreams.probe(post(), heard.append)
        await asyncio.sleep(0.1)
        assert heard == [None, Fault(kind="refused", message="x")]
        assert upstreams.probes == [ORIGIN, ORIGIN]

    run_virtual(main())
