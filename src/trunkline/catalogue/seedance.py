"""Seedance at Volcengine Ark (yuan) and BytePlus ModelArk (dollars): wire-formats.md D.2, the Models table of D, G.4.

Where G.4 has no number for a variant, the nearest that it has is used: the price without video input for one with it,
1.0 pro's for 1.0 pro fast (U), Volcengine's for BytePlus (derived).
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from trunkline.catalogue.contract import Currency, Price, VideoModel

WIDE = ("16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "adaptive")
WIDER = (*WIDE, "9:21")
TO_720 = ("480p", "720p")
TO_1080 = ("480p", "720p", "1080p")
TO_4K = ("480p", "720p", "1080p", "4k")
BOTH_TIERS = ("default", "flex")
#: For every reader of a price: where it stands.
G4 = "wire-formats.md G.4"


def _cny(yuan: int, mark: str = "D", **when: Any) -> Price:
    """Yuan per million tokens."""
    return _price("CNY", yuan * 1_000_000, mark, when)


def _usd(cents: int, mark: str = "R", **when: Any) -> Price:
    """Dollar cents per million tokens."""
    return _price("USD", cents * 10_000, mark, when)


def _price(currency: Currency, micros: int, mark: str, when: dict[str, Any]) -> Price:
    return Price(unit="token", currency=currency, micros=micros, mark=mark, source=G4, **when)


def _seconds(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


# --- prices: the first that applies is the price, so special ones stand first -----------------------------------------
CNY_2_5 = (_cny(77, resolutions=("1080p",)), _cny(70))
CNY_2_0 = (
    _cny(26, resolutions=("4k",)),
    _cny(51, resolutions=("1080p",)),
    _cny(28, video_input=True),
    _cny(46),
)
CNY_2_0_FAST = (_cny(22, video_input=True), _cny(37))
CNY_2_0_MINI = (_cny(23),)
CNY_1_5_PRO = (
    _cny(8, "U", audio=True, tier="flex"),
    _cny(4, "U", audio=False, tier="flex"),
    _cny(16, "U", audio=True),
    _cny(8, "U", audio=False),
)
CNY_1_0_PRO = (_cny(15, "U"),)
CNY_1_0_LITE = (_cny(10, "U"),)

USD_2_5 = (_usd(640, "D", video_input=True), _usd(1070, "D"))
USD_2_0 = (
    _cny(26, "derived", resolutions=("4k",)),
    _usd(770, resolutions=("1080p",)),
    _usd(430, video_input=True),
    _usd(700),
)
USD_2_0_FAST = (_cny(22, "derived", video_input=True), _usd(560))
USD_2_0_MINI = (_cny(23, "derived"),)
USD_1_5_PRO = (
    _usd(120, audio=True, tier="flex"),
    _usd(60, audio=False, tier="flex"),
    _usd(240, audio=True),
    _usd(120, audio=False),
)
USD_1_0_PRO = (_usd(250),)
USD_1_0_LITE = (_usd(180),)

# --- Volcengine -------------------------------------------------------------------------------------------------------
SEEDANCE_2_0 = VideoModel(
    id="doubao-seedance-2-0-260128",
    stem="doubao-seedance-2-0",
    family="Seedance 2.0",
    vendor="volcengine",
    durations=_seconds(4, 15),
    resolutions=TO_4K,
    ratios=WIDE,
    prices=CNY_2_0,
    typical_seconds=290,
    default_audio=True,
    decides=True,
    first_frame=True,
    last_frame=True,
    reference_images=9,
    reference_videos=3,
    reference_audios=3,
    sound=True,
    tools=True,
)
SEEDANCE_2_0_FAST = replace(
    SEEDANCE_2_0,
    id="doubao-seedance-2-0-fast-260128",
    stem="doubao-seedance-2-0-fast",
    family="Seedance 2.0 fast",
    resolutions=TO_720,
    prices=CNY_2_0_FAST,
    typical_seconds=150,
)
SEEDANCE_2_0_MINI = replace(
    SEEDANCE_2_0,
    id="doubao-seedance-2-0-mini-260615",
    stem="doubao-seedance-2-0-mini",
    family="Seedance 2.0 mini",
    resolutions=TO_720,
    prices=CNY_2_0_MINI,
    typical_seconds=90,
)
SEEDANCE_2_5 = replace(
    SEEDANCE_2_0,
    id="doubao-seedance-2-5-260628",
    stem="doubao-seedance-2-5",
    family="Seedance 2.5",
    durations=_seconds(4, 30),
    resolutions=TO_1080,
    size_480p=(854, 480),
    reference_images=30,
    reference_videos=10,
    reference_audios=10,
    audio_alone=True,
    camera_fixed=True,
    tiers=BOTH_TIERS,
    prices=CNY_2_5,
)
SEEDANCE_1_5_PRO = VideoModel(
    id="doubao-seedance-1-5-pro-251215",
    stem="doubao-seedance-1-5-pro",
    family="Seedance 1.5 pro",
    vendor="volcengine",
    durations=_seconds(4, 12),
    resolutions=TO_1080,
    ratios=WIDE,
    prices=CNY_1_5_PRO,
    typical_seconds=120,
    default_audio=True,
    decides=True,
    first_frame=True,
    last_frame=True,
    camera_fixed=True,
    draft=True,
    tiers=BOTH_TIERS,
    sound=True,
)
SEEDANCE_1_0_PRO = VideoModel(
    id="doubao-seedance-1-0-pro-250528",
    stem="doubao-seedance-1-0-pro",
    family="Seedance 1.0 pro",
    vendor="volcengine",
    durations=_seconds(2, 12),
    resolutions=TO_1080,
    ratios=WIDER,
    prices=CNY_1_0_PRO,
    typical_seconds=60,
    default_resolution="1080p",
    default_ratio="16:9",
    first_frame=True,
    last_frame=True,
    frames=True,
    camera_fixed=True,
    tiers=BOTH_TIERS,
)
SEEDANCE_1_0_PRO_FAST = replace(
    SEEDANCE_1_0_PRO,
    id="doubao-seedance-1-0-pro-fast-251015",
    stem="doubao-seedance-1-0-pro-fast",
    family="Seedance 1.0 pro fast",
    last_frame=False,
    typical_seconds=25,
)
SEEDANCE_1_0_LITE_T2V = replace(
    SEEDANCE_1_0_PRO,
    id="doubao-seedance-1-0-lite-t2v-250428",
    stem="doubao-seedance-1-0-lite-t2v",
    family="Seedance 1.0 lite t2v",
    durations=_seconds(3, 12),
    default_resolution="720p",
    first_frame=False,
    last_frame=False,
    prices=CNY_1_0_LITE,
    typical_seconds=40,
)
SEEDANCE_1_0_LITE_I2V = replace(
    SEEDANCE_1_0_LITE_T2V,
    id="doubao-seedance-1-0-lite-i2v-250428",
    stem="doubao-seedance-1-0-lite-i2v",
    family="Seedance 1.0 lite i2v",
    first_frame=True,
    last_frame=True,
    needs_image=True,
    reference_images=4,
)


# --- BytePlus ---------------------------------------------------------------------------------------------------------
def _at_byteplus(model: VideoModel, prices: tuple[Price, ...], **changes: Any) -> VideoModel:
    """The same family at BytePlus: other prefixes (D.1), no tools (D.2)."""
    prefix = "dreamina-" if model.stem.startswith("doubao-seedance-2-") else ""
    return replace(
        model,
        id=model.id.replace("doubao-", prefix, 1),
        stem=model.stem.replace("doubao-", prefix, 1),
        vendor="byteplus",
        prices=prices,
        **({"tools": False} | changes),
    )


SEEDANCE: tuple[VideoModel, ...] = (
    SEEDANCE_2_5,
    SEEDANCE_2_0,
    SEEDANCE_2_0_FAST,
    SEEDANCE_2_0_MINI,
    SEEDANCE_1_5_PRO,
    SEEDANCE_1_0_PRO,
    SEEDANCE_1_0_PRO_FAST,
    SEEDANCE_1_0_LITE_T2V,
    SEEDANCE_1_0_LITE_I2V,
    # Reports on 1080p of 2.5 at BytePlus conflict: not offered until somebody has seen it.
    _at_byteplus(SEEDANCE_2_5, USD_2_5, resolutions=TO_720),
    _at_byteplus(SEEDANCE_2_0, USD_2_0),
    _at_byteplus(SEEDANCE_2_0_FAST, USD_2_0_FAST),
    # The date in this id is Volcengine's; with any other it is found by its stem.
    _at_byteplus(SEEDANCE_2_0_MINI, USD_2_0_MINI, mark="U"),
    _at_byteplus(SEEDANCE_1_5_PRO, USD_1_5_PRO),
    _at_byteplus(SEEDANCE_1_0_PRO, USD_1_0_PRO),
    _at_byteplus(SEEDANCE_1_0_PRO_FAST, USD_1_0_PRO),
    _at_byteplus(SEEDANCE_1_0_LITE_T2V, USD_1_0_LITE),
    _at_byteplus(SEEDANCE_1_0_LITE_I2V, USD_1_0_LITE),
)
