"""What is known of single words without having seen them in a prompt: a hash table of fixed size. Pure.

A slot is a tag of one byte and one biased byte per label. A word stands in the first of its two slots that was free; where
the tag is another one, nothing is known of the word, so that words do not speak for each other.
"""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.tasks.features import hashed
from trunkline.tasks.labels import LABELS

SLOTS = 1 << 17
ROW = 1 + len(LABELS)
#: A tag of a slot that nobody has; no word has this one.
FREE = 0


def places(word: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """The slots where a word may stand, each with the tag that it has there."""
    own = hashed(word, 11)
    mixed = own * 0x9E3779B1  # a checksum of other bits would be one of the same bits again
    tag = (own * 0x85EBCA6B >> 21 & 0xFF) or 1
    return (own % SLOTS, tag), ((mixed >> 13) % SLOTS, tag)


def find(table: bytes, word: str) -> bytes:
    """The word's row, one byte per label; b"" if nothing is known of it."""
    for slot, tag in places(word):
        at = slot * ROW
        if table[at] == tag:
            return table[at + 1 : at + ROW]
    return b""


def fill(words: Iterable[tuple[str, bytes]]) -> bytes:
    """A table of these words, the most important first: when both slots are taken, a word is left out."""
    table = bytearray(SLOTS * ROW)
    for word, row in words:
        for slot, tag in places(word):
            at = slot * ROW
            if table[at] == FREE:
                table[at] = tag
                table[at + 1 : at + ROW] = row
                break
    return bytes(table)
