"""`trunkline keys`: virtual keys live in the store, not in the configuration."""

from __future__ import annotations

import json
import sys
import time
from typing import TypedDict, Unpack

import click

from trunkline.app.boot import Boot
from trunkline.app.job_view import webhook_secret
from trunkline.app.keyring import Keys
from trunkline.cli.printing import NEGATIVE, USAGE, config_option, json_option, print_json, problems, table
from trunkline.policy.keys import KeyLimits
from trunkline.types.failure import Failure
from trunkline.types.principal import Priority


class Wanted(TypedDict):
    """What the command line says of a new key."""

    config: str
    name: str
    team: str
    user: str
    feature: str
    require: tuple[str, ...]
    forbid: tuple[str, ...]
    task: str
    priority: Priority
    as_json: bool


@click.group()
def keys() -> None:
    """Create, list and revoke virtual keys."""


@keys.command()
@config_option
@click.option("--name", required=True, help="What the key is for.")
@click.option("--team", default="", help="Team that answers for its use.")
@click.option("--user", default="", help="User it belongs to.")
@click.option("--feature", default="", help="Product feature its traffic is attributed to.")
@click.option(
    "--require", multiple=True, metavar="LABEL=VALUE", help="Only deployments with this label; may be repeated."
)
@click.option("--forbid", multiple=True, metavar="LABEL=VALUE", help="No deployment with this label; may be repeated.")
@click.option("--task", default="", help="What its requests are about, where they do not say so themselves.")
@click.option(
    "--priority",
    type=click.Choice(["interactive", "batch"]),
    default="interactive",
    show_default=True,
    help="Under load, requests of batch are refused first and wait longest.",
)
@json_option
def create(**asked: Unpack[Wanted]) -> None:
    """Make a key. It is shown once and stored only as a keyed hash."""
    as_json = asked["as_json"]
    limits = KeyLimits(
        require=_labels("--require", asked["require"]),
        forbid=_labels("--forbid", asked["forbid"]),
        task=asked["task"],
        priority=asked["priority"],
    )
    made = _keys(asked["config"]).create(
        name=asked["name"], team=asked["team"], user=asked["user"], feature=asked["feature"], limits=limits
    )
    if isinstance(made, Failure):
        click.echo(f"--{made.param}: {made.message}", err=True)
        sys.exit(USAGE)
    if as_json:
        print_json({"key_id": made.key_id, "key": made.key})
        return
    click.echo(f"key id  {made.key_id}")
    click.echo(f"key     {made.key}")
    click.echo("The key is shown only now. Keep it where your application reads its secrets.")


@keys.command("list")
@config_option
@json_option
def list_keys(config: str, as_json: bool) -> None:
    """Show all keys, newest first; never the secret itself."""
    rows = _keys(config).list()
    if as_json:
        print_json(
            [
                {
                    "key_id": r.key_id,
                    "name": r.name,
                    "team": r.team,
                    "user": r.user,
                    "feature": r.feature,
                    "created_at": r.created_at,
                    "revoked_at": r.revoked_at,
                    "expires_at": r.expires_at,
                    "limits": json.loads(r.limits) if r.limits else {},
                }
                for r in rows
            ]
        )
        return
    table(
        f"{len(rows)} keys",
        ("key id", "name", "team", "user", "feature", "created", "state"),
        (
            (r.key_id, r.name, r.team, r.user, r.feature, _day(r.created_at), "revoked" if r.revoked_at else "active")
            for r in rows
        ),
    )


@keys.command()
@config_option
@click.argument("key_id")
@json_option
def revoke(config: str, key_id: str, as_json: bool) -> None:
    """Refuse a key from now on (everywhere within two seconds)."""
    done = _keys(config).revoke(key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": done})
    elif done:
        click.echo(f"{key_id} is revoked")
    else:
        click.echo(f"there is no active key {key_id}", err=True)
    sys.exit(0 if done else NEGATIVE)


@keys.command("webhook-secret")
@config_option
@click.argument("key_id")
@json_option
def secret(config: str, key_id: str, as_json: bool) -> None:
    """Show what a receiver checks the signatures of this key's webhooks with (Standard Webhooks)."""
    boot = Boot.load(config, twins=True)
    if isinstance(boot, list):
        problems(boot)
    if not any(row.key_id == key_id for row in Keys(boot).list()):
        click.echo(f"there is no key {key_id}", err=True)
        sys.exit(NEGATIVE)
    found = webhook_secret(boot, key_id)
    if as_json:
        print_json({"key_id": key_id, "webhook_secret": found})
    else:
        click.echo(found)


def _labels(option: str, pairs: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Several values of one label are alternatives."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (equals and name and value and pair.isprintable()):
            click.echo(f"{option}: write LABEL=VALUE, such as region=eu", err=True)
            sys.exit(USAGE)
        found[name] = (*found.get(name, ()), value)
    return found


def _keys(config: str) -> Keys:
    boot = Boot.load(config, twins=True)
    if isinstance(boot, list):
        problems(boot)
    return Keys(boot)


def _day(micros: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(micros / 1e6))
