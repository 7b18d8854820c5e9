"""Conditions: what they may say, what is wrong with them in words, and that one hundred cost about what one does."""

from __future__ import annotations

import time
from typing import Any

import pytest

from trunkline.routing.conditions import (
    VARIABLES,
    ConditionProblem,
    Conditions,
    check_condition,
    constant,
    names_in,
)
from trunkline.types.envelope import NEED, Envelope
from trunkline.types.facts import NO_GUESS, Facts, Guess
from trunkline.types.principal import Principal


def facts(guess: Guess = NO_GUESS, **more: Any) -> Facts:
    envelope = Envelope(
        dialect="openai_chat",
        operation="chat",
        model="assistant",
        stream=True,
        body_bytes=4000,
        input_tokens=1000,
        max_output_tokens=64,
        tools=2,
        needs=NEED["image"] | NEED["tools"],
        turns=3,
    )
    principal = Principal(key_id="k1", team="clinic", organisation="acme")
    said = {"envelope": envelope, "principal": principal, "guess": guess, "user": "ann", "feature": "triage"}
    return Facts(
        **{**said, "metadata": {"run": "7"}, "headers": {"x-tenant": "a"}, "hour": 23, "ejected": ("gpt",), **more}
    )


CODE = Guess(label="code", group="technical", confidence=0.9, difficulty="hard", sure=True)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ('model == "assistant"', True),
        ('dialect == "anthropic_messages"', False),
        ('operation == "chat" && stream', True),
        ("tokens > 999 && tokens <= 1000", True),
        ("max_output_tokens == 64", True),
        ("turns >= 3", True),
        ('modality == "image"', True),
        ("tools > 0 && !output_schema", True),
        ('task == "code" && task_group == "technical" && confidence >= 0.9 && difficulty != "easy"', True),
        ('key_id == "k1" && user == "ann" && team == "clinic" && organisation == "acme"', True),
        ('feature in ["triage", "intake"]', True),
        ('metadata.run == "7"', True),
        ('"run" in metadata && !("x-other" in header)', True),
        ("header['x-tenant'] == 'a'", True),
        ("hour >= 22 || hour < 6", True),
        ('"gpt" in ejected && !("claude" in ejected)', True),
        ('team.startsWith("cl") && team.matches("^c.*c$")', True),
        ('["a", "clinic"].exists(t, t == team)', True),
        ('team == "clinic" // and a comment', True),
        ("team == 'it\\'s' // quote\n || true", True),
    ],
)
def test_a_condition_sees(text: str, holds: bool) -> None:
    check_condition(text)
    assert tuple(Conditions([(text, None)]).evaluate(facts(CODE))) == (holds,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('taks == "code"', "nothing is called 'taks' (at character 1)"),
        ('tokens == "many"', "'==' does not take a whole number and a text (at character 8)"),
        ("confidence > 1", "write a number with a point beside confidence"),
        ("task", "it is no condition: it gives a text, not true or false"),
        ('task == "code', "Syntax error"),
        ("", "Syntax error"),
        ("tokens + ", "Syntax error"),
        ('os.system("x") == 0', "nothing is called 'os'"),
        ('team == "' + "x" * 2000 + '"', "2000 are the most"),
        ('task == "a"), (true', "Syntax error"),
        ("__import__('os') == 1", "__import__"),
    ],
)
def test_what_is_no_condition_is_said_in_words(text: str, says: str) -> None:
    with pytest.raises(ConditionProblem) as caught:
        check_condition(text)
    assert says in str(caught.value)
    assert "INVALID_ARGUMENT" not in str(caught.value)


def test_a_condition_that_errs_spoils_no_other() -> None:
    three = Conditions(
        [('metadata.absent == "x"', None), ('team == "clinic"', None), ("10 / (tokens - 1000) > 1", None)]
    )
    assert tuple(three.evaluate(facts())) == (None, True, None)


def test_a_task_that_is_not_sure_is_unknown_but_for_rules_with_a_threshold_of_their_own() -> None:
    doubtful = Guess(label="code", group="technical", confidence=0.6, sure=False)
    conditions = Conditions(
        [
            ('task == "code"', None),
            ('task == "unknown" && task_group == "unknown"', None),
            ('task == "code"', 0.5),
            ('task_group == "technical" && "task" != task', 0.5),
            ('task == "code"', 0.7),
        ]
    )
    assert tuple(conditions.evaluate(facts(doubtful))) == (False, True, True, True, False)


def test_names_are_found_where_they_are_variables() -> None:
    assert names_in('task == "team" && metadata.user == "x" // hour') == {"task", "metadata"}
    assert constant("1 == 1") is True and constant("false || 1 > 2") is False and constant("stream") is None


def test_answers_are_remembered_only_as_long_as_the_facts_are_the_same() -> None:
    conditions = Conditions([('team == "clinic" && "gpt" in ejected', None)])
    assert tuple(conditions.evaluate(facts())) == tuple(conditions.evaluate(facts())) == (True,)
    assert tuple(conditions.evaluate(facts(ejected=()))) == (False,)
    for number in range(5000):
        assert tuple(conditions.evaluate(facts(ejected=(f"d{number}",)))) == (False,)
    assert tuple(conditions.evaluate(facts())) == (True,)


def test_hostile_conditions_are_refused_or_end_soon() -> None:
    """K15: loops do not nest, the runtime bounds their steps, and its patterns take linear time."""
    ones = "[" + ",".join(["1"] * 300) + "]"
    with pytest.raises(ConditionProblem, match="one loop"):
        check_condition(f"{ones}.all(x, {ones}.exists(y, x + y > 5))")
    check_condition("[1].all(x, x > 0) && [2].exists(y, y > 1)")
    endless = f"{ones}.all(x, {ones}.all(y, {ones}.all(z, x + y + z > 0)))"  # as if it had slipped through
    hostile = Conditions([(endless, None), ('team.matches("(a+)+$")', None), ("stream", None)])
    started = time.perf_counter()
    answers = hostile.evaluate(facts(principal=Principal(key_id="k", team="a" * 50_000 + "b")))
    took = time.perf_counter() - started
    assert answers == (None, False, True)
    assert took < 0.5  # a runaway would take minutes


def test_every_variable_has_a_type_a_source_and_a_purpose() -> None:
    seen = facts(CODE)
    for name, (_, get, about) in VARIABLES.items():
        assert get(seen) is not None, name
        assert about
