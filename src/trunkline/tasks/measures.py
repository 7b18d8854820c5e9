"""How well a classifier answers: every measure that docs/reference/tasks.md shows, from answers and truth alone. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from trunkline.tasks.labels import GROUPS, LABELS

SHARES = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)


class Answered(msgspec.Struct, frozen=True):
    """One prompt: what is right, what was said, how surely, and whether a rule would have believed it."""

    truth: str
    said: str
    confidence: float
    sure: bool = False
    lang: str = ""


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Shares lie between 0 and 1. `coverage`: share of the prompts, the surest first → accuracy on them. `labels`: label →
    (precision, recall). `languages`: language → (prompts, accuracy)."""

    prompts: int
    accuracy: float
    macro_f1: float
    groups: float
    sure: float
    accuracy_when_sure: float
    calibration_error: float
    coverage: dict[float, float]
    labels: dict[str, tuple[float, float]]
    languages: dict[str, tuple[int, float]]


def measured(rows: Sequence[Answered]) -> Measures:
    """Raises ValueError for no rows."""
    if not rows:
        raise ValueError("there is nothing to measure on")
    order = sorted(rows, key=lambda r: -r.confidence)
    languages: defaultdict[str, list[bool]] = defaultdict(list)
    for row in rows:
        languages[row.lang].append(row.said == row.truth)
    return Measures(
        prompts=len(rows),
        accuracy=_accuracy(rows),
        macro_f1=_macro_f1(rows),
        groups=_share([GROUPS.get(r.said, r.said) == GROUPS.get(r.truth, r.truth) for r in rows]),
        sure=_share([r.sure for r in rows]),
        accuracy_when_sure=_accuracy([r for r in rows if r.sure]),
        calibration_error=_calibration_error(rows),
        coverage={share: _accuracy(order[: max(1, round(share * len(order)))]) for share in SHARES},
        labels={label: _precision_recall(rows, label) for label in LABELS if any(r.truth == label for r in rows)},
        languages={lang: (len(hits), _share(hits)) for lang, hits in sorted(languages.items())},
    )


def majority(rows: Sequence[Answered]) -> float:
    """Accuracy of whoever always says the commonest label of these rows."""
    return round(Counter(r.truth for r in rows).most_common(1)[0][1] / len(rows), 4)


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 4) if hits else 0.0


def _accuracy(rows: Sequence[Answered]) -> float:
    return _share([r.said == r.truth for r in rows])


def _precision_recall(rows: Sequence[Answered], label: str) -> tuple[float, float]:
    hit = sum(r.said == r.truth == label for r in rows)
    said = sum(r.said == label for r in rows)
    there = sum(r.truth == label for r in rows)
    return (round(hit / said, 4) if said else 0.0, round(hit / there, 4) if there else 0.0)


def _macro_f1(rows: Sequence[Answered]) -> float:
    """Over the labels that are there or were said."""
    found = []
    for label in {r.truth for r in rows} | {r.said for r in rows}:
        hit = sum(r.said == r.truth == label for r in rows)
        wrong = sum((r.said == label) != (r.truth == label) for r in rows)
        found.append(2 * hit / (2 * hit + wrong))
    return round(sum(found) / len(found), 4)


def _calibration_error(rows: Sequence[Answered]) -> float:
    """Expected calibration error over ten bins of equal width."""
    bins: defaultdict[int, list[Answered]] = defaultdict(list)
    for row in rows:
        bins[min(9, int(row.confidence * 10))].append(row)
    return round(sum(abs(sum(r.confidence - (r.said == r.truth) for r in b)) for b in bins.values()) / len(rows), 4)
