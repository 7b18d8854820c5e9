"""OpenAI's videos both ways. Expected values by hand from wire-formats.md A.8, E.13; the official SDK reads what we write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types import Video

from trunkline.dialects.jobs import EncodedJob, ListAsk, Listing, Marks
from trunkline.dialects.multipart import Part, read, write
from trunkline.dialects.openai_videos import OpenAIVideos
from trunkline.types.failure import Failure
from trunkline.types.job import Job, Links
from trunkline.types.video import Medium, Task, VideoFacts, VideoRequest
from trunkline.types.wire import Loss

VIDEOS = OpenAIVideos()
ID = "0" * 31 + "1"
FORM = "multipart/form-data; boundary=b"


def form(**fields: str | Part) -> bytes:
    parts = [value if isinstance(value, Part) else Part(name, value.encode()) for name, value in fields.items()]
    return write(parts, "b")


def read_form(**fields: str | Part) -> VideoRequest:
    found = VIDEOS.decode_create(form(**{"prompt": "A boat", **fields}), FORM)
    assert isinstance(found, VideoRequest), found
    return found


def read_json(**fields: Any) -> VideoRequest | Failure:
    return VIDEOS.decode_create(json.dumps({"prompt": "A boat", **fields}).encode(), "application/json")


# --- requests ------------------------------------------------------------------------------------------------------------
def test_a_form_as_the_sdk_sends_it() -> None:
    found = read_form(model="video", seconds="8", size="1280x720", seed="7", generate_audio="false", watermark="true")
    assert (found.model, found.prompt, found.seconds, found.size) == ("video", "A boat", 8, "1280x720")
    assert (found.resolution, found.ratio, found.seed, found.audio, found.watermark) == ("720p", "16:9", 7, False, True)
    assert found.losses == ()


def test_json_says_the_same() -> None:
    found = read_json(model="video", seconds=8, size="1280x720", seed=7, generate_audio=False)
    assert isinstance(found, VideoRequest)
    assert (found.seconds, found.seed, found.audio, found.ratio) == (8, 7, False, "16:9")
    assert isinstance(read_json(seconds="8", model=None), VideoRequest)


@pytest.mark.parametrize(
    ("size", "resolution", "ratio", "losses"),
    [
        ("720x1280", "720p", "9:16", ()),
        ("1792x1024", "1080p", "16:9", (Loss("size", "the nearest is 1080p 16:9"),)),
        ("1024x1792", "1080p", "9:16", (Loss("size", "the nearest is 1080p 9:16"),)),
        ("1920x1080", "1080p", "16:9", ()),
        ("854x480", "480p", "16:9", ()),
    ],
)
def test_sizes(size: str, resolution: str, ratio: str, losses: tuple[Loss, ...]) -> None:
    found = read_form(size=size)
    assert (found.resolution, found.ratio, found.losses) == (resolution, ratio, losses)


def test_a_native_field_beats_the_size_and_an_unknown_one_is_said_to_be_lost() -> None:
    found = read_form(size="1280x720", resolution="1080p", ratio="1:1", style="noir")
    assert (found.resolution, found.ratio) == ("1080p", "1:1")
    assert found.losses == (Loss("style", "not known here"),)


@pytest.mark.parametrize(
    ("part", "kind", "role"),
    [
        (Part("input_reference", b"\x89PNG..", "a.png", "image/png"), "image", "first_frame"),
        (Part("input_reference", b"\x89PNG..", "a", "application/octet-stream"), "image", "first_frame"),
        (Part("input_reference", b"....ftypisom", "a.mp4", ""), "video", "reference"),
    ],
)
def test_an_uploaded_reference(part: Part, kind: str, role: str) -> None:
    (medium,) = read_form(input_reference=part).media
    assert (medium.kind, medium.role, medium.data) == (kind, role, part.data)


def test_a_reference_by_url() -> None:
    for made in (
        read_form(input_reference='{"image_url": "https://i.example/1"}'),
        read_json(input_reference={"image_url": "https://i.example/1"}),
    ):
        assert isinstance(made, VideoRequest)
        assert made.media == (Medium(kind="image", role="first_frame", url="https://i.example/1"),)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"seconds": "soon"}, "seconds"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": 4.5}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"seconds": "99999999999999999999"}, "seconds"),
        ({"size": "13x37"}, "size"),
        ({"size": 5}, "size"),
        ({"seed": 2**32}, "seed"),
        ({"generate_audio": "maybe"}, "generate_audio"),
        ({"resolution": "8k"}, "resolution"),
        ({"ratio": "wide"}, "ratio"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"input_reference": {"file_id": "f"}}, "input_reference.file_id"),
        ({"input_reference": 5}, "input_reference"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    found = read_json(**fields)
    assert isinstance(found, Failure) and found.param == param, found


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert isinstance(VIDEOS.decode_create(body, "application/json"), Failure)
    assert isinstance(VIDEOS.decode_create(body, FORM), Failure)


def test_a_name_that_stands_twice_and_text_that_is_none() -> None:
    twice = write([Part("prompt", b"a"), Part("prompt", b"b")], "b")
    assert isinstance(VIDEOS.decode_create(twice, FORM), Failure)
    assert isinstance(VIDEOS.decode_create(write([Part("prompt", b"\xff")], "b"), FORM), Failure)


# --- to and from a provider ------------------------------------------------------------------------------------------------
def test_a_request_for_a_provider_is_the_form_that_its_sdk_would_send() -> None:
    request = read_form(
        model="video", seconds="8", size="1280x720", seed="7", watermark="true",
        input_reference=Part("input_reference", b"\x89PNG", "a.png", "image/png"),
    )  # fmt: skip
    made = VIDEOS.encode_create(request, "sora-2", Marks(marker="tl-1"))
    assert isinstance(made, EncodedJob)
    parts = read(made.body, made.content_type)
    assert isinstance(parts, list)
    assert {part.name: part.data for part in parts} == {
        "model": b"sora-2",
        "prompt": b"A boat",
        "seconds": b"8",
        "size": b"1280x720",
        "input_reference": b"\x89PNG",
    }
    assert [loss.field for loss in made.losses] == ["seed", "watermark"]
    assert VIDEOS.encode_create(request, "sora-2", Marks(marker="tl-1")) == made, "the same mark, the same bytes"


def test_a_size_is_found_for_resolution_and_ratio() -> None:
    request = VideoRequest(dialect="ark_tasks", model="v", prompt="x", resolution="720p", ratio="9:16", seconds=-1)
    made = VIDEOS.encode_create(request, "sora-2", Marks(marker="m"))
    assert isinstance(made, EncodedJob)
    assert b"720x1280" in made.body and b'name="seconds"' not in made.body
    assert [loss.field for loss in made.losses] == ["duration"]


def test_a_video_of_a_provider_is_read() -> None:
    body = {"id": "video_9", "object": "video", "status": "in_progress", "progress": 40, "seconds": "8", "model": "sora-2",
            "created_at": 5, "prompt": "A boat", "error": None}  # fmt: skip
    task = VIDEOS.read_task(json.dumps(body).encode())
    assert isinstance(task, Task)
    assert (task.id, task.state, task.progress, task.facts.seconds, task.prompt) == (
        "video_9",
        "running",
        40,
        8,
        "A boat",
    )
    failed = VIDEOS.read_task(json.dumps({**body, "status": "failed", "error": {"code": "x", "message": "y"}}).encode())
    assert isinstance(failed, Task) and (failed.state, failed.error_code, failed.error_message) == ("failed", "x", "y")
    for broken in (b"", b"{}", b"[]", b'{"id":"a","status":"?"}', b"<html>"):
        assert isinstance(VIDEOS.read_task(broken), Failure)
    listed = VIDEOS.read_tasks(json.dumps({"data": [body, {}]}).encode())
    assert isinstance(listed, tuple) and [t.id for t in listed] == ["video_9"]


# --- to the caller ---------------------------------------------------------------------------------------------------------
def job(**fields: Any) -> Job:
    made: dict[str, Any] = {
        "id": ID, "key_id": "k", "dialect": "openai_videos", "alias": "video", "model": "seedance", "prompt": "A boat",
        "seconds": 5, "size": "1280x720", "created_at": 1_790_000_000_000_000, **fields,
    }  # fmt: skip
    return Job(**made)


@pytest.mark.parametrize(
    ("state", "word", "progress"),
    [
        ("submitting", "queued", 0),
        ("queued", "queued", 0),
        ("running", "in_progress", 40),
        ("unknown", "in_progress", 40),
        ("succeeded", "completed", 100),
        ("failed", "failed", 40),
        ("expired", "failed", 40),
        ("cancelled", "failed", 40),
    ],
)
def test_states_as_the_sdk_reads_them(state: Any, word: str, progress: int) -> None:
    done = 1_790_000_100_000_000 if state in ("succeeded", "failed", "expired", "cancelled") else None
    one = job(state=state, progress=0 if state == "submitting" else 40, finished_at=done)
    video = Video.model_validate_json(VIDEOS.encode_job(one, Links(expires_at=9), 0.0))
    assert (video.id, video.status, video.progress, video.seconds, video.size) == (
        f"video_{ID}",
        word,
        progress,
        "5",
        "1280x720",
    )
    assert (video.completed_at is not None) == (done is not None)
    assert (video.error is not None) == (word == "failed")
    if state in ("expired", "cancelled"):
        assert video.error is not None and video.error.code == state


def test_usage_is_told_beside_the_fields_of_the_sdk() -> None:
    found = json.loads(
        VIDEOS.encode_job(job(state="succeeded", facts=VideoFacts(tokens=87300, seconds=4)), Links(), 0.0)
    )
    assert found["usage"] == {"completion_tokens": 87300, "total_tokens": 87300}
    assert found["seconds"] == "4"


def test_a_create_answer_never_changes() -> None:
    first = VIDEOS.encode_created(job())
    later = VIDEOS.encode_created(job(state="succeeded", progress=100, model="other", facts=VideoFacts(seconds=9)))
    assert first == later
    assert json.loads(first)["status"] == "queued"


def test_lists_deletions_events_and_ids() -> None:
    listed = json.loads(VIDEOS.encode_list(Listing(jobs=[(job(), Links())], total=3, more=True), 0.0))
    assert (listed["object"], listed["has_more"], listed["first_id"], listed["last_id"]) == (
        "list",
        True,
        f"video_{ID}",
        f"video_{ID}",
    )
    assert json.loads(VIDEOS.encode_deleted(job())) == {"id": f"video_{ID}", "object": "video.deleted", "deleted": True}
    event = json.loads(VIDEOS.encode_event(job(state="failed"), Links(), "evt_1", 7.9))
    assert event == {
        "object": "event",
        "id": "evt_1",
        "type": "video.failed",
        "created_at": 7,
        "data": {"id": f"video_{ID}"},
    }
    assert VIDEOS.job_id(f"video_{ID}") == ID and VIDEOS.job_id(f"cgt-{ID}") is None
    assert VIDEOS.decode_list(f"limit=3&order=asc&after=video_{ID}".encode()) == ListAsk(
        limit=3, after=ID, newest_first=False
    )
    for wrong in (b"limit=0", b"limit=101", b"limit=x", b"order=up", b"after=nobody"):
        assert isinstance(VIDEOS.decode_list(wrong), Failure)


def test_remix() -> None:
    assert VIDEOS.decode_remix(b'{"prompt":"at night"}', "application/json") == "at night"
    assert isinstance(VIDEOS.decode_remix(b"{}", "application/json"), Failure)
