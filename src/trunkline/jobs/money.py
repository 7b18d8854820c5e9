"""Jobs and the catalogue: what a candidate can do, what a request may cost, what a job has cost."""

from __future__ import annotations

from datetime import UTC, date, datetime

from trunkline.catalogue import video
from trunkline.jobs.contract import Ground
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Candidate
from trunkline.types.job import Job, Money
from trunkline.types.video import VideoRequest

DEFAULT_SECONDS = 90.0  # how long an unknown model takes, for the progress shown


def model_of(candidate: Candidate) -> str:
    """The catalogue's name."""
    return candidate.deployment.base_model or candidate.deployment.model


def fitted(candidate: Candidate, request: VideoRequest) -> VideoRequest | Failure:
    """The request as this candidate's model can carry it out: what stood in the prompt is clamped, anything else that does
    not fit is a Failure (F10) that names it. A model that the catalogue does not know is taken at its word."""
    model = video.find(model_of(candidate))
    if model is None:
        return request
    if request.lifted:
        request = video.clamp(model, request, request.lifted)
    found = video.lacking(model, request)
    if found is None:
        return request
    field, reason = found
    return Failure(
        kind=Kind.CAPABILITY,
        fault=FaultClass.CAPABILITY,
        source="gateway",
        message=f"{field}: {reason} ({candidate.deployment.model})",
        param=field,
        code="unsupported_value",
    )


def estimate(candidate: Candidate, request: VideoRequest, ground: Ground) -> Money:
    """The most that it may cost there, at the prices of today."""
    return video.estimate(model_of(candidate), request, ground.settings.prices, _day(ground.wall()))


def cost_of(job: Job, ground: Ground) -> Money:
    """From the provider's usage, at the prices of the day it was accepted; what was not made costs nothing."""
    if job.state == "unknown":
        return video.unknown_cost(job.estimate) if job.estimate is not None else nothing(job)
    if job.state != "succeeded":
        return nothing(job)
    day = _day((job.accepted_at or job.created_at) / 1e6)
    return video.settle(job, ground.settings.prices, day)


def nothing(job: Job) -> Money:
    return video.nothing(job.estimate)


def expected_seconds(job: Job) -> float:
    model = video.find(job.base_model or job.model)
    return float(model.typical_seconds) if model is not None else DEFAULT_SECONDS


def _day(epoch: float) -> date:
    return datetime.fromtimestamp(epoch, UTC).date()
