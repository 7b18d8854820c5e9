"""Veo at the Gemini twin, as wire-formats.md C.6 says."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from twins_films import Filmset, on_set, refused, target

MODEL = "veo-3.1-generate-preview"
LITE = "veo-3.1-lite-generate-preview"
PICTURE = {"bytesBase64Encoded": "iVBORw0KGgo=", "mimeType": "image/png"}


def path(verb: str = "predictLongRunning", model: str = MODEL, version: str = "v1beta") -> str:
    return f"/{version}/models/{model}:{verb}"


def create(stage: Filmset, model: str = MODEL, **parameters: Any) -> str:
    body = {"instances": [{"prompt": "A river."}], "parameters": parameters}
    call = stage.post(path(model=model), body)
    assert call.status == 200, call.text
    assert list(call.json) == ["name"]
    name: str = call.json["name"]
    assert name.startswith(f"models/{model}/operations/")
    return name


def fetch(stage: Filmset, name: str, **more: Any) -> Any:
    return stage.post(path("fetchPredictOperation"), {"operationName": name}, **more)


@pytest.mark.parametrize("version", ["v1", "v1beta"])
def test_an_operation_can_be_asked_for_in_two_ways(version: str) -> None:
    async def play(stage: Filmset) -> None:
        name = create(stage)
        assert fetch(stage, name).json == {"name": name}
        assert stage.get(f"/{version}/{name}").json == {"name": name}
        await asyncio.sleep(3)
        inline = stage.post(path("fetchPredictOperation", version=version), {"operationName": name}).json
        (video,) = inline["response"]["videos"]
        assert inline["done"] is True and video["mimeType"] == "video/mp4"
        linked = stage.get(f"/{version}/{name}").json["response"]["generateVideoResponse"]["generatedSamples"]
        uri = linked[0]["video"]["uri"]
        assert uri.endswith(":download?alt=media")
        call = stage.get(target(uri))
        assert b"".join(call.writes) == base64.b64decode(video["bytesBase64Encoded"])
        assert (stage.videos[0].polls, stage.videos[0].downloads, stage.videos[0].billed_seconds) == (4, 2, 8)

    on_set("gemini", play)


def test_files_need_a_key_of_the_account_and_expire_after_two_days() -> None:
    async def play(stage: Filmset) -> None:
        name = create(stage)
        await asyncio.sleep(2.5)
        shown = stage.get(f"/v1beta/{name}").json["response"]["generateVideoResponse"]["generatedSamples"]
        uri = target(shown[0]["video"]["uri"])
        part = stage.get(uri, headers=[(b"range", b"bytes=4-11")], key="acme~2")
        assert (part.status, b"".join(part.writes)) == (206, b"ftypisom")
        assert stage.get(uri, key="zeta~1").json["error"]["status"] == "PERMISSION_DENIED"
        assert stage.get(uri, key="bad").status == 400
        assert stage.get(uri.replace("-0:", "-1:")).status == 403
        await asyncio.sleep(2 * 86_400 - 1)
        assert stage.get(uri).status == 200
        await asyncio.sleep(1)
        assert stage.get(uri).status == 403

    on_set("gemini", play)


def test_a_large_video_inside_an_operation_is_made_while_it_is_sent() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=0, bytes=1_000_000)
        call = fetch(stage, create(stage, sampleCount=2))
        await asyncio.sleep(1)
        assert call.ended == "end" and len(call.writes) > 40
        videos = [base64.b64decode(video["bytesBase64Encoded"]) for video in call.json["response"]["videos"]]
        assert [len(video) for video in videos] == [1_000_000, 1_000_000]
        assert stage.twin.ledger.totals.output_tokens == 0

    on_set("gemini", play)


def test_operations_belong_to_an_account_and_a_model() -> None:
    async def play(stage: Filmset) -> None:
        name = create(stage)
        assert fetch(stage, name, key="zeta~1").json["error"]["status"] == "NOT_FOUND"
        assert stage.get(f"/v1beta/{name}", key="zeta~1").status == 404
        other = stage.post(path("fetchPredictOperation", LITE), {"operationName": name})
        assert (other.status, other.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
        for wrong in ("", "operations/1", None, 5):
            assert fetch(stage, wrong).status == 400  # type: ignore[arg-type]  # which is the point
        assert fetch(stage, f"models/{MODEL}/operations/0").status == 404
        assert stage.ask("DELETE", f"/v1beta/{name}").status == 404
        assert stage.get(path()).status == 404

    on_set("gemini", play)


ACCEPTED: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (MODEL, {"image": PICTURE, "lastFrame": PICTURE}, {"resolution": "4k", "durationSeconds": 8}),
    (
        MODEL,
        {"prompt": "x", "image": None},
        {"seed": 5, "generateAudio": True, "negativePrompt": "rain", "aspectRatio": None},
    ),
    (LITE, {"prompt": "x"}, {"resolution": "1080p", "aspectRatio": "9:16", "durationSeconds": 4}),
    (
        MODEL,
        {"prompt": "x", "referenceImages": [{"image": PICTURE, "referenceType": "asset"}]},
        {"personGeneration": "allow_adult"},
    ),
]


@pytest.mark.parametrize(("model", "instance", "parameters"), ACCEPTED)
def test_what_veo_can_do_is_taken(model: str, instance: dict[str, Any], parameters: dict[str, Any]) -> None:
    async def play(stage: Filmset) -> None:
        body = {"instances": [instance], "parameters": parameters}
        assert stage.post(path(model=model), body).status == 200
        assert stage.post(path(model=model), {"instances": [instance], "parameters": None}).status == 200

    on_set("gemini", play)


REFUSED: list[tuple[str, Any]] = [
    (MODEL, None),
    (MODEL, {"instances": []}),
    (MODEL, {"instances": [{"prompt": "x"}, {"prompt": "y"}]}),
    (MODEL, {"instances": [{}]}),
    (MODEL, {"instances": [{"prompt": 5}]}),
    (MODEL, {"instances": [{"prompt": "x", "lastFrame": PICTURE}]}),
    (MODEL, {"instances": [{"image": {"bytesBase64Encoded": "iVBORw0KGgo="}}]}),
    (MODEL, {"instances": [{"image": {"bytesBase64Encoded": "?", "mimeType": "image/png"}}]}),
    (MODEL, {"instances": [{"image": {"bytesBase64Encoded": "AAAA", "mimeType": "image/svg"}}]}),
    (MODEL, {"instances": [{"prompt": "x", "duration": 5}]}),
    (MODEL, {"instances": [{"prompt": "x"}], "model": "x"}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": []}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"duration": 5}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"durationSeconds": 5}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"durationSeconds": "8"}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"aspectRatio": "1:1"}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"resolution": "480p"}}),
    (LITE, {"instances": [{"prompt": "x"}], "parameters": {"resolution": "4k"}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"sampleCount": 5}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"seed": -1}}),
    (MODEL, {"instances": [{"prompt": "x"}], "parameters": {"generateAudio": "true"}}),
    (MODEL, b"{"),
]


@pytest.mark.parametrize(("model", "body"), REFUSED)
def test_what_veo_cannot_do_is_an_invalid_argument(model: str, body: Any) -> None:
    status, error = refused("gemini", path(model=model), body)
    assert (status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["message"]


def test_models_that_were_shut_down_are_not_found() -> None:
    body = {"instances": [{"prompt": "x"}]}
    assert refused("gemini", path(model="veo-3.0-generate-001"), body)[1]["status"] == "NOT_FOUND"
    assert refused("gemini", path(model="gemini-3.8-flash"), body)[1]["status"] == "NOT_FOUND"


def test_a_full_queue_is_an_exhausted_resource() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(concurrency=1, queue=0)
        create(stage)
        call = stage.post(path(), {"instances": [{"prompt": "x"}]})
        assert (call.status, call.json["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
        create(stage, LITE)

    on_set("gemini", play)


def test_a_refusal_is_an_operation_without_videos_that_is_not_billed() -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=0)
        stage.fault("refusal")
        name = create(stage)
        response = fetch(stage, name).json["response"]
        assert response["raiMediaFilteredCount"] == 1 and "videos" not in response
        assert (stage.videos[0].state, stage.videos[0].billed_seconds) == ("failed", 0)

    on_set("gemini", play)
