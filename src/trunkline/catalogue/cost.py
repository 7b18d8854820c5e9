"""What a video may cost, and what it has cost. Integers only; every count is clamped before it is multiplied; money is rounded
once, half to even, at the very end (reliability.md 6.6). Facts: wire-formats.md D.3, G.3 to G.5."""

from __future__ import annotations

from datetime import date
from itertools import product

from msgspec.structs import replace

from trunkline.catalogue.contract import CATALOGUE_VERSION, Price, Priced, PriceSettings, VideoModel
from trunkline.catalogue.frames import REFERENCE_SECONDS, tokens
from trunkline.catalogue.models import find
from trunkline.types.job import Job, Money
from trunkline.types.video import MODEL_DECIDES, VideoFacts, VideoRequest

#: No model makes an hour, no video has so many frames or tokens: more is a misreading, or somebody's joke (A12).
SECONDS_CAP = 3_600
FRAMES_CAP = 100_000
TOKENS_CAP = 10_000_000_000
REFERENCES_CAP = 100
#: Signed 64 bits.
NANOS_CAP = 2**63 - 1
#: An open duration of a model that nobody knows: the longest that any known model makes.
UNKNOWN_SECONDS = 30
UNKNOWN_FPS = 24
MILLION = 1_000_000


# --- before ---------------------------------------------------------------------------------------------------------------
def priced(model: VideoModel, request: VideoRequest) -> Priced:
    """What the price of the request depends on. Left open: the model's default; left to the model: the most it may do."""
    seconds = model.default_seconds if request.seconds is None else request.seconds
    if seconds == MODEL_DECIDES:
        seconds = model.longest
    ratio = request.ratio or model.default_ratio
    if not request.ratio and request.media:
        ratio = "adaptive"  # it follows the image, whatever its shape
    videos = min(request.count("video"), REFERENCES_CAP)
    return Priced(
        seconds=_within(seconds, SECONDS_CAP),
        frames=None if request.frames is None else _within(request.frames, FRAMES_CAP),
        resolution=request.resolution or ("480p" if request.draft and model.draft else model.default_resolution),
        ratio=ratio,
        video_input=videos > 0,
        video_seconds=videos * REFERENCE_SECONDS,
        audio=model.default_audio if request.audio is None else request.audio,
        tier=request.tier or "default",
    )


def estimate(model_id: str, request: VideoRequest, settings: PriceSettings, on: date) -> Money:
    """The most that the request may cost at the prices of `on`. Never nothing: a model, resolution or price that nobody knows
    counts at `settings.unknown_second`."""
    model = find(model_id)
    if model is None:
        return _ceiling(_unknown_seconds(request.seconds, request.frames), settings)
    asked = priced(model, request)
    price = choose(model, asked, settings, on)
    units = _units(model, asked)
    if price is None or units is None:
        return _ceiling(_output_seconds(model, asked), settings)
    return money(price, units, settings)


def _units(model: VideoModel, asked: Priced) -> int | None:
    if model.bills_by == "second":
        return _output_seconds(model, asked)
    count = tokens(model, asked)
    return None if count is None else min(count, TOKENS_CAP)


def _output_seconds(model: VideoModel, asked: Priced) -> int:
    return asked.seconds if asked.frames is None else -(-asked.frames // model.fps)


def _unknown_seconds(seconds: int | None, frames: int | None) -> int:
    if frames is not None:
        return -(-_within(frames, FRAMES_CAP) // UNKNOWN_FPS)
    if seconds is None or seconds == MODEL_DECIDES:
        return UNKNOWN_SECONDS
    return _within(seconds, SECONDS_CAP)


def _within(count: int, cap: int) -> int:
    return min(max(count, 1), cap)


# --- after ----------------------------------------------------------------------------------------------------------------
def settle(job: Job, settings: PriceSettings, on: date) -> Money:
    """What a finished job has cost, from the provider's usage, at the prices of `on` (the day it was accepted). What was not
    made costs nothing; what was made without a word about usage costs its estimate."""
    if job.state in ("failed", "expired", "cancelled"):
        return nothing(job.estimate)
    model = find(job.base_model or job.model)
    if model is None:
        held = job.estimate.units if job.estimate is not None and job.estimate.unit == "second" else None
        asked = held if job.seconds is None or job.seconds == MODEL_DECIDES else job.seconds
        seconds = job.facts.seconds if job.facts.seconds is not None else asked
        return _ceiling(_unknown_seconds(seconds, job.facts.frames), settings)
    known = recalled(model, job, settings, on)
    found = bill(model, known, job.facts, settings, on)
    if found is not None:
        return found
    if job.estimate is not None:
        return unknown_cost(job.estimate)
    price, units = choose(model, known, settings, on), _units(model, known)
    if price is None or units is None:
        return _ceiling(_output_seconds(model, known), settings)
    return unknown_cost(money(price, units, settings))


def bill(model: VideoModel, asked: Priced, facts: VideoFacts, settings: PriceSettings, on: date) -> Money | None:
    """From the provider's tokens or seconds, at the price for what it says it has made; where it says nothing, for what was
    asked. None: it gives no usage that could be billed by. Its 0 is a number, not a gap."""
    made = replace(
        asked,
        resolution=facts.resolution.lower() or asked.resolution,
        audio=asked.audio if facts.audio is None else facts.audio,
        tier=facts.tier or asked.tier,
    )
    units = facts.tokens if model.bills_by == "token" else _seconds_made(model, facts)
    if units is None or units < 0:
        return None
    price = choose(model, made, settings, on)
    if price is None:
        return _ceiling(_output_seconds(model, made), settings)
    cap = TOKENS_CAP if model.bills_by == "token" else SECONDS_CAP
    return money(price, min(units, cap), settings, "provider")


def _seconds_made(model: VideoModel, facts: VideoFacts) -> int | None:
    if facts.seconds is not None or facts.frames is None:
        return facts.seconds
    return -(-facts.frames // (facts.fps if facts.fps is not None and facts.fps > 0 else model.fps))


def recalled(model: VideoModel, job: Job, settings: PriceSettings, on: date) -> Priced:
    """What was asked, from what the row knows of it. That there was a reference video, whether sound was asked for and in
    which tier shows in the price of the estimate. Where it fits nothing (the catalogue is another), the dearest counts."""
    wanted = VideoRequest(
        dialect=job.dialect, model=job.alias, seconds=job.seconds, resolution=job.resolution, ratio=job.ratio
    )
    asked = priced(model, wanted)
    if job.estimate is not None:
        facts = job.facts
        audios = (model.default_audio, not model.default_audio) if facts.audio is None else (facts.audio,)
        tiers = (facts.tier,) if facts.tier else model.tiers
        referred = job.video_input or bool(job.remix_of)
        for video, audio, tier in product((referred, not referred), audios, tiers):
            possible = replace(asked, video_input=video, audio=audio, tier=tier)
            price = choose(model, possible, settings, on)
            if price is not None and (price.micros, price.currency) == (
                job.estimate.price_micros,
                job.estimate.currency,
            ):
                return possible
    return replace(asked, video_input=None, audio=None)


def unknown_cost(reserved: Money) -> Money:
    """Of a job whose usage never came: its estimate, marked as such."""
    return replace(reserved, provenance="estimated")


def nothing(reserved: Money | None = None) -> Money:
    """The cost of what was not made; `reserved` lends its words."""
    if reserved is None:
        return Money(
            nanos=0, unit="second", units=0, price_micros=0, catalogue=CATALOGUE_VERSION, provenance="provider"
        )
    return replace(reserved, nanos=0, units=0, provenance="provider")


# --- prices ---------------------------------------------------------------------------------------------------------------
def choose(model: VideoModel, asked: Priced, settings: PriceSettings, on: date) -> Price | None:
    """The price of that day: the first of the model's that applies, or the dearest of those where something is not known.
    None: there is none, or none that the exchange rate can turn into dollars."""
    found: list[Price] = []
    for resolution, video, audio in product(
        (asked.resolution,) if asked.resolution else model.resolutions,
        (False, True) if asked.video_input is None else (asked.video_input,),
        (False, True) if asked.audio is None else (asked.audio,),
    ):
        one = replace(asked, resolution=resolution, video_input=video, audio=audio)
        price = next((p for p in model.prices if _applies(p, one, on) and _rate(p, settings) > 0), None)
        if price is not None:
            found.append(price)
    return max(found, key=lambda p: _nanos(p, MILLION, _rate(p, settings)), default=None)


def _applies(price: Price, asked: Priced, on: date) -> bool:
    return (
        (not price.resolutions or asked.resolution in price.resolutions)
        and price.video_input in (None, asked.video_input)
        and price.audio in (None, asked.audio)
        and price.tier in ("", asked.tier)
        and (price.since is None or price.since <= on)
        and (price.until is None or on < price.until)
    )


def money(price: Price, units: int, settings: PriceSettings, provenance: str = "formula") -> Money:
    """`units` tokens or seconds at `price`; a positive count is never free, however small it is after conversion."""
    rate = _rate(price, settings)
    nanos = _nanos(price, units, rate)
    return Money(
        nanos=min(max(nanos, 1), NANOS_CAP) if units > 0 else 0,
        unit=price.unit,
        units=units,
        price_micros=price.micros,
        currency=price.currency,
        rate=rate,
        catalogue=CATALOGUE_VERSION,
        provenance=provenance,
    )


def _ceiling(seconds: int, settings: PriceSettings) -> Money:
    limit = Price(unit="second", currency="USD", micros=max(settings.unknown_second, 1))
    return money(limit, seconds, settings, "ceiling")


def _rate(price: Price, settings: PriceSettings) -> int:
    return MILLION if price.currency == "USD" else settings.cny_per_usd


def _nanos(price: Price, units: int, rate: int) -> int:
    """units × micros is micro-currency (of tokens: × a million); × 1000 nanos; × a million over the rate, dollars."""
    amount = units * price.micros * 1_000 * MILLION
    return half_even(amount, rate if price.unit == "second" else rate * MILLION)


def half_even(numerator: int, denominator: int) -> int:
    """The nearest integer of a quotient of non-negative integers, the even one of two."""
    quotient, rest = divmod(numerator, denominator)
    up = 2 * rest > denominator or (2 * rest == denominator and quotient % 2 == 1)
    return quotient + up
