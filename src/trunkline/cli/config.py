"""`trunkline config`: what was in force, what changed, and back to it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from trunkline.app.boot import Boot, state_dir_said
from trunkline.app.history import History, difference, lines_of
from trunkline.cli.printing import NEGATIVE, USAGE, config_option, json_option, print_json, table

DEFAULT_STATE = "./.trunkline"


@click.group("config")
def config_() -> None:
    """History of the configuration, differences, rollback."""


@config_.command()
@config_option
@json_option
def history(config: str, as_json: bool) -> None:
    """List every configuration that was in force."""
    kept, pinned = _history(config).entries(), _history(config).pinned()
    if as_json:
        print_json(
            [
                {"number": e.number, "digest": e.digest, "at": int(e.at * 1e6), "pinned": e.number == pinned}
                for e in reversed(kept)
            ]
        )
        return
    rows = ((e.number, _when(e.at), e.digest[:12], "pinned" if e.number == pinned else "") for e in reversed(kept))
    table(f"{len(kept)} snapshots", ("number", "in force since (UTC)", "digest", ""), rows)


@config_.command()
@config_option
@click.argument("before", type=int)
@click.argument("after", type=int, required=False)
@json_option
def diff(config: str, before: int, after: int | None, as_json: bool) -> None:
    """Show what differs between two snapshots, or between one and the file. Exit 1 if something does."""
    found = _history(config)
    old = found.text(before)
    if old is None:
        _unknown(before)
    if after is None:
        try:
            new, name = lines_of(Path(config)), config
        except OSError as error:
            click.echo(f"{config} cannot be read: {error.strerror}", err=True)
            sys.exit(USAGE)
    else:
        text = found.text(after)
        if text is None:
            _unknown(after)
        new, name = text, f"snapshot {after}"
    made = difference(old, new, (f"snapshot {before}", name))
    if as_json:
        print_json({"before": before, "after": after, "diff": made})
    else:
        click.echo(made, nl=False)
    sys.exit(NEGATIVE if made else 0)


@config_.command()
@config_option
@click.argument("number", type=int)
@json_option
def rollback(config: str, number: int, as_json: bool) -> None:
    """Put a snapshot back in force and pin it: the file is not looked at until the pin is lifted."""
    _pin(config, number, as_json)


@config_.command()
@config_option
@click.argument("number", type=int, required=False)
@click.option("--lift", is_flag=True, help="Look at the file again.")
@json_option
def pin(config: str, number: int | None, lift: bool, as_json: bool) -> None:
    """Show the pin, set it, or lift it."""
    found = _history(config)
    if lift:
        done = found.lift()
        if as_json:
            print_json({"pinned": None, "lifted": done})
        else:
            click.echo("the pin is lifted" if done else "there is no pin")
        sys.exit(0 if done else NEGATIVE)
    if number is not None:
        _pin(config, number, as_json)
        return
    pinned = found.pinned()
    if as_json:
        print_json({"pinned": pinned})
    else:
        click.echo("nothing is pinned" if pinned is None else f"snapshot {pinned} is pinned")


def _pin(config: str, number: int, as_json: bool) -> None:
    """What is no longer valid (a provider's option is gone, say) is not put in force."""
    found = _history(config)
    folder = found.folder(number)
    if folder is None:
        _unknown(number)
    boot = Boot.load(str(folder), twins=True)
    if isinstance(boot, list):
        for problem in boot:
            click.echo(str(problem), err=True)
        sys.exit(USAGE)
    found.pin(number)
    if as_json:
        print_json({"pinned": number, "digest": boot.digest})
        return
    click.echo(f"snapshot {number} is pinned; a running gateway follows within two seconds")
    click.echo("changes of the file are refused until `trunkline config pin --lift`")


def _unknown(number: int) -> NoReturn:
    click.echo(f"snapshot {number} is not kept; see `trunkline config history`", err=True)
    sys.exit(USAGE)


def _history(config: str) -> History:
    return History(state_dir_said(config) or Path(DEFAULT_STATE))


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))
