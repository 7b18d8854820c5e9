"""What is journalled at dispatch, so that a killed worker leaves an `unknown` record and not a hole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trunkline.engine.exchange import Exchange
from trunkline.types.record import Intent

if TYPE_CHECKING:
    from trunkline.engine.attempt import Attempt


def intent(x: Exchange, attempt: Attempt) -> Intent:
    facts, principal, deployment = x.facts, x.principal, attempt.candidate.deployment
    assert facts is not None and principal is not None and x.route is not None
    return Intent(
        id=x.id,
        started_at=int(x.wall * 1e6),
        worker=x.house.worker,
        snapshot=x.snapshot.number,
        key_id=principal.key_id,
        user=principal.user,
        team=principal.team,
        organisation=principal.organisation,
        feature=principal.feature,
        dialect=facts.dialect,
        operation=facts.operation,
        alias=facts.model,
        stream=facts.stream,
        route=x.route.name,
        deployment=deployment.name,
        provider=deployment.provider.name,
        model=deployment.model,
        credential_id=attempt.candidate.secret,
        body_bytes=facts.body_bytes,
        input_tokens=facts.input_tokens,
    )
