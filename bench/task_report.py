"""docs/reference/tasks.md: the task classifier on sources that it never saw, beside the rows that it has to beat.

    python bench/task_report.py --data train.jsonl --hold self-instruct-seeds --hold en-mixed --hold world-a

Learns without those sources (about five minutes), with and without the teacher, and measures on each of them. Nothing is
fitted on what is measured. Own labels are measured on data/tasks/own-labels.json, if it is there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "tasks.md"
OWN = ROOT / "data" / "tasks"
CHANGES = ("case", "capitals", "typo", "greeting", "quoting", "wrapper", "appended")

HEAD = """\
# How good the task classifier is

<!-- Written by bench/task_report.py. -->

Measured on sources of which the model that is measured had seen nothing: `self-instruct-seeds`, 120 prompts of the public
training file that were looked at while the model was built, and batches of this project that one writer wrote
([data card](../../data/tasks/README.md)) and nobody looked at. The weights in the package have learnt from all of them.
*Sure* is the share of the answers that a rule believes without a `min_confidence` of its own; *n-grams* is the same model
without what the teacher knows of words, *patterns* are nine regular expressions (`tasks/plainly.py`), *majority* always
says the commonest label.
"""


def trunkline(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "trunkline.cli", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr or done.stdout)
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--hold", action="append", required=True)
    asked = parser.parse_args()
    held = [word for name in asked.hold for word in ("--hold", name)]
    with tempfile.TemporaryDirectory() as folder:
        full, plain = Path(folder, "full", "weights.bin"), Path(folder, "plain", "weights.bin")
        for path, more in ((full, []), (plain, ["--plain"])):
            path.parent.mkdir()
            trunkline("tasks", "train", "--json", "--data", asked.data, "--out", str(path), *held, *more)
        found = {name: (measure(full, asked.data, name), measure(plain, asked.data, name)) for name in asked.hold}
    PAGE.write_text(page(found))


def measure(weights: Path, data: str, source: str) -> dict[str, Any]:
    own = OWN / f"{source}.jsonl"
    where = ["--data", str(own)] if own.exists() else ["--data", data, "--source", source]
    told: dict[str, Any] = json.loads(trunkline("tasks", "eval", "--json", "--weights", str(weights), *where))
    return told


def page(found: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> str:
    lines = [HEAD]
    names = list(found)
    lines += table(["", *names], rows_of(found))
    lines += ["", "## By language", ""]
    lines += table(["language", *names], languages(found))
    lines += ["", "## By label (precision / recall)", ""]
    labels = sorted({label for full, _ in found.values() for label in full["labels"]})
    lines += table(
        ["label", *names], [[f"`{b}`", *(pair(found[n][0]["labels"].get(b)) for n in names)] for b in labels]
    )
    lines += ["", "## When only the surest are answered (accuracy)", ""]
    shares = list(next(iter(found.values()))[0]["coverage"])
    lines += table(
        ["answered", *names],
        [[f"{float(s):.0%}", *(f"{found[n][0]['coverage'][s]:.3f}" for n in names)] for s in shares],
    )
    lines += ["", "## Another label when the same request is changed", ""]
    lines += table(["change", *names], [[c, *(f"{found[n][0]['flips'][c]:.1%}" for n in names)] for c in CHANGES])
    return "\n".join(lines) + "\n"


def rows_of(found: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> list[list[str]]:
    def row(name: str, of: Any) -> list[str]:
        return [name, *(of(full, plain) for full, plain in found.values())]

    return [
        row("prompts", lambda f, _: str(f["prompts"])),
        row("**accuracy / macro-F1**", lambda f, _: f"**{f['accuracy']:.3f} / {f['macro_f1']:.3f}**"),
        row("n-grams", lambda _, p: f"{p['accuracy']:.3f} / {p['macro_f1']:.3f}"),
        row("patterns", lambda f, _: f"{f['baselines']['patterns']:.3f}"),
        row("majority", lambda f, _: f"{f['baselines']['majority']:.3f}"),
        row("coarse groups", lambda f, _: f"{f['groups']:.3f}"),
        row("sure", lambda f, _: f"{f['sure']:.0%}"),
        row("accuracy when sure", lambda f, _: f"{f['accuracy_when_sure']:.3f}"),
        row("calibration error", lambda f, _: f"{f['calibration_error']:.3f}"),
        row("ms p50 / p99", lambda f, _: f"{f['ms'][0]:.2f} / {f['ms'][1]:.2f}"),
    ]


def languages(found: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> list[list[str]]:
    known = sorted({lang for full, _ in found.values() for lang in full["languages"]})

    def cell(told: dict[str, Any], lang: str) -> str:
        count, share = told["languages"].get(lang, (0, 0.0))
        return f"{share:.3f} ({count})" if count else ""

    return [[lang, *(cell(full, lang) for full, _ in found.values())] for lang in known]


def pair(of: list[float] | None) -> str:
    return f"{of[0]:.2f} / {of[1]:.2f}" if of else ""


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]


if __name__ == "__main__":
    main()
