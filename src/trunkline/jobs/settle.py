"""The end of a job: one record, one amount, one transaction."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.engine.ids import new_id
from trunkline.engine.recording import written
from trunkline.jobs.house import JobHouse
from trunkline.jobs.money import cost_of, nothing
from trunkline.jobs.results import links_of
from trunkline.ledger.ingest import row_of
from trunkline.policy.admit import Unanswered
from trunkline.storage.contract import Delivery, RecordRow
from trunkline.types.failure import Failure, FaultClass
from trunkline.types.job import Job, Money
from trunkline.types.record import Count, Outcome, Partition, Record

_encode = msgspec.json.Encoder().encode

#: States that a caller of each dialect is told of. Ark calls on every change (wire-formats.md D.4), others at the end.
_TOLD = {"ark_tasks": frozenset({"queued", "running", "succeeded", "failed", "expired", "cancelled"})}
_ENDS = frozenset({"succeeded", "failed", "expired", "cancelled"})


async def settle(house: JobHouse, job: Job) -> bool:
    """`job` has just reached its end. False: somebody else has changed the row; nothing was written. Raises Unanswered."""
    job.cost = cost_of(job, house.ground)
    job.settled_at = house.now_us
    job.owner = ""
    record = _record(house, job)
    deliveries = deliveries_of(house, job)
    before = job.version
    done = await house.rows.settle(job, record, deliveries)
    if not done:
        job.settled_at = job.cost = None
        return False
    await house.purse.settle(job.id, job.cost.nanos)
    house.ground.log(
        "job_settled",
        {"job": job.id, "state": job.state, "deployment": job.deployment, "nanos": job.cost.nanos, "version": before},
    )
    return True


async def drop_unsent(house: JobHouse, job: Job, code: str, message: str) -> None:
    """Nothing was made, and nobody holds the job's id: it ends, hidden, and gives its idempotency key back."""
    job.state, job.owner = "failed", ""
    job.error_code, job.error_message = code, message
    job.finished_at = job.changed_at = job.deleted_at = job.settled_at = house.now_us
    job.idempotency_key = ""
    job.next_at = None
    job.cost = nothing(job)
    try:
        await house.rows.change(job, drop_request=True)
    except Unanswered:
        house.ground.log("job_unwritten", {"job": job.id, "state": job.state})  # the recorder ends it as abandoned
    await house.purse.settle(job.id, 0)


def failure_of(house: JobHouse, job: Job) -> Failure | None:
    """Why a task failed, as a class of reliability.md section 1; None for one that did not."""
    if job.state not in ("failed", "expired"):
        return None
    facts = ErrorFacts(code=job.error_code, message=job.error_message)
    return house.providers[job.kind].classify(200, [], facts, now=house.ground.wall())


def refused_content(house: JobHouse, job: Job) -> bool:
    """F9: never made again elsewhere (reliability.md section 1)."""
    failure = failure_of(house, job)
    return job.error_code == "content_filtered" or (failure is not None and failure.fault is FaultClass.REFUSAL)


# --- the record --------------------------------------------------------------------------------------------------------
def _record(house: JobHouse, job: Job) -> RecordRow:
    failure = failure_of(house, job)
    content = refused_content(house, job)
    outcome: Outcome = "ok"
    if job.state == "cancelled":
        outcome = "cancelled"
    elif job.state == "unknown":
        outcome = "unknown"
    elif job.state != "succeeded":
        outcome = "client_fault" if content else "failed"
    elif len(job.attempts) > 1:
        outcome = "ok_saved"
    total = max(0, (job.finished_at or house.now_us) - job.created_at)
    record = Record(
        id=new_id(house.ground.wall()),
        started_at=job.created_at,
        worker=house.number,
        version=house.version,
        snapshot=job.snapshot,
        key_id=job.key_id,
        user=job.user,
        team=job.team,
        organisation=job.organisation,
        feature=job.feature,
        surface=job.surface,
        operation="video_job",
        dialect=job.dialect,
        alias=job.alias,
        route=job.route,
        plan=list(job.tried),
        outcome=outcome,
        fault="" if failure is None else "F9" if content else failure.fault.value,
        kind="" if failure is None else "refused_content" if content else failure.kind.value,
        finish_reason=job.state,
        saved=outcome == "ok_saved",
        losses=[{"field": loss.field, "reason": loss.reason} for loss in job.losses],
        latency=Partition(total=total, generate=total),
        usage=_usage(job),
        cost=cost_field(job),
        correction_of=job.request_id,
        job=job.id,
        rule=job.rule or None,
        constraints=[written(constraint) for constraint in job.constraints],
        evidence=job.evidence,
        attempts=job.attempts,
    )
    row = row_of(_encode(record))
    assert row is not None
    return row


def _usage(job: Job) -> dict[str, Count]:
    found: dict[str, Count] = {}
    if job.facts.tokens is not None:
        found["output"] = Count(job.facts.tokens, "provider")
    if job.facts.seconds is not None and job.state == "succeeded":
        found["video_seconds"] = Count(job.facts.seconds, "provider")
    return found


def cost_field(job: Job) -> dict[str, Any]:
    """What a record says of a job's money: reserved before, settled after; nano-dollars, with how they came about."""
    return {
        "currency": "USD",
        "reserved_nanos": job.estimate.nanos if job.estimate is not None else None,
        "settled_nanos": job.cost.nanos if job.cost is not None else None,
        "reserved": _plain(job.estimate),
        "settled": _plain(job.cost),
    }


def _plain(money: Money | None) -> dict[str, Any] | None:
    found: dict[str, Any] | None = None if money is None else msgspec.to_builtins(money)
    return found


# --- webhooks ------------------------------------------------------------------------------------------------------------
def deliveries_of(house: JobHouse, job: Job) -> list[Delivery]:
    """Who is to be told that the job is in the state that it has now. The same state makes the same deliveries: their ids
    are derived, so that a repeated step adds none."""
    made: list[Delivery] = []
    for url, told in (
        (job.callback, _TOLD.get(job.dialect, _ENDS)),
        (house.ground.settings.webhook, _ENDS),
    ):
        if not url or job.state not in told:
            continue
        event = f"evt_{hashlib.sha256(f'{job.id} {job.state} {url}'.encode()).hexdigest()[:32]}"
        body = house.dialects[job.dialect].encode_event(job, links_of(house.ground, job), event, house.ground.wall())
        made.append(
            Delivery(
                id=event,
                job_id=job.id,
                key_id=job.key_id,
                url=url,
                event=job.state,
                body=body,
                created_at=house.now_us,
                seq=_ORDER[job.state],
                next_at=house.now_us,
            )
        )
    return made


_ORDER = {
    "submitting": 0,
    "queued": 1,
    "running": 2,
    "unknown": 3,
    "succeeded": 4,
    "failed": 4,
    "expired": 4,
    "cancelled": 4,
}
