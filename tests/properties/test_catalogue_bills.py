"""Whatever is asked, an estimate is a positive amount, grows with every count and is never below what is then billed; bills are
additive to the rounding (reliability.md 6.6)."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from trunkline.catalogue import video
from trunkline.catalogue.contract import RESOLUTIONS, PriceSettings, VideoModel
from trunkline.types.job import Job, Money
from trunkline.types.video import MODEL_DECIDES, Medium, MediumKind, MediumRole, VideoFacts, VideoRequest

DAY = date(2026, 11, 22)
RATIOS = ("", "16:9", "4:3", "1:1", "3:4", "9:16", "21:9", "9:21", "adaptive", "7:5")
FIELDS = frozenset({"duration", "frames", "resolution", "ratio", "seed", "camera_fixed", "watermark"})
NANOS_CAP = 2**63 - 1

models = st.sampled_from(video.MODELS)
counts = st.one_of(st.integers(-5, 50), st.sampled_from([2**31, 2**63, -(2**63), 10**40]))
rates = st.builds(PriceSettings, cny_per_usd=st.integers(1, 9_999_999_999), unknown_second=st.integers(1, 10**12))
kinds: st.SearchStrategy[MediumKind] = st.sampled_from(["image", "video", "audio"])
roles: st.SearchStrategy[MediumRole] = st.sampled_from(["first_frame", "last_frame", "reference"])
media = st.lists(st.builds(Medium, kind=kinds, role=roles, url=st.just("asset://1")), max_size=6).map(tuple)
QUICK = settings(max_examples=200, deadline=None)


@st.composite
def requests(draw: st.DrawFn, **fixed: st.SearchStrategy[Any]) -> VideoRequest:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "seconds": st.none() | counts,
        "frames": st.none() | counts,
        "resolution": st.sampled_from(["", "8k", *RESOLUTIONS]),
        "ratio": st.sampled_from(RATIOS),
        "media": media,
        "audio": st.sampled_from([None, True, False]),
        "draft": st.sampled_from([None, True, False]),
        "camera_fixed": st.sampled_from([None, True, False]),
        "tier": st.sampled_from(["", "default", "flex", "x"]),
        "seed": st.none() | counts,
    }
    drawn = {name: draw(strategy) for name, strategy in (fields | fixed).items()}
    return VideoRequest(dialect="ark_tasks", model="film", **drawn)


def sound(money: Money) -> None:
    assert 1 <= money.nanos <= NANOS_CAP
    assert money.units >= 1
    assert money.provenance in ("formula", "ceiling")


@QUICK
@given(models, requests(), rates)
def test_an_estimate_is_always_a_positive_amount(
    model: VideoModel, request: VideoRequest, prices: PriceSettings
) -> None:
    sound(video.estimate(model.id, request, prices, DAY))
    sound(video.estimate("kling-9", request, prices, DAY))


@QUICK
@given(models, requests(frames=st.none(), seconds=st.integers(1, 4000)), st.integers(0, 5000), rates)
def test_more_seconds_never_cost_less(
    model: VideoModel, request: VideoRequest, more: int, prices: PriceSettings
) -> None:
    longer = replace(request, seconds=(request.seconds or 0) + more)
    less = video.estimate(model.id, request, prices, DAY)
    assert video.estimate(model.id, longer, prices, DAY).nanos >= less.nanos


@QUICK
@given(models, requests(frames=st.integers(1, 200_000)), st.integers(0, 5000), rates)
def test_more_frames_never_cost_less(
    model: VideoModel, request: VideoRequest, more: int, prices: PriceSettings
) -> None:
    longer = replace(request, frames=(request.frames or 0) + more)
    less = video.estimate(model.id, request, prices, DAY)
    assert video.estimate(model.id, longer, prices, DAY).nanos >= less.nanos


@QUICK
@given(models, requests(frames=st.none(), media=st.just(())), rates)
def test_more_reference_videos_never_make_fewer_tokens(
    model: VideoModel, request: VideoRequest, prices: PriceSettings
) -> None:
    clip = Medium(kind="video", role="reference", url="asset://1")
    units = [video.estimate(model.id, replace(request, media=(clip,) * n), prices, DAY).units for n in range(1, 5)]
    assert units == sorted(units)


@QUICK
@given(models, requests(seconds=st.just(MODEL_DECIDES), frames=st.none()), rates)
def test_leaving_it_to_the_model_costs_at_least_any_of_its_durations(
    model: VideoModel, request: VideoRequest, prices: PriceSettings
) -> None:
    left = video.estimate(model.id, request, prices, DAY).nanos
    assert all(
        video.estimate(model.id, replace(request, seconds=s), prices, DAY).nanos <= left for s in model.durations
    )


@QUICK
@given(models, requests(frames=st.none(), seconds=st.none(), ratio=st.just("")), rates)
def test_leaving_the_ratio_open_costs_at_least_any_ratio_with_an_image(
    model: VideoModel, request: VideoRequest, prices: PriceSettings
) -> None:
    led = replace(request, media=(Medium(kind="image", role="first_frame", url="asset://1"),))
    left = video.estimate(model.id, led, prices, DAY).nanos
    assert all(video.estimate(model.id, replace(led, ratio=ratio), prices, DAY).nanos <= left for ratio in RATIOS)


@QUICK
@given(models, requests(), st.lists(st.integers(0, 10**7), min_size=1, max_size=6), rates)
def test_bills_are_monotone_and_additive(
    model: VideoModel, request: VideoRequest, parts: list[int], prices: PriceSettings
) -> None:
    asked = video.priced(model, request)

    def billed(units: int) -> int:
        facts = VideoFacts(tokens=units) if model.bills_by == "token" else VideoFacts(seconds=units)
        money = video.bill(model, asked, facts, prices, DAY)
        assert money is not None
        assert 0 <= money.nanos <= NANOS_CAP
        assert (money.nanos == 0) == (units == 0)
        return money.nanos

    if model.bills_by == "second":
        parts = [part % 500 for part in parts]
    whole, sums = billed(sum(parts)), sum(billed(part) for part in parts)
    assert whole >= max(billed(part) for part in parts)
    if whole < NANOS_CAP and prices.cny_per_usd > 1000:  # below that a single video fills 64 bits
        assert abs(whole - sums) <= len(parts)


@QUICK
@given(models, requests(draft=st.none(), tier=st.just(""), media=st.just(()), audio=st.none()))
def test_what_is_clamped_fits(model: VideoModel, request: VideoRequest) -> None:
    """As far as the prompt can say it: what the developer left out may still be missing."""
    clamped = video.clamp(model, request, FIELDS)
    found = video.lacking(model, clamped)
    assert found is None or found[0] == "content"
    assert video.clamp(model, clamped, FIELDS) == clamped
    assert (clamped.losses == ()) == (clamped == request)


@QUICK
@given(models, requests(tier=st.just("")), rates, st.sampled_from(["720p", "1080p", "", "?"]), st.none() | counts)
def test_settling_gives_an_amount_for_every_row(
    model: VideoModel, request: VideoRequest, prices: PriceSettings, made: str, tokens: int | None
) -> None:
    job = Job(
        id="0" * 32,
        key_id="k",
        dialect="ark_tasks",
        alias="film",
        model=model.id,
        seconds=request.seconds,
        resolution=request.resolution,
        ratio=request.ratio,
        state="succeeded",
        facts=VideoFacts(tokens=tokens, resolution=made, frames=request.frames),
        estimate=video.estimate(model.id, request, prices, DAY),
    )
    money = video.settle(job, prices, DAY)
    assert 0 <= money.nanos <= NANOS_CAP
    assert money.provenance in ("provider", "estimated", "ceiling")


@QUICK
@given(models, st.sampled_from(["16:9", "1:1", "21:9"]), st.integers(0, 30), st.sampled_from([0, 1, 2]), rates)
def test_the_estimate_covers_what_the_observed_formula_bills(
    model: VideoModel, ratio: str, seconds: int, clips: int, prices: PriceSettings
) -> None:
    """Reference videos of 15 s at most, output no longer than asked: the bill is no more than what was reserved."""
    sizes = {"16:9": (1280, 720), "1:1": (960, 960), "21:9": (1470, 630)}
    width, height = sizes[ratio]
    clip = Medium(kind="video", role="reference", url="asset://1")
    request = VideoRequest(
        dialect="ark_tasks",
        model="film",
        seconds=max(seconds, 1),
        resolution="720p",
        ratio=ratio,
        media=(clip,) * clips,
    )
    reserved = video.estimate(model.id, request, prices, DAY)
    used = -(-width * height * (24 * (max(seconds, 1) + 15 * clips) + 1) // 1024)
    facts = VideoFacts(tokens=used, seconds=max(seconds, 1), resolution="720p", ratio=ratio)
    money = video.bill(model, video.priced(model, request), facts, prices, DAY)
    assert money is not None and money.nanos <= reserved.nanos
