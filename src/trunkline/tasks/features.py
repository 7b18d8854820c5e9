"""From text to features: Unicode tokens, n-grams, affixes, positions and a few facts of form, hashed into buckets. Pure.

The text is what the user's last message wants (heart.py), so that a prompt of a megabyte costs what a short one costs. A
bucket is an index below `BUCKETS`; a text gives a set of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from zlib import crc32

import msgspec

from trunkline.tasks.heart import Heart, heart, window

BITS = 17
BUCKETS = 1 << BITS
MASK = BUCKETS - 1
FIRST, LAST = 12, 14
#: Words longer than this have ends and letters of their own.
LONG = 4

_ALONE = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f"
_TOKEN = re.compile(rf"[{_ALONE}]|[^\W\d_{_ALONE}]+|\d+|[^\w\s]|_")


class Parts(msgspec.Struct, frozen=True):
    """`words` stand once each, and have the buckets of `token_buckets`; `buckets` are all others."""

    words: list[str]
    buckets: set[int]


def hashed(word: str, kind: int = 0) -> int:
    return crc32(word.encode("utf-8", "replace"), kind)


def tokens_of(text: str) -> list[str]:
    return ["0" if token.isdigit() else token for token in _TOKEN.findall(text.lower())]


def word_forms(token: str) -> tuple[str, ...]:
    """A token, and the stems of a Korean one: particles stick to its end."""
    if len(token) > 2 and "\uac00" <= token[0] <= "\ud7a3":
        return (token, token[:2]) if len(token) == 3 else (token, token[:2], token[:3])
    return (token,)


def word_bucket(word: str) -> int:
    return hashed(word) & MASK


def letters_bucket(word: str) -> int:
    """Of a word's letters in any order but the first: fingers swap them."""
    return _letters(word) & MASK


def _letters(word: str) -> int:
    return hashed(word[0] + "".join(sorted(word[1:])), 6)


def pairs_of(tokens: list[str]) -> list[str]:
    """Neighbouring characters of Chinese and Japanese: most words there have two."""
    return [a + b for a, b in pairwise(tokens) if "\u3040" <= a[0] <= "\u9fff" and "\u3040" <= b[0] <= "\u9fff"]


def words_of(text: str) -> list[str]:
    """Every word that is looked up in the lexicon."""
    tokens = tokens_of(heart(text).text)
    return [form for token in tokens for form in word_forms(token)] + pairs_of(tokens)


def token_buckets(token: str) -> tuple[int, ...]:
    """Of the token and its stems, of its ends of 4 and 5 characters, and of its letters in any order but the first."""
    buckets = [word_bucket(form) for form in word_forms(token)]
    if len(token) > LONG:
        buckets += (hashed(token[:4], 1) & MASK, hashed(token[-4:], 2) & MASK)
        buckets.append(letters_bucket(token))
        if len(token) > 5:
            buckets += (hashed(token[:5], 3) & MASK, hashed(token[-5:], 4) & MASK)
    return tuple(dict.fromkeys(buckets))


def own_hash(token: str) -> int:
    """In n-grams a long word counts with its letters in any order but the first."""
    return _letters(token) if len(token) > LONG else hashed(token)


_BEGIN, _END = hashed("\x02"), hashed("\x03")
_P1, _P2, _P3, _P4 = 0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F
_FIRST = tuple((at // 3 + 11) * _P3 for at in range(FIRST))
_LAST = tuple((at // 4 + 31) * _P3 for at in range(LAST))


def parts(text: str, system: str = "", before: str = "", hash_of: Callable[[str], int] = own_hash) -> Parts:
    """Of a user's message. `system` and `before` (the previous user turn) are weak groups of their own. `hash_of` is
    `own_hash`, or somebody who remembers what it said."""
    core = heart(text)
    tokens = tokens_of(core.text)
    found = set(shape(core, tokens))
    hashes = [hash_of(token) for token in tokens]
    add = found.add
    one = two = _BEGIN
    for own in hashes:
        mixed = one * _P1 ^ own * _P2
        add(mixed >> 7 & MASK)
        add((two * _P3 ^ one * _P1 ^ own * _P4) >> 7 & MASK)
        two, one = one, own
    add((one * _P1 ^ _END * _P2) >> 7 & MASK)
    for own, place in zip(hashes, _FIRST, strict=False):
        add((own ^ place) * _P2 >> 9 & MASK)
    for own, place in zip(reversed(hashes), _LAST, strict=False):
        add((own ^ place) * _P2 >> 9 & MASK)
    for kind, aside in ((51, system), (52, before)):
        if aside:
            for token in tokens_of(window(aside)):
                add((hash_of(token) ^ kind * _P4) * _P1 >> 9 & MASK)
    words = dict.fromkeys(tokens)
    if not core.text.isascii():
        words.update(dict.fromkeys(pairs_of(tokens)))
    return Parts(list(words), found)


def features(text: str, system: str = "", before: str = "") -> set[int]:
    """All buckets together."""
    found = parts(text, system, before)
    return found.buckets.union(*map(token_buckets, found.words))


_URL = re.compile(r"https?://")
_CHOICE = re.compile(r"(?m)^\s*(?:\(?[A-Da-d1-4][).:]|[-*•])\s")
_CODE = re.compile(
    r"[{};]\s*\n|\w\([^)\n]{0,80}\)|=>|::|</\w|\b(?:def|class|import|select|SELECT|Class|Import) \w|#include"
)
_MATHS = re.compile(r"\d\s*[-+*/^=×÷]\s*\d|[a-z]\s*=\s*\d|\\frac|√|∫|∑|\d%")


def shape(core: Heart, tokens: list[str]) -> list[int]:
    """Facts of form, each a bucket of its own kind."""
    text = core.text
    lines = text.count("\n")
    digits = tokens.count("0")
    material = core.before + 2 * core.after if len(tokens) < 16 else 0
    marks = [
        _mark("material", material),
        _mark("len", min(len(text).bit_length(), 9)),
        _mark("tok", min(len(tokens) // 4, 12)),
        _mark("lines", min(lines.bit_length(), 6)),
        _mark("ends", ord(text.rstrip()[-1:] or " ")),
        _mark("starts", text.lstrip()[:1].isupper()),
        _mark("quotes", min(text.count('"') + text.count("“") + text.count("«"), 4)),
        _mark("colon", ":" in text[:80]),
        _mark("question", min(text.count("?") + text.count("？") + text.count("؟"), 3)),
        _mark("digits", min(digits, 6)),
    ]
    if "```" in text or core.code:
        marks.append(_mark("fence", 1))
    if _CODE.search(text):
        marks.append(_mark("code", 1))
    if digits and _MATHS.search(text):
        marks.append(_mark("maths", 1))
    if lines and _CHOICE.search(text):
        marks.append(_mark("choices", 1))
    if "://" in text and _URL.search(text):
        marks.append(_mark("url", 1))
    return marks


@lru_cache(4_096)
def _mark(name: str, value: int) -> int:
    return hashed(f"{name}{int(value)}", 77) & MASK
