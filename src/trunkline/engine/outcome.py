"""The end of an exchange: what the client gets last, and the record. Called exactly once, never raises upward."""

from __future__ import annotations

import math
from collections.abc import Callable

from trunkline.engine.attempt import Attempt
from trunkline.engine.exchange import Exchange, Note
from trunkline.engine.recording import record
from trunkline.types.failure import Failure, FaultClass, Kind, http_status
from trunkline.types.record import Record
from trunkline.types.wire import Headers

_RELAYED = frozenset({FaultClass.CLIENT, FaultClass.CONTEXT, FaultClass.REFUSAL, FaultClass.CAPABILITY})
_SDK_RETRIES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})


def close(x: Exchange, failure: Failure | None) -> None:
    """Decide the ending, write the record, and let the ending out when the record is as durable as configured."""
    last = x.winner or (x.attempts[-1] if x.attempts else None)
    served = last is not None and failure is None
    if served and last is not None and last.failure is not None:
        failure = last.failure
    x.failure = failure
    if x.gone:
        x.state = "broken"
        _settle(x, None)
    elif x.note is not None and failure is None:
        x.state = "done"
        _settle(x, None)
    elif served and last is not None and failure is None:
        x.serving = last
        x.state = "done"
        _settle(x, last)
    else:
        x.state = "broken"
        _settle(x, last if served else None)


def _settle(x: Exchange, attempt: Attempt | None) -> None:
    x.call.watcher = None
    if x.blocked_at:
        x.on_writable()
    house = x.house
    if x.status == 0 and not x.gone:
        x.status = 200 if x.failure is None else http_status(x.failure)
    if x.failure is not None and x.failure.kind is Kind.CANCELLED and not x.head_sent:
        x.status = 499
    x.ended_at = house.loop.time()
    done = None if x.gone else _ending(x, attempt)
    house.books.settle(x.id, lambda: _written_up(x), done)


def _written_up(x: Exchange) -> Record:
    """The record. An exchange and its attempts know each other: they let go here, so that counting references frees
    them and the collector need not."""
    try:
        return record(x)
    finally:
        for attempt in x.attempts:
            attempt.upstream = None
        x.delivered = None
        x.attempts = []
        x.winner = None
        x.serving = None


def _ending(x: Exchange, attempt: Attempt | None) -> Callable[[], None]:
    """The last bytes of the answer, as a callable for the ledger to release."""
    failure = x.failure
    if failure is None and attempt is not None:
        if attempt.committed or x.head_sent:
            if attempt.out:
                x.call.write(attempt.out)
            return x.call.end
        headers: Headers = [(b"content-type", _content_type(x, attempt))]
        headers += x.served_headers(attempt.candidate, x.losses or attempt.leg.losses)
        body = attempt.out
        x.ending_bytes = len(body)
        return lambda: x.call.respond(200, headers, body)
    if failure is None and x.note is not None:
        return _told(x, x.note)
    if failure is None:
        raise AssertionError("an exchange ends with an answer or a failure")
    if x.head_sent:
        return lambda: _break(x, failure)
    return lambda: refuse(x, failure)


def _told(x: Exchange, note: Note) -> Callable[[], None]:
    """The answer of an exchange that is no chat."""
    if note.answer is None:
        return lambda: None  # it has been streamed, to its end
    status, extra, body = note.answer
    known = x.early_headers() if note.candidate is None else x.served_headers(note.candidate, tuple(note.losses))
    headers: Headers = [*extra, *known]
    x.status, x.ending_bytes = status, len(body)
    return lambda: x.call.respond(status, headers, body)


def _content_type(x: Exchange, attempt: Attempt) -> bytes:
    if attempt.leg.same:
        return attempt.fields.get(b"content-type") or b"application/json"
    return b"application/json"


def _break(x: Exchange, failure: Failure) -> None:
    """After the head has left: the dialect's error event and a clean end; a broken non-stream is cut instead."""
    if x.facts is None or not x.facts.stream:
        x.call.abort()
        return
    x.call.write(x.dialect.error_event(failure, x.id, sse=x.facts.sse))
    x.call.end()


def refuse(x: Exchange, failure: Failure) -> None:
    """Before the head has left: a whole error answer in the caller's dialect."""
    status = http_status(failure)
    if failure.body and failure.fault in _RELAYED and failure.status == status:
        body = failure.body
    else:
        body = x.dialect.error_body(failure, x.id)
    headers: Headers = [(b"content-type", b"application/json"), *x.early_headers()]
    tried = x.attempts or (x.note is not None and x.note.attempts)
    if x.attempts:
        headers.append((b"x-trunkline-deployment", x.attempts[-1].candidate.deployment.name.encode("ascii", "replace")))
        headers.append((b"x-trunkline-attempts", b"%d" % len(x.attempts)))
    if failure.delay is not None and status in (429, 503):
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(failure.delay))))
    elif tried and status in _SDK_RETRIES:
        headers.append((b"x-should-retry", b"false"))
    x.status = status
    x.call.respond(status, headers, body)
