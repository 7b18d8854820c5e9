"""Chat models: what each can do and what it costs, from `chat_table.py`.

What is not known there never excludes a model. Prices are integer micro-dollars per million tokens and stand from special to
general: the first that applies is the price. A tier (`above`) holds for the whole request.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

import msgspec

from trunkline.catalogue.chat_table import TABLE
from trunkline.types.envelope import NEED

#: What may follow a stem: a date or a revision, in the ways vendors write them.
_REVISION = re.compile(r"(?:[-@](?:[0-9]{3,8}|[0-9]{4}-[0-9]{2}-[0-9]{2}|latest))?", re.ASCII)
_MEDIA = {"i": "image", "a": "audio", "v": "video", "f": "file"}
_SAMPLING = ("temperature", "top_p", "top_k")
_GROUPS = {
    "sampling": _SAMPLING,
    "reasons": (*_SAMPLING, "penalties", "stop", "logprobs"),
    "chat": ("top_k", "reasoning"),
    "messages": ("penalties", "seed", "logprobs", "n"),
    "silent": (),
    "-": (),
}
_SILENT = frozenset({"reasons", "silent"})
_PRICE = re.compile(
    r"(?:>(?P<above>\d+):|\.\.(?P<until>[\d-]+):|(?P<since>[\d-]+)\.\.:)?(?P<dollars>[\d./-]+)", re.ASCII
)
TOKENS_CAP = 1_000_000_000


class ChatPrice(msgspec.Struct, frozen=True, kw_only=True):
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


class ChatModel(msgspec.Struct, frozen=True, kw_only=True):
    """`context` is the largest input, `max_output` the largest answer, in tokens; None: not known. `lacks` are words of `NEED`
    that the model does not take, kinds of input among them. `silent`: unless it is told not to, it thinks before it shows
    anything. `mark` as in the video catalogue."""

    stem: str
    vendor: str
    context: int | None = None
    max_output: int | None = None
    lacks: frozenset[str] = frozenset()
    prices: tuple[ChatPrice, ...] = ()
    mark: str = ""
    silent: bool = False

    @property
    def lacking(self) -> int:
        """Bits of what it lacks."""
        return sum(NEED[word] for word in self.lacks)


@lru_cache(1)
def chat_models() -> tuple[ChatModel, ...]:
    """The whole catalogue, read once: only a process that compiles a configuration needs it."""
    return tuple(_model(line.split()) for line in TABLE.strip().splitlines())


def _model(words: list[str]) -> ChatModel:
    stem, vendor, context, output, media, mark, lacks, *prices = words
    missing = {kind for letter, kind in _MEDIA.items() if letter not in media}
    for word in lacks.split(","):
        missing.update(_GROUPS.get(word, (word,)))
    return ChatModel(
        stem=stem,
        vendor=vendor,
        context=None if context == "-" else int(context),
        max_output=None if output == "-" else int(output),
        lacks=frozenset(missing),
        prices=tuple(map(_price, prices)),
        mark=mark,
        silent=not _SILENT.isdisjoint(lacks.split(",")),
    )


def _price(text: str) -> ChatPrice:
    found = _PRICE.fullmatch(text)
    if found is None:
        raise ValueError(f"not a price: {text}")
    amounts = [None if word == "-" else round(float(word) * 1_000_000) for word in found["dollars"].split("/")]
    fresh, cached, output, *writes = amounts
    assert fresh is not None and output is not None
    return ChatPrice(
        input=fresh,
        cached=cached,
        output=output,
        write=writes[0] if writes else None,
        write_long=writes[1] if len(writes) > 1 else None,
        above=int(found["above"] or 0),
        since=date.fromisoformat(found["since"]) if found["since"] else None,
        until=date.fromisoformat(found["until"]) if found["until"] else None,
    )


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
        tier = not price.above or input_tokens > price.above
        if begun and tier and (price.until is None or on < price.until):
            return price
    return None


def cost_nanos(price: ChatPrice, input_tokens: int, output_tokens: int, cached_tokens: int = 0) -> int:
    """Nano-dollars, rounded once, half to even. `cached_tokens` are a part of `input_tokens`."""
    cached = min(_within(cached_tokens), _within(input_tokens))
    read = price.input if price.cached is None else price.cached
    picos = (_within(input_tokens) - cached) * price.input + cached * read + _within(output_tokens) * price.output
    whole, rest = divmod(picos, 1000)  # tokens x micro-dollars per million are pico-dollars
    return whole + (rest > 500 or (rest == 500 and whole % 2 == 1))


def _within(count: int) -> int:
    return min(max(count, 0), TOKENS_CAP)
