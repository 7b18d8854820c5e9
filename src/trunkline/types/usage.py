"""Token counts of one attempt, in the canonical kinds of wire-formats.md E.5."""

from __future__ import annotations

from typing import Literal

import msgspec

Provenance = Literal["provider", "counted", "estimated"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Disjoint input kinds plus output; all in tokens. `reasoning` is a part of `output`, not added to it.

    Total input = input_uncached + cache_read + cache_write_5m + cache_write_1h. `None` for the whole struct means
    that nothing is known; a provider's 0 is data (reliability.md 6.3).
    """

    input_uncached: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    provenance: Provenance = "provider"

    @property
    def input_total(self) -> int:
        return self.input_uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
