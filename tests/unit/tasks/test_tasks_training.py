"""Learning, on a toy: the same rows give the same bytes, sources are held out whole, calibration is fitted on them only."""

from __future__ import annotations

import numpy as np
import pytest

from trunkline.tasks import training
from trunkline.tasks.labels import LABELS
from trunkline.tasks.model import Model
from trunkline.tasks.senses import Senses
from trunkline.tasks.teacher import Lexicon
from trunkline.tasks.training import Row

ASKS = {
    "translation": "translate the sentence number {n} into Welsh for my {thing}",
    "code": "fix the function number {n} of my {thing} module, it crashes",
    "math_reasoning": "what is {n} plus {n} times the number of {thing} legs",
}
THINGS = ("goat", "boat", "coat", "moat", "float", "throat")


def rows() -> list[Row]:
    return [
        Row(prompt=ask.format(n=n, thing=thing), label=label, lang="en", source=f"s{n % 2}", own=n % 3 == 0)
        for label, ask in ASKS.items()
        for n in range(8)
        for thing in THINGS
    ]


def test_the_same_rows_teach_the_same_weights() -> None:
    stuff = training.material(rows(), None)
    held, told = training.held_out_by_source(stuff, None, ["s0", "s1"])
    packed = [training.packed(training.learn(stuff, None), held, told, ("2026-11-24", ("x",))) for _ in range(2)]
    assert packed[0] == packed[1]
    model = Model.read(packed[0])
    assert model.classify("translate the sentence number 3 into Welsh for my goat").label == "translation"
    assert model.classify("fix the function number 9 of my goat module, it crashes").label == "code"
    assert model.settings.background == ("x",)


def test_a_source_is_held_out_whole_and_what_was_made_of_it_too() -> None:
    lessons = training.augmented([*rows(), Row(prompt="only here", label="writing", source="s2", own=True)])
    stuff = training.material(lessons, None)
    held, told = training.held_out_by_source(stuff, None, ["s2"])
    assert [r.prompt for r in told] == ["only here"]
    assert held.argmax(1)[0] != LABELS.index("writing"), "nothing has told the model that writing exists"
    assert {r.source for r in lessons if r.made} == {"s0", "s1", "s2"}


def test_augmented_rows_are_of_our_own_prompts_only() -> None:
    lessons = training.augmented(rows())
    assert sum(r.made for r in lessons) == sum(r.own for r in rows())
    assert not any(r.made and not r.own for r in lessons)


def test_what_a_teacher_knows_of_a_word_reaches_texts_that_were_never_seen() -> None:
    """Two directions of meaning; a word that no row has lies in the direction of the words that mean translation."""
    words = ["translate", "sentence", "welsh", "fix", "function", "module", "crashes", "cyfieithu"]
    vectors = np.array([[1, 0]] * 3 + [[0, 1]] * 4 + [[1.2, 0]], dtype=np.float32)
    known = training.weighted(Lexicon(tuple(words), vectors), rows())
    stuff = training.material(rows(), known)
    without, with_it = training.learn(stuff, None), training.learn(stuff, known)
    assert without.said == {}
    assert with_it.said["cyfieithu"].argmax() == LABELS.index("translation")
    held, told = training.held_out_by_source(stuff, known, ["s0"])
    model = Model.read(training.packed(with_it, held, told, ("2026-11-24", ())))
    assert model.classify("cyfieithu cyfieithu").label == "translation"


def test_the_table_of_senses_keeps_directions() -> None:
    dice = np.random.default_rng(1)
    base = dice.normal(size=(3, 512)).astype(np.float32)
    names = [("goat", 0), ("sheep", 0), ("train", 1), ("tram", 1), ("soup", 2), ("stew", 2)]
    vectors = np.stack([base[k] + 0.1 * dice.normal(size=512) for _, k in names]).astype(np.float32)
    known = training.weighted(Lexicon(tuple(n for n, _ in names), vectors), rows())
    senses = Senses.read(training.senses(known))

    def like(a: str, b: str) -> float:
        return sum(x * y for x, y in zip(senses.vector(a), senses.vector(b), strict=True))

    assert like("goat", "sheep") > 0.9 > 0.5 > like("goat", "tram")
    assert senses.vector("unheard-of") == [0.0] * len(senses.vector("goat"))


def test_thresholds_are_where_answers_were_right_often_enough() -> None:
    truth = np.array([0] * 40)
    answer = np.array([0] * 40)
    confidence = np.linspace(0.99, 0.2, 40)
    wrong = truth.copy()
    wrong[30:] = 1
    assert training._threshold(confidence, answer, wrong, 0) == pytest.approx(float(confidence[31]), abs=1e-3)
    assert training._threshold(confidence[:5], answer[:5], truth[:5], 0) == 1.1
