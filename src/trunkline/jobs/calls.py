"""What is asked of a provider about tasks: one whole question, one whole answer, and what the answer proves."""

from __future__ import annotations

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.engine.faults import broken_body, from_fault, silent
from trunkline.jobs.fetch import LIMIT, Fetched, fetch
from trunkline.jobs.house import JobHouse
from trunkline.providers.tasks import TaskOutgoing
from trunkline.transport.contract import Outbound
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate
from trunkline.types.record import AttemptRecord
from trunkline.types.wire import header

#: An answer with the video inside it (Veo) is as large as a video.
INLINE_LIMIT = 128 << 20
#: Statuses that something between us and the provider may have made up: the request may have gone through.
_AMBIGUOUS = frozenset({408, 499, 502, 504})


class Asked(msgspec.Struct, kw_only=True):
    """`failure` None: a whole 2xx. `lost`: the request may have been carried out all the same."""

    fetched: Fetched
    failure: Failure | None
    lost: bool = False

    @property
    def body(self) -> bytes:
        return self.fetched.body


def outbound(house: JobHouse, outgoing: TaskOutgoing, *, connect: float = 2.0) -> Outbound:
    provider = outgoing.candidate.deployment.provider
    prepared = house.tasks[provider.kind].task(outgoing)
    return Outbound(
        origin=prepared.origin,
        method=prepared.method,
        target=prepared.target,
        headers=prepared.headers,
        body=prepared.body,
        tls=provider.tls,
        proxy=provider.proxy,
        connect_timeout=connect,
        once=outgoing.operation == "create",
    )


async def ask(house: JobHouse, asking: TaskOutgoing, patience: float) -> Asked:
    """`asking` lacks the secret: that is the one in force now. `patience` in seconds."""
    candidate = asking.candidate
    secret = house.secrets().current(candidate.deployment.provider.name, candidate.credential)
    request = outbound(house, msgspec.structs.replace(asking, secret=secret))
    limit = INLINE_LIMIT if asking.operation == "get" else 8 * LIMIT
    return judged(house, candidate, await fetch(house.ground.upstreams, request, patience=patience, limit=limit))


def judged(house: JobHouse, candidate: Candidate, fetched: Fetched) -> Asked:
    """The class of what came back (reliability.md section 1), and whether it proves that nothing was made (F.5)."""
    if fetched.fault is not None:
        return Asked(fetched=fetched, failure=from_fault(fetched.fault), lost=fetched.sent)
    if fetched.timed_out:
        failure = silent("the provider did not answer in time", code="answer_timeout")
        return Asked(fetched=fetched, failure=failure, lost=fetched.sent)
    if fetched.too_large:
        return Asked(fetched=fetched, failure=broken_body("the provider's answer is too large", code="size"), lost=True)
    if 200 <= fetched.status < 300:
        return Asked(fetched=fetched, failure=None)
    kind = candidate.deployment.provider.kind
    facts = house.dialects[house.tasks[kind].dialect].read_error(fetched.status, fetched.body)
    failure = house.providers[kind].classify(fetched.status, fetched.headers, facts, now=house.ground.wall())
    return Asked(fetched=fetched, failure=failure, lost=_ambiguous(fetched.status, facts))


def _ambiguous(status: int, facts: ErrorFacts) -> bool:
    """Only an error in the provider's own words proves that it made nothing."""
    worded = bool(facts.code or facts.type or facts.reason)
    return (status in _AMBIGUOUS or status >= 500) and not worded


def attempt_record(
    number: int, candidate: Candidate, reason: str, asked: Asked, began: float, sent_bytes: int
) -> AttemptRecord:
    """One submission as a record tells it. `began`: loop seconds of the exchange's start."""
    deployment, fetched, failure = candidate.deployment, asked.fetched, asked.failure
    row = AttemptRecord(
        number=number,
        deployment=deployment.name,
        provider=deployment.provider.name,
        model=deployment.model,
        region=deployment.labels.get("region", ""),
        credential_id=candidate.secret,
        address=fetched.address,
        reason=reason,
        started_us=_micros(fetched.started_at - began),
        connect_us=_micros(fetched.connected_at - fetched.started_at) if fetched.connected_at else 0,
        total_us=_micros(fetched.ended_at - fetched.started_at),
        reused=fetched.reused,
        status=fetched.status,
        bytes_in=len(fetched.body),
        bytes_out=sent_bytes,
    )
    request_id = header(fetched.headers, b"x-request-id")
    if request_id is not None:
        row.upstream_request_id = request_id.decode("latin-1")[:128]
    if failure is not None:
        row.class_, row.kind = failure.fault.value, failure.kind.value
        if failure.delay is not None:
            row.stated_delay_ms = int(failure.delay * 1000)
    return row


def _micros(seconds: float) -> int:
    return max(0, round(seconds * 1e6))


def mark_of(job_id: str, number: int) -> str:
    """What a provider's list is searched for. One per submission, so that an old one is never taken for a new one."""
    return f"tl-{job_id}-{number}"
