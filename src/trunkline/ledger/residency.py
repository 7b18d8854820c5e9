"""Re-checking, from records alone, that no hop went outside its constraints (reliability.md K20). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from trunkline.types.constraint import Ceiling, Constraint, violation


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One hop of one record that its constraints do not allow, or that cannot be shown to be allowed."""

    record: str
    attempt: int
    deployment: str
    why: str


def check_record(record: Mapping[str, Any], labels: Mapping[str, Mapping[str, str]] | None = None) -> list[Finding]:
    """`record` as `logs --json` prints it. `labels` are those of the deployments as a configuration declares them; what the
    record says of a deployment that is declared otherwise is not believed."""
    written = record.get("constraints") or []
    attempts = record.get("attempts") or []
    constraints: list[Constraint] = []
    for one in written:
        found = _constraint(one)
        if found is None:
            return [_finding(record, {}, "its constraints cannot be read")]
        constraints.append(found)
    if not constraints:
        return []
    proof = {item.get("attempt"): item for item in record.get("evidence") or [] if isinstance(item, dict)}
    findings: list[Finding] = []
    for attempt in attempts:
        why = _wrong(attempt, proof.get(attempt.get("number")), constraints, labels)
        findings += [_finding(record, attempt, said) for said in why]
    extra = set(proof) - {attempt.get("number") for attempt in attempts}
    findings += [
        _finding(record, {"number": number}, "there is evidence for an attempt that is not there") for number in extra
    ]
    return findings


def _wrong(
    attempt: Mapping[str, Any],
    evidence: Mapping[str, Any] | None,
    constraints: list[Constraint],
    declared: Mapping[str, Mapping[str, str]] | None,
) -> list[str]:
    if evidence is None:
        return ["there is no evidence for it"]
    name = attempt.get("deployment", "")
    if evidence.get("deployment") != name:
        return [f"its evidence is about {evidence.get('deployment')}"]
    labels = evidence.get("labels")
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        return ["its evidence has no labels"]
    said: list[str] = []
    if attempt.get("region", "") != labels.get("region", ""):
        said.append(
            f"the attempt was in region '{attempt.get('region', '')}', its evidence says '{labels.get('region', '')}'"
        )
    if declared is not None and name in declared and dict(declared[name]) != labels:
        said.append("its evidence is not what the configuration declares")
        labels = dict(declared[name])
    price = evidence.get("price")
    paid = (price["input"], price["output"]) if isinstance(price, dict) else None
    for constraint in constraints:
        broken = violation(constraint, labels, paid)
        if broken is not None:
            said.append(f"{broken.origin}: {broken.detail}")
    return said


def _constraint(written: Any) -> Constraint | None:
    try:
        ceiling = written.get("max_price")
        return Constraint(
            origin=str(written["origin"]),
            require={name: tuple(values) for name, values in written.get("require", {}).items()},
            forbid={name: tuple(values) for name, values in written.get("forbid", {}).items()},
            max_price=Ceiling(ceiling.get("input"), ceiling.get("output")) if ceiling is not None else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _finding(record: Mapping[str, Any], attempt: Mapping[str, Any], why: str) -> Finding:
    return Finding(
        record=str(record.get("id", "")),
        attempt=int(attempt.get("number", 0) or 0),
        deployment=str(attempt.get("deployment", "")),
        why=why,
    )
