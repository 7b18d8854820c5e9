"""What `./run` starts: the tour serves, reports and leaves, and the command it prints works as pasted."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_process import ROOT, TWINS, free_ports

pytestmark = pytest.mark.acceptance

ROWS = (
    "OpenAI format ",
    "OpenAI format, streamed",
    "Anthropic format, served by GPT",
    "Anthropic format, streamed",
    "Gemini format, served by GPT",
    "ModelArk chat",
    "the primary is killed; same request",
)


@dataclass
class House:
    """The configuration that `./run` serves, moved to free ports and a folder of its own."""

    config: Path
    base: str
    environment: dict[str, str]

    def tour(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "trunkline.app.tour", "--config", str(self.config), *arguments]


@pytest.fixture
def house(tmp_path: Path) -> House:
    data, console, metrics, *twins = free_ports(3 + len(TWINS))
    config = tmp_path / "trunkline.yaml"
    config.write_text(
        f"listen: 127.0.0.1:{data}\nconsole_listen: 127.0.0.1:{console}\nmetrics_listen: 127.0.0.1:{metrics}\n"
        f"state_dir: {tmp_path}/state\n" + (ROOT / "trunkline.yaml").read_text()
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    environment["TRUNKLINE_TWIN_PORTS"] = ",".join(f"{n}={p}" for n, p in zip(TWINS, twins, strict=True))
    environment["COLUMNS"] = "200"
    return House(config, f"http://127.0.0.1:{data}", environment)


@pytest.fixture
def printed(house: House) -> Iterator[str]:
    """The command printed by a tour that keeps serving; afterwards Ctrl-C, which ends it with exit 0."""
    process = subprocess.Popen(
        house.tour(), env=house.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    seen: list[str] = []
    for line in process.stdout:
        seen.append(line)
        if line.startswith("Serving until"):
            break
    commands = [line for line in seen if line.startswith("curl ")]
    try:
        assert len(commands) == 1, "".join(seen)
        yield commands[0]
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0, rest


def test_run_once_reports_what_it_sent_and_exits_0(house: House) -> None:
    done = subprocess.run(house.tour("--once"), env=house.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    report = done.stdout
    lines = {title: next((line for line in report.splitlines() if title in line), "") for title in ROWS}
    assert [title for title, line in lines.items() if not re.search(r" 200 ", line)] == []
    assert re.search(r"\bgpt\b", lines["OpenAI format "])
    assert re.search(r"\bclaude\b", lines["the primary is killed; same request"])
    assert "✗" not in report
    film = next(line for line in report.splitlines() if "a video by Seedance" in line)
    assert " 200 " in film and "seedance" in film and "completed: 4 s, 1280x720" in film
    counted = re.search(r"(\d+) of (\d+) exchanges are in the request log", report)
    assert counted is not None and counted[1] == counted[2]
    assert int(counted[1]) > len(ROWS), "the video's own requests and its job are among them"
    assert f"Gateway   {house.base} " in report
    assert report.rstrip().endswith("All of it worked.")
    assert done.stderr == ""


def test_the_printed_curl_works_as_pasted(house: House, printed: str) -> None:
    program, *arguments = shlex.split(printed)
    curl = shutil.which(program)
    if curl is None:
        pytest.skip("no curl here")
    done = subprocess.run(
        [curl, "--noproxy", "127.0.0.1", *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    answer = json.loads(done.stdout)
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["total_tokens"] > 0


def test_run_says_what_is_wrong_with_the_configuration(house: House) -> None:
    house.config.write_text(house.config.read_text().replace("fallback: [gemini, seed]", "fallback: [gemni, seed]"))
    done = subprocess.run(house.tour("--once"), env=house.environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "gemni" in done.stdout and "gemini" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
