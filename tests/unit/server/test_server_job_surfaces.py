"""Paths of durable jobs: which surface, which operation, whose words for an error."""

from __future__ import annotations

import pytest

from trunkline.server.surfaces import Surface, Unmatched, match

TASKS = b"/api/v3/contents/generations/tasks"


@pytest.mark.parametrize(
    ("method", "path", "dialect", "operation", "shown"),
    [
        (b"POST", b"/v1/videos", "openai_videos", "video_create", ""),
        (b"GET", b"/v1/videos", "openai_videos", "video_list", ""),
        (b"GET", b"/v1/videos/video_1", "openai_videos", "video_get", "video_1"),
        (b"DELETE", b"/v1/videos/video_1", "openai_videos", "video_delete", "video_1"),
        (b"GET", b"/v1/videos/video_1/content", "openai_videos", "video_content", "video_1"),
        (b"POST", b"/v1/videos/video_1/remix", "openai_videos", "video_remix", "video_1"),
        (b"POST", TASKS, "ark_tasks", "video_create", ""),
        (b"GET", TASKS, "ark_tasks", "video_list", ""),
        (b"GET", TASKS + b"/cgt-1", "ark_tasks", "video_get", "cgt-1"),
        (b"DELETE", TASKS + b"/cgt-1", "ark_tasks", "video_delete", "cgt-1"),
        (b"POST", b"/v1/callbacks/jobs/abc-1", "ark_tasks", "video_callback", "abc-1"),
    ],
)
def test_a_path_is_one_surface(method: bytes, path: bytes, dialect: str, operation: str, shown: str) -> None:
    found = match(method, path, b"", [])
    assert isinstance(found, Surface)
    assert (found.target.dialect, found.operation, found.shown) == (dialect, operation, shown)
    assert shown not in found.name or not shown, "names are bounded"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        (b"PUT", b"/v1/videos", b"POST, GET"),
        (b"POST", b"/v1/videos/video_1", b"GET, DELETE"),
        (b"HEAD", b"/v1/videos/video_1/content", b"GET"),
        (b"PATCH", TASKS, b"POST, GET"),
        (b"GET", b"/v1/callbacks/jobs/abc", b"POST"),
    ],
)
def test_a_wrong_method_says_the_right_ones(method: bytes, path: bytes, allow: bytes) -> None:
    found = match(method, path, b"", [])
    assert isinstance(found, Unmatched)
    assert (found.failure.status, found.allow) == (405, allow)


@pytest.mark.parametrize(
    "path",
    [
        b"/v1/videos/",
        b"/v1/videosx",
        b"/v1/videos/a/b",
        b"/v1/videos/..%2fkeys",
        b"/v1/videos/a%2fb/content",
        b"/v1/videos/video_1/content/",
        b"/v1//videos",
        TASKS + b"/",
        TASKS + b"/cgt-1/content",
        TASKS + b"/" + b"x" * 129,
        b"/api/v3/contents/generations",
        b"/v1/callbacks/jobs",
    ],
)
def test_other_spellings_are_unknown_paths(path: bytes) -> None:
    found = match(b"GET", path, b"", [])
    assert isinstance(found, Unmatched)
    assert found.failure.kind.value == "unknown_model" or found.failure.status in (404, 405)
    assert not isinstance(match(b"POST", path, b"", []), Surface)
