"""`trunkline serve`: the supervisor with its workers and recorder."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trunkline.app.boot import Boot, state_dir_said
from trunkline.app.log import install
from trunkline.app.serving import serve_forever
from trunkline.cli.printing import USAGE, config_option, problems

DEFAULT_STATE = "./.trunkline"


@click.command()
@config_option
@click.option("--workers", type=click.IntRange(1, 256), default=None, help="Override `workers:`.")
@click.option("--twins", is_flag=True, help="Start the provider twins and send all upstream traffic to them.")
def serve(config: str, workers: int | None, twins: bool) -> None:
    """Serve until SIGTERM, which drains; SIGHUP or a changed file reloads."""
    install("supervisor")
    state_dir = state_dir_said(config) or Path(DEFAULT_STATE)
    boot = Boot.load_or_last_good(config, state_dir, twins=twins, workers=workers)
    if isinstance(boot, list):
        problems(boot)
    for problem in boot.refused:
        click.echo(f"{problem}\n  … serving on the last good configuration", err=True)
    try:
        code = serve_forever(boot)
    except OSError as error:
        click.echo(f"trunkline: {error}", err=True)
        sys.exit(USAGE)
    sys.exit(code)
