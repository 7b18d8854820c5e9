"""Chat models: what each can do and what it costs, from `chat_models.json` (data, one model a line).

Sources: wire-formats.md B.9, C.2, E.6, G.1 to G.4; what stands nowhere there is left open (null), and what is open never
excludes a model. Prices are integer micro-dollars per million tokens and stand from special to general: the first that
applies is the price. A tier (`above`) holds for the whole request.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from pathlib import Path

import msgspec

from trunkline.types.envelope import NEED

#: What may follow a stem: a date or a revision, in the ways vendors write them.
_REVISION = re.compile(r"(?:[-@](?:[0-9]{3,8}|[0-9]{4}-[0-9]{2}-[0-9]{2}|latest))?", re.ASCII)
_MEDIA = ("image", "audio", "video", "file")
TOKENS_CAP = 1_000_000_000


class ChatPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Micro-dollars per million tokens. `cached` is a cache read, `write` and `write_long` are cache writes of the usual and
    the long life; None: as `input`. `above`: for requests with more input tokens than that. `since` is included, `until` not.
    """

    input: int
    output: int
    cached: int | None = None
    write: int | None = None
    write_long: int | None = None
    above: int = 0
    since: date | None = None
    until: date | None = None


class ChatModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`context` is the largest input, `max_output` the largest answer, in tokens; None: not known. `lacks` are words of `NEED`
    that the model does not take; input modalities that it does not list are lacking too. `mark` as in the video catalogue."""

    stem: str
    vendor: str
    context: int | None = None
    max_output: int | None = None
    modalities: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    prices: tuple[ChatPrice, ...] = ()
    mark: str = ""

    @property
    def lacking(self) -> int:
        """Bits of what it lacks."""
        closed = [kind for kind in _MEDIA if kind not in self.modalities]
        return sum(NEED[word] for word in {*self.lacks, *closed})


@lru_cache(1)
def chat_models() -> tuple[ChatModel, ...]:
    """The whole catalogue, read once: only a process that compiles a configuration needs it."""
    data = (Path(__file__).parent / "chat_models.json").read_bytes()
    return msgspec.json.decode(data, type=tuple[ChatModel, ...])


@lru_cache(4096)
def find_chat(model_id: str) -> ChatModel | None:
    """The model of that id, with or without a revision behind it and a vendor's path before it (`anthropic/claude-…`)."""
    name = model_id.rpartition("/")[2].lower()
    for model in chat_models():
        if name.startswith(model.stem) and _REVISION.fullmatch(name, len(model.stem)):
            return model
    return None


def price_of(model: ChatModel, on: date, input_tokens: int) -> ChatPrice | None:
    """The price in force on a day for a request of that size."""
    for price in model.prices:
        begun = price.since is None or on >= price.since
        if begun and (price.until is None or on < price.until) and (not price.above or input_tokens > price.above):
            return price
    return None


def cost_nanos(price: ChatPrice, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
    """Nano-dollars, rounded once, half to even. `cached_tokens` are a part of `input_tokens`."""
    fresh = _within(input_tokens - cached_tokens)
    read = price.input if price.cached is None else price.cached
    picos = fresh * price.input + _within(cached_tokens) * read + _within(output_tokens) * price.output
    whole, rest = divmod(picos, 1000)  # tokens x micro-dollars per million are pico-dollars
    return whole + (rest > 500 or (rest == 500 and whole % 2 == 1))


def _within(count: int) -> int:
    return min(max(count, 0), TOKENS_CAP)
