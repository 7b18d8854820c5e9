"""Failures as values: what went wrong, whose fault it is, and what may be done about it.

`Kind` and `FaultClass` are closed enums; every `match` over them ends in `assert_never`. The two tables that
turn a kind into an HTTP status (here) and into a dialect's error body (`dialects/*/errors.py`) are the only
places where a failure meets a wire format. Source of the classes: reliability.md, section 1.
"""

from __future__ import annotations

from enum import Enum
from typing import Literal, assert_never

import msgspec


class FaultClass(str, Enum):
    """The thirteen classes of reliability.md section 1, by their ids."""

    TRANSIENT = "F1"
    THROTTLED_KNOWN = "F2"
    THROTTLED_UNKNOWN = "F3"
    CREDENTIAL = "F4"
    ENDPOINT = "F5"
    SILENT = "F6"
    CLIENT = "F7"
    CONTEXT = "F8"
    REFUSAL = "F9"
    CAPABILITY = "F10"
    CANCELLED = "F11"
    OVERLOAD = "F12"
    OURS = "F13"


class Kind(str, Enum):
    """What the caller is told; one row of the table in reliability.md 1.14 each."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNKNOWN_MODEL = "unknown_model"
    INVALID_REQUEST = "invalid_request"
    CONTEXT_LENGTH = "context_length"
    CAPABILITY = "capability"
    REFUSED_CONTENT = "refused_content"
    RATE_LIMITED = "rate_limited"
    OVER_BUDGET = "over_budget"
    THROTTLED = "throttled"
    OVERLOADED = "overloaded"
    NO_CANDIDATE = "no_candidate"
    UNREACHABLE = "unreachable"
    UPSTREAM_ERROR = "upstream_error"
    STREAM_BROKEN = "stream_broken"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


Source = Literal["client", "gateway", "upstream"]

#: May the *same* deployment be tried again? `at_once` (refused, reset before any byte), `backoff`, `after` the
#: stated delay, or `never`.
Retry = Literal["never", "at_once", "backoff", "after"]

#: What a failure speaks about, for health: the address (host and port), the endpoint (address + model), the
#: credential for that model, the whole credential, or nothing.
Penalty = Literal["nothing", "address", "endpoint", "credential_model", "credential"]

#: The words of `retry.on` that this failure answers to; "" for those that `retry.on` does not name.
Signal = Literal["", "connect", "408", "409", "429", "500", "502", "503", "504", "529"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One failure, as a value.

    `status` is the HTTP status the other side gave (0: none). `delay` is a stated wait in seconds. `body` is the
    provider's own error body, kept so that the same dialect can relay it byte for byte. `code` and `param` are
    the provider's (or our) machine-readable words. `confirmed` marks connect-class failures, which need no second
    key to count (reliability.md 3.2).
    """

    kind: Kind
    fault: FaultClass
    source: Source
    message: str
    retry: Retry = "never"
    penalty: Penalty = "nothing"
    signal: Signal = ""
    status: int = 0
    delay: float | None = None
    code: str = ""
    param: str = ""
    body: bytes = b""
    confirmed: bool = False


def http_status(failure: Failure) -> int:
    """HTTP status that a caller gets for this failure (499 stands in the record only, it is never sent)."""
    match failure.kind:
        case Kind.UNAUTHENTICATED:
            return 401
        case Kind.FORBIDDEN:
            return 403
        case Kind.UNKNOWN_MODEL:
            return 404
        case Kind.INVALID_REQUEST:
            return failure.status if failure.status in CLIENT_STATUSES else 400
        case Kind.CONTEXT_LENGTH | Kind.CAPABILITY | Kind.REFUSED_CONTENT:
            return 400
        case Kind.RATE_LIMITED | Kind.OVER_BUDGET | Kind.THROTTLED:
            return 429
        case Kind.OVERLOADED | Kind.NO_CANDIDATE:
            return 503
        case Kind.UNREACHABLE | Kind.UPSTREAM_ERROR | Kind.STREAM_BROKEN:
            return 502
        case Kind.TIMED_OUT:
            return 504
        case Kind.CANCELLED:
            return 499
        case Kind.INTERNAL:
            return 500
        case _:
            assert_never(failure.kind)


CLIENT_STATUSES = frozenset({400, 404, 405, 408, 409, 410, 411, 413, 415, 417, 422, 431, 501, 505})


def invalid(message: str, *, status: int = 400, param: str = "", code: str = "") -> Failure:
    """The caller wrote something wrong: name the field in `param` and what would be right in `message`."""
    return Failure(
        kind=Kind.INVALID_REQUEST,
        fault=FaultClass.CLIENT,
        source="client",
        message=message,
        status=status,
        param=param,
        code=code,
    )


def refused(kind: Kind, message: str, *, code: str = "", param: str = "", delay: float | None = None) -> Failure:
    """Our own refusal (F13): key, access, alias, limit, budget, residency."""
    return Failure(
        kind=kind, fault=FaultClass.OURS, source="gateway", message=message, code=code, param=param, delay=delay
    )
