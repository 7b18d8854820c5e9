"""`trunkline explain`: decision and plan for a request, without sending anything."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path
from typing import TypedDict, Unpack

import click

from trunkline.app.boot import Boot
from trunkline.app.explaining import Explanation, Supposed, explain_record, explain_request, prompt_request
from trunkline.app.journal_view import Records
from trunkline.app.keyring import Keys
from trunkline.cli.printing import NEGATIVE, USAGE, config_option, json_option, print_json, problems
from trunkline.policy.keys import held
from trunkline.server.caller import read_caller
from trunkline.storage.contract import StoreUnavailable
from trunkline.types.failure import Failure
from trunkline.types.principal import Principal

_RECORD = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Asked(TypedDict):
    """What the command line says; `model` and `prompt` stand in for a request file."""

    config: str
    request: str | None
    model: str | None
    prompt: str
    stream: bool
    dialect: str
    team: str
    user: str
    feature: str
    header: tuple[str, ...]
    ejected: tuple[str, ...]
    twins: bool
    as_json: bool


@click.command()
@config_option
@click.argument("request", required=False, metavar="[REQUEST_FILE | RECORD_ID]")
@click.option("--model", default=None, help="Alias to ask for (instead of a request file).")
@click.option("--prompt", default="Hello", show_default=True, help="User text to go with --model.")
@click.option("--stream", is_flag=True, help="As a streamed request.")
@click.option(
    "--dialect",
    type=click.Choice(["openai_chat", "anthropic_messages", "gemini_generate"]),
    default="openai_chat",
    show_default=True,
    help="Dialect of the request.",
)
@click.option("--team", default="", help="Team of the key that asks.")
@click.option("--user", default="", help="User of the key that asks.")
@click.option("--feature", default="", help="Feature of the key that asks.")
@click.option(
    "--header", multiple=True, metavar="NAME: VALUE", help="A request header, such as 'x-trunkline-task: code'."
)
@click.option("--ejected", multiple=True, metavar="DEPLOYMENT", help="Suppose that this deployment is out of health.")
@click.option("--twins", is_flag=True, help="Read the configuration as `serve --twins` would.")
@json_option
def explain(**asked: Unpack[Asked]) -> None:
    """Print what would happen to a request: facts, route, candidates in order, upstream request, losses. Of a record: what
    the configuration would do with its request now."""
    said, model = asked["request"], asked["model"] or ""
    if said is None and not model:
        click.echo("give a request file, the id of a record, or --model NAME [--prompt TEXT]", err=True)
        sys.exit(USAGE)
    boot = Boot.load(asked["config"], twins=asked["twins"])
    if isinstance(boot, list):
        problems(boot)
    if said is not None and _RECORD.fullmatch(said) and not Path(said).exists():
        explanation = _of_record(boot, said)
    else:
        made = prompt_request(asked["dialect"], model, asked["prompt"], asked["stream"])
        body = _body(said) if said is not None else made
        supposed = _supposed(asked)
        explanation = explain_request(boot, asked["dialect"], body, supposed, model=model, stream=asked["stream"])
    if asked["as_json"]:
        print_json(explanation)
    else:
        show(explanation)
    sys.exit(NEGATIVE if explanation.refusal else 0)


def _supposed(asked: Asked) -> Supposed:
    """The headers are read as the front door reads them."""
    told = {name.strip().lower(): value.strip() for name, _, value in (h.partition(":") for h in asked["header"])}
    caller = read_caller(
        [(n.encode("latin-1", "replace"), v.encode("latin-1", "replace")) for n, v in told.items()], b""
    )
    if isinstance(caller, Failure):
        click.echo(f"--header: {caller.message}", err=True)
        sys.exit(USAGE)
    principal = Principal(key_id="explain", team=asked["team"], user=asked["user"], feature=asked["feature"])
    return Supposed(principal=principal, labels=caller.labels, headers=told, wall=time.time(), ejected=asked["ejected"])


def _of_record(boot: Boot, record_id: str) -> Explanation:
    try:
        with Records(boot) as store:
            record = store.find(record_id)
        keys = {row.key_id: held(row) for row in Keys(boot).list()}
    except StoreUnavailable as error:
        click.echo(f"the store cannot be read: {error}", err=True)
        sys.exit(NEGATIVE)
    if record is None:
        click.echo(f"there is no record {record_id}", err=True)
        sys.exit(NEGATIVE)
    if record.get("operation") != "chat" or not record.get("alias"):
        click.echo(f"record {record_id} is of no chat request that named a model: there is nothing to decide", err=True)
        sys.exit(USAGE)
    return explain_record(boot, record, keys.get(str(record.get("key_id"))))


def _body(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        click.echo(f"{file} cannot be read: {error.strerror}", err=True)
        sys.exit(USAGE)


def show(e: Explanation) -> None:
    click.echo(f"dialect   {e.dialect}")
    click.echo(f"model     {e.model}{'  (streamed)' if e.stream else ''}")
    click.echo(f"facts     {e.facts}")
    if e.refusal:
        click.echo(f"refused   {e.refusal}")
    if e.task:
        click.echo(f"task      {e.task}")
    if e.rule:
        click.echo(f"rule      {e.rule}")
    for note in e.notes:
        click.echo(f"note      {note}")
    for constraint in e.constraints:
        click.echo(f"bound by  {constraint}")
    if not e.route:
        return
    click.echo(f"route     {e.route} ({e.strategy}{', arm ' + e.arm if e.arm else ''})")
    for at, leg in enumerate(e.legs, 1):
        click.echo(f"  {at}. {leg.deployment}: {leg.provider} {leg.model}, credential {leg.credential}")
        if leg.request:
            click.echo(f"     {leg.request}")
        click.echo(
            f"     {'same dialect, bytes untouched but for the model' if leg.same else 'translated to ' + leg.dialect}"
        )
        for loss in leg.losses:
            click.echo(f"     not carried: {loss}")
        if leg.refusal:
            click.echo(f"     cannot serve this: {leg.refusal}")
    for dropped in e.dropped:
        click.echo(f"  left out: {dropped}")
    click.echo(f"retry     {e.retry}")
    click.echo(f"timeouts  {e.timeouts}")
