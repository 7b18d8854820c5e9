"""Learning the weights: class-balanced logistic regression over hashed features, averaged, calibrated on sources held out
whole.

What a teacher knows of words (teacher.py) is learnt as a second linear model over the sum of word vectors, and kept as what
each word says (lexicon.py): a request meets no vectors. Needs numpy, which nothing else here does. Same rows, same seed:
same weights.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from trunkline.tasks.features import BUCKETS, features, words_of
from trunkline.tasks.labels import LABELS
from trunkline.tasks.lexicon import fill
from trunkline.tasks.model import SCRIPTS, Settings, script_of, write
from trunkline.tasks.perturb import AUGMENTED
from trunkline.tasks.senses import ROWS, SIZE, sense_bucket, write_senses
from trunkline.tasks.teacher import Lexicon

Array = Any
EPOCHS = 6
RATE = 0.5
#: How much a row counts: what was written for this project by hand, templates, everything else.
OWN, MADE, TEMPLATE, OTHER = 4.0, 2.0, 1.0, 0.6
PRECISION = 0.93
#: Fewer answers than this prove no precision.
SUPPORT = 15
#: How much of what the words alone say is added to what the n-grams say.
SHARE = 0.4
#: A word in more than this share of all prompts says little.
COMMON = 0.02
HEAD_EPOCHS = 30


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt. `source` is what is held out as a whole; `own`: written for this project;
    `made`: from one of those, by changing what should not matter."""

    prompt: str
    label: str
    lang: str = ""
    source: str = ""
    system: str = ""
    before: str = ""
    own: bool = False
    made: bool = False


class Learned(msgspec.Struct, frozen=True):
    """`said` is what single words say by themselves, the most important first: word → one number per label."""

    weights: Array
    bias: Array
    said: dict[str, Array] = {}


def vectors(rows: Sequence[Row]) -> list[Array]:
    return [np.fromiter(sorted(features(r.prompt, r.system, r.before)), dtype=np.int32) for r in rows]


def importance(rows: Sequence[Row]) -> Array:
    """Rows of rare labels count more, and natural phrasing more than templates."""
    base = np.array(
        [
            MADE if r.made else OWN if r.own else TEMPLATE if r.source.startswith("own-templates") else OTHER
            for r in rows
        ]
    )
    total: defaultdict[str, float] = defaultdict(float)
    for row, weight in zip(rows, base, strict=True):
        total[row.label] += float(weight)
    mean = sum(total.values()) / max(1, len(total))
    return base * np.array([(mean / total[r.label]) ** 0.7 for r in rows])


def augmented(rows: Sequence[Row]) -> list[Row]:
    """The rows, and each that was written for this project once more, greeted, wrapped, quoted or with a text behind it."""
    more = []
    for n, row in enumerate(r for r in rows if r.own):
        change = AUGMENTED[n % len(AUGMENTED)]
        more.append(msgspec.structs.replace(row, prompt=change(row.prompt), made=True))
    return [*rows, *more]


class Material(msgspec.Struct, frozen=True):
    """Rows with what is computed from them once: their features and, if there is a teacher, the sums of their words'
    vectors."""

    rows: Sequence[Row]
    found: Sequence[Array]
    sums: Array | None = None

    def of(self, keep: Sequence[int]) -> Material:
        sums = None if self.sums is None else self.sums[keep]
        return Material([self.rows[n] for n in keep], [self.found[n] for n in keep], sums)

    def truth(self) -> Array:
        return np.array([LABELS.index(r.label) for r in self.rows])


class Weighted(msgspec.Struct, frozen=True):
    """A lexicon whose vectors are scaled as they are added up: a word of many prompts counts less."""

    index: dict[str, int]
    vectors: Array


def weighted(lexicon: Lexicon, rows: Sequence[Row]) -> Weighted:
    index = {word: n for n, word in enumerate(lexicon.words)}
    seen = np.zeros(len(index), dtype=np.float32)
    for row in rows:
        for word in set(words_of(row.prompt)) & index.keys():
            seen[index[word]] += 1
    vectors = lexicon.vectors - lexicon.vectors.mean(0)
    return Weighted(index, vectors * (COMMON / (COMMON + seen / len(rows)))[:, None])


def senses(known: Weighted) -> bytes:
    """The table of word senses: the vectors' principal axes, one word in a bucket."""
    vectors = known.vectors
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    short = vectors @ axes[:, ::-1][:, :SIZE]
    scale = float(np.quantile(np.abs(short), 0.999)) / 127.0
    table = np.full((ROWS, SIZE), 128, dtype=np.uint8)
    taken: set[int] = set()
    for word, n in known.index.items():
        bucket = sense_bucket(word)
        if bucket not in taken:
            taken.add(bucket)
            table[bucket] = np.clip(np.rint(short[n] / scale), -127, 127).astype(np.int16) + 128
    return write_senses(table.tobytes())


def background(rows: Sequence[Row], each: int = 4) -> tuple[str, ...]:
    """A few short prompts of every label, written for this project: what a label of somebody's own is told apart from."""
    found: list[str] = []
    for label in LABELS:
        mine = [r for r in rows if r.own and r.label == label and r.lang == "en" and 20 <= len(r.prompt) <= 120]
        found += [r.prompt for r in mine[:: max(1, len(mine) // each)][:each]]
    return tuple(found)


def material(rows: Sequence[Row], known: Weighted | None) -> Material:
    found = vectors(rows)
    if known is None:
        return Material(rows, found)
    sums = np.zeros((len(rows), known.vectors.shape[1]), dtype=np.float32)
    for n, row in enumerate(rows):
        at = [known.index[word] for word in dict.fromkeys(words_of(row.prompt)) if word in known.index]
        if at:
            sums[n] = known.vectors[at].sum(0) / np.sqrt(len(found[n]))
    return Material(rows, found, sums)


def learn(stuff: Material, known: Weighted | None, seed: int = 0) -> Learned:
    learned = _ngrams(stuff, seed)
    if known is None or stuff.sums is None:
        return learned
    head, bias = _head(stuff, seed)
    said = dict(zip(known.index, known.vectors @ head * SHARE, strict=True))
    return Learned(learned.weights, learned.bias + SHARE * bias, said)


def _ngrams(stuff: Material, seed: int) -> Learned:
    """AdaGrad over rows in random order; the mean of the later epochs' weights."""
    dice = np.random.default_rng(seed)
    truth, weight, found = stuff.truth(), importance(stuff.rows), stuff.found
    w = np.zeros((BUCKETS, len(LABELS)), dtype=np.float32)
    b = np.zeros(len(LABELS), dtype=np.float32)
    mean_w, mean_b = np.zeros_like(w), np.zeros_like(b)
    seen = np.full(BUCKETS, 0.1, dtype=np.float32)
    count = EPOCHS - EPOCHS // 2
    for epoch in range(EPOCHS):
        for at in dice.permutation(len(found)):
            f = found[at]
            norm = 1.0 / np.sqrt(len(f))
            z = w[f].sum(0) * norm + b
            p = np.exp(z - z.max())
            p /= p.sum()
            p[truth[at]] -= 1.0
            step = p * weight[at]
            seen[f] += norm * norm * float(step @ step)
            w[f] -= (RATE / np.sqrt(seen[f]))[:, None] * (step * norm)[None, :]
            b -= 0.02 * step
        if epoch >= EPOCHS // 2:
            mean_w += w
            mean_b += b
    return Learned(mean_w / count, mean_b / count)


def _head(stuff: Material, seed: int) -> tuple[Array, Array]:
    """Adam in batches: from the sum of a row's words to its label. Returns a matrix that takes unscaled vectors, and the
    bias."""
    sums = stuff.sums
    if sums is None:
        raise ValueError("without a teacher there is no head")
    dice = np.random.default_rng(seed)
    scale = 5.0 / float(np.sqrt((sums**2).sum(1).mean()))
    truth, weight = stuff.truth(), importance(stuff.rows)
    weight = weight / weight.mean()
    w = np.zeros((sums.shape[1], len(LABELS)), dtype=np.float32)
    b = np.zeros(len(LABELS), dtype=np.float32)
    first, second, steps = np.zeros_like(w), np.zeros_like(w), 0
    for epoch in range(HEAD_EPOCHS):
        rate = 0.05 * (1.0 - epoch / HEAD_EPOCHS)
        for at in np.array_split(dice.permutation(len(sums)), max(1, len(sums) // 256)):
            seen = sums[at] * scale
            z = seen @ w + b
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(len(at)), truth[at]] -= 1.0
            p *= weight[at][:, None]
            slope = seen.T @ p / len(at) + 1e-4 * w
            steps += 1
            first = 0.9 * first + 0.1 * slope
            second = 0.999 * second + 0.001 * slope * slope
            w -= rate * (first / (1 - 0.9**steps)) / (np.sqrt(second / (1 - 0.999**steps)) + 1e-8)
            b -= rate * p.mean(0)
    return w * scale, b


def logits(learned: Learned, rows: Sequence[Row], found: Sequence[Array]) -> Array:
    """As the model works them out, but for the rounding of the weights, and for words that have no place in the lexicon."""
    made = []
    for row, f in zip(rows, found, strict=True):
        total = learned.weights[f].sum(0)
        for word in dict.fromkeys(words_of(row.prompt)):
            if word in learned.said:
                total = total + learned.said[word]
        made.append(total / np.sqrt(max(1, len(f))) + learned.bias)
    return np.array(made)


def packed(learned: Learned, held_out: Array, rows: Sequence[Row], about: tuple[str, tuple[str, ...]]) -> bytes:
    """The weights file. `held_out` are logits of `rows` from models that never saw their source: calibration is fitted on them.
    `about` is the day and the background."""
    scales = np.quantile(np.abs(learned.weights[learned.weights.any(1)]), 0.9995, axis=0) / 127.0

    def biased(values: Array) -> bytes:
        quantised = np.clip(np.rint(values / scales), -127, 127).astype(np.int16) + 128
        return bytes(quantised.astype(np.uint8).tobytes())

    scripts = np.array([script_of(r.prompt) for r in rows])
    truth = np.array([LABELS.index(r.label) for r in rows])
    heat = {s: _temperature(held_out[scripts == s], truth[scripts == s]) for s in SCRIPTS}
    confidence, answer = _confident(held_out, scripts, heat)
    settings = Settings(
        labels=LABELS,
        scales=tuple(float(s) for s in scales),
        bias=tuple(float(x) for x in learned.bias),
        temperature=heat,
        sure={label: _threshold(confidence, answer, truth, n) for n, label in enumerate(LABELS)},
        trained=about[0],
        background=about[1],
    )
    words = fill((word, biased(said)) for word, said in learned.said.items())
    return write(settings, biased(learned.weights), words)


def _confident(z: Array, scripts: Array, heat: dict[str, float]) -> tuple[Array, Array]:
    scaled = z / np.array([heat[s] for s in scripts])[:, None]
    p = np.exp(scaled - scaled.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p.max(1), p.argmax(1)


def _temperature(z: Array, truth: Array) -> float:
    """The heat under which the true labels are likeliest."""
    if len(z) < 50:
        return 1.5
    best, found = float("inf"), 1.0
    for heat in np.geomspace(0.2, 6.0, 60):
        scaled = z / heat
        scaled = scaled - scaled.max(1, keepdims=True)
        loss = float((np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(z)), truth]).mean())
        if loss < best:
            best, found = loss, float(heat)
    return round(found, 4)


def _threshold(confidence: Array, answer: Array, truth: Array, label: int) -> float:
    """The least confidence from which answers of this label are right often enough; above 1 if none is."""
    mine = answer == label
    order = np.argsort(-confidence[mine])
    right = (truth[mine] == label)[order].cumsum()
    count = np.arange(1, len(order) + 1)
    good = np.nonzero((right / count >= PRECISION) & (count >= SUPPORT))[0]
    return round(float(confidence[mine][order][good[-1]]), 4) if len(good) else 1.1


def held_out_by_source(stuff: Material, known: Weighted | None, sources: Sequence[str]) -> tuple[Array, list[Row]]:
    """Logits of the rows of these sources, each from a model that saw nothing of it."""
    parts: list[Array] = []
    told: list[Row] = []
    for source in sources:
        rest = stuff.of([n for n, r in enumerate(stuff.rows) if r.source != source])
        mine = stuff.of([n for n, r in enumerate(stuff.rows) if r.source == source and not r.made])
        parts.append(logits(learn(rest, known), mine.rows, mine.found))
        told += mine.rows
    return np.concatenate(parts), told


def scores(z: Array, rows: Sequence[Row]) -> dict[str, float]:
    """Accuracy and macro-F1."""
    truth = np.array([LABELS.index(r.label) for r in rows])
    answer = z.argmax(1)
    f1 = []
    for n in range(len(LABELS)):
        hit = int(((answer == n) & (truth == n)).sum())
        wrong = int(((answer == n) != (truth == n)).sum())
        if hit or wrong:
            f1.append(2 * hit / (2 * hit + wrong))
    return {"accuracy": float((answer == truth).mean()), "macro_f1": sum(f1) / max(1, len(f1))}


def counts(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(r.label for r in rows))
