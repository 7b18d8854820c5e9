"""The official SDKs make videos at the twins, pointed straight at them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import importlib
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from trunkline.twins.serve import Twins, start_twins
from trunkline.twins.wire import TWIN_NAMES

SDKS = ["volcenginesdkarkruntime", "byteplussdkarkruntime"]
MODEL = {
    "volcenginesdkarkruntime": "doubao-seedance-2-0-260128",
    "byteplussdkarkruntime": "dreamina-seedance-2-0-260128",
}
RIVER: list[Any] = [{"type": "text", "text": "A river at dawn."}]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK says that Sora is gone


class Running:
    """Twins on a loop of their own thread, quick enough to wait for."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        ports = dict.fromkeys(TWIN_NAMES, 0)
        self.twins: Twins = asyncio.run_coroutine_threadsafe(start_twins(ports), self.loop).result(10)

    def url(self, name: Any) -> str:
        return self.twins[name].url

    def put(self, name: str, path: str, value: Any) -> Any:
        return ask("PUT", f"{self.url(name)}/_twin/{path}", value)[1]

    def ledger(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ask("GET", f"{self.url(name)}/_twin/ledger")[1]["videos"]
        return found

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self.twins.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


def ask(method: str, url: str, value: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and body, decoded when it is JSON."""
    body = None if value is None else json.dumps(value).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json", **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status, data, kind = answer.status, answer.read(), answer.headers.get("content-type", "")
    except urllib.error.HTTPError as error:
        with error:
            status, data, kind = error.code, error.read(), error.headers.get("content-type", "")
    return status, json.loads(data) if "json" in kind and data else data


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    started = Running()
    yield started
    started.close()


@pytest.fixture(autouse=True)
def quick(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("ark", "openai", "gemini"):
        running.put(name, "videos", {"queued_s": 0, "running_s": 0.02, "poll_after_ms": 5})


def until_final(get: Any) -> Any:
    """The task when it is over; `get` asks for it."""
    for _ in range(200):
        task = get()
        if task.status not in ("queued", "running"):
            return task
        time.sleep(0.005)
    raise AssertionError("the task does not end")


# -- ModelArk ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sdk", SDKS)
def test_the_ark_sdk_makes_fetches_lists_and_deletes_a_video(running: Running, sdk: str) -> None:
    module = importlib.import_module(sdk)
    client = module.Ark(api_key=f"{sdk}~1", base_url=running.url("ark") + "/api/v3", max_retries=0)
    tasks = client.content_generation.tasks
    made = tasks.create(model=MODEL[sdk], content=RIVER, safety_identifier="m-1", return_last_frame=True, duration=4)
    assert made.id.startswith("cgt-") and made.safety_identifier == "m-1"
    done = until_final(lambda: tasks.get(task_id=made.id))
    assert done.status == "succeeded" and done.error is None
    assert done.usage.completion_tokens == done.usage.total_tokens == 87300
    assert (done.resolution, done.ratio, done.duration, done.framespersecond) == ("720p", "16:9", 4, 24)
    status, film = ask("GET", done.content.video_url)
    assert status == 200 and film[4:12] == b"ftypisom"
    status, picture = ask("GET", done.content.last_frame_url)
    assert status == 200 and picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert ask("HEAD", done.content.video_url)[0] == 403

    listed = tasks.list(page_num=1, page_size=10, status="succeeded", task_ids=[made.id, "cgt-other"])
    assert [task.id for task in listed.items] == [made.id] and listed.total == 1
    tasks.delete(task_id=made.id)
    assert tasks.list(page_size=5).total == 0
    with pytest.raises(module._exceptions.ArkNotFoundError):
        tasks.get(task_id=made.id)
    client.close()

    mine = [entry for entry in running.ledger("ark") if entry["id"] == made.id]
    assert len(mine) == 1
    assert mine[0]["account"] == sdk and mine[0]["marker"] == "m-1"
    assert mine[0]["billed_tokens"] == 87300 and mine[0]["state"] == "succeeded"
    assert mine[0]["downloads"] == 2 and mine[0]["bytes_served"] == len(film) + len(picture)


@pytest.mark.parametrize("sdk", SDKS)
def test_the_asynchronous_ark_sdk_sees_failures_and_calls_off_what_waits(running: Running, sdk: str) -> None:
    module = importlib.import_module(sdk)
    failing = {"code": "OutputVideoSensitiveContentDetected", "message": "No."}
    running.put("ark", "videos", {"queued_s": 0, "running_s": 0.01, "fail": failing})

    async def main() -> None:
        client = module.AsyncArk(api_key=f"async-{sdk}", base_url=running.url("ark") + "/api/v3", max_retries=0)
        tasks = client.content_generation.tasks
        made = await tasks.create(model=MODEL[sdk], content=RIVER)
        await asyncio.sleep(0.03)
        failed = await tasks.get(task_id=made.id)
        assert failed.status == "failed"
        assert failed.error.code == "OutputVideoSensitiveContentDetected" and failed.error.message == "No."
        running.put("ark", "videos", {"queued_s": 60})
        waiting = await tasks.create(model=MODEL[sdk], content=RIVER)
        await tasks.delete(task_id=waiting.id)
        assert (await tasks.get(task_id=waiting.id)).status == "cancelled"
        running.put("ark", "videos", {"queued_s": 0, "running_s": 60})
        runs = await tasks.create(model=MODEL[sdk], content=RIVER)
        with pytest.raises(module._exceptions.ArkAPIError) as caught:
            await tasks.delete(task_id=runs.id)
        assert "OperationDenied.InvalidState" in str(caught.value)
        await client.close()

    asyncio.run(main())


def test_the_ark_sdk_hears_what_is_wrong(running: Running) -> None:
    from volcenginesdkarkruntime import Ark
    from volcenginesdkarkruntime._exceptions import ArkAuthenticationError, ArkBadRequestError, ArkNotFoundError

    with Ark(api_key="k", base_url=running.url("ark") + "/api/v3", max_retries=0) as client:
        with pytest.raises(ArkNotFoundError, match="does not exist"):
            client.content_generation.tasks.create(model="seedance-9", content=RIVER)
        with pytest.raises(ArkBadRequestError, match="duration"):
            client.content_generation.tasks.create(model="doubao-seedance-2-0-260128", content=RIVER, duration=16)
        running.put("ark", "keys", {"revoked": ["k"]})
        with pytest.raises(ArkAuthenticationError):
            client.content_generation.tasks.list()
        ask("DELETE", running.url("ark") + "/_twin/keys")
        assert client.content_generation.tasks.list().total == 0


# -- OpenAI -----------------------------------------------------------------------------------------------------


def test_the_openai_sdk_makes_downloads_remixes_and_deletes_a_video(running: Running) -> None:
    import openai

    with openai.OpenAI(base_url=running.url("openai") + "/v1", api_key="oa~1", max_retries=0) as client:
        video = client.videos.create_and_poll(
            prompt="A river.",
            model="sora-2-pro",
            seconds="8",
            size="1280x720",
            input_reference=("start.png", b"\x89PNG", "image/png"),
        )
        assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "8", "1280x720")
        film = client.videos.download_content(video.id).read()
        assert film[4:12] == b"ftypisom"
        assert client.videos.download_content(video.id, variant="thumbnail").read()[:4] == b"\x89PNG"

        remix = client.videos.remix(video.id, prompt="The same, at night.")
        assert remix.remixed_from_video_id == video.id and remix.seconds == "8"
        assert client.videos.poll(remix.id).status == "completed"
        assert [one.id for one in client.videos.list(limit=1)] == [remix.id, video.id]  # two pages
        assert [one.id for one in client.videos.list(order="asc")] == [video.id, remix.id]

        gone = client.videos.delete(video.id)
        assert gone.deleted and gone.object == "video.deleted"
        with pytest.raises(openai.NotFoundError):
            client.videos.retrieve(video.id)
    entries = {entry["id"]: entry for entry in running.ledger("openai")}
    assert entries[video.id]["billed_seconds"] == 8 and entries[video.id]["billed_tokens"] is None
    assert entries[video.id]["prompt_digest"] == hashlib.sha256(b"A river.").hexdigest()[:16]
    assert entries[video.id]["polls"] >= 1 and entries[video.id]["downloads"] == 2


def test_the_openai_sdk_sees_a_failed_video(running: Running) -> None:
    import openai

    running.put("openai", "videos", {"queued_s": 0, "running_s": 0, "fail": {"code": "moderation_blocked"}})
    with openai.OpenAI(base_url=running.url("openai") + "/v1", api_key="oa", max_retries=0) as client:
        video = client.videos.create_and_poll(prompt="A river.")
        assert video.status == "failed" and video.error is not None and video.error.code == "moderation_blocked"
        with pytest.raises(openai.NotFoundError):
            client.videos.download_content(video.id)
        with pytest.raises(openai.BadRequestError, match="Supported values"):
            client.videos.create(prompt="A river.", seconds="5")  # type: ignore[arg-type]  # which is the point


# -- Veo --------------------------------------------------------------------------------------------------------

VEO = "veo-3.1-fast-generate-preview"


def google(running: Running, method: str, path: str, value: Any = None) -> tuple[int, Any]:
    return ask(method, running.url("gemini") + path, value, {"x-goog-api-key": "g~1"})


def operation(running: Running, **parameters: Any) -> str:
    body = {"instances": [{"prompt": "A river."}], "parameters": parameters}
    status, made = google(running, "POST", f"/v1beta/models/{VEO}:predictLongRunning", body)
    assert status == 200
    name: str = made["name"]
    assert name.startswith(f"models/{VEO}/operations/")
    return name


def test_the_sdk_refuses_to_make_videos_with_a_developer_key(running: Running) -> None:
    """Which is why the rest speaks plain HTTP. When this fails, the SDK can be used."""
    from google import genai
    from google.genai import types

    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=running.url("gemini")))
    with pytest.raises(ValueError):
        client.models.generate_videos(model=VEO, prompt="A river.")
    client.close()


def test_veo_hands_its_videos_over_inside_the_operation_and_as_files(running: Running) -> None:
    name = operation(running, durationSeconds=4, sampleCount=2, resolution="1080p", aspectRatio="9:16")
    for _ in range(200):
        status, polled = google(running, "POST", f"/v1/models/{VEO}:fetchPredictOperation", {"operationName": name})
        assert status == 200 and polled["name"] == name
        if polled.get("done"):
            break
        time.sleep(0.005)
    films = [base64.b64decode(video["bytesBase64Encoded"]) for video in polled["response"]["videos"]]
    assert len(films) == 2 and films[0][4:12] == b"ftypisom" and films[0] != films[1]

    _, shown = google(running, "GET", f"/v1beta/{name}")
    uris = [sample["video"]["uri"] for sample in shown["response"]["generateVideoResponse"]["generatedSamples"]]
    assert ask("GET", uris[0], headers={"x-goog-api-key": "g~2"}) == (200, films[0])
    assert ask("GET", uris[1], headers={"x-goog-api-key": "g~2"}) == (200, films[1])
    assert ask("GET", uris[0])[0] == 403
    assert ask("GET", uris[0], headers={"x-goog-api-key": "other"})[0] == 403
    entry = running.ledger("gemini")[-1]
    assert entry["billed_seconds"] == 8 and entry["downloads"] == 3


@pytest.mark.parametrize("form", ["fetch", "get"])
def test_veo_says_when_it_filtered_and_when_it_failed(running: Running, form: str) -> None:
    def poll(name: str) -> Any:
        if form == "get":
            return google(running, "GET", f"/v1beta/{name}")[1]
        return google(running, "POST", f"/v1beta/models/{VEO}:fetchPredictOperation", {"operationName": name})[1]

    running.put("gemini", "videos", {"queued_s": 0, "running_s": 0, "fail": {"code": "filtered", "message": "No."}})
    answer = poll(operation(running))["response"]
    answer = answer.get("generateVideoResponse", answer)
    assert answer["raiMediaFilteredCount"] == 1 and "videos" not in answer and "generatedSamples" not in answer
    running.put("gemini", "videos", {"queued_s": 0, "running_s": 0, "fail": {"code": "INTERNAL", "message": "Oh."}})
    failed = poll(operation(running))
    assert failed["done"] is True and "response" not in failed
    assert failed["error"] == {"code": 13, "message": "Oh.", "status": "INTERNAL"}


# -- lost answers -------------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_leaves_a_task_behind(running: Running) -> None:
    running.put("ark", "faults", {"fault": "lost_answer", "match": {"path": "/api/v3/contents/*"}, "times": 1})
    address = running.url("ark").removeprefix("http://")
    body = json.dumps({"model": "ep-1", "content": RIVER, "safety_identifier": "lost-1"})
    connection = http.client.HTTPConnection(address, timeout=10)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        connection.request("POST", "/api/v3/contents/generations/tasks", body, {"authorization": "Bearer lost~1"})
        connection.getresponse()
    connection.close()
    ask("DELETE", running.url("ark") + "/_twin/faults")
    status, listed = ask(
        "GET", running.url("ark") + "/api/v3/contents/generations/tasks", headers={"authorization": "Bearer lost~2"}
    )
    assert status == 200 and listed["total"] == 1
    assert listed["items"][0]["safety_identifier"] == "lost-1"
