"""What a model cannot do of a request, in words that say what it would take; and what stood in a prompt, clamped."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.catalogue import video
from trunkline.catalogue.contract import VideoModel
from trunkline.types.video import MODEL_DECIDES, Medium, VideoRequest
from trunkline.types.wire import Loss

V25, V20 = "doubao-seedance-2-5-260628", "doubao-seedance-2-0-260128"
FAST, MINI = "doubao-seedance-2-0-fast-260128", "doubao-seedance-2-0-mini-260615"
B25, B20 = "dreamina-seedance-2-5-260628", "dreamina-seedance-2-0-260128"
V15, PRO, PRO_FAST = "seedance-1-5-pro-251215", "seedance-1-0-pro-250528", "seedance-1-0-pro-fast-251015"
T2V, I2V = "seedance-1-0-lite-t2v-250428", "seedance-1-0-lite-i2v-250428"
VEO, LITE = "veo-3.1-generate-preview", "veo-3.1-lite-generate-preview"

FIRST = Medium(kind="image", role="first_frame", url="https://example.com/1.png")
LAST = Medium(kind="image", role="last_frame", url="https://example.com/2.png")
IMAGE = Medium(kind="image", role="reference", url="asset://1")
VIDEO = Medium(kind="video", role="reference", url="asset://2")
AUDIO = Medium(kind="audio", role="reference", url="asset://3")
EXCLUSIVE = "a first or last frame and references exclude each other: send one or the other"


def the(name: str) -> VideoModel:
    model = video.find(name)
    assert model is not None
    return model


def request(**asked: Any) -> VideoRequest:
    return VideoRequest(dialect="ark_tasks", model="film", prompt="rain", **asked)


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (V20, {}),
        (V20, {"seconds": 4, "resolution": "4k", "ratio": "21:9"}),
        (V20, {"seconds": 15, "resolution": "480p", "ratio": "adaptive", "audio": False, "tier": "default"}),
        (V20, {"seconds": MODEL_DECIDES}),
        (V20, {"media": (FIRST,)}),
        (V20, {"media": (FIRST, LAST)}),
        (V20, {"media": (IMAGE,) * 9 + (VIDEO,) * 3 + (AUDIO,) * 3}),
        (V20, {"media": (VIDEO, AUDIO)}),
        (V20, {"tools": ("web_search",)}),
        (V20, {"camera_fixed": False, "draft": False}),
        (V25, {"seconds": 30, "resolution": "1080p", "tier": "flex", "media": (IMAGE,) * 30 + (VIDEO,) * 10 + (AUDIO,) * 10}),
        (V25, {"media": (AUDIO,)}),
        (MINI, {"seconds": 15, "tier": "default"}),
        (V15, {"seconds": 12, "resolution": "1080p", "tier": "flex", "camera_fixed": True}),
        (V15, {"draft": True}),
        (V15, {"draft": True, "resolution": "480p", "tier": "default"}),
        (V15, {"draft_task": "cgt-1", "resolution": "1080p"}),
        (PRO, {"seconds": 2, "ratio": "9:21", "tier": "flex", "audio": False}),
        (PRO, {"frames": 57}),
        (PRO, {"frames": 25}),
        (PRO, {"frames": 289, "seconds": 99}),
        (I2V, {"media": (IMAGE,) * 4}),
        (I2V, {"media": (FIRST, LAST)}),
        (VEO, {"seconds": 6, "resolution": "4k", "ratio": "9:16", "media": (FIRST, LAST)}),
        (VEO, {"media": (IMAGE,) * 3}),
        ("sora-2", {"seconds": 12, "resolution": "1080p", "media": (FIRST,)}),
    ],
)  # fmt: skip
def test_what_the_model_can_do_fits(name: str, asked: dict[str, Any]) -> None:
    assert video.lacking(the(name), request(**asked)) is None


@pytest.mark.parametrize(
    ("name", "asked", "field", "reason"),
    [
        (V20, {"seconds": 3}, "duration", "the model takes 4 to 15 seconds or -1 (the model decides), not 3"),
        (V20, {"seconds": 16}, "duration", "the model takes 4 to 15 seconds or -1 (the model decides), not 16"),
        (V25, {"seconds": 31}, "duration", "the model takes 4 to 30 seconds or -1 (the model decides), not 31"),
        (V15, {"seconds": 13}, "duration", "the model takes 4 to 12 seconds or -1 (the model decides), not 13"),
        (PRO, {"seconds": MODEL_DECIDES}, "duration", "the model takes 2 to 12 seconds, not -1"),
        (T2V, {"seconds": 2}, "duration", "the model takes 3 to 12 seconds, not 2"),
        (VEO, {"seconds": 5}, "duration", "the model takes 4, 6 or 8 seconds, not 5"),
        ("sora-2", {"seconds": 6}, "duration", "the model takes 4, 8 or 12 seconds, not 6"),
        (V20, {"seconds": 0}, "duration", "the model takes 4 to 15 seconds or -1 (the model decides), not 0"),
        (V20, {"frames": 57}, "frames", "the model counts seconds, not frames: use duration"),
        (PRO, {"frames": 24}, "frames", "the model takes 25 to 289 frames, not 24"),
        (PRO, {"frames": 290}, "frames", "the model takes 25 to 289 frames, not 290"),
        (PRO, {"frames": 57, "seconds": MODEL_DECIDES}, "duration", "-1 (the model decides) excludes frames"),
        (FAST, {"resolution": "1080p"}, "resolution", "the model takes 480p or 720p, not 1080p"),
        (B25, {"resolution": "1080p"}, "resolution", "the model takes 480p or 720p, not 1080p"),
        (V25, {"resolution": "4k"}, "resolution", "the model takes 480p, 720p or 1080p, not 4k"),
        (V20, {"ratio": "9:21"}, "ratio", "the model takes 16:9, 4:3, 1:1, 3:4, 9:16, 21:9 or adaptive, not 9:21"),
        (VEO, {"ratio": "adaptive"}, "ratio", "the model takes 16:9 or 9:16, not adaptive"),
        (V20, {"media": (FIRST, IMAGE)}, "content", EXCLUSIVE),
        (V20, {"media": (LAST, VIDEO)}, "content", EXCLUSIVE),
        (V20, {"media": (FIRST, FIRST)}, "content", "one first frame and one last frame at most"),
        (V20, {"media": (LAST,)}, "content", "a last frame needs a first frame beside it"),
        (PRO_FAST, {"media": (FIRST, LAST)}, "content", "the model takes a first frame, but no last frame"),
        (T2V, {"media": (FIRST,)}, "content", "the model makes videos from text alone"),
        (I2V, {}, "content", "the model needs an image: a first frame or references"),
        (I2V, {"media": (IMAGE,) * 5}, "content", "the model takes up to 4 reference images, not 5"),
        (V20, {"media": (IMAGE,) * 10}, "content", "the model takes up to 9 reference images, not 10"),
        (V20, {"media": (VIDEO,) * 4}, "content", "the model takes up to 3 reference videos, not 4"),
        (V20, {"media": (IMAGE,) + (AUDIO,) * 4}, "content", "the model takes up to 3 reference audios, not 4"),
        (V25, {"media": (VIDEO,) * 11}, "content", "the model takes up to 10 reference videos, not 11"),
        (PRO, {"media": (IMAGE,)}, "content", "the model takes no reference images"),
        (V15, {"media": (Medium(kind="video", role="first_frame"),)}, "content", "the model takes no reference videos"),
        (V15, {"media": (VIDEO,)}, "content", "the model takes no reference videos"),
        (LITE, {"media": (IMAGE,)}, "content", "the model takes no reference images"),
        (V20, {"media": (AUDIO,)}, "content", "reference audio needs an image or a video beside it"),
        (V20, {"draft": True}, "draft", "the model makes no drafts"),
        (V20, {"draft_task": "cgt-1"}, "content", "the model makes no drafts"),
        (V15, {"draft": True, "resolution": "720p"}, "resolution", "a draft is 480p, not 720p"),
        (V15, {"draft": True, "last_frame": True}, "return_last_frame", "a draft returns no last frame"),
        (V15, {"draft": True, "tier": "flex"}, "service_tier", "a draft is not made in the flex tier"),
        (V20, {"tier": "flex"}, "service_tier", "the model takes default, not flex"),
        (FAST, {"tier": "flex"}, "service_tier", "the model takes default, not flex"),
        (MINI, {"tier": "flex"}, "service_tier", "the model takes default, not flex"),
        (V25, {"tier": "priority"}, "service_tier", "the model takes default or flex, not priority"),
        (V20, {"camera_fixed": True}, "camera_fixed", "the model cannot hold the camera still"),
        (I2V, {"camera_fixed": True, "media": (IMAGE,)}, "camera_fixed", "not together with reference images"),
        (PRO, {"audio": True}, "generate_audio", "the model makes no sound"),
        (B20, {"tools": ("web_search",)}, "tools", "the model has no tools"),
        (V15, {"tools": ("web_search",)}, "tools", "the model has no tools"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_named(name: str, asked: dict[str, Any], field: str, reason: str) -> None:
    assert video.lacking(the(name), request(**asked)) == (field, reason)


@pytest.mark.parametrize(
    ("name", "asked", "field", "attribute", "value", "reason"),
    [
        (V20, {"seconds": 99}, "duration", "seconds", 15, "99; 15 was used"),
        (V20, {"seconds": 2}, "duration", "seconds", 4, "2; 4 was used"),
        (V20, {"seconds": -5}, "duration", "seconds", 4, "-5; 4 was used"),
        (PRO, {"seconds": MODEL_DECIDES}, "duration", "seconds", 5, "-1; 5 was used"),
        (VEO, {"seconds": 7}, "duration", "seconds", 6, "7; 6 was used"),
        (PRO, {"frames": 9999}, "frames", "frames", 289, "9999; 289 was used"),
        (V20, {"frames": 57}, "frames", "frames", None, "57; it was left out"),
        (FAST, {"resolution": "1080p"}, "resolution", "resolution", "720p", "1080p; 720p was used"),
        (V25, {"resolution": "4k"}, "resolution", "resolution", "1080p", "4k; 1080p was used"),
        (VEO, {"resolution": "480p"}, "resolution", "resolution", "720p", "480p; 720p was used"),
        (PRO, {"resolution": "2k"}, "resolution", "resolution", "1080p", "2k; 1080p was used"),
        (V15, {"draft": True, "resolution": "720p"}, "resolution", "resolution", "480p", "720p; 480p was used"),
        (V20, {"ratio": "9:21"}, "ratio", "ratio", "adaptive", "9:21; adaptive was used"),
        (PRO, {"seed": 2**32}, "seed", "seed", None, "4294967296; it was left out"),
        (V20, {"camera_fixed": True}, "camera_fixed", "camera_fixed", None, "true; it was left out"),
    ],
)  # fmt: skip
def test_what_stood_in_the_prompt_is_clamped_and_said(
    name: str, asked: dict[str, Any], field: str, attribute: str, value: object, reason: str
) -> None:
    """J10."""
    before = Loss("content", "something else")
    clamped = video.clamp(the(name), request(losses=(before,), **asked), frozenset({field}))
    assert getattr(clamped, attribute) == value
    old, used = reason.split("; ")
    assert clamped.losses == (before, Loss(field, f"{old} is not in the model's range; {used}"))
    assert video.lacking(the(name), clamped) is None


def test_only_named_fields_are_clamped() -> None:
    asked = request(seconds=99, resolution="4k")
    clamped = video.clamp(the(FAST), asked, frozenset({"resolution"}))
    assert (clamped.seconds, clamped.resolution) == (99, "720p")
    assert [loss.field for loss in clamped.losses] == ["resolution"]


def test_a_request_in_range_is_left_as_it_is() -> None:
    asked = request(seconds=12, resolution="1080p", ratio="16:9", seed=-1, camera_fixed=True)
    assert video.clamp(the(PRO), asked, frozenset({"duration", "resolution", "ratio", "seed", "camera_fixed"})) is asked


def test_nothing_said_is_not_clamped() -> None:
    asked = request()
    assert video.clamp(the(VEO), asked, frozenset({"duration", "resolution", "ratio", "frames", "watermark"})) is asked


def test_a_duration_hidden_in_the_prompt_costs_no_more_than_the_models_longest() -> None:
    """J10: `--dur 9999999`, clamped before it is estimated. 15 s of 720p: 324 900 tokens × $7."""
    from datetime import date

    from trunkline.catalogue.contract import PriceSettings

    asked = request(seconds=9_999_999, resolution="720p", ratio="16:9", lifted=frozenset({"duration"}))
    clamped = video.clamp(the(B20), asked, asked.lifted)
    assert video.estimate(B20, clamped, PriceSettings(), date(2026, 11, 22)).nanos == 2_274_300_000
