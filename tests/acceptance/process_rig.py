"""The gateway's real processes (supervisor, workers, recorder), and twins as processes of their own that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_process import free_ports
from trunkline.app.boot import Boot
from trunkline.app.journal_view import Records
from trunkline.app.keyring import Keys
from trunkline.policy.keys import Issued
from trunkline.storage.contract import RecordFilter

#: Time limits are five times the mark on real sockets (reliability.md section 8).
SLACK = 5.0
TWINS = ("openai", "anthropic", "gemini", "ark")
CLI = [sys.executable, "-m", "trunkline.cli"]

PAIR = """
providers:
  openai: {{api_key: k, base_url: "http://127.0.0.1:{openai}/v1"}}
  anthropic: {{api_key: k, base_url: "http://127.0.0.1:{anthropic}"}}
deployments:
  gpt: {{provider: openai, model: gpt-6.1-sol}}
  claude: {{provider: anthropic, model: claude-sonnet-5-5}}
routes:
  assistant: {{use: [gpt, claude]}}
"""


def until(met: Callable[[], Any], what: str | Callable[[], object], within: float = 20.0) -> float:
    """Polls; returns the seconds that it took. For use where no event loop has to go on meanwhile."""
    started = time.monotonic()
    while not met():
        if time.monotonic() - started > within:
            raise AssertionError(f"not within {within} s: {what() if callable(what) else what}")
        time.sleep(0.01)
    return time.monotonic() - started


async def eventually(met: Callable[[], Any], what: str, within: float = 20.0) -> float:
    """The same inside a loop."""
    started = time.monotonic()
    while not met():
        assert time.monotonic() - started < within, f"not within {within} s: {what}"
        await asyncio.sleep(0.01)
    return time.monotonic() - started


def get(port: int, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status (0: no answer), headers with lower-case names, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, {}, b""
    finally:
        connection.close()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def rss(pid: int) -> int:
    """Resident bytes."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024


def alive(pid: int) -> bool:
    """Running, not merely waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class TwinProcess:
    """One provider alone in its process: killing it leaves the others alone."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        made = dict(zip(TWINS, free_ports(len(TWINS)), strict=True))
        self.port = made[name]
        command = [*CLI, "twins"]
        for twin, port in made.items():
            command += [f"--{twin}", str(port)]
        self.log = (directory / f"twin-{name}.log").open("wb")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def pace(self, **pace: float) -> None:
        """`tokens_per_second`, `first_token_ms`, `tokens`; for requests that arrive from now on."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("PUT", "/_twin/pace", json.dumps(pace))
        assert connection.getresponse().status == 200
        connection.close()

    def asked(self) -> int:
        """Requests that have reached it so far."""
        _, _, body = get(self.port, "/_twin/ledger")
        return len(json.loads(body)["requests"])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.log.close()


@dataclass
class Rig:
    """`extra` is put before the configuration's own sections."""

    directory: Path
    twins: dict[str, TwinProcess] = field(default_factory=dict)
    port: int = 0
    metrics_port: int = 0
    key: str = ""
    key_id: str = ""
    process: subprocess.Popen[bytes] | None = None
    config: str = ""
    workers: int = 1
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.directory / "trunkline.yaml"

    @property
    def log(self) -> str:
        return (self.directory / "serve.log").read_text(errors="replace")

    def start(
        self, config: str = PAIR, *, workers: int = 1, drain: str = "{grace: 0s}", extra: str = "", twins: bool = False
    ) -> Rig:
        """Twins named in `config` as {openai} and so on are started, each in a process of its own; with `twins` it is
        `serve --twins` that starts all of them in one."""
        for name in TWINS if not twins else ():
            if "{" + name + "}" in config:
                self.twins[name] = TwinProcess(name, self.directory)
        self.workers = workers
        if twins:  # children of the supervisor instead
            self.environment["TRUNKLINE_TWIN_PORTS"] = ",".join(
                f"{name}={port}" for name, port in zip(TWINS, free_ports(len(TWINS)), strict=True)
            )
            config = re.sub(r"\{(" + "|".join(TWINS) + r")\}", "1", config)
        self.port, self.metrics_port = free_ports(2)
        self.config = (
            f"listen: 127.0.0.1:{self.port}\nmetrics_listen: 127.0.0.1:{self.metrics_port}\nworkers: {workers}\n"
            f"store: sqlite:///{self.directory}/store.db\nstate_dir: {self.directory}/state\ndrain: {drain}\n{extra}"
            + config.format(**{name: twin.port for name, twin in self.twins.items()})
        )
        self.path.write_text(self.config)
        self.key, self.key_id = self.create_key("acceptance")
        self._serve()
        for name, twin in self.twins.items():
            until(lambda port=twin.port: listens(port), f"the {name} twin listens")
        return self

    def restart(self) -> None:
        """Another supervisor on the same state, ports and twins; the one before has ended."""
        assert self.process is not None
        self.process.wait(5)
        self._serve()

    def _serve(self) -> None:
        (self.directory / "serve.log").touch()
        said = self.log.count('"ready"')
        with (self.directory / "serve.log").open("ab") as log:
            command = [*CLI, "serve", "--config", str(self.path)] + (["--twins"] if self.environment else [])
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory, env=environment)
        until(lambda: self._all_ready(said), "workers and recorder are ready")
        assert get(self.port, "/readyz")[0] == 200

    def _all_ready(self, said: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-3000:]
        return self.log.count('"ready"') > said + self.workers  # and the recorder

    def pids(self, role: str = "") -> list[int]:
        """Children of the supervisor, by role: worker, recorder; by default all."""
        assert self.process is not None
        found = []
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in map(int, listed):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if (
                    "trunkline.app.child" in words
                    and role in words[words.index("trunkline.app.child") + 1]
                    and alive(pid)
                ):
                    found.append(pid)
        return found

    # --- keys and records --------------------------------------------------------------------------------------------
    def boot(self) -> Boot:
        boot = Boot.load(str(self.path))
        assert isinstance(boot, Boot), [str(p) for p in boot]
        return boot

    def create_key(self, name: str) -> tuple[str, str]:
        made = Keys(self.boot()).create(name=name)
        assert isinstance(made, Issued)
        return made.key, made.key_id

    def records(self) -> list[dict[str, Any]]:
        with Records(self.boot()) as records:
            return records.query(RecordFilter(), 1_000_000)

    def logged(self) -> list[dict[str, Any]]:
        """What `trunkline logs` prints."""
        command = [*CLI, "logs", "--config", str(self.path), "--json", "--limit", "100000"]
        done = subprocess.run(command, capture_output=True, timeout=60, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    # --- the end -----------------------------------------------------------------------------------------------------
    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, within: float = 60.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(within)

    def close(self) -> None:
        """Leaves nothing running, however the test went."""
        left: list[int] = []
        if self.process is not None and self.process.poll() is None:
            left = self.pids()
            self.process.kill()
            self.process.wait()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for twin in self.twins.values():
            twin.close()
