"""One whole answer, or why there is none; and whether the request may have reached the other side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkline.jobs.fetch import Fetched, fetch
from trunkline.transport.contract import Fault, Outbound, UpstreamSink
from trunkline.transport.virtual import run_virtual
from trunkline.types.fleet import Tls
from trunkline.types.wire import Origin

ASK = Outbound(origin=Origin("http", "a", 80), method=b"GET", target=b"/", headers=[], body=b"", tls=Tls())


class Scripted:
    """An `Upstreams` that plays a script on its sink, and remembers whether it was told to stop."""

    def __init__(self, script: Callable[[UpstreamSink], None]) -> None:
        self.script = script
        self.aborted = False
        self.address = "192.0.2.1:80"
        self.reused = False

    def send(self, request: Outbound, sink: UpstreamSink) -> Scripted:
        asyncio.get_running_loop().call_soon(self.script, sink)
        return self

    def abort(self) -> None:
        self.aborted = True

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def probe(self, request: Outbound, done: Callable[[Fault | None], None]) -> None: ...

    def close(self) -> None: ...


def play(script: Callable[[UpstreamSink], None], *, patience: float = 5.0, limit: int = 100) -> tuple[Fetched, bool]:
    upstream = Scripted(script)
    return run_virtual(fetch(upstream, ASK, patience=patience, limit=limit)), upstream.aborted


def answered(sink: UpstreamSink) -> None:
    sink.on_connected()
    sink.on_head(200, [(b"x", b"y")])
    sink.on_data(b"ab")
    sink.on_data(b"cd")
    sink.on_end()


def test_a_whole_answer() -> None:
    found, aborted = play(answered)
    assert (found.status, found.body, found.answered, found.sent, aborted) == (200, b"abcd", True, True, False)
    assert found.address == "192.0.2.1:80"


def test_silence_ends_when_patience_does_and_the_call_with_it() -> None:
    found, aborted = play(lambda sink: sink.on_connected(), patience=7.0)
    assert (found.timed_out, found.sent, found.answered, aborted) == (True, True, False, True)
    assert found.ended_at - found.started_at == 7.0


def test_a_connection_that_never_stood_has_sent_nothing() -> None:
    found, _ = play(lambda sink: sink.on_fault(Fault(kind="refused", message="no")))
    assert found.fault is not None and not found.sent and not found.answered


def test_a_reset_after_the_request_leaves_it_open_what_happened() -> None:
    def script(sink: UpstreamSink) -> None:
        sink.on_connected()
        sink.on_fault(Fault(kind="reset", message="gone", sent=True))

    found, _ = play(script)
    assert found.fault is not None and found.sent


def test_an_answer_cut_in_the_middle_is_none() -> None:
    def script(sink: UpstreamSink) -> None:
        sink.on_connected()
        sink.on_head(200, [])
        sink.on_data(b"half")
        sink.on_fault(Fault(kind="cut", message="cut", before_response=False, sent=True))

    found, _ = play(script)
    assert not found.answered and found.sent


def test_more_than_was_bargained_for_is_not_collected() -> None:
    def script(sink: UpstreamSink) -> None:
        sink.on_connected()
        sink.on_head(200, [])
        sink.on_data(b"x" * 101)

    found, aborted = play(script)
    assert (found.too_large, found.body, aborted) == (True, b"", True)
