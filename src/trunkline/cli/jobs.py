"""`trunkline jobs`: durable jobs (video), as the store knows them."""

from __future__ import annotations

import sys
import time
from typing import Any

import click
import msgspec

from trunkline.app.boot import Boot
from trunkline.app.job_view import JobView, as_plain
from trunkline.cli.printing import NEGATIVE, config_option, json_option, print_json, print_line, problems, table
from trunkline.storage.contract import JobMatch
from trunkline.types.job import Job, Money

STATES = ("submitting", "queued", "running", "succeeded", "failed", "expired", "cancelled", "unknown")


@click.group()
def jobs() -> None:
    """List, show and cancel durable jobs (video)."""


@jobs.command("list")
@config_option
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only these states.")
@click.option("--key", "key_id", default=None, help="Only this key id.")
@click.option("--route", "alias", default=None, help="Only this model name, as clients send it.")
@click.option("--all", "hidden", is_flag=True, help="Deleted ones, and submissions that came to nothing, too.")
@json_option
def list_jobs(config: str, limit: int, states: tuple[str, ...], as_json: bool, **filters: Any) -> None:
    """Newest first. With --json one job a line."""
    with _view(config) as view:
        found, total = view.list(JobMatch(states=frozenset(states), **filters), limit)
    if as_json:
        for job in found:
            print_line(as_plain(job))
        return
    table(
        f"{len(found)} of {total} jobs, newest first",
        (
            "created (UTC)",
            "id",
            "model",
            "state",
            "%",
            "age s",
            "made by",
            "seconds",
            "size",
            "reserved $",
            "cost $",
        ),
        (_row(job) for job in found),
    )


@jobs.command()
@config_option
@click.argument("job_id")
@json_option
def show(config: str, job_id: str, as_json: bool) -> None:
    """One job, with its submissions and webhooks. JOB_ID as an API or the log shows it."""
    with _view(config) as view:
        job = view.find(job_id)
        deliveries = view.deliveries(job) if job is not None else ()
    if job is None:
        click.echo(f"there is no job {job_id}", err=True)
        sys.exit(NEGATIVE)
    told = [
        {k: v for k, v in msgspec.to_builtins(d).items() if k not in ("body", "url")} | {"to": d.url.split("/")[2]}
        for d in deliveries
    ]
    if as_json:
        print_json({**as_plain(job), "deliveries": told})
        return
    for name, value in as_plain(job).items():
        if value not in (None, "", [], {}) and name not in ("attempts", "version"):
            click.echo(f"{name:18}{_said(name, value)}")
    for attempt in job.attempts:
        click.echo(
            f"attempt {attempt.number}         {attempt.deployment} ({attempt.reason}): {attempt.class_} "
            f"{attempt.status or ''} {attempt.total_us / 1000:.0f} ms"
        )
    for d in deliveries:
        click.echo(
            f"webhook           {d.event}: {'delivered' if d.delivered_at else d.problem or 'due'}, {d.tries} tries"
        )


@jobs.command()
@config_option
@click.argument("job_id")
@json_option
def cancel(config: str, job_id: str, as_json: bool) -> None:
    """Call off a job that still waits at its provider. One that runs is finished and billed: exit code 1."""
    with _view(config) as view:
        job = view.find(job_id)
        if job is None:
            click.echo(f"there is no job {job_id}", err=True)
            sys.exit(NEGATIVE)
        if job.final:
            _end(job_id, f"it is {job.state} already", as_json)
        failure = view.cancel(job)
    _end(job_id, failure.message if failure is not None else "", as_json)


def _end(job_id: str, problem: str, as_json: bool) -> None:
    if as_json:
        print_json({"job": job_id, "cancelled": not problem, "problem": problem})
    else:
        click.echo(problem or f"{job_id} is cancelled", err=bool(problem))
    sys.exit(NEGATIVE if problem else 0)


def _view(config: str) -> JobView:
    boot = Boot.load(config, twins=True)
    if isinstance(boot, list):
        problems(boot)
    return JobView(boot)


def _row(job: Job) -> tuple[object, ...]:
    seen = job.finished_at if job.final else job.checked_at
    return (
        time.strftime("%m-%d %H:%M:%S", time.gmtime(job.created_at / 1e6)),
        job.id,
        job.alias,
        job.state,
        job.progress,
        "" if seen is None or job.final else f"{max(0.0, time.time() - seen / 1e6):.0f}",
        job.deployment,
        job.facts.seconds or job.seconds or "",
        job.facts.resolution or job.resolution or job.size,
        _dollars(job.estimate),
        _dollars(job.cost),
    )


def _dollars(money: Money | None) -> str:
    return "" if money is None else f"{money.nanos / 1e9:.6f}"


def _said(name: str, value: object) -> str:
    if name.endswith("_at") and isinstance(value, int):
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(value / 1e6))
    return str(value)
