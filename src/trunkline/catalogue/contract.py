"""The words of the catalogue. Prices are integer micro-units of a currency per million units (tokens) or per unit (second);
money is integer nano-dollars, rounded once, half to even (reliability.md 6.6)."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

Unit = Literal["token", "second"]
Currency = Literal["USD", "CNY"]


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One price and when it applies. "" or None on a condition means "whatever". `micros` per million tokens, or per second.

    `video_input`: the request has a reference video. `audio`: the model is asked for sound. `resolutions` empty: all.
    `since` is included, `until` is not. `mark` is how far it can be trusted, in wire-formats.md's letters (V, D, R, U).
    """

    unit: Unit
    currency: Currency
    micros: int
    resolutions: tuple[str, ...] = ()
    video_input: bool | None = None
    audio: bool | None = None
    tier: str = ""
    since: date | None = None
    until: date | None = None
    source: str = ""
    mark: str = ""


class PriceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`prices:` of the configuration. `cny_per_usd` in millionths; `unknown_second` is what a second of a video of an
    unknown model or price counts at most, in micro-dollars: never nothing."""

    cny_per_usd: int = 7_000_000
    unknown_second: int = 1_000_000
