"""The official SDKs make videos through the real gateway, over the ModelArk twin: OpenAI's, Volcengine's, BytePlus's."""

from __future__ import annotations

import asyncio
import http.client
import importlib
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from gateway_process import Gateway, trunkline

pytestmark = [pytest.mark.acceptance, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

CONFIG = """
providers:
  modelark: {api_key: acct1~a}
  openai: {api_key: sk-twin}
deployments:
  seedance: {provider: modelark, model: dreamina-seedance-2-0-260128}
  sora: {provider: openai, model: sora-2}
routes:
  video: {use: [seedance]}
  sora: {use: [sora]}
jobs: {poll: {first: 200ms, cap: 500ms}}
"""
KITTEN = b"\\x89PNG\\r\\n\\x1a\\n" + bytes(64)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    started = Gateway.start(tmp_path_factory.mktemp("video"), CONFIG)
    yield started
    started.stop()


@pytest.fixture
def client(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.base}/v1", api_key=gateway.key, max_retries=0)


def is_film(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and b"moov" in data and b"mdat" in data


def test_openai_creates_polls_and_downloads(client: openai.OpenAI) -> None:
    video = client.videos.create_and_poll(model="video", prompt="A lighthouse in fog", seconds="4", size="1280x720")
    assert (video.status, video.progress, video.seconds, video.size) == ("completed", 100, "4", "1280x720")
    assert video.prompt == "A lighthouse in fog"
    assert video.model == "dreamina-seedance-2-0-260128"
    assert video.expires_at is not None and video.completed_at is not None
    assert is_film(client.videos.download_content(video.id).read())
    part = client.videos.download_content(video.id, extra_headers={"range": "bytes=4-7"})
    assert (part.response.status_code, part.read()) == (206, b"ftyp")


def test_openai_sends_a_reference_image_and_native_fields(client: openai.OpenAI, gateway: Gateway) -> None:
    video = client.videos.create_and_poll(
        model="video",
        prompt="The kitten wakes",
        seconds="5",
        size="720x1280",
        input_reference=("kitten.png", KITTEN, "image/png"),
        extra_body={"seed": 11, "generate_audio": False, "watermark": True},
    )
    assert video.status == "completed", video.error
    path = f"/api/v3/contents/generations/tasks/{video.id.replace('video_', 'cgt-')}"
    native = asked(gateway, path)
    assert (native["seed"], native["generate_audio"], native["ratio"]) == (11, False, "9:16")


def test_openai_lists_remixes_and_deletes(client: openai.OpenAI) -> None:
    first = client.videos.create_and_poll(model="video", prompt="One", seconds="4", size="854x480")
    again = client.videos.remix(first.id, prompt="One, at night")
    assert again.remixed_from_video_id == first.id
    assert client.videos.poll(again.id).status == "completed"
    listed = list(client.videos.list(limit=2))
    assert {again.id, first.id} <= {video.id for video in listed}, "page by page"
    assert client.videos.delete(first.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(first.id)


def test_openai_over_an_openai_style_upstream(client: openai.OpenAI) -> None:
    video = client.videos.create_and_poll(model="sora", prompt="Waves", seconds="4", size="1280x720")
    assert (video.status, video.model) == ("completed", "sora-2")
    assert is_film(client.videos.download_content(video.id).read())


def test_openai_errors_are_its_own(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.videos.create(model="video", prompt="Too long", seconds="16")  # type: ignore[arg-type]
    assert refused.value.code == "unsupported_value"
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve("video_0123")
    with pytest.raises(openai.NotFoundError) as unknown:
        client.videos.create(model="nothing", prompt="x")  # type: ignore[arg-type]
    assert unknown.value.code == "model_not_found"


def test_openai_asynchronous(gateway: Gateway) -> None:
    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{gateway.base}/v1", api_key=gateway.key) as client:
            video = await client.videos.create_and_poll(model="video", prompt="A boat", seconds="4", size="1280x720")
            assert video.status == "completed"
            content = await client.videos.download_content(video.id)
            assert is_film(await content.aread())

    asyncio.run(main())


@pytest.mark.parametrize("sdk", ["volcenginesdkarkruntime", "byteplussdkarkruntime"])
def test_ark_sdks_and_their_fields(gateway: Gateway, sdk: str) -> None:
    ark = importlib.import_module(sdk).Ark(base_url=f"{gateway.base}/api/v3", api_key=gateway.key)
    tasks = ark.content_generation.tasks
    made = tasks.create(
        model="video",
        content=[
            {"type": "text", "text": "A lighthouse in fog"},
            {"type": "image_url", "image_url": {"url": "https://img.example/first.png"}, "role": "first_frame"},
        ],
        resolution="720p",
        ratio="16:9",
        duration=5,
        seed=1276,
        generate_audio=False,
        watermark=False,
        return_last_frame=True,
        safety_identifier="user-77",
        execution_expires_after=7200,
    )
    assert made.id.startswith("cgt-")
    task = finished(tasks, made.id)
    assert (task.status, task.error) == ("succeeded", None)
    assert (task.seed, task.resolution, task.ratio, task.duration) == (1276, "720p", "16:9", 5)
    assert (task.framespersecond, task.generate_audio, task.execution_expires_after) == (24, False, 7200)
    assert task.safety_identifier == "user-77"
    # 1280 × 720 × (24 × 5 + 1) / 1024
    assert task.usage.completion_tokens == task.usage.total_tokens == 108_900
    assert task.content.video_url.startswith("http") and task.content.last_frame_url.startswith("http")
    assert is_film(fetched(task.content.video_url))
    listed = tasks.list(page_num=1, page_size=5, status="succeeded", task_ids=[made.id])
    assert (listed.total, [item.id for item in listed.items]) == (1, [made.id])
    tasks.delete(task_id=made.id)
    with pytest.raises(Exception) as gone:
        tasks.get(task_id=made.id)
    assert gone.value.status_code == 404  # type: ignore[attr-defined]


@pytest.mark.parametrize("sdk", ["volcenginesdkarkruntime", "byteplussdkarkruntime"])
def test_ark_sdks_asynchronous(gateway: Gateway, sdk: str) -> None:
    async def main() -> None:
        ark = importlib.import_module(sdk).AsyncArk(base_url=f"{gateway.base}/api/v3", api_key=gateway.key)
        tasks = ark.content_generation.tasks
        made = await tasks.create(model="video", content=[{"type": "text", "text": "A boat"}], duration=4)
        while (task := await tasks.get(task_id=made.id)).status in ("queued", "running"):
            await asyncio.sleep(0.2)
        assert task.status == "succeeded"

    asyncio.run(main())


def test_jobs_on_the_command_line_and_in_the_log(gateway: Gateway, client: openai.OpenAI) -> None:
    video = client.videos.create_and_poll(model="video", prompt="Rain", seconds="4", size="1280x720")
    config = ["--config", str(gateway.config)]
    lines = trunkline(["jobs", "list", *config, "--json", "--limit", "1"], gateway.environment).splitlines()
    (job,) = map(json.loads, lines)
    assert video.id == f"video_{job['id']}"
    # 1280 × 720 × (24 × 4 + 1) / 1024 = 87,300 tokens at 7.0 dollars a million
    assert (job["state"], job["cost"]["nanos"]) == ("succeeded", 611_100_000)
    shown = json.loads(trunkline(["jobs", "show", video.id, *config, "--json"], gateway.environment))
    assert shown["upstream_id"].startswith("cgt-") and "prompt" not in shown
    records = [r for r in gateway.records() if r["job"] == job["id"]]
    assert {r["operation"] for r in records} >= {"video_create", "video_get", "video_job"}
    assert "Rain" not in json.dumps(records)


def finished(tasks: Any, task_id: str) -> Any:
    import time

    for _ in range(200):
        task = tasks.get(task_id=task_id)
        if task.status not in ("queued", "running"):
            return task
        time.sleep(0.1)
    raise AssertionError("the task did not end")


def asked(gateway: Gateway, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.request("GET", path, headers={"authorization": f"Bearer {gateway.key}"})
    return json.loads(connection.getresponse().read())


def fetched(url: str) -> bytes:
    host, _, path = url.removeprefix("http://").partition("/")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/" + path)
    return connection.getresponse().read()
