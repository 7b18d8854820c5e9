"""The words of the catalogue. Prices are integer micro-units of a currency per million units (tokens) or per unit (second);
money is integer nano-dollars, rounded once, half to even (reliability.md 6.6)."""

from __future__ import annotations

from datetime import date
from typing import Literal

import msgspec

Unit = Literal["token", "second"]
Currency = Literal["USD", "CNY"]
Vendor = Literal["volcengine", "byteplus", "google", "openai"]

#: Of the data in this package; stands in every amount.
CATALOGUE_VERSION = "2026-11-22"

#: The resolutions there are, from small to large (wire-formats.md D.2).
RESOLUTIONS = ("480p", "720p", "1080p", "4k")


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One price and when it applies. "" or None on a condition means "whatever". `micros` per million tokens, or per second.

    `video_input`: the request has a reference video. `audio`: the model is asked for sound. `resolutions` empty: all.
    `since` is included, `until` is not. `mark` is how far it can be trusted, in wire-formats.md's letters (V, D, R, U), or
    `derived` where another vendor's price for the same model stands in.
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


class VideoModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one model of one vendor can do and costs.

    `stem` is the id without its date. `durations` are all whole seconds it takes, ascending; `decides`: also MODEL_DECIDES.
    `size_480p` is the frame of 480p 16:9 (it differs by family). The `reference_*` are how many references of a kind it
    takes, 0: none; `audio_alone`: without an image or video beside them. `sound`: it can make sound, `default_audio` whether
    it does unasked. `prices` stand from special to general: the first that applies is the price. `typical_seconds` is
    how long a task runs, roughly. `retired` is when the vendor stopped serving it. `mark` as in Price, for the abilities.
    """

    id: str
    stem: str
    family: str
    vendor: Vendor
    durations: tuple[int, ...]
    resolutions: tuple[str, ...]
    ratios: tuple[str, ...]
    prices: tuple[Price, ...]
    typical_seconds: int
    default_seconds: int = 5
    default_resolution: str = "720p"
    default_ratio: str = "adaptive"
    default_audio: bool = False
    fps: int = 24
    size_480p: tuple[int, int] = (864, 496)
    decides: bool = False
    first_frame: bool = False
    last_frame: bool = False
    needs_image: bool = False
    reference_images: int = 0
    reference_videos: int = 0
    reference_audios: int = 0
    audio_alone: bool = False
    frames: bool = False
    camera_fixed: bool = False
    draft: bool = False
    tiers: tuple[str, ...] = ("default",)
    sound: bool = False
    tools: bool = False
    retired: date | None = None
    mark: str = "D"

    @property
    def shortest(self) -> int:
        return self.durations[0]

    @property
    def longest(self) -> int:
        return self.durations[-1]

    @property
    def takes_references(self) -> bool:
        return bool(self.reference_images or self.reference_videos or self.reference_audios)

    @property
    def bills_by(self) -> Unit:
        return self.prices[0].unit

    def __repr__(self) -> str:
        return f"VideoModel({self.id})"


class Priced(msgspec.Struct, frozen=True, kw_only=True):
    """Of a request or a finished video, what its price depends on, with the model's defaults filled in.

    `seconds` and `frames` (where the caller counts frames) are of the output; `video_seconds` are of all reference videos
    together. `ratio` may be `adaptive`. None and "" mean that nobody knows: the dearest possibility counts.
    """

    seconds: int
    frames: int | None = None
    resolution: str = ""
    ratio: str = ""
    video_input: bool | None = None
    video_seconds: int = 0
    audio: bool | None = None
    tier: str = "default"
