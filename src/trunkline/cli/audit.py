"""`trunkline audit`: proofs from what is written down."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from trunkline.app.boot import Boot
from trunkline.app.journal_view import Records
from trunkline.cli.printing import NEGATIVE, USAGE, config_option, json_option, print_json, problems, table
from trunkline.ledger.residency import Finding, check_record
from trunkline.storage.contract import RecordFilter


@click.group()
def audit() -> None:
    """Check records offline."""


@audit.command("verify-residency")
@config_option
@click.option(
    "--file",
    "file",
    default=None,
    type=click.Path(exists=True, dir_okay=False),
    help="Records as `logs --json` prints them, instead of the store.",
)
@click.option(
    "--labels/--no-labels",
    default=False,
    help="Also compare the evidence with the labels that the configuration declares now.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000_000),
    default=1_000_000,
    show_default=True,
    help="How many records of the store.",
)
@json_option
def verify_residency(config: str, file: str | None, labels: bool, limit: int, as_json: bool) -> None:
    """Check that no hop of any record went outside the constraints that applied to it. Exit 1 if one did."""
    boot = Boot.load(config, twins=True) if file is None or labels else None
    if isinstance(boot, list):
        problems(boot)
    declared = None
    if labels and boot is not None:
        declared = {name: deployment.labels for name, deployment in boot.snapshot.deployments.items()}
    records: Iterable[dict[str, Any]]
    if file is not None:
        records = _lines(file)
    else:
        assert boot is not None
        with Records(boot) as store:
            records = store.query(RecordFilter(), limit)
    seen = bound = hops = 0
    findings: list[Finding] = []
    for record in records:
        seen += 1
        bound += bool(record.get("constraints"))
        hops += len(record.get("attempts") or []) if record.get("constraints") else 0
        findings += check_record(record, declared)
    if as_json:
        print_json({"records": seen, "bound": bound, "hops": hops, "violations": findings})
    else:
        _show(seen, bound, hops, findings)
    sys.exit(NEGATIVE if findings else 0)


def _lines(file: str) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(Path(file).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            click.echo(f"{file}:{number}: not a record; one JSON object a line is wanted", err=True)
            sys.exit(USAGE)
        yield record


def _show(seen: int, bound: int, hops: int, findings: list[Finding]) -> None:
    click.echo(f"{seen} records, {bound} of them bound by constraints, {hops} hops checked")
    if not findings:
        click.echo("no hop went outside its constraints")
        return
    rows = ((f.record, f.attempt, f.deployment, f.why) for f in findings)
    table(f"{len(findings)} violations", ("record", "attempt", "deployment", "why"), rows)
