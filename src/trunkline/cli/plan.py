"""`trunkline plan`: what a new file would change."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trunkline.app.boot import LAST_GOOD, Boot, state_dir_said
from trunkline.app.history import History
from trunkline.app.journal_view import Records
from trunkline.app.keyring import Keys
from trunkline.app.planning import Planned, Replayed, planned
from trunkline.cli.printing import NEGATIVE, USAGE, config_option, json_option, print_json, problems, table
from trunkline.policy.keys import held
from trunkline.storage.contract import RecordFilter, StoreUnavailable

DEFAULT_STATE = "./.trunkline"


@click.command("plan")
@config_option
@click.option("--against", type=int, default=None, help="A snapshot to compare with, instead of what is in force.")
@click.option(
    "--records",
    type=click.IntRange(0, 1_000_000),
    default=10_000,
    show_default=True,
    help="Recent exchanges to replay.",
)
@json_option
def plan_(config: str, against: int | None, records: int, as_json: bool) -> None:
    """Compare a file with what is in force, and replay recent exchanges under both. Sends nothing. Exit 1 if it differs."""
    new = Boot.load(config, twins=True)
    if isinstance(new, list):
        problems(new)
    old = _in_force(config, against)
    if old is None:
        click.echo("nothing was ever in force here: there is nothing to compare with", err=True)
        sys.exit(USAGE)
    try:
        keys = {row.key_id: held(row) for row in Keys(new).list()}
        with Records(new) as store:
            found = store.query(RecordFilter(), records) if records else []
    except StoreUnavailable:
        keys, found = {}, []
    made = planned(old.snapshot, new.snapshot, found, keys)
    if as_json:
        print_json(made)
    else:
        show(made)
    sys.exit(NEGATIVE if made.digest_before != made.digest_after else 0)


def _in_force(config: str, against: int | None) -> Boot | None:
    state = state_dir_said(config) or Path(DEFAULT_STATE)
    history = History(state)
    number = against if against is not None else history.pinned()
    folder = history.folder(number) if number is not None else state / LAST_GOOD
    if folder is None or not folder.is_dir():
        return None
    boot = Boot.load(str(folder), twins=True)
    if isinstance(boot, list):
        problems(boot)
    return boot


def show(made: Planned) -> None:
    if made.digest_before == made.digest_after:
        click.echo("nothing changes")
        return
    rows = ((change.what, change.before or "–", change.after or "–") for change in made.changes)
    table(f"{len(made.changes)} changes", ("what", "now", "then"), rows)
    if not made.before.requests:
        click.echo("there are no exchanges to replay")
        return
    click.echo(f"\n{made.before.requests} recent exchanges, by the deployment that is asked first:")
    names = sorted(made.before.deployments.keys() | made.after.deployments.keys())
    shares = ((n, _share(made.before, n), _share(made.after, n)) for n in names)
    table("traffic", ("deployment", "now", "then"), shares)
    regions = sorted(made.before.regions.keys() | made.after.regions.keys())
    counts = ((r or "(not declared)", made.before.regions.get(r, 0), made.after.regions.get(r, 0)) for r in regions)
    table("residency", ("region", "now", "then"), counts)
    click.echo(f"refused   {made.before.refused} → {made.after.refused}")
    click.echo(f"cost      {_dollars(made.before)} → {_dollars(made.after)}")
    for before, after, count in made.moved[:20]:
        click.echo(f"moves     {count} from {before} to {after}")


def _share(replayed: Replayed, name: str) -> str:
    count = replayed.deployments.get(name, 0)
    return f"{count} ({100.0 * count / replayed.requests:.1f}%)" if replayed.requests else "0"


def _dollars(replayed: Replayed) -> str:
    unknown = f" and {replayed.unpriced} without a known price" if replayed.unpriced else ""
    return f"${replayed.nanos / 1e9:.4f}{unknown}"
