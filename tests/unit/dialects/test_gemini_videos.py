"""Veo's operations, upstream only. Expected values by hand from wire-formats.md C.6."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trunkline.dialects.gemini_videos import GeminiVideos
from trunkline.dialects.jobs import EncodedJob, Marks
from trunkline.types.failure import Failure, FaultClass
from trunkline.types.video import Medium, Task, VideoRequest

VEO = GeminiVideos()


def sent(**fields: Any) -> EncodedJob | Failure:
    request = VideoRequest(dialect="ark_tasks", model="v", **{"prompt": "A boat", **fields})
    return VEO.encode_create(request, "veo-3.1-generate-preview", Marks(marker="m"))


def test_what_veo_knows_is_carried() -> None:
    made = sent(
        seconds=8, resolution="1080p", ratio="9:16", audio=True, seed=5, negative_prompt="rain",
        media=(
            Medium(kind="image", role="first_frame", data=b"png", mime="image/png"),
            Medium(kind="image", role="last_frame", url="data:image/jpeg;base64,anBn"),
        ),
    )  # fmt: skip
    assert isinstance(made, EncodedJob)
    assert json.loads(made.body) == {
        "instances": [
            {
                "prompt": "A boat",
                "image": {"bytesBase64Encoded": "cG5n", "mimeType": "image/png"},
                "lastFrame": {"bytesBase64Encoded": "anBn", "mimeType": "image/jpeg"},
            }
        ],
        "parameters": {
            "sampleCount": 1,
            "durationSeconds": 8,
            "aspectRatio": "9:16",
            "resolution": "1080p",
            "generateAudio": True,
            "negativePrompt": "rain",
            "seed": 5,
        },
    }
    assert made.losses == ()


def test_what_veo_lacks_is_lost_by_name() -> None:
    made = sent(
        watermark=False, camera_fixed=True, last_frame=True, tier="flex", expires_after=3600, priority=1, tools=("web_search",),
        user="u", ratio="adaptive", seconds=-1, seed=-1, frames=29, draft=True,
        media=(Medium(kind="audio", role="reference", url="https://a.example"),),
    )  # fmt: skip
    assert isinstance(made, EncodedJob)
    assert sorted(loss.field for loss in made.losses) == sorted(
        ["content[0]", "watermark", "camera_fixed", "return_last_frame", "draft", "frames", "service_tier",
         "execution_expires_after", "priority", "tools", "safety_identifier", "ratio", "duration"]
    )  # fmt: skip
    assert json.loads(made.body)["parameters"] == {"sampleCount": 1}


@pytest.mark.parametrize(
    "url", ["https://i.example/1.png", "asset://1", "data:image/png;base64,@@", "data:image/png,raw"]
)
def test_an_image_that_cannot_be_put_inside_makes_it_impossible(url: str) -> None:
    found = sent(media=(Medium(kind="image", role="first_frame", url=url),))
    assert isinstance(found, Failure) and found.fault is FaultClass.CAPABILITY
    assert found.param == "content[0]"


def test_asking_after_an_operation() -> None:
    assert json.loads(VEO.encode_poll("models/m/operations/1")) == {"operationName": "models/m/operations/1"}


NAME = "models/veo/operations/1"


@pytest.mark.parametrize(
    ("said", "state", "more"),
    [
        ({"name": NAME}, "running", {}),
        ({"name": NAME, "done": False}, "running", {}),
        (
            {"name": NAME, "done": True, "response": {"videos": [{"bytesBase64Encoded": "ZmlsbQ==", "mimeType": "video/mp4"}]}},
            "succeeded",
            {"inline": b"film", "content_type": "video/mp4"},
        ),
        (
            {"name": NAME, "done": True, "response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": "https://f.example/1"}}]}}},
            "succeeded",
            {"video_url": "https://f.example/1"},
        ),
        (
            {"name": NAME, "done": True, "response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["violence"]}},
            "failed",
            {"error_code": "content_filtered", "error_message": "violence"},
        ),
        (
            {"name": NAME, "done": True, "error": {"code": 13, "message": "oops"}},
            "failed",
            {"error_code": "INTERNAL", "error_message": "oops"},
        ),
    ],
)  # fmt: skip
def test_operations(said: dict[str, Any], state: str, more: dict[str, Any]) -> None:
    task = VEO.read_task(json.dumps(said).encode())
    assert isinstance(task, Task)
    assert (task.id, task.state) == (NAME, state)
    assert {name: getattr(task, name) for name in more} == more


BROKEN = b'{"name":"a","done":true,"response":{"videos":[{"bytesBase64Encoded":"@"}]}}'


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"done":true}', b'{"name":"a","done":true,"response":{}}', BROKEN]
)
def test_what_is_no_operation_is_a_failure_of_the_provider(body: bytes) -> None:
    found = VEO.read_task(body)
    assert isinstance(found, Failure) and found.fault is FaultClass.TRANSIENT


def test_nobody_speaks_it_to_us() -> None:
    assert isinstance(VEO.decode_create(b"{}", ""), Failure)
    assert isinstance(VEO.decode_remix(b"{}", ""), Failure)
    assert isinstance(VEO.decode_list(b""), Failure)
    assert VEO.job_id("models/m/operations/1") is None
    assert VEO.read_tasks(b"{}") == ()
