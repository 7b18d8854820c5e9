"""`trunkline logs`: the records of exchanges, newest first."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from trunkline.app.boot import Boot
from trunkline.app.journal_view import Records
from trunkline.cli.printing import NEGATIVE, config_option, json_option, print_line, problems, table
from trunkline.storage.contract import RecordFilter


@click.command()
@config_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--id", "record_id", default=None, help="One exchange, with its attempts.")
@click.option("--key", "key_id", default=None, help="Only this key id.")
@click.option("--route", default=None, help="Only this route.")
@click.option("--deployment", default=None, help="Only exchanges last served or tried by this deployment.")
@click.option("--outcome", default=None, help="ok, ok_saved, client_fault, refused_access, failed, broken, cancelled …")
@click.option("--team", default=None, help="Only this team.")
@click.option("--feature", default=None, help="Only this feature.")
@json_option
def logs(config: str, limit: int, record_id: str | None, as_json: bool, **filters: Any) -> None:
    """Show exchanges. With --json one record a line, as docs/reference/record.schema.json describes it."""
    boot = Boot.load(config, twins=True)
    if isinstance(boot, list):
        problems(boot)
    with Records(boot) as records:
        if record_id is not None:
            one = records.find(record_id)
            rows = [one] if one is not None else []
        else:
            rows = records.query(RecordFilter(**filters), limit)
    if as_json:
        for row in rows:
            print_line(row)
        return
    if record_id is not None:
        if not rows:
            click.echo(f"no record {record_id} (records reach the log within a second)", err=True)
            sys.exit(NEGATIVE)
        show(rows[0])
        return
    table(
        f"{len(rows)} exchanges, newest first",
        (
            "at (UTC)",
            "id",
            "key",
            "alias",
            "served by",
            "outcome",
            "status",
            "ms",
            "first token ms",
            "in",
            "out",
            "tries",
        ),
        (_line(row) for row in rows),
    )


def _line(r: dict[str, Any]) -> tuple[object, ...]:
    last = r["attempts"][-1]["deployment"] if r["attempts"] else "–"
    return (
        _time(r["started_at"]),
        r["id"],
        r["key_id"] or "–",
        r["alias"] or "–",
        last,
        r["outcome"],
        r["status"],
        f"{r['latency']['total'] / 1000:.1f}",
        "–" if r["first_token_us"] is None else f"{r['first_token_us'] / 1000:.1f}",
        _tokens(r["usage"], "input_uncached", "cache_read", "cache_write_5m", "cache_write_1h"),
        _tokens(r["usage"], "output"),
        len(r["attempts"]),
    )


def show(r: dict[str, Any]) -> None:
    """One exchange: what was asked, decided, tried, and where the time went."""
    click.echo(f"{r['id']}  {_time(r['started_at'])} UTC  {r['outcome']} {r['status']}")
    click.echo(
        f"  {r['surface']}  alias {r['alias']}  route {r['route']}  {'streamed' if r['stream'] else 'not streamed'}"
    )
    click.echo(f"  key {r['key_id']}  team {r['team'] or '–'}  user {r['user'] or '–'}  feature {r['feature'] or '–'}")
    click.echo(f"  plan {' → '.join(r['plan']) or '–'}")
    for drop in r["dropped"]:
        click.echo(f"  left out: {drop['deployment']} ({drop['reason']} {drop['detail']})")
    for a in r["attempts"]:
        verdict = "served" if a["class"] == "ok" else f"{a['class']} {a['kind']}"
        click.echo(
            f"  {a['number']}. {a['reason']:<8} {a['deployment']} ({a['model']})  {verdict}  status {a['status'] or '–'}"
            f"  {a['total_us'] / 1000:.1f} ms"
        )
    for loss in r["losses"]:
        click.echo(f"  not carried: {loss['field']} ({loss['reason']})")
    parts = [f"{name} {value / 1000:.1f}" for name, value in r["latency"].items() if value and name != "total"]
    click.echo(f"  {r['latency']['total'] / 1000:.1f} ms = {' + '.join(parts)}")
    usage = ", ".join(f"{kind} {c['tokens']} ({c['provenance']})" for kind, c in r["usage"].items())
    click.echo(f"  tokens: {usage or 'none'}")


def _tokens(usage: dict[str, Any], *kinds: str) -> str:
    found = [usage[k] for k in kinds if k in usage]
    if not found:
        return "–"
    mark = "" if all(c["provenance"] == "provider" for c in found) else "~"
    return f"{mark}{sum(c['tokens'] for c in found)}"


def _time(micros: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(micros / 1e6)) + f".{micros // 1000 % 1000:03d}"
