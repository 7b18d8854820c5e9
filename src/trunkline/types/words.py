"""What a request says, as far as a classifier looks at it."""

from __future__ import annotations

import msgspec


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """`text` is the user's last message, `before` the one before it, `system` the instructions; "" where there is none."""

    text: str = ""
    before: str = ""
    system: str = ""


NO_WORDS = Words()


class OwnTask(msgspec.Struct, frozen=True, kw_only=True):
    """A label that a configuration defines by examples. `min_confidence` None: fitted by leave-one-out."""

    name: str
    examples: tuple[str, ...]
    not_examples: tuple[str, ...] = ()
    description: str = ""
    min_confidence: float | None = None
