"""The linear model over hashed features, read from bytes, evaluated with integers. Pure, and without any library.

A row of the table has one signed byte per label. Rows are added up as large integers, with 24 bits for each label, so that
adding a feature is one addition: no field can overflow below 65,000 features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import islice

import msgspec

from trunkline.tasks.features import BUCKETS, Parts, own_hash, parts, token_buckets, word_forms
from trunkline.tasks.labels import LABELS
from trunkline.tasks.lexicon import ROW, SLOTS, find

MAGIC = b"trunkline tasks 2\n"
#: Words whose rows are kept added up: about 200 bytes each.
KEPT = 16_000
#: The sum of a word's rows, the number of its features and of its rows, and its hash.
Known = tuple[int, int, int, int]
_FIELD = 3
_BIAS = 128
_WIDTH = _FIELD * len(LABELS)
_MASK = (1 << 8 * _FIELD) - 1
#: The first label stands in the highest field.
_SHIFTS = tuple(8 * _FIELD * (len(LABELS) - 1 - n) for n in range(len(LABELS)))
#: Scripts that are calibrated apart.
SCRIPTS = ("ascii", "latin", "cjk", "other")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the table. `scales` and `bias` are per label, `temperature` per script; `sure` is the confidence from
    which a label is believed: where its precision was measured at 0.93 or more."""

    labels: tuple[str, ...]
    scales: tuple[float, ...]
    bias: tuple[float, ...]
    temperature: dict[str, float]
    sure: dict[str, float]
    trained: str = ""
    background: tuple[str, ...] = ()


class Scored(msgspec.Struct, frozen=True):
    """Probabilities in the order of `LABELS`."""

    label: str
    confidence: float
    probabilities: tuple[float, ...]


class Model:
    def __init__(self, settings: Settings, table: bytes, words: bytes) -> None:
        """`table` has BUCKETS rows of one biased byte (value + 128) per label, `words` is a lexicon. Raises ValueError for any
        other size."""
        if settings.labels != LABELS or len(table) != BUCKETS * len(LABELS) or len(words) != SLOTS * ROW:
            raise ValueError("the weights of the task model belong to another version")
        self.settings = settings
        self._rows = _spread(table)
        self._words = words
        self._kept: dict[str, Known] = {}

    @classmethod
    def read(cls, data: bytes) -> Model:
        """Raises ValueError for what is no weights file."""
        if not data.startswith(MAGIC):
            raise ValueError("this is no weights file of the task model")
        head, _, tables = data[len(MAGIC) :].partition(b"\n")
        size = BUCKETS * len(LABELS)
        return cls(msgspec.json.decode(head, type=Settings), tables[:size], tables[size:])

    def classify(self, text: str, system: str = "", before: str = "") -> Scored:
        return self.scored(self.parts(text, system, before), script_of(text))

    def parts(self, text: str, system: str = "", before: str = "") -> Parts:
        """As `features.parts`, with a memory for words."""
        return parts(text, system, before, self._hash_of)

    def _hash_of(self, word: str) -> int:
        known = self._kept.get(word)
        return known[3] if known is not None else self._keep(word)[3]

    def scored(self, found: Parts, script: str) -> Scored:
        total, count = self._sum(found.buckets), len(found.buckets)
        rows = count
        kept = self._kept
        for word in found.words:
            known = kept.get(word)
            if known is None:
                known = self._keep(word)
            total += known[0]
            count += known[1]
            rows += known[2]
        settings = self.settings
        offset, norm = _BIAS * rows, 1.0 / math.sqrt(count or 1)
        heat = settings.temperature.get(script, 1.0)
        logits = [
            (((total >> _SHIFTS[n]) & _MASK) - offset) * settings.scales[n] * norm + settings.bias[n]
            for n in range(len(LABELS))
        ]
        most = max(logits)
        shares = [math.exp((logit - most) / heat) for logit in logits]
        whole = sum(shares)
        best = logits.index(most)
        return Scored(LABELS[best], shares[best] / whole, tuple(share / whole for share in shares))

    def _sum(self, buckets: Iterable[int]) -> int:
        rows = self._rows
        return sum(map(int.from_bytes, [rows[b * _WIDTH : b * _WIDTH + _WIDTH] for b in buckets]))

    def _keep(self, word: str) -> Known:
        """The same words come again and again; the oldest are forgotten."""
        if len(self._kept) >= KEPT:
            for old in list(islice(self._kept, KEPT // 4)):
                del self._kept[old]
        buckets = token_buckets(word)
        total, rows = self._sum(buckets), len(buckets)
        for form in word_forms(word):
            row = find(self._words, form)
            if row:
                total += int.from_bytes(_spread(row))
                rows += 1
        made = self._kept[word] = (total, len(buckets), rows, own_hash(word))
        return made


def _spread(table: bytes) -> bytes:
    """A field of its own for each byte."""
    wide = bytearray(len(table) * _FIELD)
    wide[_FIELD - 1 :: _FIELD] = table
    return bytes(wide)


def script_of(text: str) -> str:
    """Which calibration a text falls under, by its first letters."""
    seen = text[:200]
    if seen.isascii():
        return "ascii"
    cjk = sum("\u3040" <= c <= "\u30ff" or "\u3400" <= c <= "\u9fff" or "\uac00" <= c <= "\ud7af" for c in seen)
    if cjk * 8 > len(seen):
        return "cjk"
    other = sum(c > "\u024f" and c.isalpha() for c in seen)
    return "other" if other * 5 > len(seen) else "latin"


def write(settings: Settings, table: bytes, words: bytes) -> bytes:
    """The bytes of a weights file."""
    return MAGIC + msgspec.json.encode(settings) + b"\n" + table + words


def believed(settings: Settings, scored: Scored, least: Mapping[str, float] | None = None) -> bool:
    return scored.confidence >= (least or settings.sure).get(scored.label, 1.1)
