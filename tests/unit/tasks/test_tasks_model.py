"""The table, read and added up: checked against arithmetic written out plainly."""

from __future__ import annotations

import math

import pytest

from trunkline.tasks.features import BUCKETS, parts, token_buckets
from trunkline.tasks.labels import LABELS
from trunkline.tasks.lexicon import fill, find
from trunkline.tasks.model import Model, Settings, believed, script_of, write

COUNT = len(LABELS)
SETTINGS = Settings(
    labels=LABELS,
    scales=tuple(0.01 * (n + 1) for n in range(COUNT)),
    bias=tuple(0.1 * n for n in range(COUNT)),
    temperature={"ascii": 2.0},
    sure={"code": 0.5},
)


def table(of: dict[int, list[int]]) -> bytes:
    rows = bytearray([128]) * (BUCKETS * COUNT)
    for bucket, values in of.items():
        rows[bucket * COUNT : (bucket + 1) * COUNT] = bytes(128 + v for v in values)
    return bytes(rows)


def lexicon(of: dict[str, list[int]]) -> bytes:
    return fill((word, bytes(128 + v for v in values)) for word, values in of.items())


NONE = lexicon({})


def test_a_text_scores_the_sum_of_its_rows_over_the_root_of_their_number() -> None:
    text = "please invert the binary tree"
    found = parts(text)
    buckets = [*found.buckets, *(b for word in found.words for b in token_buckets(word))]
    values = {bucket: [(bucket * (n + 3)) % 255 - 127 for n in range(COUNT)] for bucket in buckets}
    known = {"invert": [40] * COUNT, "binary": [-7 * n for n in range(COUNT)], "unheard": [99] * COUNT}
    scored = Model(SETTINGS, table(values), lexicon(known)).classify(text)

    logits = [
        (sum(values[b][n] for b in buckets) + 40 - 7 * n) * SETTINGS.scales[n] / math.sqrt(len(buckets))
        + SETTINGS.bias[n]
        for n in range(COUNT)
    ]
    exps = [math.exp((z - max(logits)) / 2.0) for z in logits]
    assert scored.label == LABELS[logits.index(max(logits))]
    assert scored.probabilities == pytest.approx([e / sum(exps) for e in exps], abs=1e-9)
    assert sum(scored.probabilities) == pytest.approx(1.0)


def test_the_same_text_again_scores_the_same() -> None:
    model = Model(SETTINGS, table({}), NONE)
    assert model.classify("twice, please twice") == model.classify("twice, please twice")


def test_what_is_written_is_read() -> None:
    model = Model.read(write(SETTINGS, table({7: [1] * COUNT}), NONE))
    assert model.settings == SETTINGS


@pytest.mark.parametrize("data", [b"", b"trunkline tasks 1\n{}", b"PK\x03\x04", write(SETTINGS, b"\x80" * 11, NONE)])
def test_other_files_are_no_weights(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        Model.read(data)


def test_a_label_is_believed_from_where_it_was_right_often_enough() -> None:
    scored = Model(SETTINGS, table({}), NONE).classify("x")
    assert not believed(SETTINGS, scored)
    assert believed(SETTINGS, scored, {scored.label: 0.01})


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("plain words", "ascii"),
        ("schöne Grüße", "latin"),
        ("写一首诗", "cjk"),
        ("한국어로", "cjk"),
        ("привет мир", "other"),
    ],
)
def test_every_script_has_its_calibration(text: str, script: str) -> None:
    assert script_of(text) == script


def test_words_of_a_full_lexicon_do_not_speak_for_each_other() -> None:
    words = [f"word{n}" for n in range(150_000)]
    made = fill((word, bytes([n % 256] * COUNT)) for n, word in enumerate(words))
    found = [find(made, word) for word in words]
    right = sum(row == bytes([n % 256] * COUNT) for n, row in enumerate(found))
    wrong = sum(row not in (b"", bytes([n % 256] * COUNT)) for n, row in enumerate(found))
    assert right > 95_000
    assert wrong < 0.01 * len(words)
    assert found[0] == bytes(COUNT), "the first ones have their places"
    assert sum(bool(find(made, f"stranger{n}")) for n in range(10_000)) < 150
