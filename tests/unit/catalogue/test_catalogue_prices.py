"""What moves an estimate beside model, resolution and duration. Every number is worked out beside it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from msgspec.structs import replace

from trunkline.catalogue import video
from trunkline.catalogue.contract import Price, Priced, PriceSettings
from trunkline.catalogue.cost import choose
from trunkline.catalogue.frames import pixels, tokens
from trunkline.types.job import Money
from trunkline.types.video import MODEL_DECIDES, Medium, VideoRequest

DAY = date(2026, 11, 22)
SEVEN = PriceSettings(cny_per_usd=7_000_000)
IMAGE = Medium(kind="image", role="first_frame", url="https://example.com/a.png")
VIDEO = Medium(kind="video", role="reference", url="https://example.com/a.mp4")


def estimated(name: str, settings: PriceSettings = SEVEN, **asked: Any) -> Money:
    return video.estimate(name, VideoRequest(dialect="ark_tasks", model="film", prompt="rain", **asked), settings, DAY)


# --- the exchange rate --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "at_7", "at_6_5"),
    [
        ("doubao-seedance-2-5-260628", 1_089_000_000, 1_172_769_231),  # 108 900 × 70 = 7.623 CNY
        ("doubao-seedance-2-0-260128", 715_628_571, 770_676_923),  # 108 900 × 46 = 5.0094 CNY
        ("doubao-seedance-1-0-lite-t2v-250428", 155_571_429, 167_538_462),  # 108 900 × 10 = 1.089 CNY
        ("dreamina-seedance-2-0-mini-260615", 357_814_286, 385_338_462),  # derived from 23 CNY: 2.5047 CNY
        ("dreamina-seedance-2-5-260628", 1_165_230_000, 1_165_230_000),  # 108 900 × $10.70
        ("dreamina-seedance-2-0-260128", 762_300_000, 762_300_000),  # 108 900 × $7
        ("seedance-1-5-pro-251215", 261_360_000, 261_360_000),  # 108 900 × $2.40
    ],
)
def test_another_rate_moves_what_is_priced_in_yuan_and_nothing_else(name: str, at_7: int, at_6_5: int) -> None:
    asked = {"seconds": 5, "resolution": "720p", "ratio": "16:9"}
    assert estimated(name, SEVEN, **asked).nanos == at_7
    assert estimated(name, PriceSettings(cny_per_usd=6_500_000), **asked).nanos == at_6_5


def test_the_rate_stands_in_the_money() -> None:
    yuan = estimated("doubao-seedance-2-0-260128", PriceSettings(cny_per_usd=6_500_000), seconds=5)
    assert (yuan.currency, yuan.rate, yuan.price_micros) == ("CNY", 6_500_000, 46_000_000)
    dollars = estimated("dreamina-seedance-2-0-260128", PriceSettings(cny_per_usd=6_500_000), seconds=5)
    assert (dollars.currency, dollars.rate, dollars.price_micros) == ("USD", 1_000_000, 7_000_000)


@pytest.mark.parametrize(
    ("name", "resolution", "micro_dollars"),
    [
        ("doubao-seedance-2-5-260628", "720p", 216_000),
        ("doubao-seedance-2-0-260128", "720p", 142_000),
        ("doubao-seedance-2-0-fast-260128", "720p", 114_000),
        ("doubao-seedance-2-0-mini-260615", "720p", 71_000),
        ("doubao-seedance-2-5-260628", "480p", 96_000),
        ("doubao-seedance-2-0-260128", "480p", 66_000),
        ("doubao-seedance-2-0-fast-260128", "480p", 53_000),
        ("doubao-seedance-2-0-mini-260615", "480p", 33_000),
        ("doubao-seedance-2-5-260628", "1080p", 535_000),
        ("doubao-seedance-2-0-260128", "1080p", 354_000),
        ("doubao-seedance-2-0-260128", "4k", 722_000),
    ],
)
def test_one_second_more_costs_what_the_price_sheet_derives(name: str, resolution: str, micro_dollars: int) -> None:
    """wire-formats.md G.4, "derived USD per second", which is given to a tenth of a cent."""
    asked = {"resolution": resolution, "ratio": "16:9"}
    step = estimated(name, seconds=10, **asked).nanos - estimated(name, seconds=9, **asked).nanos
    assert abs(step - micro_dollars * 1000) <= 500_000


# --- what is left open ----------------------------------------------------------------------------------------------------
def test_nothing_said_is_the_models_default_in_the_dearest_frame() -> None:
    # 720p, 5 s, adaptive: 4:3 is the largest frame, 1112 × 834 × 121 / 1024 = 109 586.3; × 46 / 7
    money = estimated("doubao-seedance-2-0-260128")
    assert (money.units, money.nanos) == (109_587, 720_143_143)


def test_1_0_pro_defaults_to_1080p_and_16_9_but_follows_an_image() -> None:
    # 2025 × 121 = 245 025 × 15 / 7
    plain = estimated("doubao-seedance-1-0-pro-250528")
    assert (plain.units, plain.nanos) == (245_025, 525_053_571)
    # 4:3: 927 408 × 2.25 × 1.01 = 2 107 534.7 pixels, × 121 / 1024 = 249 034.2 tokens; × 15 / 7
    led = estimated("doubao-seedance-1-0-pro-250528", media=(IMAGE,))
    assert (led.units, led.nanos) == (249_035, 533_646_429)


@pytest.mark.parametrize(
    ("name", "count", "nanos"),
    [
        ("doubao-seedance-2-5-260628", 648_900, 6_489_000_000),  # 30 s: 900 × 721; × 70 / 7
        ("doubao-seedance-2-0-260128", 324_900, 2_135_057_143),  # 15 s: 900 × 361; × 46 / 7
        ("dreamina-seedance-2-0-fast-260128", 324_900, 1_819_440_000),  # × 5.6
        ("seedance-1-5-pro-251215", 260_100, 624_240_000),  # 12 s: 900 × 289; × 2.4
    ],
)
def test_a_model_that_decides_is_reckoned_at_its_longest(name: str, count: int, nanos: int) -> None:
    money = estimated(name, seconds=MODEL_DECIDES, resolution="720p", ratio="16:9")
    assert (money.units, money.nanos) == (count, nanos)


@pytest.mark.parametrize(
    ("name", "resolution", "ratio", "count"),
    [
        # 5 s, 121 frames. 720p stands in D.
        ("doubao-seedance-2-0-260128", "720p", "16:9", 108_900),
        ("doubao-seedance-2-0-260128", "720p", "9:16", 108_900),
        ("doubao-seedance-2-0-260128", "720p", "4:3", 109_587),  # 927 408 pixels
        ("doubao-seedance-2-0-260128", "720p", "3:4", 109_587),
        ("doubao-seedance-2-0-260128", "720p", "1:1", 108_900),  # 921 600
        ("doubao-seedance-2-0-260128", "720p", "21:9", 109_432),  # 926 100
        ("doubao-seedance-1-0-pro-250528", "720p", "9:21", 109_432),
        ("doubao-seedance-2-0-260128", "720p", "adaptive", 109_587),
        ("doubao-seedance-2-0-260128", "720p", "7:5", 109_587),
        # Scaled by area and a margin of 1 %. 480p: × 428 544 / 921 600 × 1.01
        ("doubao-seedance-2-0-260128", "480p", "4:3", 51_468),  # 435 557.2 → 435 558 pixels
        ("doubao-seedance-2-0-260128", "480p", "1:1", 51_145),  # 432 829.4 → 432 830
        ("doubao-seedance-2-0-260128", "480p", "21:9", 51_395),  # 434 942.9 → 434 943
        ("doubao-seedance-2-0-260128", "480p", "adaptive", 51_468),
        ("doubao-seedance-2-5-260628", "480p", "4:3", 51_468),
        # 1080p: × 2.25 × 1.01, 4k: × 9 × 1.01
        ("doubao-seedance-2-0-260128", "1080p", "16:9", 245_025),
        ("doubao-seedance-2-0-260128", "1080p", "1:1", 247_476),  # 2 094 336
        ("doubao-seedance-2-0-260128", "1080p", "21:9", 248_684),  # 2 104 562.3 → 2 104 563
        ("doubao-seedance-2-0-260128", "4k", "4:3", 996_140),  # 8 430 138.7 → 8 430 139
    ],
)
def test_the_frame_follows_the_ratio(name: str, resolution: str, ratio: str, count: int) -> None:
    assert estimated(name, seconds=5, resolution=resolution, ratio=ratio).units == count


@pytest.mark.parametrize(
    ("resolution", "ratio", "area"),
    [
        ("480p", "4:3", 435_558),
        ("480p", "3:4", 435_558),
        ("1080p", "21:9", 2_104_563),
        ("720p", "21:9", 926_100),
        ("4k", "16:9", 8_294_400),
    ],
)
def test_a_scaled_frame_is_rounded_up(resolution: str, ratio: str, area: int) -> None:
    model = video.find("doubao-seedance-2-0-260128")
    assert model is not None
    assert pixels(model, resolution, ratio) == area


@pytest.mark.parametrize(
    ("resolution", "ratio", "width", "height"),
    [
        ("480p", "4:3", 752, 560),
        ("480p", "1:1", 640, 640),
        ("480p", "21:9", 992, 432),
        ("1080p", "4:3", 1664, 1248),
        ("1080p", "1:1", 1440, 1440),
        ("1080p", "21:9", 2206, 946),
        ("4k", "4:3", 3328, 2496),
        ("4k", "21:9", 4412, 1892),
    ],
)
def test_a_scaled_frame_is_no_smaller_than_those_that_were_seen(
    resolution: str, ratio: str, width: int, height: int
) -> None:
    """Sizes that D does not give, but videos have had."""
    for model in video.MODELS:
        assert (pixels(model, resolution, ratio) or 0) >= width * height


def test_frames_win_over_seconds() -> None:
    # 57 frames × 900
    assert (
        estimated("doubao-seedance-1-0-pro-250528", seconds=12, frames=57, resolution="720p", ratio="16:9").units
        == 51_300
    )


# --- captures -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("resolution", "seconds", "reference", "count"),
    [("720p", 5, 0, 108_900), ("720p", 4, 0, 87_300), ("1080p", 5, 0, 245_025), ("720p", 4, 4, 173_700)],
)
def test_the_formula_gives_what_was_observed(resolution: str, seconds: int, reference: int, count: int) -> None:
    """wire-formats.md D.3."""
    model = video.find("dreamina-seedance-2-0-260128")
    assert model is not None
    asked = Priced(seconds=seconds, resolution=resolution, ratio="16:9", video_seconds=reference)
    assert tokens(model, asked) == count


def test_the_one_bill_that_is_known() -> None:
    """245 025 tokens at $7.70 are $1.8866925; the bill said $1.89."""
    money = estimated("dreamina-seedance-2-0-260128", seconds=5, resolution="1080p", ratio="16:9")
    assert (money.units, money.nanos) == (245_025, 1_886_692_500)


# --- references, sound, tier ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "references", "count", "nanos"),
    [
        # 4 s and 15 s for each reference: 97 + 360 = 457 frames × 900
        ("doubao-seedance-2-0-260128", 1, 411_300, 1_645_200_000),  # × 28 / 7
        ("doubao-seedance-2-0-260128", 2, 735_300, 2_941_200_000),  # 817 frames
        ("dreamina-seedance-2-0-260128", 1, 411_300, 1_768_590_000),  # × 4.3
        ("dreamina-seedance-2-5-260628", 1, 411_300, 2_632_320_000),  # × 6.4
        ("dreamina-seedance-2-0-fast-260128", 1, 411_300, 1_292_657_143),  # derived: × 22 / 7
        ("doubao-seedance-2-5-260628", 1, 411_300, 4_113_000_000),  # no price with video is known: × 70 / 7
    ],
)
def test_reference_videos_count_as_if_they_were_as_long_as_they_may_be(
    name: str, references: int, count: int, nanos: int
) -> None:
    money = estimated(name, seconds=4, resolution="720p", ratio="16:9", media=(VIDEO,) * references)
    assert (money.units, money.nanos) == (count, nanos)


@pytest.mark.parametrize(
    ("name", "audio", "tier", "nanos"),
    [
        # 245 025 tokens × 2.4, 1.2, 1.2, 0.6
        ("seedance-1-5-pro-251215", None, "", 588_060_000),
        ("seedance-1-5-pro-251215", True, "default", 588_060_000),
        ("seedance-1-5-pro-251215", False, "", 294_030_000),
        ("seedance-1-5-pro-251215", True, "flex", 294_030_000),
        ("seedance-1-5-pro-251215", False, "flex", 147_015_000),
        # × 16, 8, 8, 4 over 7
        ("doubao-seedance-1-5-pro-251215", None, "", 560_057_143),
        ("doubao-seedance-1-5-pro-251215", True, "flex", 280_028_571),
        ("doubao-seedance-1-5-pro-251215", False, "flex", 140_014_286),
        # sound costs nothing extra on 2.0
        ("dreamina-seedance-2-0-260128", False, "", 1_886_692_500),
    ],
)
def test_sound_and_tier_have_their_prices(name: str, audio: bool | None, tier: str, nanos: int) -> None:
    money = estimated(name, seconds=5, resolution="1080p", ratio="16:9", audio=audio, tier=tier)
    assert (money.units, money.nanos) == (245_025, nanos)


# --- by the second --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", ["", "-preview"])
@pytest.mark.parametrize(
    ("stem", "resolution", "nanos"),
    [
        # 4, 6, 8 s × $0.40, 0.40, 0.60; 0.10, 0.12, 0.30; 0.05, 0.08
        ("veo-3.1-generate", "720p", [1_600_000_000, 2_400_000_000, 3_200_000_000]),
        ("veo-3.1-generate", "1080p", [1_600_000_000, 2_400_000_000, 3_200_000_000]),
        ("veo-3.1-generate", "4k", [2_400_000_000, 3_600_000_000, 4_800_000_000]),
        ("veo-3.1-fast-generate", "720p", [400_000_000, 600_000_000, 800_000_000]),
        ("veo-3.1-fast-generate", "1080p", [480_000_000, 720_000_000, 960_000_000]),
        ("veo-3.1-fast-generate", "4k", [1_200_000_000, 1_800_000_000, 2_400_000_000]),
        ("veo-3.1-lite-generate", "720p", [200_000_000, 300_000_000, 400_000_000]),
        ("veo-3.1-lite-generate", "1080p", [320_000_000, 480_000_000, 640_000_000]),
    ],
)
def test_veo_bills_by_the_second(stem: str, resolution: str, nanos: list[int], suffix: str) -> None:
    found = [estimated(stem + suffix, seconds=seconds, resolution=resolution) for seconds in (4, 6, 8)]
    assert [money.nanos for money in found] == nanos
    assert {money.unit for money in found} == {"second"}
    assert [money.units for money in found] == [4, 6, 8]


def test_veo_left_open_is_8_s_of_720p() -> None:
    assert estimated("veo-3.1-generate-preview").nanos == 3_200_000_000


@pytest.mark.parametrize(
    ("name", "resolution", "nanos"),
    [
        ("sora-2", "720p", [400_000_000, 800_000_000, 1_200_000_000]),
        ("sora-2", "1080p", [400_000_000, 800_000_000, 1_200_000_000]),
        ("sora-2-pro", "720p", [1_200_000_000, 2_400_000_000, 3_600_000_000]),
        ("sora-2-pro", "1080p", [2_000_000_000, 4_000_000_000, 6_000_000_000]),
    ],
)
def test_sora_is_still_priced(name: str, resolution: str, nanos: list[int]) -> None:
    assert [estimated(name, seconds=s, resolution=resolution).nanos for s in (4, 8, 12)] == nanos


# --- what nobody knows ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ({"seconds": 5}, 5),
        ({}, 30),
        ({"seconds": MODEL_DECIDES}, 30),
        ({"frames": 49}, 3),
        ({"seconds": 0}, 1),
        ({"seconds": -7}, 1),
    ],
)
def test_an_unknown_model_counts_at_the_ceiling(asked: dict[str, int], seconds: int) -> None:
    money = estimated("kling-9", PriceSettings(unknown_second=250_000), **asked)
    assert (money.provenance, money.unit, money.currency) == ("ceiling", "second", "USD")
    assert (money.units, money.nanos) == (seconds, seconds * 250_000_000)


def test_a_ceiling_of_nothing_is_still_not_free() -> None:
    assert estimated("kling-9", PriceSettings(unknown_second=0), seconds=1).nanos == 1_000


def test_a_resolution_without_a_known_frame_counts_at_the_ceiling() -> None:
    money = estimated("doubao-seedance-2-0-260128", seconds=5, resolution="8k")
    assert (money.provenance, money.nanos) == ("ceiling", 5_000_000_000)


def test_yuan_without_a_rate_count_at_the_ceiling() -> None:
    money = estimated("doubao-seedance-2-0-260128", PriceSettings(cny_per_usd=0), seconds=5)
    assert (money.provenance, money.nanos) == ("ceiling", 5_000_000_000)


@pytest.mark.parametrize("seconds", [2**31, 2**63, 2**200])
def test_absurd_counts_are_clamped(seconds: int) -> None:
    """A12. An hour, which no model makes: 3 600 × $0.40."""
    assert estimated("veo-3.1-generate", seconds=seconds).nanos == 1_440_000_000_000
    assert estimated("kling-9", seconds=seconds).nanos == 3_600_000_000_000
    money = estimated("doubao-seedance-2-0-260128", seconds=seconds, resolution="720p", ratio="16:9")
    assert money.units == 77_760_900  # 900 × 86 401
    assert (
        estimated("doubao-seedance-1-0-pro-250528", frames=seconds, resolution="720p", ratio="16:9").units == 90_000_000
    )


@pytest.mark.parametrize("seconds", [0, -2, -(2**63)])
def test_no_estimate_is_negative_or_nothing(seconds: int) -> None:
    assert estimated("veo-3.1-generate", seconds=seconds).nanos == 400_000_000
    money = estimated("doubao-seedance-2-0-260128", seconds=seconds, resolution="720p", ratio="16:9")
    assert money.units == 22_500  # one second: 25 frames


# --- dates and the unknown ------------------------------------------------------------------------------------------------
def test_a_price_holds_from_its_first_day_to_the_day_before_its_last() -> None:
    model = video.find("veo-3.1-generate")
    assert model is not None
    old = Price(unit="second", currency="USD", micros=200_000, until=date(2026, 12, 1))
    new = Price(unit="second", currency="USD", micros=400_000, since=date(2026, 12, 1))
    model = replace(model, prices=(old, new))
    asked = Priced(seconds=8, resolution="720p", video_input=False, audio=True)
    assert choose(model, asked, SEVEN, date(2026, 11, 30)) == old
    assert choose(model, asked, SEVEN, date(2026, 12, 1)) == new
    assert choose(replace(model, prices=(new,)), asked, SEVEN, date(2026, 11, 30)) is None


def test_what_is_not_known_counts_at_the_dearest() -> None:
    model = video.find("dreamina-seedance-2-0-260128")
    assert model is not None
    open_video = choose(model, Priced(seconds=5, resolution="720p", audio=True), SEVEN, DAY)
    assert open_video is not None and open_video.micros == 7_000_000
    open_frame = choose(model, Priced(seconds=5, video_input=True), SEVEN, DAY)
    assert open_frame is not None and open_frame.micros == 7_700_000
    # 4k costs 26 yuan: at 3 yuan for a dollar that is the dearest
    dear_yuan = choose(model, Priced(seconds=5, video_input=True), PriceSettings(cny_per_usd=3_000_000), DAY)
    assert dear_yuan is not None and (dear_yuan.currency, dear_yuan.micros) == ("CNY", 26_000_000)
