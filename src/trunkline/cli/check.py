"""`trunkline check`: validate the configuration offline; `--schema` prints its JSON Schema."""

from __future__ import annotations

import sys

import click

from trunkline.app.boot import Boot
from trunkline.app.tasking import task_notes
from trunkline.cli.printing import USAGE, config_option, json_option, print_json, problems
from trunkline.config.schema import json_schema


@click.command()
@config_option
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the configuration file and exit.")
@click.option("--twins", is_flag=True, help="Check as `serve --twins` would read it (missing secrets are filled in).")
@json_option
def check(config: str, schema: bool, twins: bool, as_json: bool) -> None:
    """Say whether the configuration is valid, and what is wrong where."""
    if schema:
        print_json(json_schema())
        return
    boot = Boot.load(config, twins=twins)
    if isinstance(boot, list):
        if as_json:
            print_json({"valid": False, "problems": [str(problem) for problem in boot]})
            sys.exit(USAGE)
        problems(boot)
    snapshot = boot.snapshot
    summary = {
        "valid": True,
        "digest": snapshot.digest,
        "routes": sorted(snapshot.routes),
        "deployments": sorted(snapshot.deployments),
    }
    notes = task_notes(snapshot.guesser)
    if as_json:
        print_json({**summary, "notes": notes})
        return
    click.echo(f"{config} is valid: {len(snapshot.routes)} routes, {len(snapshot.deployments)} deployments")
    click.echo(f"digest {snapshot.digest}")
    for note in notes:
        click.echo(note)
