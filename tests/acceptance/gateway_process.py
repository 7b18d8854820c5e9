"""The real gateway process with its twins, on free ports, for acceptance tests."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trunkline.app.boot import Boot
from trunkline.app.journal_view import Records
from trunkline.storage.contract import RecordFilter

ROOT = Path(__file__).parents[2]
TWINS = ("openai", "anthropic", "gemini", "ark")


#: Below the kernel's range for outgoing connections: nobody is given one of these by chance.
_PORTS = range(11_000, 32_000)
_BLOCK = len(_PORTS) // 10
_worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % 10
_next = itertools.cycle(range(_BLOCK))
for _ in range(os.getpid() * 37 % _BLOCK):
    next(_next)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different, and not given out again soon. Each test worker has a block of its own."""
    found: list[int] = []
    while len(found) < count:
        port = _PORTS[_worker * _BLOCK + next(_next)]
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


@dataclass
class Gateway:
    """`base` has no path. `twins` maps name to port. `config` is the file that it serves."""

    process: subprocess.Popen[bytes]
    base: str
    port: int
    metrics_port: int
    key: str
    twins: dict[str, int]
    config: Path
    environment: dict[str, str]
    asked: int = 0

    @classmethod
    def start(cls, directory: Path, config: str, *, workers: int = 1, twins: bool = True) -> Gateway:
        """`config` holds providers, deployments and routes; everything else is added. `drain.grace` is 0."""
        ports = free_ports(2 + len(TWINS))
        twin_ports = dict(zip(TWINS, ports[2:], strict=True))
        path = directory / "trunkline.yaml"
        path.write_text(
            f"listen: 127.0.0.1:{ports[0]}\nmetrics_listen: 127.0.0.1:{ports[1]}\nworkers: {workers}\n"
            f"store: sqlite:///{directory}/trunkline.db\nstate_dir: {directory}/state\ndrain: {{grace: 0s}}\n" + config
        )
        environment = {
            **os.environ,
            "TRUNKLINE_TWIN_PORTS": ",".join(f"{name}={port}" for name, port in twin_ports.items()),
        }
        made = trunkline(["keys", "create", "--config", str(path), "--name", "acceptance", "--json"], environment)
        log = (directory / "serve.log").open("wb")
        arguments = [sys.executable, "-m", "trunkline.cli", "serve", "--config", str(path)]
        process = subprocess.Popen(
            arguments + (["--twins"] if twins else []), env=environment, stderr=log, stdout=log, cwd=directory
        )
        key = json.loads(made)["key"]
        gateway = cls(process, f"http://127.0.0.1:{ports[0]}", ports[0], ports[1], key, twin_ports, path, environment)
        try:
            gateway.wait_ready()
            for port in twin_ports.values() if twins else ():
                wait_port(port)
        except BaseException:
            process.kill()
            sys.stderr.write((directory / "serve.log").read_text()[-4000:])
            raise
        return gateway

    def wait_ready(self, within: float = 20.0) -> None:
        until = time.monotonic() + within
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"the gateway ended with {self.process.returncode}")
            try:
                if self.get("/readyz") == 200:
                    return
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("the gateway did not become ready")

    def get(self, path: str, port: int | None = None) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def settled(self, within: float = 10.0) -> list[dict[str, Any]]:
        """All records so far, newest first, once one for an exchange begun now is among them (of one worker they arrive
        in order)."""
        self.asked += 1
        alias = f"no-such-model-{self.asked}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        body = json.dumps({"model": alias, "messages": [{"role": "user", "content": "x"}]})
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        assert connection.getresponse().status == 404
        connection.close()
        boot = Boot.load(str(self.config), twins=True)
        assert isinstance(boot, Boot)
        until = time.monotonic() + within
        with Records(boot) as records:
            while not records.query(RecordFilter(alias=alias), 1):
                assert time.monotonic() < until, "an exchange has no record"
                time.sleep(0.02)
            return records.query(RecordFilter(), 1_000_000)

    def records(self, limit: int = 10_000) -> list[dict[str, object]]:
        text = trunkline(["logs", "--config", str(self.config), "--json", "--limit", str(limit)], self.environment)
        return [json.loads(line) for line in text.splitlines()]


def wait_port(port: int, within: float = 20.0) -> None:
    until = time.monotonic() + within
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing listens on port {port}")


def trunkline(arguments: list[str], environment: dict[str, str]) -> str:
    """A command of the real command line; its standard output."""
    done = subprocess.run(
        [sys.executable, "-m", "trunkline.cli", *arguments], env=environment, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
