"""What words mean, as short vectors in one table, for labels that people define by a few examples. Pure.

A row of the table is `SIZE` signed bytes for the words of one bucket; two neighbouring bytes are added up apart, as 16-bit
fields of large integers, so that adding a word is two additions.
"""

from __future__ import annotations

import math

from trunkline.tasks.features import hashed, words_of

MAGIC = b"trunkline senses 1\n"
BITS = 15
ROWS = 1 << BITS
SIZE = 60
_BIAS = 128
#: More words than this could overflow a field: 255 × 257 is 65,535.
_MOST = 256
_EVEN = int.from_bytes(b"\xff\x00" * (SIZE // 2), "little")
_ZERO = bytes([_BIAS]) * SIZE


def sense_bucket(word: str) -> int:
    return hashed(word, 5) & (ROWS - 1)


class Senses:
    def __init__(self, table: bytes) -> None:
        if len(table) != ROWS * SIZE:
            raise ValueError("the table of word senses belongs to another version")
        self._table = table

    @classmethod
    def read(cls, data: bytes) -> Senses:
        """Raises ValueError for what is no such table."""
        if not data.startswith(MAGIC):
            raise ValueError("this is no table of word senses")
        return cls(data[len(MAGIC) :])

    def vector(self, text: str) -> list[float]:
        """Of length 1, or all zeros where no word is known."""
        words = words_of(text)
        if len(words) > _MOST:
            words = words[: _MOST // 2] + words[-_MOST // 2 :]
        even = odd = count = 0
        table, load = self._table, int.from_bytes
        for word in words:
            at = sense_bucket(word) * SIZE
            row = table[at : at + SIZE]
            if row != _ZERO:
                number = load(row, "little")
                even += number & _EVEN
                odd += number >> 8 & _EVEN
                count += 1
        offset = _BIAS * count
        found = [0.0] * SIZE
        found[::2] = [value - offset for value in memoryview(even.to_bytes(SIZE, "little")).cast("H")]
        found[1::2] = [value - offset for value in memoryview(odd.to_bytes(SIZE, "little")).cast("H")]
        norm = math.sqrt(sum(value * value for value in found))
        return [value / norm for value in found] if norm else found


def write_senses(rows: bytes) -> bytes:
    return MAGIC + rows
