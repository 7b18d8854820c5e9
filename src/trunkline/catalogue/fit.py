"""What a model cannot do of a request, and a person's wishes brought into its range. Facts: wire-formats.md D.2, D.6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from trunkline.catalogue.contract import RESOLUTIONS, VideoModel
from trunkline.types.video import MODEL_DECIDES, MediumKind, VideoRequest
from trunkline.types.wire import Loss

Lack = tuple[str, str]

#: 1.0 takes −1 … 2³²−1; the others take no more.
SEED_MIN, SEED_MAX = -1, 2**32 - 1
DRAFT_RESOLUTION = "480p"


def lacking(model: VideoModel, request: VideoRequest) -> Lack | None:
    """What the model cannot do: the field, named as in an Ark body (`duration`, `service_tier`, `content` for all media), and
    what it would take. None: the request fits."""
    for check in (_length, _frame, _mode, _references, _draft, _options):
        found = check(model, request)
        if found is not None:
            return found
    return None


# --- length and frame -------------------------------------------------------------------------------------------------
def _length(model: VideoModel, request: VideoRequest) -> Lack | None:
    if request.frames is not None:
        if not model.frames:
            return "frames", "the model counts seconds, not frames: use duration"
        if request.seconds == MODEL_DECIDES:
            return "duration", f"{MODEL_DECIDES} (the model decides) excludes frames"
        first, last = _frame_range(model)
        if not first <= request.frames <= last:
            return "frames", f"the model takes {first} to {last} frames, not {request.frames}"
        return None  # frames win over a duration
    if request.seconds is None or _takes_seconds(model, request.seconds):
        return None
    return "duration", f"the model takes {seconds_in_words(model)}, not {request.seconds}"


def _takes_seconds(model: VideoModel, seconds: int) -> bool:
    return seconds in model.durations or (seconds == MODEL_DECIDES and model.decides)


def _frame_range(model: VideoModel) -> tuple[int, int]:
    """From one second to the longest duration, both as the token formula counts frames."""
    return model.fps + 1, model.fps * model.longest + 1


def seconds_in_words(model: VideoModel) -> str:
    """`4 to 15 seconds or -1 (the model decides)`."""
    if len(model.durations) == model.longest - model.shortest + 1:
        words = f"{model.shortest} to {model.longest} seconds"
    else:
        words = f"{_listed(model.durations)} seconds"
    return f"{words} or {MODEL_DECIDES} (the model decides)" if model.decides else words


def _frame(model: VideoModel, request: VideoRequest) -> Lack | None:
    if request.resolution and request.resolution not in model.resolutions:
        return "resolution", f"the model takes {_listed(model.resolutions)}, not {request.resolution}"
    if request.ratio and request.ratio not in model.ratios:
        return "ratio", f"the model takes {_listed(model.ratios)}, not {request.ratio}"
    return None


# --- media ------------------------------------------------------------------------------------------------------------
def _mode(model: VideoModel, request: VideoRequest) -> Lack | None:
    """Three modes exclude each other: first frame, first and last frame, references."""
    first, last = request.count("image", "first_frame"), request.count("image", "last_frame")
    referring = any(medium.role == "reference" for medium in request.media)
    if (first or last) and not model.first_frame:
        return "content", "the model takes no first or last frame" if model.takes_references else _text_alone()
    if (first or last) and referring:
        return "content", "a first or last frame and references exclude each other: send one or the other"
    if first > 1 or last > 1:
        return "content", "one first frame and one last frame at most"
    if last and not model.last_frame:
        return "content", "the model takes a first frame, but no last frame"
    if last and not first:
        return "content", "a last frame needs a first frame beside it"
    if model.needs_image and not request.count("image"):
        return "content", "the model needs an image: a first frame or references"
    return None


def _text_alone() -> str:
    return "the model makes videos from text alone"


def _references(model: VideoModel, request: VideoRequest) -> Lack | None:
    limits: tuple[tuple[MediumKind, int], ...] = (
        ("image", model.reference_images),
        ("video", model.reference_videos),
        ("audio", model.reference_audios),
    )
    for kind, limit in limits:
        # A video or sound is never a frame, whatever it was called.
        count = request.count(kind, "reference" if kind == "image" else None)
        if count > limit:
            if not limit:
                return "content", f"the model takes no reference {kind}s"
            return "content", f"the model takes up to {limit} reference {kind}s, not {count}"
    alone = request.count("audio") and not request.count("image") and not request.count("video")
    if alone and not model.audio_alone:
        return "content", "reference audio needs an image or a video beside it"
    return None


# --- the rest ---------------------------------------------------------------------------------------------------------
def _draft(model: VideoModel, request: VideoRequest) -> Lack | None:
    if not request.draft and not request.draft_task:
        return None
    if not model.draft:
        return ("draft" if request.draft else "content"), "the model makes no drafts"
    if not request.draft:
        return None
    if request.resolution not in ("", DRAFT_RESOLUTION):
        return "resolution", f"a draft is {DRAFT_RESOLUTION}, not {request.resolution}"
    if request.last_frame:
        return "return_last_frame", "a draft returns no last frame"
    if request.tier == "flex":
        return "service_tier", "a draft is not made in the flex tier"
    return None


def _options(model: VideoModel, request: VideoRequest) -> Lack | None:
    if request.tier and request.tier not in model.tiers:
        return "service_tier", f"the model takes {_listed(model.tiers)}, not {request.tier}"
    if request.camera_fixed and not model.camera_fixed:
        return "camera_fixed", "the model cannot hold the camera still"
    if request.camera_fixed and request.count("image", "reference"):
        return "camera_fixed", "not together with reference images"
    if request.audio and not model.sound:
        return "generate_audio", "the model makes no sound"
    if request.tools and not model.tools:
        return "tools", "the model has no tools"
    return None


def _listed(values: tuple[str, ...] | tuple[int, ...]) -> str:
    words = [str(value) for value in values]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


# --- clamping ---------------------------------------------------------------------------------------------------------
def clamp(model: VideoModel, request: VideoRequest, fields: frozenset[str]) -> VideoRequest:
    """The named fields brought into the model's range, each change as a Loss. Nothing else is touched: what a developer wrote
    is refused, not changed. Fields are named as in `VideoRequest.lifted`."""
    losses: list[Loss] = []
    for field, (attribute, into) in _CLAMPS.items():
        if field not in fields:
            continue
        old = getattr(request, attribute)
        new = None if old in (None, "") else into(model, request)
        if old in (None, "") or new == old:
            continue
        request = replace(request, **{attribute: new})
        used = "it was left out" if new is None else f"{_shown(new)} was used"
        losses.append(Loss(field, f"{_shown(old)} is not in the model's range; {used}"))
    return replace(request, losses=(*request.losses, *losses)) if losses else request


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:32]


def _seconds_into(model: VideoModel, request: VideoRequest) -> int | None:
    """The nearest below, else the shortest."""
    seconds = request.seconds
    assert seconds is not None
    if seconds == MODEL_DECIDES and request.frames is not None:
        return None
    if _takes_seconds(model, seconds):
        return seconds
    if seconds == MODEL_DECIDES:
        return model.default_seconds
    return max((d for d in model.durations if d <= seconds), default=model.shortest)


def _frames_into(model: VideoModel, request: VideoRequest) -> int | None:
    assert request.frames is not None
    if not model.frames:
        return None
    first, last = _frame_range(model)
    return min(max(request.frames, first), last)


def _resolution_into(model: VideoModel, request: VideoRequest) -> str:
    """The nearest below, else the smallest; one that nobody knows becomes the default."""
    asked = request.resolution
    if request.draft and model.draft:
        return DRAFT_RESOLUTION
    if asked in model.resolutions:
        return asked
    if asked not in RESOLUTIONS:
        return model.default_resolution
    below = [r for r in model.resolutions if RESOLUTIONS.index(r) < RESOLUTIONS.index(asked)]
    return below[-1] if below else model.resolutions[0]


def _ratio_into(model: VideoModel, request: VideoRequest) -> str:
    return request.ratio if request.ratio in model.ratios else model.default_ratio


def _seed_into(model: VideoModel, request: VideoRequest) -> int | None:
    assert request.seed is not None
    return request.seed if SEED_MIN <= request.seed <= SEED_MAX else None


def _camera_into(model: VideoModel, request: VideoRequest) -> bool | None:
    able = model.camera_fixed and not request.count("image", "reference")
    return request.camera_fixed if able or not request.camera_fixed else None


#: A field as it is called in a body → the attribute, and how it is brought into range. Frames first: they decide what −1
#: seconds can mean.
_CLAMPS: dict[str, tuple[str, Callable[[VideoModel, VideoRequest], Any]]] = {
    "frames": ("frames", _frames_into),
    "duration": ("seconds", _seconds_into),
    "resolution": ("resolution", _resolution_into),
    "ratio": ("ratio", _ratio_into),
    "seed": ("seed", _seed_into),
    "camera_fixed": ("camera_fixed", _camera_into),
}
