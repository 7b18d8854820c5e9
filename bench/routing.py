"""What routing costs: one rule and 10 deployments against 100 rules and 10,000, in one interleaved run; and a task each.

    python bench/routing.py [--rounds 5] [--seconds 5]

Both gateways are pinned to core 0, upstream and load to core 1; while one is measured the other is idle. The task classifier is
measured alone, on prompts that are all distinct, in CPU time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import WRK_LUA, wrk_rate
from systems import GATEWAY, MOCK, STATIC, UNDER_TEST, Systems, pinned
from trunkline.app.tasking import classifier

PLAIN, WIDE = GATEWAY, GATEWAY + 20
ROOT = Path(__file__).parents[1]


def config(home: Path, port: int, upstream: int, shape: tuple[int, int]) -> str:
    """`shape`: rules, deployments. No rule matches, so that all are looked at; `otherwise` chooses among all deployments."""
    rules, deployments = shape
    names = [f"d{n}" for n in range(deployments)]
    each = max(1, deployments // rules)
    lines = [
        f"listen: 127.0.0.1:{port}\nmetrics_listen: 127.0.0.1:{port + 1}\nworkers: 1\nstore: sqlite:///{home}/t.db",
        f"state_dir: {home}/state\ndrain: {{grace: 0s}}\nproviders:\n  openai: {{api_key: k}}\ndeployments:",
        *(f"  {n}: {{provider: openai, model: bench, base_url: 'http://127.0.0.1:{upstream}/v1'}}" for n in names),
        "routes:\n  small:\n    balance: weighted\n    rules:",
    ]
    for n in range(rules):
        some = ", ".join(names[n * each : (n + 1) * each][:100])
        lines.append(f"      - {{when: 'team == \"team-{n}\" && tokens > {n} && !stream', use: [{some}]}}")
    lines.append(f"    otherwise: [{', '.join(names)}]")
    return "\n".join(lines) + "\n"


def gateway(systems: Systems, name: str, port: int, shape: tuple[int, int]) -> str:
    """Starts one; its key."""
    home = systems.directory / name
    home.mkdir()
    path = home / "trunkline.yaml"
    path.write_text(config(home, port, STATIC if systems.nginx else MOCK, shape))
    cli = [sys.executable, "-m", "trunkline.cli"]
    made = subprocess.run(
        [*cli, "keys", "create", "--config", str(path), "--name", "bench", "--json"], capture_output=True, check=True
    )
    log = (home / "gateway.log").open("wb")
    systems.running.append(pinned(UNDER_TEST, [*cli, "serve", "--config", str(path)], stderr=log))
    systems.wait(f"http://127.0.0.1:{port}/readyz")
    return str(json.loads(made.stdout)["key"])


def throughput(rounds: int, seconds: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as name:
        systems = Systems(Path(name))
        try:
            systems.start_upstream()
            lanes = {
                "1 rule, 10 deployments": (PLAIN, gateway(systems, "plain", PLAIN, (1, 10))),
                "100 rules, 10,000 deployments": (WIDE, gateway(systems, "wide", WIDE, (100, 10_000))),
            }
            runs: dict[str, list[float]] = {lane: [] for lane in lanes}
            for turn in range(rounds + 1):
                for lane, (port, key) in lanes.items():
                    script = Path(name) / "post.lua"
                    body = {"model": "small", "messages": [{"role": "user", "content": "Say hello to the bench."}]}
                    script.write_text(WRK_LUA.format(key=key, body=json.dumps(body)))
                    rate = wrk_rate(script, port, 64, seconds if turn else 2)
                    if turn:  # the first round only warms up
                        runs[lane].append(rate)
        finally:
            systems.close()
    plain, wide = (statistics.median(rates) for rates in runs.values())
    return {"rps": runs, "ratio": wide / plain}


def tasks(times: int = 3) -> dict[str, float]:
    """CPU milliseconds of one answer, all prompts distinct, words known from one round before."""
    prompts = []
    for file in sorted((ROOT / "data" / "tasks").glob("*.jsonl")):
        rows = map(json.loads, file.read_text("utf-8").rstrip("\n").split("\n"))
        prompts += [row["prompt"] for row in rows]
    model = classifier()
    for prompt in prompts:
        model.guess(prompt)
    found: list[float] = []
    each: list[float] = []
    for turn in range(times):
        distinct = [f"{prompt} {turn}" for prompt in prompts]
        started = time.process_time()
        for prompt in distinct:
            model.guess(prompt)
        found.append((time.process_time() - started) / len(distinct) * 1e3)
    for prompt in prompts:
        started = time.process_time_ns()
        model.guess(f"{prompt} !")
        each.append((time.process_time_ns() - started) / 1e6)
    each.sort()
    return {"mean_ms": min(found), "p50_ms": each[len(each) // 2], "p99_ms": each[int(len(each) * 0.99)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    asked = parser.parse_args()
    print(json.dumps({"tasks": tasks(), "throughput": throughput(asked.rounds, asked.seconds)}, indent=1))


if __name__ == "__main__":
    main()
