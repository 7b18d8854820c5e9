"""What every dialect offers. Pure: bytes and values in, bytes and values out; no clock, dice, socket or log.

A dialect is a folder `schema request response stream errors` and one object of this shape, registered in
`dialects/__init__.py`. Unknown fields survive the same-dialect path because the body is never re-encoded there.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from trunkline.types.canonical import ChatRequest, ChatResponse, Event
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.usage import Usage
from trunkline.types.wire import DialectName, Headers, Loss
from trunkline.types.words import Words


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What the URL and headers said, as the server matched them.

    `model` is "" where the model stands in the body. `version` is `v1`/`v1beta` for Gemini and the value of
    `anthropic-version` for Anthropic. `stream` is None where the body decides. `sse` is false for a Gemini stream
    without `alt=sse`.
    """

    dialect: DialectName
    model: str = ""
    version: str = ""
    stream: bool | None = None
    sse: bool = True


class Encoded(msgspec.Struct, frozen=True):
    """A translated body and what it could not carry."""

    body: bytes
    losses: tuple[Loss, ...] = ()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a complete same-dialect answer says, read without building objects for its content.

    `blocked` marks a prompt or answer that the provider refused with 200 (F9); `empty` a finished answer without
    content.
    """

    id: str = ""
    model: str = ""
    finish: str = ""
    usage: Usage | None = None
    empty: bool = False
    blocked: bool = False


class ErrorFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The machine-readable parts of a provider's error, in the dialect's own words.

    `delay` is a wait in seconds stated inside the body (Gemini RetryInfo). `reason` is a second code where there is
    one (Gemini ErrorInfo.reason, Anthropic details.error_code). `quota` are Gemini's quota ids.
    """

    message: str = ""
    type: str = ""
    code: str = ""
    param: str = ""
    reason: str = ""
    status: int = 0
    delay: float | None = None
    quota: tuple[str, ...] = ()


class StreamRelay(Protocol):
    """Turns upstream stream bytes into client stream bytes, and knows where the stream stands.

    Two implementations: a same-dialect tap (bytes pass, malformed events and an unasked usage chunk are left out)
    and a translation (reader of one dialect + writer of another). `feed` takes any split of the upstream bytes and
    returns whole client events only; an unfinished tail waits inside. `feed` stops *before* an error event or a
    second malformed event, sets `error` or `broken`, and ignores everything after it.

    content      a content event (reliability.md) has been returned by `feed`
    contents     how many content events so far
    finished     every choice has its finish reason (the terminal check of reliability.md 2.6)
    terminated   the dialect's own terminator has been seen (or the dialect has none and finished is true)
    malformed    events left out because their data was not JSON
    error        the provider's error event, if one came
    broken       why the stream can go no further ("malformed", "oversized", …), "" while all is well
    events       events returned so far
    progress     how many events or bytes of output-bearing progress so far; pings, comments and blank lines do
                 not move it (the engine's idle rule looks at it)
    """

    @property
    def content(self) -> bool: ...
    @property
    def contents(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    @property
    def terminated(self) -> bool: ...
    @property
    def malformed(self) -> int: ...
    @property
    def error(self) -> ErrorFacts | None: ...
    @property
    def broken(self) -> str: ...
    @property
    def events(self) -> int: ...
    @property
    def progress(self) -> int: ...
    @property
    def answer(self) -> Answer: ...

    def feed(self, data: bytes) -> bytes: ...

    def finalise(self) -> bytes:
        """At EOF (or 1 s after the finish) of a *finished* stream: whatever tail or terminator is still owed."""
        ...

    @property
    def losses(self) -> tuple[Loss, ...]: ...


class StreamReader(Protocol):
    """Upstream side of a translation. Same state attributes as `StreamRelay`; `feed` returns canonical events."""

    content: bool
    contents: int
    finished: bool
    terminated: bool
    malformed: int
    error: ErrorFacts | None
    broken: str
    progress: int
    answer: Answer

    def feed(self, data: bytes) -> list[Event]: ...

    def eof(self) -> list[Event]:
        """Upstream closed (cleanly) or went quiet after its finish: what the reader still held back."""
        ...

    @property
    def losses(self) -> tuple[Loss, ...]: ...


class StreamWriter(Protocol):
    """Client side of a translation: canonical events to whole wire events."""

    def send(self, event: Event) -> bytes: ...

    def end(self) -> bytes:
        """After the reader's `eof`: everything still owed, terminator included. Only called on a finished stream."""
        ...

    @property
    def losses(self) -> tuple[Loss, ...]: ...


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream is to be read or written.

    `strip_usage`: the caller did not ask for the usage chunk that was asked for upstream. `on_malformed`: drop or
    break. `max_event` bytes. `sse` false: Gemini's JSON array framing towards the client. `created` is the epoch
    second that a writer puts into its chunks (the pure room has no clock); `id` a fallback id for dialects whose
    upstream gives none. `choices` is how many were asked for. `structured`: the answer is bound to a schema.
    """

    strip_usage: bool = False
    on_malformed: str = "drop"
    max_event: int = 1 << 20
    sse: bool = True
    created: int = 0
    id: str = ""
    model: str = ""
    include_usage: bool = True
    choices: int = 1
    structured: bool = False


class Voice(Protocol):
    """How a dialect speaks of what is no answer: errors, keep-alives, the head."""

    name: DialectName

    def read_error(self, status: int, body: bytes) -> ErrorFacts:
        """Reads an error body (or an error event's data); never raises, unknown shapes give the plain text."""
        ...

    def error_body(self, failure: Failure, request_id: str) -> bytes: ...

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True) -> bytes:
        """The whole in-stream error event; what follows is a clean end of the transfer and no terminator."""
        ...

    def keepalive(self) -> bytes: ...

    def answer_headers(self, request_id: str) -> Headers:
        """The id header that this dialect's SDK reads (`x-request-id`, `request-id`)."""
        ...


class Dialect(Voice, Protocol):
    """A dialect of chat."""

    # --- request ---------------------------------------------------------------------------------------------
    def peek(self, target: Target, body: bytes) -> Envelope | Failure:
        """Facts without a full decode. Bad JSON, a missing or wrong-typed known field: a Failure naming the field
        and what would be right. Nested too deep: 400 by the parser's own recursion error."""
        ...

    def words(self, body: bytes) -> Words:
        """What a classifier looks at; asked only where a condition wants to know the task. Never raises."""
        ...

    def splice(self, body: bytes, facts: Envelope, model: str) -> bytes | Failure:
        """The same bytes with only the top-level model replaced (and, on a streamed chat that did not ask for
        usage, `stream_options.include_usage` set)."""
        ...

    def decode_request(self, body: bytes, facts: Envelope) -> ChatRequest | Failure:
        """Client dialect → hub. Everything not carried is in `losses`."""
        ...

    def encode_request(self, request: ChatRequest, model: str, *, max_output_tokens: int) -> Encoded | Failure:
        """Hub → upstream dialect. `max_output_tokens` fills a required limit that the caller left open. A Failure
        is of kind `capability`: this dialect cannot serve the request at all."""
        ...

    # --- answer ----------------------------------------------------------------------------------------------
    def check(self, body: bytes) -> Answer | Failure:
        """Terminal check of a non-streamed 2xx: JSON valid, required top field present (else an F1 Failure)."""
        ...

    def decode_response(self, body: bytes) -> ChatResponse | Failure: ...

    def encode_response(self, response: ChatResponse, *, created: int) -> Encoded: ...

    def tap(self, options: StreamOptions) -> StreamRelay: ...

    def reader(self, options: StreamOptions) -> StreamReader: ...

    def writer(self, options: StreamOptions) -> StreamWriter: ...
