"""What a deployment costs now, as far as anybody knows: the configuration's own price, else the catalogue's of that day."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache

from trunkline.catalogue.chat import ChatPrice, find_chat, price_of
from trunkline.types.fleet import Deployment


@lru_cache(64)
def day_of(wall_day: int) -> date:
    return datetime.fromtimestamp(wall_day * 86_400, UTC).date()


def price_now(deployment: Deployment, wall: float, input_tokens: int = 0) -> ChatPrice | None:
    """`wall` is epoch seconds. None: nobody knows."""
    if deployment.price is not None:
        return ChatPrice(input=deployment.price[0], output=deployment.price[1])
    return _listed(deployment.base_model or deployment.model, int(wall // 86_400), input_tokens)


@lru_cache(16_384)
def _listed_tier(model: str, day: int, above: int) -> ChatPrice | None:
    found = find_chat(model)
    return None if found is None else price_of(found, day_of(day), above)


def _listed(model: str, day: int, input_tokens: int) -> ChatPrice | None:
    return _listed_tier(model, day, _tier(model, input_tokens))


@lru_cache(16_384)
def _tiers(model: str) -> tuple[int, ...]:
    found = find_chat(model)
    return () if found is None else tuple(sorted({price.above for price in found.prices if price.above}))


def _tier(model: str, input_tokens: int) -> int:
    """A number of input tokens that stands for all of the same tier."""
    stands = 0
    for above in _tiers(model):
        if input_tokens > above:
            stands = above + 1
    return stands
