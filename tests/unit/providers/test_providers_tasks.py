"""Where each question about a task goes (wire-formats.md A.8, C.6, D.2 to D.4), and that a caller's values stay values."""

from __future__ import annotations

import pytest

from trunkline.providers import PROVIDERS
from trunkline.providers.contract import Prepared
from trunkline.providers.tasks import TASKS, TaskOperation, TaskOutgoing
from trunkline.types.fleet import Candidate, Deployment, ProviderSettings


def asked(kind: str, operation: TaskOperation, base_url: str, **fields: object) -> Prepared:
    settings = ProviderSettings(name="p", kind=kind, base_url=base_url, credentials=("main",))
    deployment = Deployment(name="d", provider=settings, model=str(fields.pop("model", "m-1")), base_url=base_url)
    origin = PROVIDERS[kind].origin(deployment)
    candidate = Candidate(
        deployment=deployment, credential="main", origin=origin, address="a", endpoint="e", secret="p/main"
    )
    outgoing = TaskOutgoing(candidate=candidate, operation=operation, secret="s3cret", **fields)  # type: ignore[arg-type]
    return TASKS[kind].task(outgoing)


ARK = "https://ark.example/api/v3"
OPENAI = "https://videos.example/v1"
GOOGLE = "https://gemini.example"


@pytest.mark.parametrize(
    ("kind", "operation", "base", "fields", "expected"),
    [
        ("modelark", "create", ARK, {"body": b"{}"}, b"POST /api/v3/contents/generations/tasks"),
        ("modelark", "get", ARK, {"task": "cgt-1"}, b"GET /api/v3/contents/generations/tasks/cgt-1"),
        ("modelark", "delete", ARK, {"task": "cgt-1"}, b"DELETE /api/v3/contents/generations/tasks/cgt-1"),
        (
            "modelark",
            "list",
            ARK,
            {"page": 2, "model": "a b"},
            b"GET /api/v3/contents/generations/tasks?page_num=2&page_size=100&filter.model=a+b",
        ),
        ("openai", "create", OPENAI, {"body": b"x"}, b"POST /v1/videos"),
        ("openai", "get", OPENAI, {"task": "video_1"}, b"GET /v1/videos/video_1"),
        ("openai", "content", OPENAI, {"task": "video_1"}, b"GET /v1/videos/video_1/content"),
        ("openai", "delete", OPENAI, {"task": "video_1"}, b"DELETE /v1/videos/video_1"),
        ("openai_compatible", "list", OPENAI, {"after": "v/9"}, b"GET /v1/videos?limit=100&order=desc&after=v%2F9"),
        ("google", "create", GOOGLE, {"body": b"{}"}, b"POST /v1beta/models/m-1:predictLongRunning"),
        ("google", "get", GOOGLE, {"task": "models/m/operations/1"}, b"POST /v1beta/models/m-1:fetchPredictOperation"),
    ],
)
def test_paths(kind: str, operation: TaskOperation, base: str, fields: dict[str, object], expected: bytes) -> None:
    made = asked(kind, operation, base, **fields)
    assert made.method + b" " + made.target == expected


@pytest.mark.parametrize("kind", ["modelark", "openai"])
def test_a_task_id_cannot_leave_its_place_in_the_path(kind: str) -> None:
    made = asked(kind, "get", ARK, task="../../keys?x=1#y z")
    assert made.target.endswith(b"/..%2F..%2Fkeys%3Fx%3D1%23y%20z")


def test_each_provider_is_shown_its_own_credential() -> None:
    assert (b"authorization", b"Bearer s3cret") in asked("modelark", "get", ARK, task="t").headers
    assert (b"authorization", b"Bearer s3cret") in asked("openai", "content", OPENAI, task="t").headers
    google = asked("google", "get", GOOGLE, task="t").headers
    assert (b"x-goog-api-key", b"s3cret") in google
    assert all(name != b"authorization" for name, _ in google)


def test_a_body_says_its_type_and_nothing_else_does() -> None:
    made = asked("openai", "create", OPENAI, body=b"--x", content_type="multipart/form-data; boundary=x")
    assert (b"content-type", b"multipart/form-data; boundary=x") in made.headers
    assert all(name != b"content-type" for name, _ in asked("openai", "get", OPENAI, task="t").headers)


def test_what_a_printed_request_does_not_show() -> None:
    settings = ProviderSettings(name="p", kind="modelark", base_url=ARK, credentials=("main",))
    deployment = Deployment(name="d", provider=settings, model="m", base_url=ARK)
    candidate = Candidate(
        deployment=deployment,
        credential="main",
        origin=PROVIDERS["modelark"].origin(deployment),
        address="a",
        endpoint="e",
        secret="p/main",
    )
    shown = repr(TaskOutgoing(candidate=candidate, operation="create", secret="s3cret", body=b"a prompt"))
    assert shown == "TaskOutgoing(create, d, -)"
