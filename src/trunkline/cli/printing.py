"""How commands print: JSON for programs, tables for people, problems on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, NoReturn

import click
import msgspec
from rich.console import Console
from rich.table import Table

FINE, NEGATIVE, USAGE, UNREACHABLE = 0, 1, 2, 3

config_option = click.option(
    "--config",
    "config",
    default="./trunkline.yaml",
    show_default=True,
    envvar="TRUNKLINE_CONFIG",
    help="Configuration file or directory of fragments.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def print_json(value: Any) -> None:
    click.echo(json.dumps(msgspec.to_builtins(value), indent=2, ensure_ascii=False))


def print_line(value: Any) -> None:
    """One JSON value on one line."""
    click.echo(msgspec.json.encode(value).decode())


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    made = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(column)
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    Console(soft_wrap=False, width=None if sys.stdout.isatty() else 160).print(made)


def problems(found: Iterable[object]) -> NoReturn:
    """Configuration problems: each on a line of standard error; exit 2."""
    for problem in found:
        click.echo(str(problem), err=True)
    sys.exit(USAGE)
