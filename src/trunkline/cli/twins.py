"""`trunkline twins`: the provider simulators in the foreground."""

from __future__ import annotations

import sys

import click

from trunkline.app.log import install
from trunkline.app.simulate import run_twins
from trunkline.cli.printing import USAGE
from trunkline.twins.serve import PORTS


@click.command()
@click.option("--openai", type=int, default=PORTS["openai"], show_default=True, help="Port of the OpenAI twin.")
@click.option(
    "--anthropic", type=int, default=PORTS["anthropic"], show_default=True, help="Port of the Anthropic twin."
)
@click.option("--gemini", type=int, default=PORTS["gemini"], show_default=True, help="Port of the Gemini twin.")
@click.option("--ark", type=int, default=PORTS["ark"], show_default=True, help="Port of the ModelArk twin.")
@click.option("--scenario", type=click.Path(exists=True, dir_okay=False), help="YAML file of faults over time.")
def twins(openai: int, anthropic: int, gemini: int, ark: int, scenario: str | None) -> None:
    """Simulate the providers on loopback; faults by PUT /_twin/faults or a scenario file."""
    install("twins")
    try:
        code = run_twins({"openai": openai, "anthropic": anthropic, "gemini": gemini, "ark": ark}, scenario)
    except (OSError, ValueError) as error:
        click.echo(f"trunkline: {error}", err=True)
        sys.exit(USAGE)
    sys.exit(code)
