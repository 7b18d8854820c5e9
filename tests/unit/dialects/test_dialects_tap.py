"""The same-dialect tap: what passes, what is left out, what stops the stream."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.dialects.contract import ErrorFacts, StreamOptions
from trunkline.dialects.tap import CONTENT, DROP, PASS, QUIET, STOP, SseTap


class WordTap(SseTap):
    """A dialect of single words: each says what it is."""

    announcement = b": left out\n\n"

    def look(self, name: bytes, data: bytes) -> int:
        match data:
            case b'"content"':
                return CONTENT
            case b'"call"':
                self.open_structured = True
                return CONTENT
            case b'"drop"':
                return DROP
            case b'"ping"':
                return QUIET
            case b'"finish"':
                self.finished = True
                self.open_structured = False
                return PASS
            case b'"error"':
                self.error = ErrorFacts(message="no")
                return STOP
            case b'"stop"':
                return STOP
            case b'"bug"':
                raise ValueError("a bug of ours")
            case _:
                return PASS

    def sentinel(self, data: bytes) -> bool:
        if data == b"[EARLY]":
            self.broken = "unfinished"
            return True
        self.terminated = data == b"[DONE]"
        return self.terminated


def tap(**options: Any) -> WordTap:
    return WordTap(StreamOptions(**options))


def word(text: str) -> bytes:
    return b'data: "%b"\n\n' % text.encode()


def test_a_good_read_passes_as_it_came() -> None:
    t = tap()
    read = b": hi\n\n" + word("preamble") + b"\n" + word("content") + b"event: x\r\ndata: 1\r\n\r\n"
    assert t.feed(read) == read
    assert (t.content, t.contents, t.events, t.progress) == (True, 1, 3, 3)


def test_one_whole_event_is_the_very_same_object() -> None:
    read = word("content")
    assert tap().feed(read) is read


def test_pings_comments_and_blank_lines_pass_and_are_no_progress() -> None:
    t = tap()
    read = word("ping") + b": keep-alive\n\n" + b"\n" + b"event: ping\n\n"
    assert t.feed(read) == read
    assert (t.progress, t.events, t.content) == (0, 1, False)


def test_an_unasked_event_is_left_out() -> None:
    t = tap()
    assert t.feed(word("content") + word("drop") + word("finish")) == word("content") + word("finish")
    assert t.events == 2


def test_an_error_event_and_all_behind_it_stay_back() -> None:
    t = tap()
    assert t.feed(word("content") + word("error") + word("content")) == word("content")
    assert t.feed(word("content")) == b""
    assert t.error == ErrorFacts(message="no") and t.broken == ""


def test_a_stop_without_a_reason_is_still_a_broken_stream() -> None:
    t = tap()
    assert t.feed(word("stop") + word("content")) == b""
    assert t.broken == "stopped"


def test_nothing_passes_behind_the_terminator() -> None:
    t = tap()
    done = b"data: [DONE]\n\n"
    assert t.feed(word("finish") + done + word("content")) == word("finish") + done
    assert t.feed(word("content")) == b""
    assert t.terminated and t.contents == 0


def test_a_sentinel_that_must_not_pass_breaks_the_stream() -> None:
    t = tap()
    assert t.feed(word("content") + b"data: [EARLY]\n\n" + word("content")) == word("content")
    assert (t.broken, t.malformed) == ("unfinished", 0)


def test_one_malformed_event_is_left_out_announced_and_counted() -> None:
    t = tap()
    out = t.feed(word("content") + b'data: {"a\n\n' + word("content"))
    assert out == word("content") + b": left out\n\n" + word("content")
    assert (t.malformed, t.broken, t.contents) == (1, "", 2)


def test_a_second_malformed_event_breaks_the_stream() -> None:
    t = tap()
    t.feed(b"data: {\n\n" + word("content"))
    assert t.feed(word("content") + b"data: {\n\n" + word("content")) == word("content")
    assert (t.malformed, t.broken) == (2, "malformed")


def test_a_malformed_event_breaks_a_route_that_wants_it_so() -> None:
    t = tap(on_malformed="break")
    assert t.feed(word("content") + b"data: {\n\n") == word("content")
    assert t.broken == "malformed"


def test_a_malformed_event_breaks_an_open_tool_call() -> None:
    t = tap()
    assert t.feed(word("call") + b"data: {\n\n") == word("call")
    assert t.broken == "malformed"


def test_a_malformed_event_breaks_an_answer_bound_to_a_schema_only_while_it_is_open() -> None:
    before, within, after = tap(structured=True), tap(structured=True), tap(structured=True)
    before.feed(b"data: {\n\n" + word("content"))
    within.feed(word("content") + b"data: {\n\n")
    after.feed(word("content") + word("finish") + b"data: {\n\n")
    assert (before.broken, within.broken, after.broken) == ("", "malformed", "")


def test_an_event_beyond_the_limit_breaks_the_stream_and_does_not_pass() -> None:
    t = tap(max_event=20)
    assert t.feed(word("content") + word("c" * 30) + word("content")) == word("content")
    assert t.broken == "oversized"


def test_a_bug_stops_the_watching_and_never_the_stream() -> None:
    t = tap()
    read = word("bug") + word("error") + word("content")
    assert t.feed(read) == read
    assert t.blind and t.content and t.error is None and t.broken == ""


def test_even_a_blind_tap_leaves_out_what_is_no_json() -> None:
    t = tap()
    assert t.feed(word("bug") + b"data: {\n\n") == word("bug") + b": left out\n\n"


@pytest.mark.parametrize("missing", [b"\n\n", b"\n"])
def test_at_the_end_an_event_that_lacks_only_its_blank_line_counts(missing: bytes) -> None:
    t = tap()
    t.feed(word("finish") + word("content").removesuffix(missing))
    assert t.finalise() == word("content")
    assert t.contents == 1


def test_at_the_end_half_an_event_is_left_out() -> None:
    t = tap()
    t.feed(word("finish") + b'data: "con')
    assert t.finalise() == b""
    assert t.malformed == 0


def test_an_error_in_the_last_event_is_found_at_the_end() -> None:
    t = tap()
    t.feed(word("finish") + b'data: "error"')
    assert t.finalise() == b""
    assert t.error is not None
