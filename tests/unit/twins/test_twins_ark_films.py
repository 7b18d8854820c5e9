"""What the ModelArk twin takes and refuses as a video task, as wire-formats.md D.2 and D.5 say."""

from __future__ import annotations

from typing import Any

import pytest

from twins_films import TASKS, Filmset, film, on_set, refused

V25, V20, FAST = "doubao-seedance-2-5-260628", "doubao-seedance-2-0-260128", "doubao-seedance-2-0-fast-260128"
V15, PRO = "seedance-1-5-pro-251215", "seedance-1-0-pro-250528"
PRO_FAST, T2V, I2V = (
    "seedance-1-0-pro-fast-251015",
    "doubao-seedance-1-0-lite-t2v-250428",
    "seedance-1-0-lite-i2v-250428",
)
TEXT = {"type": "text", "text": "A river."}


def image(role: str | None = None, url: str = "https://example.com/a.png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}, **({"role": role} if role else {})}


def video(url: str = "https://example.com/a.mp4") -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": url}, "role": "reference_video"}


def audio(url: str = "https://example.com/a.wav") -> dict[str, Any]:
    return {"type": "audio_url", "audio_url": {"url": url}, "role": "reference_audio"}


def made(**fields: Any) -> dict[str, Any]:
    """The finished task of a request."""

    async def play(stage: Filmset) -> Any:
        stage.pace(queued_s=0, running_s=0)
        return stage.get(f"{TASKS}/{stage.task(**fields)}").json

    task: dict[str, Any] = on_set("ark", play)
    assert task["status"] == "succeeded"
    return task


@pytest.mark.parametrize(
    ("fields", "width_height_tokens"),
    [
        ({}, 108_900),  # 720p 16:9, 5 s
        ({"duration": 4}, 87_300),
        ({"resolution": "1080p"}, 245_025),
        ({"duration": 4, "content": [TEXT, video()]}, 173_700),  # with 4 s of reference
        ({"resolution": "480p"}, 50_638),  # 864 x 496 x 121 / 1024 = 50638.5
        ({"resolution": "480p", "model": V25}, 48_437),  # 854 x 480 x 121 / 1024 = 48437.8
        ({"resolution": "480p", "ratio": "9:16", "model": V25}, 48_437),
        ({"ratio": "4:3"}, 109_586),  # 1112 x 834
        ({"ratio": "1:1"}, 108_900),  # 960 x 960
        ({"ratio": "21:9"}, 109_431),  # 1470 x 630 x 121 / 1024 = 109431.7
        ({"resolution": "4k", "duration": 15}, 2_924_100),  # 3840 x 2160 x 361 / 1024
        ({"duration": -1}, 108_900),  # the model picks 5
        ({"model": PRO}, 245_025),  # 1080p unless said otherwise
        ({"model": PRO, "resolution": "720p", "frames": 57}, 51_300),  # 1280 x 720 x 57 / 1024
    ],
)
def test_a_film_bills_its_pixels(fields: dict[str, Any], width_height_tokens: int) -> None:
    usage = made(**fields)["usage"]
    assert usage == {"completion_tokens": width_height_tokens, "total_tokens": width_height_tokens}


def test_every_unset_field_may_be_null_as_the_sdk_sends_it() -> None:
    names = (
        "safety_identifier callback_url return_last_frame service_tier execution_expires_after priority generate_audio "
        "draft camera_fixed watermark seed resolution ratio duration frames tools output_format omni_reference_task_type"
    )

    async def play(stage: Filmset) -> Any:
        return stage.post(TASKS, {**film(), **dict.fromkeys(names.split())})

    call = on_set("ark", play)
    assert call.status == 200 and list(call.json) == ["id"]


def test_a_task_says_what_was_asked_for() -> None:
    task = made(
        model=V15,
        resolution="480p",
        ratio="3:4",
        duration=6,
        seed=42,
        generate_audio=False,
        return_last_frame=True,
        service_tier="flex",
        execution_expires_after=3600,
        priority=3,
        safety_identifier="user-1",
        output_format="mp4",
        camera_fixed=True,
        watermark=True,
    )
    content = task.pop("content")
    assert content["video_url"].split("?")[0].endswith(".mp4") and ".png?" in content["last_frame_url"]
    assert task.pop("id").startswith("cgt-20")
    assert task.pop("created_at") == task.pop("updated_at")
    assert task == {
        "model": "seedance-1-5-pro-251215",
        "status": "succeeded",
        "error": None,
        "usage": {"completion_tokens": 59_631, "total_tokens": 59_631},  # 560 x 752 x 145 / 1024 = 59631.25
        "seed": 42,
        "resolution": "480p",
        "ratio": "3:4",
        "duration": 6,
        "framespersecond": 24,
        "service_tier": "flex",
        "execution_expires_after": 3600,
        "generate_audio": False,
        "draft": False,
        "priority": 3,
        "safety_identifier": "user-1",
        "output_format": "mp4",
    }


ACCEPTED: list[dict[str, Any]] = [
    {"model": "dreamina-seedance-2-5-260628", "duration": 30},
    {"model": "dreamina-seedance-2-0-260128", "resolution": "4k"},
    {"model": "dreamina-seedance-2-0-mini-260615", "resolution": "720p", "tools": [{"type": "web_search"}]},
    {"model": "ep-20260101-abcde", "resolution": "4k"},
    {"model": "ep-20260101-abcde-1-0-pro", "frames": 48},
    {"model": PRO, "duration": 2, "ratio": "9:21", "camera_fixed": True},
    {"model": V25, "service_tier": "flex", "content": [audio(), TEXT]},
    {"content": [image()]},
    {"content": [TEXT, image("first_frame"), image("last_frame")]},
    {"content": [image("reference_image")] * 9 + [video()] * 3 + [audio()] * 3},
    {"content": [TEXT, image(url="data:image/png;base64,iVBORw0KGgo=")]},
    {"content": [TEXT, image("reference_image", "asset://asset-1"), audio("data:audio/wav;base64,UklGRg==")]},
    {"model": I2V, "content": [image("reference_image")] * 4},
    {"model": V15, "draft": True, "generate_audio": True},
    {"seed": 4_294_967_295, "ratio": "adaptive", "camera_fixed": False, "unknown_field": 1},
]


@pytest.mark.parametrize("fields", ACCEPTED)
def test_what_the_models_can_do_is_taken(fields: dict[str, Any]) -> None:
    assert made(**fields)["usage"]["completion_tokens"] > 0


BAD = "InvalidParameter"
UNSUPPORTED, TASK_TYPE = "InvalidParameter.UnsupportedParameter", "InvalidParameter.TaskTypeConstraint"
MISSING = "MissingParameter"

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"content": []}, MISSING, "content"),
    ({"content": None}, MISSING, "content"),
    ({"content": [{"text": "x"}]}, MISSING, "content[0].type"),
    ({"content": [{"type": "text"}]}, MISSING, "content[0].text"),
    ({"content": [{"type": "text", "text": "  "}]}, MISSING, "content.text"),
    ({"content": [{"type": "text", "text": "--dur 5"}]}, MISSING, "content.text"),
    ({"content": [{"type": "song"}]}, BAD, "content[0].type"),
    ({"content": "A river."}, BAD, "content"),
    ({"content": [TEXT, {"type": "image_url"}]}, MISSING, "content[1].image_url.url"),
    ({"content": [image(url="")]}, "InvalidImageURL.EmptyURL", "content[0].image_url.url"),
    ({"content": [image(url="ftp://x/y")]}, "InvalidImageURL.InvalidFormat", "content[0].image_url.url"),
    (
        {"content": [image(url="data:image/svg;base64,AAAA")]},
        "InvalidImageURL.InvalidFormat",
        "content[0].image_url.url",
    ),
    ({"content": [image(url="data:image/png;base64,?")]}, "InvalidImageURL.InvalidFormat", "content[0].image_url.url"),
    ({"content": [video("data:video/mp4;base64,AAAA")]}, BAD, "content[0].video_url.url"),
    ({"content": [TEXT, image("reference_video")]}, BAD, "role"),
    ({"content": [TEXT, image(), image()]}, TASK_TYPE, "content.role"),
    ({"content": [TEXT, image("last_frame")]}, TASK_TYPE, "content.role"),
    ({"content": [TEXT, image("first_frame"), image("reference_image")]}, TASK_TYPE, "content.role"),
    ({"content": [TEXT, image("first_frame"), video()]}, TASK_TYPE, "content.role"),
    ({"content": [TEXT, audio()]}, TASK_TYPE, "content"),
    ({"content": [TEXT] + [image("reference_image")] * 10}, BAD, "content"),
    ({"content": [TEXT] + [video()] * 4}, BAD, "content"),
    ({"model": PRO, "content": [TEXT, image("reference_image")]}, UNSUPPORTED, "content.role"),
    ({"model": PRO_FAST, "content": [image("first_frame"), image("last_frame")]}, UNSUPPORTED, "content.role"),
    ({"model": T2V, "content": [TEXT, image()]}, UNSUPPORTED, "content.role"),
    ({"model": I2V}, MISSING, "content.image_url"),
    ({"model": I2V, "content": [image("reference_image")] * 5}, BAD, "content"),
    ({"model": V15, "content": [{"type": "draft_task", "draft_task": {"id": "cgt-1"}}]}, BAD, "content.draft_task.id"),
    ({"content": [{"type": "draft_task", "draft_task": {"id": "cgt-1"}}]}, UNSUPPORTED, "content[0].type"),
    ({"duration": 3}, BAD, "duration"),
    ({"duration": 16}, BAD, "duration"),
    ({"duration": 0}, BAD, "duration"),
    ({"duration": "5"}, BAD, "duration"),
    ({"duration": True}, BAD, "duration"),
    ({"model": PRO, "duration": -1}, BAD, "duration"),
    ({"model": V25, "duration": 31}, BAD, "duration"),
    ({"model": V15, "duration": 13}, BAD, "duration"),
    ({"frames": 57}, UNSUPPORTED, "frames"),
    ({"model": PRO, "frames": 10}, BAD, "frames"),
    ({"resolution": "8k"}, BAD, "resolution"),
    ({"model": FAST, "resolution": "1080p"}, BAD, "resolution"),
    ({"model": "dreamina-seedance-2-5-260628", "resolution": "1080p"}, BAD, "resolution"),
    ({"ratio": "2:1"}, BAD, "ratio"),
    ({"ratio": "9:21"}, BAD, "ratio"),
    ({"seed": -2}, BAD, "seed"),
    ({"seed": 4_294_967_296}, BAD, "seed"),
    ({"camera_fixed": True}, UNSUPPORTED, "camera_fixed"),
    ({"model": I2V, "camera_fixed": True, "content": [image("reference_image")]}, UNSUPPORTED, "camera_fixed"),
    ({"model": PRO, "generate_audio": True}, UNSUPPORTED, "generate_audio"),
    ({"model": PRO, "tools": [{"type": "web_search"}]}, UNSUPPORTED, "tools"),
    ({"tools": [{"type": "code"}]}, BAD, "tools.type"),
    ({"draft": True}, UNSUPPORTED, "draft"),
    ({"model": V15, "draft": True, "resolution": "720p"}, BAD, "resolution"),
    ({"model": V15, "draft": True, "return_last_frame": True}, BAD, "return_last_frame"),
    ({"model": V15, "draft": True, "service_tier": "flex"}, BAD, "service_tier"),
    ({"service_tier": "flex"}, UNSUPPORTED, "service_tier"),
    ({"service_tier": "fast"}, BAD, "service_tier"),
    ({"execution_expires_after": 3599}, BAD, "execution_expires_after"),
    ({"execution_expires_after": 259_201}, BAD, "execution_expires_after"),
    ({"priority": 10}, BAD, "priority"),
    ({"callback_url": "mailto:a@example.com"}, BAD, "callback_url"),
    ({"watermark": "yes"}, BAD, "watermark"),
    ({"safety_identifier": 5}, BAD, "safety_identifier"),
    ({"model": None}, MISSING, "model"),
]


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED)
def test_what_the_models_cannot_do_is_refused(fields: dict[str, Any], code: str, param: str) -> None:
    status, error = refused("ark", TASKS, film(**fields) if "content" not in fields else {**film(), **fields})
    assert (status, error["type"]) == (400, "BadRequest")
    assert (error["code"], error["param"]) == (code, param), error["message"]
    assert "Request id: 0217" in error["message"]


@pytest.mark.parametrize("model", ["seedance-9", "doubao-seed-2-1-pro-260915", "gpt-4.1"])
def test_an_unknown_model_is_not_found(model: str) -> None:
    status, error = refused("ark", TASKS, film(model=model))
    assert (status, error["code"]) == (404, "InvalidEndpointOrModel.NotFound")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b""])
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    assert refused("ark", TASKS, body)[1]["code"] == "InvalidParameter"


# -- parameters inside the text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "fields", "shown"),
    [
        (
            "A river. --rs 480p --rt 1:1 --dur 7 --seed 9",
            {},
            {"resolution": "480p", "ratio": "1:1", "duration": 7, "seed": 9},
        ),
        ("A river. --resolution 1080p --ratio 9:16", {}, {"resolution": "1080p", "ratio": "9:16"}),
        ("A river. --duration 10 --fps 24 --wm true", {}, {"duration": 10}),
        ("A river. --rs 1080p --dur 10", {"resolution": "480p", "duration": 4}, {"resolution": "480p", "duration": 4}),
        ("A river. --dur 99 --rs 9k --rt 7:7 --seed x", {}, {"resolution": "720p", "ratio": "16:9", "duration": 5}),
        ("A river --and a mill --dur", {}, {"duration": 5}),
        ("A river. --rs 720p", {"model": V15, "draft": True}, {"resolution": "480p", "draft": True}),
        ("A river. --cf true --dur -1 --dur 6", {}, {"duration": 6}),
    ],
)
def test_parameters_in_the_text_count_where_no_field_does(
    text: str, fields: dict[str, Any], shown: dict[str, Any]
) -> None:
    task = made(content=[{"type": "text", "text": text}], **fields)
    assert {name: task[name] for name in shown} == shown


# -- drafts ---------------------------------------------------------------------------------------------------------


def test_a_draft_is_made_large_by_its_own_account_only() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=0)
        draft = stage.task(model=V15, draft=True, duration=4, ratio="1:1")
        content = [{"type": "draft_task", "draft_task": {"id": draft}}]
        assert stage.get(f"{TASKS}/{draft}").json["resolution"] == "480p"
        final = stage.get(f"{TASKS}/{stage.task(model=V15, content=content, resolution='1080p')}").json
        assert (final["draft"], final["draft_task_id"], final["duration"]) == (False, draft, 4)
        assert final["usage"]["completion_tokens"] == 196_425  # 1440 x 1440 x 97 / 1024
        assert stage.post(TASKS, film(model=V15, content=content), key="other").status == 400
        plain = [{"type": "draft_task", "draft_task": {"id": stage.task(model=V15)}}]
        assert stage.post(TASKS, film(model=V15, content=plain)).status == 400

    on_set("ark", play)
