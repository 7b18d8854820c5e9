"""What a finished job has cost: from the provider's usage, at the price that its request had."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from trunkline.catalogue import video
from trunkline.catalogue.contract import PriceSettings
from trunkline.types.job import Job, Money
from trunkline.types.video import Medium, VideoFacts, VideoRequest

DAY = date(2026, 11, 22)
SETTINGS = PriceSettings(cny_per_usd=7_000_000, unknown_second=250_000)
VIDEO = Medium(kind="video", role="reference", url="https://example.com/a.mp4")
B20 = "dreamina-seedance-2-0-260128"


def estimated(name: str, **asked: Any) -> Money:
    return video.estimate(name, VideoRequest(dialect="ark_tasks", model="film", **asked), SETTINGS, DAY)


def settled(name: str, facts: VideoFacts, reserved: Money | None, **row: Any) -> Money:
    row = {"state": "succeeded"} | row
    job = Job(
        id="0" * 32, key_id="k", dialect="ark_tasks", alias="film", model=name, facts=facts, estimate=reserved, **row
    )
    return video.settle(job, SETTINGS, DAY)


def test_the_providers_tokens_are_billed() -> None:
    facts = VideoFacts(tokens=245_025, seconds=5, resolution="1080p", ratio="16:9", fps=24, audio=True, tier="default")
    reserved = estimated(B20, seconds=-1, resolution="1080p")
    money = settled(B20, facts, reserved, seconds=-1, resolution="1080p")
    assert money == Money(
        nanos=1_886_692_500,  # the one bill that is known: $1.89
        unit="token",
        units=245_025,
        price_micros=7_700_000,
        currency="USD",
        rate=1_000_000,
        catalogue="2026-11-22",
        provenance="provider",
    )
    assert reserved.nanos > money.nanos


def test_an_endpoint_id_is_priced_by_its_base_model() -> None:
    facts = VideoFacts(tokens=108_900, resolution="720p")
    reserved = estimated("doubao-seedance-2-0-260128", resolution="720p")
    row = {"base_model": "doubao-seedance-2-0-260128", "resolution": "720p"}
    assert settled("ep-20260101-x", facts, reserved, **row).nanos == 715_628_571  # 108 900 × 46 / 7


def test_what_was_made_sets_the_price_where_nothing_was_asked() -> None:
    """The row knows no resolution; the provider made 1080p."""
    facts = VideoFacts(tokens=245_025, resolution="1080p")
    assert settled(B20, facts, estimated(B20)).nanos == 1_886_692_500


def test_a_reference_video_is_remembered_by_the_price_of_the_estimate() -> None:
    facts = VideoFacts(tokens=173_700, seconds=4, resolution="720p", audio=True, tier="default")
    asked: dict[str, Any] = {"seconds": 4, "resolution": "720p", "ratio": "16:9"}
    with_video = settled(B20, facts, estimated(B20, media=(VIDEO,), **asked), **asked)
    assert (with_video.price_micros, with_video.nanos) == (4_300_000, 746_910_000)  # 173 700 × 4.3
    without = settled(B20, facts, estimated(B20, **asked), **asked)
    assert (without.price_micros, without.nanos) == (7_000_000, 1_215_900_000)  # × 7


@pytest.mark.parametrize(("remix_of", "micros"), [("", 7_000_000), ("a" * 32, 4_300_000)])
def test_a_remix_has_a_reference_video_even_if_the_estimate_does_not_tell(remix_of: str, micros: int) -> None:
    """1080p costs the same with and without; what came out is 720p."""
    facts = VideoFacts(tokens=108_900, resolution="720p")
    reserved = estimated(B20, resolution="1080p")
    assert settled(B20, facts, reserved, resolution="1080p", remix_of=remix_of).price_micros == micros


def test_a_resolution_is_known_in_capitals() -> None:
    facts = VideoFacts(tokens=245_025, resolution="1080P")
    assert settled(B20, facts, estimated(B20), resolution="720p").price_micros == 7_700_000


def test_an_estimate_of_another_catalogue_lends_no_price() -> None:
    """The dearest then: nobody knows what was asked."""
    reserved = Money(nanos=1, unit="token", units=1, price_micros=123, catalogue="2020-01-01")
    facts = VideoFacts(tokens=100_000, resolution="720p")
    assert settled(B20, facts, reserved).price_micros == 7_000_000


@pytest.mark.parametrize(
    ("audio", "tier", "facts", "nanos"),
    [
        # 108 900 × 2.4, 1.2, 1.2, 0.6
        (None, "", VideoFacts(tokens=108_900, audio=True, tier="default"), 261_360_000),
        (None, "", VideoFacts(tokens=108_900, audio=False, tier="default"), 130_680_000),
        (True, "flex", VideoFacts(tokens=108_900, audio=True, tier="flex"), 130_680_000),
        (False, "flex", VideoFacts(tokens=108_900, audio=False, tier="flex"), 65_340_000),
        # The provider does not say: what was asked, by the estimate's price.
        (None, "", VideoFacts(tokens=108_900), 261_360_000),
        (False, "", VideoFacts(tokens=108_900), 130_680_000),
        (False, "flex", VideoFacts(tokens=108_900), 65_340_000),
    ],
)
def test_sound_and_tier_are_those_of_the_video(audio: bool | None, tier: str, facts: VideoFacts, nanos: int) -> None:
    name = "seedance-1-5-pro-251215"
    reserved = estimated(name, audio=audio, tier=tier, resolution="720p")
    assert settled(name, facts, reserved, resolution="720p").nanos == nanos


@pytest.mark.parametrize("state", ["failed", "expired", "cancelled"])
def test_what_was_not_made_costs_nothing(state: str) -> None:
    facts = VideoFacts(tokens=108_900)
    money = settled(B20, facts, estimated(B20), state=state)
    assert (money.nanos, money.units, money.provenance) == (0, 0, "provider")
    assert (money.unit, money.price_micros, money.catalogue) == ("token", 7_000_000, "2026-11-22")
    assert settled(B20, facts, None, state=state).nanos == 0


def test_a_zero_of_the_provider_is_a_number() -> None:
    money = settled(B20, VideoFacts(tokens=0), estimated(B20))
    assert (money.nanos, money.units, money.provenance) == (0, 0, "provider")


@pytest.mark.parametrize("facts", [VideoFacts(), VideoFacts(seconds=5, resolution="720p"), VideoFacts(tokens=-1)])
def test_usage_that_never_came_is_the_estimate(facts: VideoFacts) -> None:
    reserved = estimated(B20, seconds=5, resolution="720p", ratio="16:9")
    money = settled(B20, facts, reserved)
    assert (money.nanos, money.units, money.provenance) == (762_300_000, 108_900, "estimated")


def test_without_an_estimate_the_formula_speaks_for_the_dearest_that_may_have_been_asked() -> None:
    money = settled(B20, VideoFacts(), None, seconds=5, resolution="720p", ratio="16:9")
    assert (money.nanos, money.provenance) == (762_300_000, "estimated")


def test_a_lost_submission_costs_its_estimate() -> None:
    money = video.unknown_cost(estimated(B20, seconds=5, resolution="720p", ratio="16:9"))
    assert (money.nanos, money.units, money.provenance) == (762_300_000, 108_900, "estimated")


def test_seconds_are_billed_where_the_provider_says_them() -> None:
    name = "veo-3.1-fast-generate-preview"
    reserved = estimated(name, seconds=8, resolution="1080p")
    assert (reserved.nanos, reserved.provenance) == (960_000_000, "formula")
    said = settled(name, VideoFacts(seconds=6, resolution="1080p"), reserved, seconds=8, resolution="1080p")
    assert (said.nanos, said.units, said.provenance) == (720_000_000, 6, "provider")
    framed = settled(name, VideoFacts(frames=145, fps=24), reserved, seconds=8, resolution="1080p")
    assert (framed.nanos, framed.units) == (840_000_000, 7)
    silent = settled(name, VideoFacts(), reserved, seconds=8, resolution="1080p")
    assert (silent.nanos, silent.units, silent.provenance) == (960_000_000, 8, "estimated")


@pytest.mark.parametrize(
    ("facts", "row", "seconds"),
    [
        (VideoFacts(seconds=6), {"seconds": 9}, 6),
        (VideoFacts(tokens=108_900), {"seconds": 9}, 9),
        (VideoFacts(frames=49), {}, 3),
        (VideoFacts(), {}, 12),  # as was reserved
        (VideoFacts(), {"seconds": -1}, 12),
    ],
)
def test_an_unknown_model_costs_the_ceiling(facts: VideoFacts, row: dict[str, Any], seconds: int) -> None:
    money = settled("kling-9", facts, estimated("kling-9", seconds=12), **row)
    assert (money.units, money.nanos, money.provenance) == (seconds, seconds * 250_000_000, "ceiling")


def test_a_bill_goes_by_what_was_made_not_by_what_was_asked() -> None:
    model = video.find("seedance-1-5-pro-251215")
    assert model is not None
    asked = video.Priced(seconds=5, resolution="720p", audio=True, tier="flex")
    facts = VideoFacts(tokens=1_000_000, resolution="1080P", audio=False, tier="default")
    money = video.bill(model, asked, facts, SETTINGS, DAY)
    assert money is not None and (money.nanos, money.price_micros) == (1_200_000_000, 1_200_000)


def test_an_absurd_usage_is_clamped() -> None:
    """A12. Ten thousand million tokens at $7 are $70 000."""
    money = settled(B20, VideoFacts(tokens=2**63, resolution="720p"), estimated(B20))
    assert (money.units, money.nanos) == (10_000_000_000, 70_000_000_000_000)


@pytest.mark.parametrize(
    ("tokens", "nanos"),
    [(1, 2), (2, 5), (3, 8), (5, 12), (7, 18)],  # 2.5, 5, 7.5, 12.5, 17.5
)
def test_half_a_nano_goes_to_the_even_one(tokens: int, nanos: int) -> None:
    """10 yuan per million tokens at 4 000 yuan for a dollar: 2.5 nano-dollars a token."""
    model = video.find("doubao-seedance-1-0-lite-t2v-250428")
    assert model is not None
    asked = video.Priced(seconds=5, resolution="720p")
    money = video.bill(model, asked, VideoFacts(tokens=tokens), PriceSettings(cny_per_usd=4_000_000_000), DAY)
    assert money is not None and money.nanos == nanos


def test_a_token_is_never_free() -> None:
    model = video.find("doubao-seedance-1-5-pro-251215")
    assert model is not None
    asked = video.Priced(seconds=5, resolution="480p", audio=False, tier="flex")
    money = video.bill(model, asked, VideoFacts(tokens=1), PriceSettings(cny_per_usd=9_999_999_999), DAY)
    assert money is not None and money.nanos == 1  # 0.4 before
