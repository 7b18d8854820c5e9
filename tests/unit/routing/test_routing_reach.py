"""Rules that nothing reaches, conditions that never hold, values that nothing has: errors of `check`, not of a request."""

from __future__ import annotations

import pytest

from trunkline.routing.reach import impossible, shadowed, strange_values


@pytest.mark.parametrize(
    ("whens", "found"),
    [
        (['task == "a"', 'team == "x" && task == "a"'], {1: 0}),
        (['task == "a"', "'a' == task"], {1: 0}),
        (['(task == "a")', 'task=="a" && stream'], {1: 0}),
        (['task == "a" || team == "x"', 'team == "x" && stream'], {1: 0}),
        (['task == "a" || team == "x"', 'team == "x" || task == "a"'], {1: 0}),
        (["true", "stream"], {1: 0}),
        (['task == "a" && stream', 'task == "a"'], {}),
        (['task == "a"', 'task == "b"'], {}),
        (['task == "a" || stream', 'task == "b" || stream'], {}),
        (['!(task == "a")', 'task == "a"'], {}),
        (['stream ? true : task == "a"', "stream"], {}),
        (["stream", "tokens > 5", "tokens > 5 && stream", "tokens > 5 && tools > 0"], {2: 0, 3: 1}),
    ],
)
def test_a_rule_behind_one_that_takes_everything_it_could_match(whens: list[str], found: dict[int, int]) -> None:
    assert shadowed([(when, None) for when in whens]) == found


def test_another_threshold_is_another_condition() -> None:
    assert shadowed([('task == "a"', 0.9), ('task == "a"', 0.5)]) == {}
    assert shadowed([('team == "a"', 0.9), ('team == "a"', 0.5)]) == {1: 0}


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("false", "it is never true"),
        ("1 == 2", "it is never true"),
        ('task == "a" && task == "b"', "it wants one name to have two values at once"),
        ('task == "a" && task == "b" || team == "x" && team == "y"', "it wants one name to have two values at once"),
        ('task == "a" && task == "b" || stream', ""),
        ('task == "a" && team == "b"', ""),
        ('metadata.x == "a" && metadata.y == "b"', ""),
        ("true", ""),
    ],
)
def test_what_can_never_hold(when: str, why: str) -> None:
    assert impossible(when) == why


def test_values_that_a_variable_of_a_closed_list_never_has() -> None:
    known = {"task": ("code", "writing")}
    when = 'task == "cod" || "hart" == difficulty || modality in ["text", "img"] || metadata.task == "zzz" || team == "zzz"'
    assert strange_values(when, known) == [("task", "cod"), ("difficulty", "hart"), ("modality", "img")]
    assert strange_values('task != "code" && dialect == "gemini_generate"', known) == []
