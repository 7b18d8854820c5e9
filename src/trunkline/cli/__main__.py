"""`trunkline` and `python -m trunkline.cli`."""

from __future__ import annotations

import click

from trunkline import __version__
from trunkline.cli.audit import audit
from trunkline.cli.check import check
from trunkline.cli.config import config_
from trunkline.cli.doctor import doctor
from trunkline.cli.explain import explain
from trunkline.cli.jobs import jobs
from trunkline.cli.keys import keys
from trunkline.cli.logs import logs
from trunkline.cli.plan import plan_
from trunkline.cli.serve import serve
from trunkline.cli.tasks import tasks
from trunkline.cli.twins import twins


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="trunkline")
def main() -> None:
    """A self-hosted AI gateway that never lies to the caller."""


for command in (serve, check, explain, plan_, config_, keys, logs, jobs, audit, tasks, twins, doctor):
    main.add_command(command)

if __name__ == "__main__":
    main(prog_name="trunkline")
