"""Veo and Sora, which bill by the second: wire-formats.md A.8, C.6, G.1, G.3."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec.structs import replace

from trunkline.catalogue.contract import Price, VideoModel


def _usd(cents: int, mark: str, source: str, **when: Any) -> Price:
    """Dollar cents per second."""
    return Price(unit="second", currency="USD", micros=cents * 10_000, mark=mark, source=source, **when)


def _veo(cents: int, **when: Any) -> Price:
    return _usd(cents, "D", "wire-formats.md G.3", **when)


VEO_PRICES = (_veo(60, resolutions=("4k",)), _veo(40))
VEO_FAST_PRICES = (_veo(30, resolutions=("4k",)), _veo(12, resolutions=("1080p",)), _veo(10))
VEO_LITE_PRICES = (_veo(8, resolutions=("1080p",)), _veo(5))

VEO_GENERATE = VideoModel(
    id="veo-3.1-generate-preview",
    stem="veo-3.1-generate",
    family="Veo 3.1",
    vendor="google",
    durations=(4, 6, 8),
    resolutions=("720p", "1080p", "4k"),
    ratios=("16:9", "9:16"),
    prices=VEO_PRICES,
    typical_seconds=90,
    default_seconds=8,
    default_ratio="16:9",
    default_audio=True,
    first_frame=True,
    last_frame=True,
    reference_images=3,
    sound=True,
)
VEO_FAST = replace(
    VEO_GENERATE,
    id="veo-3.1-fast-generate-preview",
    stem="veo-3.1-fast-generate",
    family="Veo 3.1 fast",
    prices=VEO_FAST_PRICES,
    typical_seconds=60,
)
VEO_LITE = replace(
    VEO_GENERATE,
    id="veo-3.1-lite-generate-preview",
    stem="veo-3.1-lite-generate",
    family="Veo 3.1 lite",
    resolutions=("720p", "1080p"),
    reference_images=0,
    prices=VEO_LITE_PRICES,
    typical_seconds=45,
)

#: The vendor has shut them down (A.8), endpoints of others in its style still go by these names.
RETIRED = date(2026, 9, 24)
SORA_2 = VideoModel(
    id="sora-2",
    stem="sora-2",
    family="Sora 2",
    vendor="openai",
    durations=(4, 8, 12),
    resolutions=("720p", "1080p"),
    ratios=("16:9", "9:16"),
    prices=(_usd(10, "D", "wire-formats.md G.1"),),
    typical_seconds=120,
    default_seconds=4,
    default_ratio="9:16",
    default_audio=True,
    first_frame=True,
    sound=True,
    retired=RETIRED,
    mark="V",
)
SORA_2_PRO = replace(
    SORA_2,
    id="sora-2-pro",
    stem="sora-2-pro",
    family="Sora 2 pro",
    # G.1 has no number for it; these stand in published price tables of other gateways.
    prices=(_usd(50, "R", "third parties", resolutions=("1080p",)), _usd(30, "R", "third parties")),
    typical_seconds=240,
)

BILLED_BY_SECOND: tuple[VideoModel, ...] = (
    VEO_GENERATE,
    VEO_FAST,
    VEO_LITE,
    *(replace(model, id=model.stem) for model in (VEO_GENERATE, VEO_FAST, VEO_LITE)),
    SORA_2,
    SORA_2_PRO,
)
