"""docs/reference/resilience.md, from what the scenarios measured.

    TRUNKLINE_RESULTS=results.jsonl ./test --soak R7 H1
    python scripts/resilience_page.py results.jsonl     # merges into docs/reference/resilience.json, writes the page

A full run goes before a short one of the same test; a later one before an earlier one.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs" / "reference"
KEPT, PAGE = DOCS / "resilience.json", DOCS / "resilience.md"
WHAT = {
    "H1": "A provider with a slow tail (1.5 % of the answers take 3 s), hedged with `after: p98, max_extra: 2%`",
    "R1": "The primary dies under load (RST)",
    "R2": "The primary is black-holed",
    "R3": "Head and preamble, then silence",
    "R4": "Streams cut, stalled, malformed, without an end, at any position",
    "R5": "The same with `on_break: splice`",
    "R6": "All candidates answer 503 for a minute",
    "R7": "429 with a stated delay",
    "R8": "30 % random 500s on one of three",
    "R9": "A deployment flaps, 10 s up and 10 s down",
    "R10": "Four times the capacity",
    "R11": "Clients that read 10 bytes a second",
    "R12": "SIGTERM with live streams",
    "R13": "Reloads under load, every tenth invalid",
    "R17": "Clients that leave at any point",
    "R18": "One bad credential of three; one caller whose requests alone fail",
    "R20": "Forty-five minutes of mixed load over TLS",
    "R21": "kill -9 of one of several workers",
    "R22": "Clock steps of an hour, a leap second",
    "R23": "Answers that take five minutes, first tokens after one",
}
HEAD = """\
# What holds under faults, in numbers

<!-- Written by scripts/resilience_page.py from what the scenarios measured. -->

Each row is asserted by a test in `tests/scenarios` (or beside it): in `./test` with counts and durations divided by 20, in
full by `./test --soak ID`. *full* says that the numbers are of a full run. Times are of the virtual clock where a scenario
is played in one event loop, so that nothing of the machine is in them.

| id | scenario | measured | pass mark | run |
| --- | --- | --- | --- | --- |
"""


def main() -> None:
    rows = kept()
    for name in sys.argv[1:]:
        new = [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]
        tests = {(r["test"], r["full"]) for r in new}
        full = {r["test"] for r in new if r["full"]} | {r["test"] for r in rows if r["full"]}
        rows = [r for r in rows if (r["test"], r["full"]) not in tests] + list(last(new).values())
        rows = [r for r in rows if r["full"] or r["test"] not in full]
    rows.sort(key=order)
    KEPT.write_text("[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in rows) + "\n]\n", "utf-8")
    PAGE.write_text(page(rows), "utf-8")


def kept() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else []
    return found


def last(rows: list[dict[str, Any]]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {(r["test"], r["full"], r["measure"]): r for r in rows}


def order(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["scenario"][0], int(row["scenario"][1:]), row["test"])


def page(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        what = WHAT[row["scenario"]]
        run = "full" if row["full"] else "short"
        lines.append(f"| {row['scenario']} | {what} | {row['measure']}: {row['value']} | {row['mark']} | {run} |")
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
