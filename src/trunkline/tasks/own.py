"""Labels that a configuration defines by a handful of examples: kernel ridge regression over what words mean, what the built-in
labels say, and shared n-grams. Fitted when a configuration is loaded; leave-one-out answers come with the solution. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from trunkline.tasks.features import Parts, token_buckets
from trunkline.tasks.model import Model, script_of
from trunkline.tasks.senses import Senses
from trunkline.types.words import OwnTask

#: Shares of the three kernels.
MEANING, BUILT_IN, WORDING = 1.0, 0.35, 0.6
RIDGE = 0.35
#: The best label must lead the next by this much.
MARGIN = 0.08
LEAST, MOST = 0.25, 0.75
PRECISION = 0.9
#: Two labels with this many mistaken examples between them overlap.
CONFUSED = 2


class View(msgspec.Struct, frozen=True):
    """What of a text is compared: a dense part (meaning and built-in labels) and the buckets of its n-grams."""

    dense: list[float]
    buckets: frozenset[int]


class Fitness(msgspec.Struct, frozen=True, kw_only=True):
    """How well the examples tell the labels apart: each was asked of a model that had not seen it."""

    accuracy: float
    by_label: dict[str, float]
    overlapping: tuple[tuple[str, str], ...]
    #: (label, example): closer to another label than to its own.
    contradicting: tuple[tuple[str, str], ...]


class OwnLabels:
    """Raises ValueError when there is nothing to fit."""

    def __init__(self, tasks: Sequence[OwnTask], model: Model, senses: Senses, background: Sequence[str]) -> None:
        if not tasks:
            raise ValueError("no label is defined")
        self.names = [task.name for task in tasks]
        self._model, self._senses = model, senses
        rows: list[tuple[str, int]] = []
        for n, task in enumerate(tasks):
            told = [task.description] if task.description else []
            rows += [(text, n) for text in (*told, *task.examples)]
        rows += [(text, -1) for task in tasks for text in task.not_examples]
        rows += [(text, -1) for text in background]
        views = [self.view(text) for text, _ in rows]
        alphas, held_out = _solved(views, [label for _, label in rows], len(tasks))
        width = len(views[0].dense)
        self._dense = [
            [sum(a[k] * v.dense[d] for a, v in zip(alphas, views, strict=True)) for d in range(width)]
            for k in range(len(tasks))
        ]
        self._sparse = _folded(alphas, views, len(tasks))
        self.fitness = _fitness(self.names, rows, held_out)
        self.least = [
            task.min_confidence if task.min_confidence is not None else _threshold(n, rows, held_out)
            for n, task in enumerate(tasks)
        ]

    def view(self, text: str, found: Parts | None = None) -> View:
        found = self._model.parts(text) if found is None else found
        shares = self._model.scored(found, script_of(text)).probabilities
        logs = [max(-6.0, math.log(share + 1e-9)) for share in shares]
        mean = sum(logs) / len(logs)
        norm = math.sqrt(sum((x - mean) ** 2 for x in logs)) or 1.0
        dense = [math.sqrt(MEANING) * x for x in self._senses.vector(text)]
        dense += [math.sqrt(BUILT_IN) * (x - mean) / norm for x in logs]
        return View(dense, frozenset(bucket for word in found.words for bucket in token_buckets(word)))

    def scores(self, text: str, found: Parts | None = None) -> list[float]:
        """One number per label, about 1 for what is like its examples and about 0 for the rest."""
        seen = self.view(text, found)
        sums = [sum(map(float.__mul__, weights, seen.dense)) for weights in self._dense]
        norm = WORDING / math.sqrt(len(seen.buckets) or 1)
        for bucket in seen.buckets & self._sparse.keys():
            for n, weight in enumerate(self._sparse[bucket]):
                sums[n] += weight * norm
        return sums

    def label(self, text: str, found: Parts | None = None) -> tuple[str, float] | None:
        """The label that clears its threshold and leads by the margin, with its confidence."""
        scores = self.scores(text, found)
        best = max(range(len(scores)), key=scores.__getitem__)
        next_best = max((s for n, s in enumerate(scores) if n != best), default=0.0)
        if scores[best] < self.least[best] or scores[best] - next_best < MARGIN:
            return None
        return self.names[best], round(min(0.99, max(0.0, scores[best])), 4)


def _kernel(a: View, b: View) -> float:
    dense = sum(map(float.__mul__, a.dense, b.dense))
    if not a.buckets or not b.buckets:
        return dense
    return dense + WORDING * len(a.buckets & b.buckets) / math.sqrt(len(a.buckets) * len(b.buckets))


def _solved(views: Sequence[View], labels: Sequence[int], count: int) -> tuple[list[list[float]], list[list[float]]]:
    """Dual weights of every row for every label, and what each row would have been told had it not been there."""
    n = len(views)
    gram = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            gram[i][j] = gram[j][i] = _kernel(views[i], views[j])
        gram[i][i] += RIDGE
    inverse = _inverse(gram)
    alphas = [[sum(inverse[i][j] for j in range(n) if labels[j] == k) for k in range(count)] for i in range(n)]
    held_out = [
        [(1.0 if labels[i] == k else 0.0) - alphas[i][k] / inverse[i][i] for k in range(count)] for i in range(n)
    ]
    return alphas, held_out


def _inverse(matrix: list[list[float]]) -> list[list[float]]:
    """Gauss-Jordan, in place of a copy; the ridge keeps the diagonal away from zero."""
    n = len(matrix)
    work = [row[:] + [1.0 if i == j else 0.0 for j in range(n)] for i, row in enumerate(matrix)]
    for i in range(n):
        pivot = work[i]
        scale = 1.0 / pivot[i]
        pivot = work[i] = [x * scale for x in pivot]
        for j in range(n):
            if j != i and (times := work[j][i]):
                work[j] = [a - times * b for a, b in zip(work[j], pivot, strict=True)]
    return [row[n:] for row in work]


def _folded(alphas: Sequence[list[float]], views: Sequence[View], count: int) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for alpha, view in zip(alphas, views, strict=True):
        norm = 1.0 / math.sqrt(len(view.buckets) or 1)
        for bucket in view.buckets:
            row = found.setdefault(bucket, [0.0] * count)
            for k in range(count):
                row[k] += alpha[k] * norm
    return found


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=scores.__getitem__)


def _fitness(names: Sequence[str], rows: Sequence[tuple[str, int]], held_out: Sequence[list[float]]) -> Fitness:
    hits: dict[str, list[bool]] = {name: [] for name in names}
    confused: dict[tuple[str, str], int] = {}
    against: list[tuple[str, str]] = []
    for (text, label), scores in zip(rows, held_out, strict=True):
        if label < 0:
            continue
        best = _best(scores)
        hits[names[label]].append(best == label)
        if best != label:
            pair = (min(names[label], names[best]), max(names[label], names[best]))
            confused[pair] = confused.get(pair, 0) + 1
            if scores[best] - scores[label] > 0.25:
                against.append((names[label], text))
    whole = [hit for each in hits.values() for hit in each]
    return Fitness(
        accuracy=round(sum(whole) / len(whole), 3),
        by_label={name: round(sum(each) / len(each), 3) for name, each in hits.items() if each},
        overlapping=tuple(sorted(pair for pair, times in confused.items() if times >= CONFUSED)),
        contradicting=tuple(against),
    )


def _threshold(label: int, rows: Sequence[tuple[str, int]], held_out: Sequence[list[float]]) -> float:
    """The least score from which answers of this label were right often enough."""
    told = sorted(
        (
            (scores[label], row[1] == label)
            for row, scores in zip(rows, held_out, strict=True)
            if _best(scores) == label
        ),
        reverse=True,
    )
    right, least = 0, MOST
    for count, (score, hit) in enumerate(told, 1):
        right += hit
        if right >= PRECISION * count:
            least = score
    return round(min(MOST, max(LEAST, least)), 3)
