"""Journal frames as rows of the store, and the record of an exchange whose end nobody saw. Pure."""

from __future__ import annotations

import msgspec

from trunkline.storage.contract import RecordRow
from trunkline.types.record import AttemptRecord, Count, Intent, Record


class _AttemptColumns(msgspec.Struct):
    deployment: str = ""


class _RecordColumns(msgspec.Struct):
    """What is searched. The rest of a record is only checked to be JSON, and stored as it came."""

    id: str
    started_at: int
    key_id: str = ""
    route: str = ""
    outcome: str = "unknown"
    status: int = 0
    team: str = ""
    user: str = ""
    feature: str = ""
    alias: str = ""
    attempts: list[_AttemptColumns] = []


class _Id(msgspec.Struct):
    id: str


_COLUMNS = msgspec.json.Decoder(_RecordColumns)
_ID = msgspec.json.Decoder(_Id)
_INTENT = msgspec.json.Decoder(Intent)
_ENCODE = msgspec.json.Encoder().encode


def row_of(payload: bytes) -> RecordRow | None:
    """A record's payload as a row; the deployment is that of the last attempt. None: not a record."""
    try:
        found = _COLUMNS.decode(payload)
    except (msgspec.MsgspecError, UnicodeError):
        return None
    return RecordRow(
        found.id,
        found.started_at,
        found.key_id,
        found.route,
        found.attempts[-1].deployment if found.attempts else "",
        found.outcome,
        found.status,
        found.team,
        found.user,
        found.feature,
        found.alias,
        payload,
    )


def intent_id(payload: bytes) -> str | None:
    """None: not an intent."""
    try:
        return _ID.decode(payload).id
    except (msgspec.MsgspecError, UnicodeError):
        return None


def unknown_row(payload: bytes) -> RecordRow | None:
    """An intent's payload as the row of an `unknown` record. None: not an intent."""
    try:
        return row_of(_ENCODE(unknown(_INTENT.decode(payload))))
    except (msgspec.MsgspecError, UnicodeError):
        return None


def unknown(intent: Intent) -> Record:
    """The worker died between dispatch and outcome (reliability.md 6.11): billed from the estimate, and flagged.

    What was generated is not known; the input was sent, so it is counted, as `estimated`.
    """
    usage = {"input_uncached": Count(intent.input_tokens, "estimated")}
    return Record(
        id=intent.id,
        started_at=intent.started_at,
        worker=intent.worker,
        snapshot=intent.snapshot,
        key_id=intent.key_id,
        user=intent.user,
        team=intent.team,
        organisation=intent.organisation,
        feature=intent.feature,
        dialect=intent.dialect,
        operation=intent.operation,
        alias=intent.alias,
        stream=intent.stream,
        body_bytes=intent.body_bytes,
        route=intent.route,
        plan=[intent.deployment],
        outcome="unknown",
        usage=usage,
        attempts=[
            AttemptRecord(
                number=1,
                deployment=intent.deployment,
                provider=intent.provider,
                model=intent.model,
                credential_id=intent.credential_id,
                class_="unknown",
                usage=usage,
            )
        ],
    )
