"""ModelArk's tasks both ways. Expected values by hand from wire-formats.md D; the official SDK's models read what we write."""

from __future__ import annotations

import json
from typing import Any

import pytest
from byteplussdkarkruntime.types.content_generation.content_generation_task import ContentGenerationTask as BytePlusTask
from hypothesis import given
from hypothesis import strategies as st
from volcenginesdkarkruntime.types.content_generation.content_generation_task import (
    ContentGenerationTask as VolcengineTask,
)

from trunkline.dialects.ark_tasks import ArkTasks
from trunkline.dialects.ark_tasks.inline import lift
from trunkline.dialects.jobs import EncodedJob, ListAsk, Listing, Marks
from trunkline.types.failure import Failure, Kind, invalid, refused
from trunkline.types.job import Job, Links
from trunkline.types.video import Medium, Task, VideoRequest
from trunkline.types.wire import Loss

ARK = ArkTasks()
MARKS = Marks(marker="tl-1", callback="")
ID = "0" * 31 + "1"
TEXT = {"type": "text", "text": "A boat"}


def read(**fields: Any) -> VideoRequest:
    body = json.dumps({"model": "video", "content": [TEXT], **fields}).encode()
    found = ARK.decode_create(body, "application/json")
    assert isinstance(found, VideoRequest), found
    return found


def complaint(**fields: Any) -> Failure:
    found = ARK.decode_create(json.dumps({"model": "video", "content": [TEXT], **fields}).encode(), "application/json")
    assert isinstance(found, Failure)
    assert found.kind is Kind.INVALID_REQUEST
    return found


def sent(request: VideoRequest, marks: Marks = MARKS) -> dict[str, Any]:
    made = ARK.encode_create(request, "seedance", marks)
    assert isinstance(made, EncodedJob)
    found: dict[str, Any] = json.loads(made.body)
    return found


# --- requests ------------------------------------------------------------------------------------------------------------
def test_every_field_is_read() -> None:
    found = read(
        resolution="1080P", ratio="9:16", duration=-1, seed=4294967295, camera_fixed=True, watermark=False,
        generate_audio=False, return_last_frame=True, draft=False, service_tier="flex", execution_expires_after=3600,
        priority=9, callback_url="https://a.example", safety_identifier="u", tools=[{"type": "web_search"}],
    )  # fmt: skip
    assert (found.resolution, found.ratio, found.seconds, found.seed) == ("1080p", "9:16", -1, 4294967295)
    assert (found.camera_fixed, found.watermark, found.audio, found.last_frame, found.draft) == (
        True,
        False,
        False,
        True,
        False,
    )
    assert (found.tier, found.expires_after, found.priority) == ("flex", 3600, 9)
    assert (found.callback, found.user, found.tools, found.prompt) == (
        "https://a.example",
        "u",
        ("web_search",),
        "A boat",
    )


def test_null_is_absent() -> None:
    found = read(resolution=None, duration=None, seed=None, callback_url=None, tools=None)
    assert (found.resolution, found.seconds, found.seed, found.callback, found.tools) == ("", None, None, "", ())
    assert "resolution" not in sent(found)


def image(role: str | None = None, url: str = "https://i.example/1.png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}, **({} if role is None else {"role": role})}


def test_roles_of_media() -> None:
    assert read(content=[image()]).media == (Medium(kind="image", role="first_frame", url="https://i.example/1.png"),)
    both = read(content=[image("first_frame"), image("last_frame")]).media
    assert [m.role for m in both] == ["first_frame", "last_frame"]
    video = {"type": "video_url", "video_url": {"url": "asset://1"}, "role": "reference_video"}
    audio = {"type": "audio_url", "audio_url": {"url": "data:audio/wav;base64,AA"}, "role": "reference_audio"}
    found = read(content=[TEXT, image("reference_image"), video, audio]).media
    assert [(m.kind, m.role) for m in found] == [("image", "reference"), ("video", "reference"), ("audio", "reference")]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": 1}, "model"),
        ({"model": " "}, "model"),
        ({"content": []}, "content"),
        ({"content": "x"}, "content"),
        ({"content": [{"type": "text"}]}, "content[0].text"),
        ({"content": [{"type": "smell"}]}, "content[0].type"),
        ({"content": [{"type": "image_url"}]}, "content[0].image_url.url"),
        ({"content": [TEXT, {"type": "image_url", "image_url": {"url": 1}}]}, "content[1].image_url.url"),
        ({"content": [image(), image()]}, "content[0].role"),
        ({"content": [image("reference_video")]}, "content[0].role"),
        ({"duration": 1.5}, "duration"),
        ({"duration": "5"}, "duration"),
        ({"duration": -2}, "duration"),
        ({"duration": 0}, "duration"),
        ({"duration": 2**63}, "duration"),
        ({"frames": -1}, "frames"),
        ({"seed": 2**32}, "seed"),
        ({"seed": -2}, "seed"),
        ({"resolution": "8k"}, "resolution"),
        ({"priority": 10}, "priority"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"execution_expires_after": 1}, "execution_expires_after"),
        ({"watermark": "yes"}, "watermark"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], param: str) -> None:
    assert complaint(**fields).param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000, b'{"model":"m"}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert isinstance(ARK.decode_create(body, ""), Failure)


# --- parameters in the text ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "left", "values"),
    [
        ("A boat --rs 1080p --dur 5", "A boat", {"resolution": "1080p", "duration": 5}),
        ("--ratio 16:9 A boat", "A boat", {"ratio": "16:9"}),
        ("A --RATIO  ADAPTIVE boat", "A boat", {"ratio": "adaptive"}),
        ("A boat --dur=5 --wm true", "A boat", {"duration": 5, "watermark": True}),
        ("A boat --seed -1 --cf false", "A boat", {"seed": -1, "camera_fixed": False}),
        ("A boat\n--fps 24\n--resolution 4K", "A boat", {"framespersecond": 24, "resolution": "4k"}),
        ("A boat --dur 5 --dur 9", "A boat", {"duration": 9}),
        ("A boat --dur --dur 5 7", "A boat", {"duration": 7}),
        ("A boat --dur soon", "A boat --dur soon", {}),
        ("A boat--dur 5", "A boat--dur 5", {}),
        ("A boat --duration5", "A boat --duration5", {}),
        ("--dur", "--dur", {}),
    ],
)
def test_lifting(text: str, left: str, values: dict[str, object]) -> None:
    found = lift(text)
    assert (found.text, found.values) == (left, values)


@given(st.text(alphabet="a -=duratnsw510p\n", max_size=60))
def test_nothing_that_can_be_read_is_left(text: str) -> None:
    found = lift(text)
    assert lift(found.text).values == {}
    assert lift(found.text).text == found.text


def test_a_lifted_parameter_becomes_a_field_and_a_field_wins() -> None:
    found = read(content=[{"type": "text", "text": "A boat --rs 480p --dur 12"}], duration=5)
    assert (found.prompt, found.resolution, found.seconds, found.lifted) == (
        "A boat",
        "480p",
        5,
        frozenset({"resolution"}),
    )
    assert found.losses == (Loss("content[0].text", "--dur 12 overridden by duration"),)
    body = sent(found)
    assert (body["resolution"], body["duration"], body["content"]) == ("480p", 5, [TEXT])


# --- to the provider -------------------------------------------------------------------------------------------------------
def test_the_same_dialect_keeps_what_nobody_here_knows() -> None:
    found = read(future={"a": [1.50, None]}, output_format="mov", callback_url="https://mine.example/x", seed=None)
    assert sent(found) == {
        "model": "seedance",
        "content": [TEXT],
        "future": {"a": [1.5, None]},
        "output_format": "mov",
        "safety_identifier": "tl-1",
    }
    raw = ARK.decode_create(b'{"model":"v","content":[{"type":"text","text":"x"}],"future":{"a":[1.50,null]}}', "")
    assert isinstance(raw, VideoRequest)
    made = ARK.encode_create(raw, "m", MARKS)
    assert isinstance(made, EncodedJob) and b'{"a":[1.50,null]}' in made.body, "byte for byte"


def test_the_callers_identifier_stays_and_our_callback_replaces_its_own() -> None:
    found = read(safety_identifier="user-7", callback_url="https://mine.example/x")
    body = sent(found, Marks(marker="tl-1", callback="https://gateway.example/cb"))
    assert (body["safety_identifier"], body["callback_url"]) == ("user-7", "https://gateway.example/cb")


def test_from_another_dialect() -> None:
    request = VideoRequest(
        dialect="openai_videos",
        model="video",
        prompt="A boat --dur 30",
        seconds=5,
        resolution="720p",
        ratio="16:9",
        audio=False,
        negative_prompt="rain",
        media=(Medium(kind="image", role="first_frame", data=b"png", mime="image/png"),),
    )
    made = ARK.encode_create(request, "seedance", MARKS)
    assert isinstance(made, EncodedJob)
    assert json.loads(made.body) == {
        "model": "seedance",
        "content": [
            TEXT,
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}, "role": "first_frame"},
        ],
        "resolution": "720p",
        "ratio": "16:9",
        "duration": 5,
        "generate_audio": False,
        "safety_identifier": "tl-1",
    }
    assert [loss.field for loss in made.losses] == ["negative_prompt"]


# --- from the provider -----------------------------------------------------------------------------------------------------
NATIVE = {
    "id": "cgt-upstream", "model": "seedance", "status": "succeeded", "error": None,
    "content": {"video_url": "https://v.example/1?sig", "last_frame_url": "https://v.example/2"},
    "usage": {"completion_tokens": 108900, "total_tokens": 108900}, "created_at": 1778754737, "updated_at": 1778755025,
    "seed": 1276, "resolution": "720p", "ratio": "16:9", "duration": 5, "framespersecond": 24, "service_tier": "default",
    "execution_expires_after": 172800, "generate_audio": True, "draft": False, "safety_identifier": "tl-1", "new": {"x": 1},
}  # fmt: skip


def test_a_task_is_read() -> None:
    task = ARK.read_task(json.dumps(NATIVE).encode())
    assert isinstance(task, Task)
    assert (task.id, task.state, task.marker, task.created_at) == ("cgt-upstream", "succeeded", "tl-1", 1778754737)
    assert (task.video_url, task.last_frame_url) == ("https://v.example/1?sig", "https://v.example/2")
    facts = task.facts
    assert (facts.tokens, facts.seconds, facts.resolution, facts.ratio, facts.fps) == (108900, 5, "720p", "16:9", 24)
    assert (facts.seed, facts.audio, facts.tier) == (1276, True, "default")


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"id":1}', b'{"id":"a"}', b'{"id":"a","status":"dancing"}', b"<html>", b"\xff"]
)
def test_an_answer_that_is_no_task_is_a_failure_of_the_provider(body: bytes) -> None:
    found = ARK.read_task(body)
    assert isinstance(found, Failure) and found.fault.value == "F1"


def test_a_create_answer_and_a_list() -> None:
    assert ARK.read_created(b'{"id":"cgt-1","safety_identifier":"x"}') == Task(id="cgt-1", state="queued")
    assert isinstance(ARK.read_created(b'{"ok":true}'), Failure)
    listed = ARK.read_tasks(
        json.dumps({"total": 2, "items": [NATIVE, {"id": "b", "status": "queued"}, {"bad": 1}]}).encode()
    )
    assert isinstance(listed, tuple) and [task.id for task in listed] == ["cgt-upstream", "b"]
    assert isinstance(ARK.read_tasks(b"<html>"), Failure)


# --- to the caller ---------------------------------------------------------------------------------------------------------
def job(**fields: Any) -> Job:
    made: dict[str, Any] = {
        "id": ID, "key_id": "k", "dialect": "ark_tasks", "alias": "video", "model": "seedance", "marker": "tl-1",
        "upstream_dialect": "ark_tasks", "created_at": 1_790_000_000_000_000, "changed_at": 1_790_000_009_000_000,
        **fields,
    }  # fmt: skip
    return Job(**made)


def shown(one: Job, links: Links | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ARK.encode_job(one, links or Links(), 0.0))
    return found


def test_the_providers_fields_come_through_under_our_id() -> None:
    one = job(state="succeeded", native=json.dumps(NATIVE).encode())
    found = shown(one, Links(video_url="https://ours.example/v", last_frame_url="https://ours.example/f"))
    assert found["id"] == f"cgt-{ID}"
    assert found["content"] == {"video_url": "https://ours.example/v", "last_frame_url": "https://ours.example/f"}
    assert (found["new"], found["usage"]["completion_tokens"], found["created_at"]) == ({"x": 1}, 108900, 1_790_000_000)
    assert "safety_identifier" not in found, "our mark is nobody's business"
    own = job(state="succeeded", marker="", native=json.dumps({**NATIVE, "safety_identifier": "user-7"}).encode())
    assert shown(own)["safety_identifier"] == "user-7"


@pytest.mark.parametrize(
    ("state", "word"),
    [
        ("submitting", "queued"),
        ("queued", "queued"),
        ("running", "running"),
        ("unknown", "running"),
        ("expired", "expired"),
    ],
)
def test_states(state: Any, word: str) -> None:
    found = shown(job(state=state, resolution="720p", seconds=5))
    assert (found["status"], found["resolution"], found["duration"]) == (word, "720p", 5)


@pytest.mark.parametrize("model", [VolcengineTask, BytePlusTask])
@pytest.mark.parametrize("state", ["queued", "running", "succeeded", "failed", "expired", "cancelled"])
def test_the_official_sdks_read_what_we_write(model: Any, state: Any) -> None:
    made = job(state=state, error_code="InternalServiceError" if state == "failed" else "")
    task = model.construct(**shown(made, Links(video_url="https://v.example/1")))
    assert (task.id, task.status) == (f"cgt-{ID}", state)
    if state == "failed":
        assert task.error["code"] if isinstance(task.error, dict) else task.error.code == "InternalServiceError"


def test_created_listed_deleted() -> None:
    assert ARK.encode_created(job()) == b'{"id":"cgt-%b"}' % ID.encode()
    listing = Listing(jobs=[(job(), Links())], total=7, more=True)
    found = json.loads(ARK.encode_list(listing, 0.0))
    assert (found["total"], [item["id"] for item in found["items"]]) == (7, [f"cgt-{ID}"])
    assert ARK.encode_deleted(job()) == b""


def test_ids_are_ours_or_none() -> None:
    assert ARK.job_id(f"cgt-{ID}") == ID
    for other in (ID, f"video_{ID}", f"cgt-{ID}0", "cgt-20260101-abcde", f"cgt-{ID.upper().replace('0', 'A')}", ""):
        assert ARK.job_id(other) is None


def test_lists_are_asked_for_as_the_sdk_does() -> None:
    query = (
        f"page_num=2&page_size=5&filter.status=running&filter.model=m&filter.task_ids=cgt-{ID}&filter.task_ids=other"
    )
    assert ARK.decode_list(query.encode()) == ListAsk(
        limit=5, page=2, states=frozenset({"running", "unknown"}), model="m", ids=(ID,)
    )
    assert ARK.decode_list(b"") == ListAsk(limit=20)
    for wrong in (b"page_num=0", b"page_num=x", b"page_size=501", b"filter.status=dancing", b"page_num=-1"):
        assert isinstance(ARK.decode_list(wrong), Failure)


# --- errors ----------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("failure", "code", "kind"),
    [
        (invalid("x", param="duration"), "InvalidParameter", "BadRequest"),
        (invalid("x", status=404), "NotFound", "NotFound"),
        (refused(Kind.UNAUTHENTICATED, "x"), "AuthenticationError", "Unauthorized"),
        (refused(Kind.FORBIDDEN, "x"), "AccessDenied", "Forbidden"),
        (refused(Kind.UNKNOWN_MODEL, "x"), "InvalidEndpointOrModel.NotFound", "NotFound"),
        (refused(Kind.RATE_LIMITED, "x"), "AccountRateLimitExceeded", "TooManyRequests"),
        (refused(Kind.OVER_BUDGET, "x"), "SetLimitExceeded", "TooManyRequests"),
        (refused(Kind.THROTTLED, "x"), "RateLimitExceeded", "TooManyRequests"),
        (refused(Kind.CAPABILITY, "x"), "InvalidParameter.UnsupportedParameter", "BadRequest"),
        (refused(Kind.CONTEXT_LENGTH, "x"), "OutofContextError", "BadRequest"),
        (refused(Kind.OVERLOADED, "x"), "ServerOverloaded", "InternalServerError"),
        (refused(Kind.NO_CANDIDATE, "x"), "ServerOverloaded", "InternalServerError"),
        (refused(Kind.TIMED_OUT, "x"), "InternalServiceError", "InternalServerError"),
        (refused(Kind.INTERNAL, "x"), "InternalServiceError", "InternalServerError"),
    ],
)
def test_errors_are_arks(failure: Failure, code: str, kind: str) -> None:
    error = json.loads(ARK.error_body(failure, "r1"))["error"]
    assert (error["code"], error["type"], error["param"]) == (code, kind, failure.param)
    assert error["message"] == "x Request id: r1"
    facts = ARK.read_error(400, ARK.error_body(failure, ""))
    assert (facts.code, facts.message) == (code, "x")
