"""Tokens, stems, pairs and buckets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.tasks.features import BUCKETS, features, letters_bucket, parts, tokens_of, words_of


def test_tokens_are_words_single_characters_of_scripts_without_spaces_and_signs() -> None:
    assert tokens_of("Don't panic, 42 times!") == ["don", "'", "t", "panic", ",", "0", "times", "!"]
    assert tokens_of("写一首诗") == ["写", "一", "首", "诗"]
    assert tokens_of("ภาษา") == ["ภ", "า", "ษ", "า"]


@pytest.mark.parametrize(
    ("text", "word"),
    [("번역해줘 부탁해", "번역"), ("请翻译这句话", "翻译"), ("translate me", "translate"), ("tel 5551234", "0")],
)
def test_what_a_teacher_knows_of_a_word_reaches_the_texts_that_have_it(text: str, word: str) -> None:
    assert word in words_of(text)


def test_a_long_word_with_two_letters_swapped_keeps_a_bucket() -> None:
    assert letters_bucket("translate") == letters_bucket("tarnslate")
    assert letters_bucket("tarnslate") in features("tarnslate this") & features("translate this")


def test_the_system_prompt_and_the_turn_before_are_groups_of_their_own() -> None:
    alone = features("and shorter?")
    assert alone < features("and shorter?", before="write a story about a lighthouse")
    assert features("and shorter?", before="fix bug") != features("and shorter?", system="fix bug")


@given(st.text(max_size=600), st.text(max_size=60), st.text(max_size=60))
def test_every_text_has_buckets_of_the_table(text: str, system: str, before: str) -> None:
    found = features(text, system, before)
    assert all(0 <= bucket < BUCKETS for bucket in found)
    assert len(found) < 65_000 // 4, "the fields of the model cannot overflow"
    assert len(parts(text).words) == len(set(parts(text).words))
