"""`/healthz` and `/metrics` on the supervisor's own listener."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from trunkline.transport.contract import Call

if TYPE_CHECKING:
    from trunkline.app.supervisor import Supervisor


class StatusPage:
    """An `Application` with two pages."""

    def __init__(self, supervisor: Supervisor) -> None:
        self.supervisor = supervisor
        self.started_at = time.monotonic()

    def on_head(self, call: Call) -> int:
        path = call.target.partition(b"?")[0]
        if call.method not in (b"GET", b"HEAD"):
            call.respond(405, [(b"allow", b"GET, HEAD")], b"")
        elif path == b"/healthz":
            call.respond(200, [(b"content-type", b"application/json")], json.dumps(self._health()).encode())
        elif path == b"/metrics":
            call.respond(200, [(b"content-type", b"text/plain; version=0.0.4")], self._metrics().encode())
        else:
            call.respond(404, [(b"content-type", b"text/plain")], b"/healthz and /metrics are here\n")
        return -1

    def on_request(self, call: Call) -> None:
        """Every answer is given at the head."""

    def _health(self) -> dict[str, object]:
        s = self.supervisor
        children = [*s.workers, s.recorder]
        return {
            "status": "ok" if all(c.alive for c in children) else "degraded",
            "snapshot": s.boot.number,
            "children": {c.name: {"alive": c.alive, "restarts": c.restarts} for c in children},
        }

    def _metrics(self) -> str:
        s = self.supervisor
        lines = [
            "# HELP trunkline_config_snapshot Number of the configuration snapshot in force.",
            "# TYPE trunkline_config_snapshot gauge",
            f"trunkline_config_snapshot {s.boot.number}",
            "# HELP trunkline_config_invalid 1 while the configuration file is refused.",
            "# TYPE trunkline_config_invalid gauge",
            f"trunkline_config_invalid {int(s.config_invalid)}",
            "# HELP trunkline_process_up 1 while the process runs.",
            "# TYPE trunkline_process_up gauge",
        ]
        children = [*s.workers, s.recorder]
        lines += [f'trunkline_process_up{{process="{c.name}"}} {int(c.alive)}' for c in children]
        lines += [
            "# HELP trunkline_process_restarts_total How often the supervisor has started the process again.",
            "# TYPE trunkline_process_restarts_total counter",
        ]
        lines += [f'trunkline_process_restarts_total{{process="{c.name}"}} {c.restarts}' for c in children]
        return "\n".join(lines) + "\n"
