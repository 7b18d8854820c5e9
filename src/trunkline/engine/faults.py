"""Connection faults and broken answers as failures of reliability.md section 1. Two tables, nothing else."""

from __future__ import annotations

from typing import assert_never

from trunkline.routing.course import expired
from trunkline.transport.contract import Fault
from trunkline.types.failure import Failure, FaultClass, Kind


def from_fault(fault: Fault) -> Failure:
    """What a connection-level fault means before commitment."""
    match fault.kind:
        case "refused" | "reset":
            return _unreachable(fault, "at_once")
        case "dns" | "tls" | "proxy":
            return _unreachable(fault, "backoff")
        case "connect_timeout":
            return Failure(
                kind=Kind.TIMED_OUT,
                fault=FaultClass.SILENT,
                source="upstream",
                message="the provider did not accept a connection in time",
                penalty="address",
                confirmed=True,
                code="connect_timeout",
            )
        case "certificate":
            return Failure(
                kind=Kind.NO_CANDIDATE,
                fault=FaultClass.ENDPOINT,
                source="upstream",
                message="the provider's certificate is not valid",
                penalty="endpoint",
                code="certificate",
            )
        case "cut":
            return broken_body("the provider's answer was cut short", code="cut")
        case "protocol" | "too_large":
            return broken_body("the provider's answer is not valid HTTP", code=fault.kind)
        case "pool":
            return Failure(
                kind=Kind.OVERLOADED,
                fault=FaultClass.OVERLOAD,
                source="gateway",
                message="no connection to the provider became free in time",
                delay=1.0,
                code="pool",
            )
        case "egress":
            return Failure(
                kind=Kind.NO_CANDIDATE,
                fault=FaultClass.ENDPOINT,
                source="gateway",
                message="the address is not one that this gateway connects to",
                code="egress",
            )
        case _:
            assert_never(fault.kind)


def _unreachable(fault: Fault, retry: str) -> Failure:
    return Failure(
        kind=Kind.UNREACHABLE,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=f"the provider could not be reached ({fault.kind})",
        retry="at_once" if retry == "at_once" else "backoff",
        penalty="address",
        signal="connect",
        confirmed=True,
        code=fault.kind,
    )


def broken_body(message: str, *, code: str) -> Failure:
    """A 2xx answer that cannot be used: cut, unparseable, unfinished (F1)."""
    return Failure(
        kind=Kind.UPSTREAM_ERROR,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=message,
        retry="backoff",
        penalty="endpoint",
        signal="502",
        code=code,
    )


def broken_stream(message: str, *, code: str) -> Failure:
    """A stream that can go no further. Counts as F1 wherever it happens."""
    return Failure(
        kind=Kind.STREAM_BROKEN,
        fault=FaultClass.TRANSIENT,
        source="upstream",
        message=message,
        retry="backoff",
        penalty="endpoint",
        signal="502",
        code=code,
    )


def silent(message: str, *, code: str) -> Failure:
    """No content in time (F6): never retried on the same deployment."""
    return Failure(
        kind=Kind.TIMED_OUT,
        fault=FaultClass.SILENT,
        source="upstream",
        message=message,
        penalty="endpoint",
        code=code,
    )


def cancelled(by: str) -> Failure:
    return Failure(
        kind=Kind.CANCELLED,
        fault=FaultClass.CANCELLED,
        source="client" if by == "client" else "gateway",
        message=f"cancelled by the {by}",
        code=by,
    )


#: Code of an attempt that was cancelled because another one was faster.
LOST = "hedge"


def lost_race() -> Failure:
    """Another attempt of the same exchange showed content first: nobody's fault (reliability.md 1, rule 13)."""
    return cancelled(LOST)


def stopped(by: str) -> Failure:
    """Why an exchange was stopped: the client left, its deadline passed, or this server's drain ran out."""
    match by:
        case "deadline":
            return expired()
        case "drain":
            return Failure(
                kind=Kind.OVERLOADED,
                fault=FaultClass.OVERLOAD,
                source="gateway",
                message="this gateway is shutting down",
                delay=1.0,
                code="drain",
            )
        case "error":
            return internal()
        case _:
            return cancelled(by)


def internal() -> Failure:
    """A bug. The caller learns nothing of it but the request id; the log has the trace."""
    return Failure(
        kind=Kind.INTERNAL, fault=FaultClass.OURS, source="gateway", message="internal error; see the request id"
    )
