"""Entry of the supervised processes: `python -m trunkline.app.child ROLE INDEX [FD]`. Started by the supervisor only."""

from __future__ import annotations

import sys

from trunkline.app.boot import Boot
from trunkline.app.log import install


def main(arguments: list[str]) -> int:
    role, index = arguments[0], int(arguments[1])
    install(f"{role}-{index}" if role == "worker" else role)
    # Imports by role: a worker's start must not pay for what only the recorder or the twins need.
    if role == "worker":
        from trunkline.app.worker import work

        return work(Boot.inherited(), index, int(arguments[2]))
    if role == "recorder":
        from trunkline.app.recording import record

        return record(Boot.inherited())
    if role == "twins":
        from trunkline.app.simulate import simulate

        return simulate(Boot.inherited())
    raise SystemExit(f"unknown role {role!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
