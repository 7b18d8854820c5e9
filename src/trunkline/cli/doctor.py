"""`trunkline doctor`: is this machine, this configuration and what they need in order?"""

from __future__ import annotations

import sys

import click

from trunkline.app.diagnosis import diagnose
from trunkline.cli.printing import NEGATIVE, config_option, json_option, print_json


@click.command()
@config_option
@click.option("--twins", is_flag=True, help="Examine as `serve --twins` would run.")
@json_option
def doctor(config: str, twins: bool, as_json: bool) -> None:
    """Look for what would make serving fail: configuration, store, journal directory, ports, limits, providers."""
    findings = diagnose(config, twins=twins)
    if as_json:
        print_json(findings)
    else:
        for f in findings:
            click.echo(f"{'ok  ' if f.ok else 'BAD '} {f.about}: {f.detail}")
            if not f.ok and f.advice:
                click.echo(f"     {f.advice}")
    sys.exit(0 if all(f.ok for f in findings) else NEGATIVE)
