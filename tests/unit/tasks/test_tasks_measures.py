"""Measures, against numbers worked out by hand."""

from __future__ import annotations

import pytest

from trunkline.tasks.measures import Answered, majority, measured
from trunkline.tasks.perturb import AUGMENTED, PERTURBED
from trunkline.tasks.plainly import plain_guess

ROWS = [
    Answered("code", "code", 0.95, True, "en"),
    Answered("code", "code", 0.85, True, "de"),
    Answered("code", "writing", 0.55, False, "de"),
    Answered("writing", "writing", 0.65, False, "en"),
    Answered("open_qa", "brainstorming", 0.45, True, "en"),
]


def test_measures() -> None:
    made = measured(ROWS)
    assert made.prompts == 5
    assert made.accuracy == 0.6
    # f1: code 4/5, writing 2/3, open_qa 0, brainstorming 0
    assert made.macro_f1 == pytest.approx((0.8 + 2 / 3) / 4, abs=1e-4)
    assert made.groups == 0.6
    assert (made.sure, made.accuracy_when_sure) == (0.6, pytest.approx(2 / 3, abs=1e-4))
    assert made.labels == {"code": (1.0, 0.6667), "open_qa": (0.0, 0.0), "writing": (0.5, 1.0)}
    assert made.languages == {"de": (2, 0.5), "en": (3, 0.6667)}
    assert made.coverage[0.5] == 1.0 and made.coverage[1.0] == 0.6
    # each in a bin of its own: |.95-1| + |.85-1| + |.55-0| + |.65-1| + |.45-0| over 5
    assert made.calibration_error == pytest.approx((0.05 + 0.15 + 0.55 + 0.35 + 0.45) / 5, abs=1e-4)
    assert majority(ROWS) == 0.6


def test_groups_forgive_what_lies_near() -> None:
    assert measured([Answered("brainstorming", "writing", 0.5)]).groups == 1.0


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(ValueError, match="nothing"):
        measured([])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("write a python script", "code"),
        ("translate to Polish", "translation"),
        ("总结这篇文章", "summarization"),
        ("what is a fjord", "open_qa"),
        ("ideas for dinner", "brainstorming"),
        ("was the tenant late? " + "He came on Monday. " * 30, "closed_qa"),
    ],
)
def test_the_plain_patterns(text: str, label: str) -> None:
    assert plain_guess(text) == label


def test_what_is_measured_is_not_what_is_trained_on() -> None:
    prompt = "Please check whether these invoices belong together"
    measured_on = {change(prompt) for change in PERTURBED.values()}
    assert len(measured_on) == len(PERTURBED) == 7
    assert measured_on.isdisjoint(change(prompt) for change in AUGMENTED)
    assert len(PERTURBED["appended"](prompt)) > 16_000
