"""Videos of the OpenAI twin, as wire-formats.md A.8 says."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from trunkline.twins.multipart import Upload, read_form
from twins_films import Filmset, on_set, refused
from twins_stage import ScriptedCall

VIDEOS = "/v1/videos"
FORM = "multipart/form-data; boundary=xyz"


def form(fields: dict[str, str], file: tuple[str, str, bytes] | None = None) -> bytes:
    parts = [
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    body = "".join(parts).encode()
    if file is not None:
        name, mime, data = file
        head = f'--xyz\r\nContent-Disposition: form-data; name="input_reference"; filename="{name}"\r\nContent-Type: {mime}'
        body += head.encode() + b"\r\n\r\n" + data + b"\r\n"
    return body + b"--xyz--\r\n"


def send(stage: Filmset, fields: dict[str, str], file: tuple[str, str, bytes] | None = None) -> ScriptedCall:
    return stage.post(VIDEOS, form(fields, file), headers=[(b"content-type", FORM.encode())])


def create(stage: Filmset, **fields: Any) -> str:
    call = stage.post(VIDEOS, {"prompt": "A river.", **fields})
    assert call.status == 200, call.text
    made: str = call.json["id"]
    return made


@pytest.mark.parametrize("as_form", [True, False])
def test_a_video_is_made_from_a_form_or_from_json(as_form: bool) -> None:
    async def play(stage: Filmset) -> None:
        fields = {"prompt": "Ein Fluß.", "model": "sora-2-pro", "seconds": "12", "size": "1792x1024"}
        call = send(stage, fields) if as_form else stage.post(VIDEOS, fields)
        video = call.json
        assert call.header("openai-poll-after-ms") == "1000"
        assert video.pop("id").startswith("video_") and video.pop("created_at") > 1_700_000_000
        assert video == {
            "object": "video",
            "status": "queued",
            "completed_at": None,
            "error": None,
            "expires_at": None,
            "model": "sora-2-pro",
            "progress": 0,
            "prompt": "Ein Fluß.",
            "remixed_from_video_id": None,
            "seconds": "12",
            "size": "1792x1024",
        }
        assert stage.twin.ledger.entries[0].model == "sora-2-pro"

    on_set("openai", play)


def test_a_video_goes_through_its_states() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(poll_after_ms=250)
        path = f"{VIDEOS}/{create(stage)}"
        await asyncio.sleep(1)
        call = stage.get(path)
        assert (call.json["status"], call.json["progress"]) == ("in_progress", 50)
        assert call.header("openai-poll-after-ms") == "250"
        await asyncio.sleep(2)
        call = stage.get(path)
        assert (call.json["status"], call.json["progress"]) == ("completed", 100)
        assert call.header("openai-poll-after-ms") is None
        assert call.json["expires_at"] - call.json["completed_at"] == 86_400
        assert (stage.videos[0].polls, stage.videos[0].billed_seconds) == (2, 4)

    on_set("openai", play)


def test_a_picture_may_come_with_the_form() -> None:
    async def play(stage: Filmset) -> None:
        assert send(stage, {"prompt": "x"}, ("a.png", "image/png", b"\x89PNG\r\n--\r\n\0")).status == 200
        call = send(stage, {"prompt": "x"}, ("a.txt", "text/plain", b"hello"))
        assert (call.status, call.json["error"]["param"]) == (400, "input_reference")
        assert stage.post(VIDEOS, {"prompt": "x", "input_reference": {"image_url": "https://x"}}).status == 200

    on_set("openai", play)


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "missing_required_parameter"),
        ({"prompt": 5}, "prompt", "missing_required_parameter"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ({"prompt": "x", "model": "gpt-4.1"}, "model", "invalid_value"),
        ({"prompt": "x", "seconds": "5"}, "seconds", "invalid_value"),
        ({"prompt": "x", "seconds": 8}, "seconds", "invalid_value"),
        ({"prompt": "x", "size": "1x1"}, "size", "invalid_value"),
        ({"prompt": "x", "size": ["1280x720"]}, "size", "invalid_value"),
        ({"prompt": "x", "ratio": "16:9"}, "ratio", "unknown_parameter"),
        ({"prompt": "x", "input_reference": "x"}, "input_reference", "invalid_type"),
        (b"{", None, None),
        ([], None, None),
    ],
)
def test_what_makes_no_sense_is_refused(body: Any, param: str | None, code: str | None) -> None:
    status, error = refused("openai", VIDEOS, body)
    assert (status, error["type"], error["param"], error["code"]) == (400, "invalid_request_error", param, code)


@pytest.mark.parametrize(
    "body", [b"", b"--xyz--", b"--abc\r\n", b"--xyz\r\n\r\n\r\n--xyz--", b"--xyz\r\nname: x\r\n\r\nx"]
)
def test_a_broken_form_is_refused(body: bytes) -> None:
    status, error = refused("openai", VIDEOS, body, headers=[(b"content-type", FORM.encode())])
    assert (status, error["type"]) == (400, "invalid_request_error")


def test_a_form_is_read_byte_for_byte() -> None:
    data = bytes(range(256)) + b"\r\n--xy\r\n"
    found = read_form(
        'multipart/form-data; boundary="xyz"', form({"a": "1\r\n2", "b": ""}, ("p q.png", "image/png; x=1", data))
    )
    assert found == {"a": "1\r\n2", "b": "", "input_reference": Upload(data=data, filename="p q.png", mime="image/png")}
    named = form({}, ("x", "image/png", b"y")).replace(b'filename="x"', b"filename*=UTF-8''%C3%A4.png")
    assert read_form(FORM, named) == {"input_reference": Upload(data=b"y", filename="ä.png", mime="image/png")}
    assert read_form("application/json", b"{}") is None
    assert read_form("multipart/form-data", b"--xyz--") is None


def test_the_list_goes_on_after_a_video() -> None:
    async def play(stage: Filmset) -> None:
        made = [create(stage) for _ in range(5)]

        def page(query: str) -> tuple[list[int], bool]:
            found = stage.get(f"{VIDEOS}?{query}").json
            ids = [video["id"] for video in found["data"]]
            assert found["object"] == "list"
            assert (found["first_id"], found["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
            return [made.index(one) for one in ids], found["has_more"]

        assert page("") == ([4, 3, 2, 1, 0], False)
        assert page("limit=2") == ([4, 3], True)
        assert page(f"limit=2&after={made[3]}") == ([2, 1], True)
        assert page(f"limit=2&after={made[1]}") == ([0], False)
        assert page(f"order=asc&limit=3&after={made[0]}") == ([1, 2, 3], True)
        assert page(f"after={made[0]}") == ([], False)
        for query in ("limit=101", "limit=x", "order=up"):
            assert stage.get(f"{VIDEOS}?{query}").status == 400
        assert stage.get(f"{VIDEOS}?after=video_0").status == 404
        assert stage.get(VIDEOS, key="other").json["data"] == []

    on_set("openai", play)


def test_only_a_finished_video_has_content_can_be_remixed_and_deleted() -> None:
    async def play(stage: Filmset) -> None:
        video = create(stage, seconds="8", size="1280x720", model="sora-2-pro")
        path = f"{VIDEOS}/{video}"
        assert stage.get(f"{path}/content").status == 404
        assert stage.post(f"{path}/remix", {"prompt": "y"}).status == 400
        assert stage.ask("DELETE", path).status == 400
        await asyncio.sleep(3)
        call = stage.get(f"{path}/content")
        assert (call.status, call.header("content-type")) == (200, "video/mp4")
        part = stage.get(f"{path}/content", headers=[(b"range", b"bytes=4-11")])
        assert (part.status, b"".join(part.writes)) == (206, b"ftypisom")
        assert stage.get(f"{path}/content?variant=spritesheet").header("content-type") == "image/png"
        assert stage.get(f"{path}/content?variant=poster").status == 400
        assert stage.post(f"{path}/remix", {"prompt": "y", "seconds": "4"}).status == 400
        remix = stage.post(f"{path}/remix", {"prompt": "y"}).json
        assert (remix["remixed_from_video_id"], remix["prompt"], remix["seconds"]) == (video, "y", "8")
        assert (remix["model"], remix["size"], remix["status"]) == ("sora-2-pro", "1280x720", "queued")
        assert stage.ask("DELETE", path).json == {"id": video, "deleted": True, "object": "video.deleted"}
        assert stage.get(path).status == 404 and stage.get(f"{path}/content").status == 404
        assert stage.get(path, key="other").status == 404
        assert (stage.videos[0].downloads, stage.videos[0].billed_seconds) == (3, 8)

    on_set("openai", play)


def test_content_can_be_had_for_as_long_as_the_video_says() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(url_valid_s=100)
        video = create(stage)
        await asyncio.sleep(102.4)
        assert stage.get(f"{VIDEOS}/{video}/content").status == 200
        await asyncio.sleep(0.2)
        assert stage.get(f"{VIDEOS}/{video}/content").status == 404
        assert stage.get(f"{VIDEOS}/{video}").json["status"] == "completed"

    on_set("openai", play)


def test_a_failed_video_says_why_and_a_full_queue_is_a_rate_limit() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=0, fail={"code": "video_generation_failed", "message": "Oh."})
        video = stage.get(f"{VIDEOS}/{create(stage)}").json
        assert (video["status"], video["completed_at"]) == ("failed", None)
        assert video["error"] == {"code": "video_generation_failed", "message": "Oh."}
        stage.pace(concurrency=1, queue=0)
        create(stage)
        call = stage.post(VIDEOS, {"prompt": "x"})
        assert (call.status, call.json["error"]["code"]) == (429, "rate_limit_exceeded")

    on_set("openai", play)


def test_faults_for_a_model_strike_a_form_too() -> None:
    async def play(stage: Filmset) -> None:
        stage.fault("status:500", match={"model": "sora-2-pro", "path": "/v1/videos"})
        assert send(stage, {"prompt": "x", "model": "sora-2-pro"}).status == 500
        assert send(stage, {"prompt": "x", "model": "sora-2"}).status == 200

    on_set("openai", play)
