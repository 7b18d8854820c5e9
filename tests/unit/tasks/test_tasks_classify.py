"""The classifier of the package: order of evidence, memory, bounded cost; not how good it is (docs/reference/tasks.md says)."""

from __future__ import annotations

import time

import pytest

from trunkline.app.tasking import SENSES, WEIGHTS, TaskGuesser, classifier
from trunkline.tasks.classify import KEPT
from trunkline.tasks.difficulty import band
from trunkline.types.facts import NO_GUESS
from trunkline.types.words import OwnTask, Words


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Write a Python function that reverses a linked list and add unit tests", "code"),
        ("Translate the following sentence into French: the train is late again", "translation"),
        ("Summarize this article in three bullet points:", "summarization"),
        ("What is 17% of 2,340 plus 12?", "math_reasoning"),
        ("把下面这段话翻译成英文", "translation"),
    ],
)
def test_plain_requests(text: str, label: str) -> None:
    found = classifier().guess(text)
    assert (found.label, found.source) == (label, "model")
    assert 0.0 < found.confidence <= 1.0


def test_a_text_that_is_nearly_all_code_needs_no_model() -> None:
    block = "def double(x):\n    return x +\n\nprint(double(4))\n" * 3
    found = classifier().guess(f"```python\n{block}```\nwhy?")
    assert (found.label, found.source, found.sure) == ("code", "structure", True)


def test_no_words_no_guess() -> None:
    assert classifier().guess("  \n ") is NO_GUESS


def test_a_short_message_is_read_with_the_one_before() -> None:
    c = classifier()
    alone = c.guess("now in rust")
    follow = c.guess("now in rust", before="write a function in Go that parses RFC 3339 dates")
    assert follow.confidence != alone.confidence
    long = "please explain to me what the ozone layer does and why it matters"
    assert c.guess(long, before="write code") == c.guess(long, before="sing")


def test_what_was_asked_lately_is_remembered_and_forgotten() -> None:
    c = classifier()
    first = c.guess("name three rivers")
    assert c.guess("name three rivers") is first
    for n in range(KEPT + 1):
        c.guess(f"name {n} rivers, {n}")
    assert c.guess("name three rivers") == first


def test_prompts_of_any_length_cost_about_the_same() -> None:
    c, words = classifier(), "the quick brown fox jumps over a lazy dog "

    def cost(times: int, start: int) -> float:
        texts = [f"{n} {words * times} {n}" for n in range(start, start + 30)]
        started = time.perf_counter()
        for text in texts:
            c.guess(text)
        return time.perf_counter() - started

    pages, megabytes = min(cost(20, n) for n in (0, 30, 60)), min(cost(20_000, n) for n in (100, 130, 160))
    assert megabytes < 10 * pages


def test_the_weights_stay_small() -> None:
    assert WEIGHTS.stat().st_size + SENSES.stat().st_size <= 5_000_000


@pytest.mark.parametrize(
    ("text", "task", "wanted"),
    [
        ("hi", "open_qa", "easy"),
        ("is this spam: you won", "classification", "easy"),
        ("translate: good morning", "translation", "easy"),
        (
            "Implement a lock-free queue. It must handle exactly one producer, without allocation.\n- no unsafe\n- prove it",
            "code",
            "hard",
        ),
        ("Write me a short story about a fox who learns to swim in the village pond", "writing", "medium"),
    ],
)
def test_difficulty(text: str, task: str, wanted: str) -> None:
    assert band(text, task) == wanted


OWN = (
    OwnTask(
        name="refunds",
        examples=(
            "where is my refund",
            "I want my money back for order 4412",
            "you charged me twice, please return the second payment",
            "my refund still has not arrived after two weeks",
        ),
    ),
    OwnTask(
        name="shipping",
        examples=(
            "when will my parcel arrive",
            "tracking says delivered but nothing is here",
            "change the delivery address of my order",
            "how long does express delivery take",
        ),
        not_examples=("write a story about a parcel",),
    ),
)


def test_own_labels_go_before_the_built_in_ones() -> None:
    c = classifier(OWN)
    found = c.guess("please, where is my refund for order 99")
    assert (found.label, found.group, found.source, found.sure) == ("refunds", "refunds", "own", True)
    assert c.guess("when does my parcel arrive?").label == "shipping"
    other = c.guess("Write a Python function that reverses a linked list and add unit tests")
    assert (other.label, other.source) == ("code", "model")


def test_own_labels_say_how_well_their_examples_tell_them_apart() -> None:
    own = classifier(OWN).own
    assert own is not None
    assert set(own.fitness.by_label) == {"refunds", "shipping"}
    assert 0.0 <= own.fitness.accuracy <= 1.0
    mixed = (
        OWN[0],
        OwnTask(name="payback", examples=tuple(f"{example} please" for example in OWN[0].examples)),
    )
    confused = classifier(mixed).own
    assert confused is not None
    assert ("payback", "refunds") in confused.fitness.overlapping


def test_a_stated_confidence_holds() -> None:
    never = classifier((OwnTask(name="refunds", examples=OWN[0].examples, min_confidence=1.0),))
    assert never.guess("my refund is missing").source == "model"


def test_a_guesser_reads_what_it_needs_once() -> None:
    guesser = TaskGuesser()
    guesser.warm()
    assert guesser.classifier() is guesser.classifier()
    assert guesser.guess(Words(text="What is 3 + 4 * 2?")).label == "math_reasoning"
