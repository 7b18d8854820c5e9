"""What is wanted, taken out of what surrounds it."""

from __future__ import annotations

import time

import pytest

from trunkline.tasks.heart import HEAD, TAIL, heart

PASSAGE = "The ferry leaves the old pier at six and comes back at nine, unless the wind is from the north. " * 6


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("translate this into Dutch: I am late", "translate this into Dutch: I am late"),
        ("Hi there, hope you are well! shorten this mail Thanks a lot.", "shorten this mail"),
        (
            "Guten Tag, schreib mir ein Gedicht über Nebel. Vielen Dank!",
            "schreib mir ein Gedicht über Nebel.",
        ),
        ("Hallo!\nwas ist ein Fahrtenbuch", "was ist ein Fahrtenbuch"),
        ('"What is a monad?"', "What is a monad?"),
        ("«Сколько будет семь раз по восемь?»", "Сколько будет семь раз по восемь?"),
        ("hi", "hi"),
        ("thanks!", "thanks!"),
        ("", ""),
    ],
)
def test_courtesies_and_quotation_marks_fall_away_where_something_is_left(message: str, wanted: str) -> None:
    assert heart(message).text == wanted


def test_a_passage_behind_or_before_the_request_is_material() -> None:
    behind = heart(f"three key points please\n\n{PASSAGE}")
    assert (behind.text, behind.before, behind.after) == ("three key points please", False, True)
    before = heart(f"{PASSAGE}\n\nwhen does the ferry come back?")
    assert (before.text, before.before, before.after) == ("when does the ferry come back?", True, False)


def test_the_last_mark_of_a_wrapper_says_where_the_request_begins() -> None:
    found = heart(f"Use the context.\n\nContext:\n{PASSAGE}\n\nUser question: write a haiku about ferries")
    assert found.text == "write a haiku about ferries"
    assert found.before


def test_a_text_without_short_paragraphs_is_seen_through_a_window() -> None:
    found = heart("x" * 1_000).text
    assert len(found) == HEAD + TAIL + 3 and "\x01" in found


def test_a_megabyte_costs_what_a_page_costs() -> None:
    page, megabyte = f"sum this up\n\n{PASSAGE * 10}", f"sum this up\n\n{PASSAGE * 2_000}"
    assert heart(page) == heart(megabyte)

    def cost(text: str) -> float:
        started = time.perf_counter()
        for _ in range(50):
            heart(text)
        return time.perf_counter() - started

    assert min(cost(megabyte) for _ in range(3)) < 10 * min(cost(page) for _ in range(3))


@pytest.mark.parametrize(
    "nasty", ["\ud800 alone", "\x00" * 500, "Question: " * 4_000, "\n\n" * 5_000, "hi " * 9_000, "『" * 700]
)
def test_odd_texts_are_only_texts(nasty: str) -> None:
    assert isinstance(heart(nasty).text, str)
