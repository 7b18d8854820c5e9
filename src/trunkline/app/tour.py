"""What `./run` shows: serve with the twins, send a few requests in three dialects, kill the primary, print a report."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from trunkline.app.boot import Boot
from trunkline.app.journal_view import Records
from trunkline.app.keyring import Keys
from trunkline.policy.keys import Issued
from trunkline.storage.contract import RecordFilter

READY_WITHIN = 20.0
FILM_WITHIN = 40.0
LIVE = {
    "openai": ("OPENAI_API_KEY", "gpt-6.1-sol"),
    "anthropic": ("ANTHROPIC_API_KEY", "claude-sonnet-5-5"),
    "google": ("GEMINI_API_KEY", "gemini-3.8-flash"),
    "modelark": ("ARK_API_KEY", "doubao-seed-2-1-pro-260915"),
}


class Sample(msgspec.Struct, kw_only=True):
    """One request of the tour and what came of it."""

    title: str
    status: int = 0
    deployment: str = ""
    attempts: str = ""
    text: str = ""
    ms: float = 0.0
    good: bool = False


class Tour:
    def __init__(self, boot: Boot, console: Console, twin_ports: dict[str, int]) -> None:
        self.boot = boot
        self.console = console
        self.twin_ports = twin_ports
        made = Keys(boot).create(name="tour", team="demo", feature="first-steps")
        assert isinstance(made, Issued)
        self.key, self.key_id = made.key, made.key_id
        self.samples: list[Sample] = []
        self.expected = 0  # records

    # --- requests ----------------------------------------------------------------------------------------------------
    def send(self, title: str, path: str, headers: dict[str, str], body: dict[str, Any]) -> Sample:
        sample = Sample(title=title)
        started = time.monotonic()
        try:
            answer, data = self.ask("POST", path, headers, body)
        except OSError as error:
            sample.text = str(error)
            return sample
        sample.ms = (time.monotonic() - started) * 1000
        sample.status = answer.status
        sample.deployment = answer.headers.get("x-trunkline-deployment", "")
        sample.attempts = answer.headers.get("x-trunkline-attempts", "")
        sample.text = " ".join(said(data.decode("utf-8", "replace")).split())
        sample.good = answer.status == 200 and bool(sample.text)
        return sample

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """One request of its own, which will have a record of its own."""
        host, port = self.boot.listen_address
        self.expected += 1
        connection = http.client.HTTPConnection(host, port, timeout=60)
        try:
            said = json.dumps(body) if body is not None else None
            connection.request(method, path, said, {"content-type": "application/json", **headers})
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def film(self, headers: dict[str, str]) -> Sample:
        """A video from its request to its bytes."""
        wish = {"model": "video", "prompt": "A lighthouse in fog", "seconds": "4", "size": "1280x720"}
        sample = Sample(title="a video by Seedance, in OpenAI's format")
        started = time.monotonic()
        try:
            answer, data = self.ask("POST", "/v1/videos", headers, wish)
            sample.status = answer.status
            sample.deployment = answer.headers.get("x-trunkline-deployment", "")
            sample.attempts = answer.headers.get("x-trunkline-attempts", "")
            video = json.loads(data)
            while video["status"] in ("queued", "in_progress") and time.monotonic() - started < FILM_WITHIN:
                time.sleep(0.4)
                video = json.loads(self.ask("GET", f"/v1/videos/{video['id']}", headers)[1])
            answer, data = self.ask("GET", f"/v1/videos/{video['id']}/content", headers)
        except (OSError, ValueError, KeyError) as error:
            sample.text = f"{type(error).__name__}: {error}"
            return sample
        sample.ms = (time.monotonic() - started) * 1000
        sample.status = answer.status
        sample.text = f"{video['status']}: {video.get('seconds')} s, {video.get('size')}, {len(data):,} bytes of MP4"
        sample.good = video["status"] == "completed" and data[4:8] == b"ftyp"
        self.expected += 1  # the job's own record
        return sample

    def run(self) -> None:
        question = "Which room of the house does a request pass first?"
        bearer = {"authorization": f"Bearer {self.key}"}
        chat = {"model": "assistant", "messages": [{"role": "user", "content": question}]}
        claude = {"x-api-key": self.key, "anthropic-version": "2023-06-01"}
        message = {**chat, "max_tokens": 256}
        gemini = {"contents": [{"role": "user", "parts": [{"text": question}]}]}
        self.samples += [
            self.send("OpenAI format", "/v1/chat/completions", bearer, chat),
            self.send("OpenAI format, streamed", "/v1/chat/completions", bearer, {**chat, "stream": True}),
            self.send("Anthropic format, served by GPT", "/v1/messages", claude, message),
            self.send("Anthropic format, streamed", "/v1/messages", claude, {**message, "stream": True}),
            self.send(
                "Gemini format, served by GPT",
                "/v1beta/models/assistant:generateContent",
                {"x-goog-api-key": self.key},
                gemini,
            ),
            self.send("ModelArk chat", "/api/v3/chat/completions", bearer, {**chat, "model": "seed"}),
        ]
        self.fault("PUT", {"fault": "refuse"})
        killed = self.send("the primary is killed; same request", "/v1/chat/completions", bearer, chat)
        killed.good = killed.good and killed.deployment != "gpt"
        self.samples.append(killed)
        self.fault("DELETE", None)
        self.samples.append(self.film(bearer))

    def fault(self, method: str, body: dict[str, str] | None) -> None:
        """Faults of the OpenAI twin, by its control endpoint on a twin that still listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.twin_ports["anthropic"], timeout=10)
        path = "/_twin/faults?twin=openai"
        connection.request(method, path, json.dumps(body) if body else None)
        connection.getresponse().read()
        connection.close()

    # --- report ------------------------------------------------------------------------------------------------------
    def report(self) -> bool:
        table = Table(title="What happened", title_justify="left", header_style="bold")
        for column in ("request", "status", "served by", "tries", "ms", "answer"):
            table.add_column(column)
        for s in self.samples:
            shown = s.text[:48] + ("…" if len(s.text) > 48 else "")
            table.add_row(
                s.title, str(s.status) if s.good else f"{s.status} ✗", s.deployment, s.attempts, f"{s.ms:.0f}", shown
            )
        self.console.print(table)
        recorded = self.recorded()
        good = all(s.good for s in self.samples) and recorded == self.expected
        self.console.print(f"{recorded} of {self.expected} exchanges are in the request log (`trunkline logs`).")
        return good

    def recorded(self) -> int:
        """Records reach the store within a second; wait a little for the last of them."""
        until = time.monotonic() + 5.0
        while True:
            with Records(self.boot) as records:
                found = len(records.query(RecordFilter(key_id=self.key_id), 10_000))
            if found >= self.expected or time.monotonic() > until:
                return found
            time.sleep(0.1)

    def invitation(self) -> None:
        host, port = self.boot.listen_address
        base = f"http://{host}:{port}"
        self.console.print(f"\nGateway   {base}   (OpenAI: {base}/v1 · Anthropic and Gemini: {base})")
        if self.boot.metrics_address is not None:
            self.console.print("Metrics   http://{}:{}/metrics".format(*self.boot.metrics_address))
        self.console.print(f"Key       {self.key}\n\nTry it:\n")
        body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "Hello"}]})
        print(  # noqa: T201  (rich would wrap the line, and it is meant to be pasted)
            f"curl -s {base}/v1/chat/completions -H 'authorization: Bearer {self.key}' "
            f"-H 'content-type: application/json' -d '{body}'\n"
        )


def said(text: str) -> str:
    """The answer's text out of any of the three formats, streamed or not."""
    found: list[str] = []
    documents = [line[5:].strip() for line in text.splitlines() if line.startswith("data:")] or [text]
    for document in documents:
        try:
            _collect(json.loads(document), found)
        except ValueError:
            continue
    return "".join(found)


def _collect(value: Any, found: list[str]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name in ("text", "content") and isinstance(inner, str):
                found.append(inner)
            elif name != "usage":
                _collect(inner, found)
    elif isinstance(value, list):
        for inner in value:
            _collect(inner, found)


def main() -> int:
    arguments = parse()
    console = Console(width=None if sys.stdout.isatty() else 120)
    config = arguments.config
    if arguments.live:
        config = live_config(console)
        if config is None:
            return 2
    boot = Boot.load(config, twins=not arguments.live)
    if isinstance(boot, list):
        for problem in boot:
            console.print(str(problem), style="red")
        return 2
    boot.prepare_state()
    server = start(boot, config, arguments)
    try:
        if not ready(boot, server):
            console.print(f"The gateway did not start; its log is {boot.state_dir}/serve.log", style="red")
            console.print(tail(boot.state_dir / "serve.log"))
            return 1
        return visit(boot, console, arguments, server)
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def visit(boot: Boot, console: Console, arguments: argparse.Namespace, server: subprocess.Popen[bytes]) -> int:
    ports = boot.twin_ports
    tour = Tour(boot, console, ports)
    good = True
    if not arguments.live or arguments.samples:
        tour.run()
        good = tour.report()
    tour.invitation()
    if arguments.once:
        console.print("All of it worked." if good else "Not all of it worked.")
        return 0 if good else 1
    console.print("Serving until Ctrl-C.")
    try:
        return server.wait()
    except KeyboardInterrupt:
        return 0


def start(boot: Boot, config: str, arguments: argparse.Namespace) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "trunkline.cli", "serve", "--config", config]
    if not arguments.live:
        command.append("--twins")
    log = (boot.state_dir / "serve.log").open("wb")
    return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def ready(boot: Boot, server: subprocess.Popen[bytes]) -> bool:
    """The gateway, and the twins if they are its upstreams."""
    until = time.monotonic() + READY_WITHIN
    for port in boot.twin_ports.values() if boot.twins else ():
        while not listens(port):
            if time.monotonic() > until or server.poll() is not None:
                return False
            time.sleep(0.05)
    host, port = boot.listen_address
    while time.monotonic() < until and server.poll() is None:
        connection = http.client.HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    return False


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def live_config(console: Console) -> str | None:
    """A configuration for the providers whose keys are in the environment."""
    found = {name: spec for name, spec in LIVE.items() if os.environ.get(spec[0])}
    if not found:
        console.print("--live needs at least one of " + ", ".join(v for v, _ in LIVE.values()), style="red")
        return None
    lines = ["providers:"]
    lines += [f'  {name}: {{api_key: "${{{variable}}}"}}' for name, (variable, _) in found.items()]
    lines += [
        "deployments:",
        *(f"  {name}: {{provider: {name}, model: {model}}}" for name, (_, model) in found.items()),
    ]
    lines += ["routes:", f"  assistant: {{use: [{', '.join(found)}]}}"]
    path = Path(".trunkline") / "live.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-10:])
    except OSError:
        return ""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="stop afterwards; exit 0 only if all of it worked")
    parser.add_argument("--live", action="store_true", help="the real providers whose keys are in the environment")
    parser.add_argument(
        "--samples", action="store_true", help="with --live: send the sample requests (they cost money)"
    )
    parser.add_argument(
        "--config", default="./trunkline.yaml", help="configuration to serve (default ./trunkline.yaml)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
