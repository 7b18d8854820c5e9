"""bench/run: one interleaved run over direct / nginx / Trunkline; a table of ratios and a JSON file.

Gateway processes are pinned to core 0, mock and load generator to core 1. Medians over the rounds. The run says so
where the load side, not the system under test, was the limit.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from systems import GATEWAY, LOAD_SIDE, MOCK, NGINX, STATIC, Systems, cpu_seconds, pinned, resident

HERE = Path(__file__).parent
RESULTS = HERE / "results"
WRK_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {key}"
wrk.body = '{body}'
"""
BODY = {"model": "small", "messages": [{"role": "user", "content": "Say hello to the bench, please."}]}


def main() -> None:
    arguments = parse()
    load = os.getloadavg()[0]
    if load > 1.0 and not arguments.force:
        raise SystemExit(f"load average is {load:.1f}: this machine is busy; wait, or say --force")
    if len(os.sched_getaffinity(0)) < 2:
        raise SystemExit("two cores are needed: one for the system under test, one for the load")
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as name:
        systems = Systems(Path(name))
        try:
            systems.start()
            result: dict[str, Any] = {"machine": {"cores": os.cpu_count(), "python": sys.version.split()[0]}}
            for part, measure in PARTS.items():
                if part in arguments.only:
                    result[part] = measure(systems, Path(name), arguments)
        finally:
            systems.close()
    RESULTS.mkdir(exist_ok=True)
    target = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    target.write_text(json.dumps(result, indent=1))
    show(result)
    print(f"\nwritten to {target.relative_to(HERE.parent)}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="per system and round")
    parser.add_argument("--sustained", type=int, default=20, help="seconds of the sustained run")
    parser.add_argument("--streams", type=int, default=900, help="at 50 chunks a second each")
    parser.add_argument("--tokens", type=int, default=1000, help="chunks of a stream")
    parser.add_argument("--memory-streams", type=int, default=2000)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="measure only these")
    parser.add_argument("--force", action="store_true", help="run although the machine is busy")
    return parser.parse_args()


# --- small non-streamed calls -----------------------------------------------------------------------------------------
def wrk(systems: Systems, home: Path, port: int, connections: int, seconds: int) -> dict[str, float]:
    script = home / "post.lua"
    script.write_text(WRK_LUA.format(key=systems.key, body=json.dumps(BODY)))
    before = cpu_seconds(systems.gateway.pid)
    text = wrk_text(script, port, connections, seconds)
    used = cpu_seconds(systems.gateway.pid) - before
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    total = int(re.search(r"(\d+) requests in", text)[1])  # type: ignore[index]
    halves = {p: _ms(v) for p, v in re.findall(r"(50|99)%\s+([\d.]+[a-z]+)", text)}
    return {"rps": rate, "requests": total, "p50_ms": halves["50"], "p99_ms": halves["99"], "gateway_cpu_s": used}


def wrk_text(script: Path, port: int, connections: int, seconds: int) -> str:
    """What wrk prints; ends the run if an answer was not 2xx."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", str(script)]
    process = pinned(LOAD_SIDE, [*command, f"http://127.0.0.1:{port}/v1/chat/completions"], stdout=subprocess.PIPE)
    text = process.communicate()[0].decode()
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if bad:
        raise SystemExit(f"{bad[1]} answers were not 2xx on port {port}")
    return text


def wrk_rate(script: Path, port: int, connections: int, seconds: int) -> float:
    return float(re.search(r"Requests/sec:\s+([\d.]+)", wrk_text(script, port, connections, seconds))[1])  # type: ignore[index]


def _ms(text: str) -> float:
    number, unit = re.match(r"([\d.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def ports(systems: Systems) -> dict[str, int]:
    if systems.nginx:
        return {"direct": STATIC, "nginx": NGINX, "trunkline": GATEWAY}
    return {"direct": MOCK, "trunkline": GATEWAY}


def small(systems: Systems, home: Path, arguments: argparse.Namespace) -> dict[str, object]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ports(systems)}
    for port in ports(systems).values():
        wrk(systems, home, port, 64, 1)
    for _ in range(arguments.rounds):
        for name, port in ports(systems).items():
            runs[name].append(wrk(systems, home, port, 64, arguments.seconds))
    medians = {name: statistics.median(r["rps"] for r in rows) for name, rows in runs.items()}
    spread = {name: [min(r["rps"] for r in rows), max(r["rps"] for r in rows)] for name, rows in runs.items()}
    ours = runs["trunkline"]
    result: dict[str, object] = {
        "rps": medians,
        "spread": spread,
        "cpu_us_per_request": statistics.median(r["gateway_cpu_s"] / r["requests"] * 1e6 for r in ours),
        "load_side_limits": medians["direct"] < 3 * medians["trunkline"],
    }
    if "nginx" in medians:
        result["ratio_to_nginx"] = medians["trunkline"] / medians["nginx"]
    return result


def sustained(systems: Systems, home: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Everything on one core: the recorder competes with the worker while the journal is drained."""
    row = wrk(systems, home, GATEWAY, 64, arguments.sustained)
    return {
        "rps": row["rps"],
        "seconds": arguments.sustained,
        "cpu_us_per_request": row["gateway_cpu_s"] / row["requests"] * 1e6,
    }


def latency(systems: Systems, home: Path, arguments: argparse.Namespace) -> dict[str, object]:
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in ports(systems)}
    for _ in range(arguments.rounds):
        for name, port in ports(systems).items():
            runs[name].append(wrk(systems, home, port, 1, max(2, arguments.seconds // 2)))
    p50 = {name: statistics.median(r["p50_ms"] for r in rows) for name, rows in runs.items()}
    p99 = {name: statistics.median(r["p99_ms"] for r in rows) for name, rows in runs.items()}
    return {
        "p50_ms": p50,
        "p99_ms": p99,
        "added_p50_ms": p50["trunkline"] - p50["direct"],
        "added_p99_ms": p99["trunkline"] - p99["direct"],
    }


# --- streams ----------------------------------------
def load_streams(
    systems: Systems, port: int, dialect: str, streams: int, tokens: int, rate: int, pid: int
) -> dict[str, float]:
    command = [sys.executable, str(HERE / "load_streams.py"), f"http://127.0.0.1:{port}", systems.key, dialect]
    before = cpu_seconds(pid) if pid else 0.0
    load_before = time.perf_counter()
    process = pinned(LOAD_SIDE, [*command, str(streams), str(tokens), str(rate)], stdout=subprocess.PIPE)
    row = json.loads(process.communicate()[0])
    row["wall"] = time.perf_counter() - load_before
    row["cpu_s"] = (cpu_seconds(pid) - before) if pid else 0.0
    if row["errors"]:
        raise SystemExit(f"streams failed: {row['errors']}")
    return row  # type: ignore[no-any-return]


#: Dialect of the client, model, port, and how many of `--streams` the load side can carry: TLS costs it more.
LANES = {
    "nginx plain": ("openai", "bench", NGINX + 100, 1.0),
    "same dialect, plain": ("openai", "bench", GATEWAY, 1.0),
    "same dialect, TLS upstream": ("openai", "tls", GATEWAY, 0.6),
    "translated, plain": ("anthropic", "bench", GATEWAY, 0.75),
}


def streams(systems: Systems, home: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Paced streams: each chunk is one write upstream. Chunks a second of one core = 1 / (CPU seconds per chunk); the
    streams are long, so that opening them counts little."""
    result: dict[str, object] = {}
    rate = 50
    for _ in range(arguments.rounds):
        for lane, (dialect, model, port, share) in LANES.items():
            if lane.startswith("nginx") and not systems.nginx:
                continue
            pid = systems.peer.pid if lane.startswith("nginx") else systems.gateway.pid
            count = round(arguments.streams * share)
            row = stream_lane(systems, port, dialect, model, (count, arguments.tokens, rate), pid)
            result.setdefault(lane, []).append(row)  # type: ignore[attr-defined]
    return {lane: median_row(rows) for lane, rows in result.items()}  # type: ignore[arg-type]


def stream_lane(
    systems: Systems, port: int, dialect: str, model: str, shape: tuple[int, int, int], pid: int
) -> dict[str, float]:
    os.environ["BENCH_MODEL"] = model
    row = load_streams(systems, port, dialect, *shape, pid)
    chunks = row["streams"] * shape[1]
    return {
        "offered_per_s": shape[0] * shape[2],
        "cpu_us_per_chunk": row["cpu_s"] / chunks * 1e6,
        "chunks_per_core_s": chunks / max(row["cpu_s"], 1e-9),
        "complete": row["complete"],
        "stalls": row["stalls"],
        "reads_per_chunk": row["reads"] / chunks,
        "first_token_p99_ms": row["first_token_p99_ms"],
    }


def median_row(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(r[name] for r in rows) for name in rows[0]}


def memory(systems: Systems, home: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """Resident bytes of all Trunkline processes per open stream, while the streams are open and slow."""
    result: dict[str, object] = {}
    for lane, model in (("plain", "bench"), ("TLS upstream", "tls")):
        os.environ["BENCH_MODEL"] = model
        load_streams(systems, GATEWAY, "openai", 50, 20, 10, systems.gateway.pid)
        time.sleep(1)
        idle = resident(systems.gateway.pid)
        count = arguments.memory_streams
        command = [sys.executable, str(HERE / "load_streams.py"), f"http://127.0.0.1:{GATEWAY}", systems.key, "openai"]
        process = pinned(LOAD_SIDE, [*command, str(count), "20", "1"], stdout=subprocess.PIPE)
        time.sleep(12)
        busy = resident(systems.gateway.pid)
        row = json.loads(process.communicate()[0])
        if row["complete"] != count:
            raise SystemExit(f"{row['complete']} of {count} streams completed: {row['errors']}")
        result[lane] = {
            "streams": count,
            "complete": row["complete"],
            "bytes_per_stream": (busy - idle) / count,
            "idle_bytes": idle,
        }
        time.sleep(2)
    return result


PARTS = {"small": small, "sustained": sustained, "latency": latency, "streams": streams, "memory": memory}


# --- report ----------------------------------------
def show(result: dict[str, Any]) -> None:
    console = Console(width=126)
    table = Table(title="Trunkline bench: medians; the gateway on one core, mock and load on the other")
    for column in ("measure", "direct", "nginx", "Trunkline", "ratio / note"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    nginx = result.get("small", {}).get("rps", {}).get("nginx")
    if "small" in result:
        rows_small(table, result["small"])
    if "sustained" in result:
        row = result["sustained"]
        share = f"{row['rps'] / nginx:.2f} × nginx" if nginx else ""
        table.add_row(f"the same, {row['seconds']} s sustained", "", "", f"{row['rps']:,.0f}", share)
    if "latency" in result:
        rows_latency(table, result["latency"])
    for lane, row in result.get("streams", {}).items():
        cells = ["", "", f"{row['chunks_per_core_s']:,.0f}"]
        if lane.startswith("nginx"):
            cells = ["", f"{row['chunks_per_core_s']:,.0f}", ""]
        note = (
            f"{row['cpu_us_per_chunk']:.1f} µs/chunk at {row['offered_per_s']:,.0f}/s, {row['stalls']:.0f} stalls, "
            f"{row['reads_per_chunk']:.2f} reads/chunk"
        )
        table.add_row(f"chunks a second and core: {lane}", *cells, note)
    for lane, row in result.get("memory", {}).items():
        note = f"{row['complete']} of {row['streams']} complete"
        table.add_row(f"memory per open stream, {lane}", "", "", f"{row['bytes_per_stream'] / 1024:.1f} KiB", note)
    console.print(table)


def rows_small(table: Table, small: dict[str, Any]) -> None:
    rps = small["rps"]
    note = f"{small['ratio_to_nginx']:.2f} × nginx" if "ratio_to_nginx" in small else "no nginx here"
    if small["load_side_limits"]:
        note += "; load side limits"
    nginx = f"{rps.get('nginx', 0):,.0f}"
    table.add_row("small calls a second, c=64", f"{rps['direct']:,.0f}", nginx, f"{rps['trunkline']:,.0f}", note)
    table.add_row("CPU-µs per request", "", "", f"{small['cpu_us_per_request']:.1f}", "all Trunkline processes")


def rows_latency(table: Table, latency: dict[str, Any]) -> None:
    for p in ("p50", "p99"):
        row = latency[f"{p}_ms"]
        added = f"+{latency[f'added_{p}_ms']:.3f} ms"
        cells = (f"{row['direct']:.3f}", f"{row.get('nginx', 0):.3f}", f"{row['trunkline']:.3f}")
        table.add_row(f"latency {p}, c=1, ms", *cells, added)


if __name__ == "__main__":
    main()
