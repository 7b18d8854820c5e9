"""Whatever is asked for, a twin makes the video or refuses in the provider's own shape; it never raises."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from twins_films import TASKS, Filmset, on_set

URL = "https://example.com/a"
ARK: dict[str, Any] = {
    "model": "doubao-seedance-2-0-260128",
    "content": [
        {"type": "text", "text": "A river. --rs 480p --dur 5 --seed 1"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}, "role": "reference_image"},
        {"type": "video_url", "video_url": {"url": URL}, "role": "reference_video"},
        {"type": "audio_url", "audio_url": {"url": URL}, "role": "reference_audio"},
    ],
    "resolution": "720p",
    "ratio": "adaptive",
    "duration": -1,
    "seed": 5,
    "priority": 1,
    "tools": [{"type": "web_search"}],
    "callback_url": "",
    "safety_identifier": "x",
    "execution_expires_after": 3600,
}
VEO: dict[str, Any] = {
    "instances": [{"prompt": "x", "image": {"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}}],
    "parameters": {"sampleCount": 1, "durationSeconds": 4, "aspectRatio": "16:9", "resolution": "720p", "seed": 1},
}
SORA: dict[str, Any] = {
    "prompt": "x",
    "model": "sora-2",
    "seconds": "4",
    "size": "720x1280",
    "input_reference": {"image_url": "x"},
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "first_frame", "text", "image_url", "draft_task", "4k", "seedance-1-5-pro-251215", "ep-1"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        found += places(inner, (*path, key))
    return found


@st.composite
def damaged(draw: Any, good: dict[str, Any]) -> Any:
    body = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(body) or [()]))
        if not path:
            return draw(VALUES)
        holder = body
        for key in path[:-1]:
            holder = holder[key]
        if draw(st.booleans()) or isinstance(holder, list):
            holder[path[-1]] = draw(VALUES)
        else:
            del holder[path[-1]]
    return body


def survives(name: Any, path: str, body: Any, content_type: bytes = b"application/json") -> None:
    async def play(stage: Filmset) -> None:
        stage.pace(queued_s=0, running_s=0)
        call = stage.post(path, body, headers=[(b"content-type", content_type)])
        assert call.status == 200 or 400 <= call.status < 500
        assert json.loads(call.text)
        made = list(stage.videos)
        assert len(made) == (call.status == 200)
        if made and name == "ark":
            assert stage.get(f"{TASKS}/{made[0].id}").json["usage"]["completion_tokens"] > 0

    on_set(name, play)


@settings(max_examples=300, deadline=None)
@given(damaged(ARK))
def test_modelark_never_raises(body: Any) -> None:
    survives("ark", TASKS, body)


@settings(max_examples=200, deadline=None)
@given(damaged(VEO))
def test_veo_never_raises(body: Any) -> None:
    survives("gemini", "/v1beta/models/veo-3.1-generate-preview:predictLongRunning", body)


@settings(max_examples=200, deadline=None)
@given(damaged(SORA))
def test_openai_videos_never_raise(body: Any) -> None:
    survives("openai", "/v1/videos", body)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"--b", b"--", b"\r\n", b"Content-Disposition: form-data; name=", b"prompt", b'"', b":", b"\xff"]
        )
    )
)
def test_broken_forms_never_raise(pieces: list[bytes]) -> None:
    survives("openai", "/v1/videos", b"".join(pieces), b"multipart/form-data; boundary=b")
