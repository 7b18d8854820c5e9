"""Requests for tasks: from the caller's body, and to a provider's. Source: wire-formats.md D.2, D.4."""

from __future__ import annotations

import base64
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec

from trunkline.dialects.ark_tasks.inline import Lifted, Value, lift
from trunkline.dialects.complaints import complain
from trunkline.dialects.jobs import EncodedJob, ListAsk, Marks
from trunkline.types.failure import Failure, FaultClass, Kind, invalid
from trunkline.types.video import JobState, Medium, MediumKind, MediumRole, VideoRequest
from trunkline.types.wire import Loss

Seconds = Annotated[int, msgspec.Meta(ge=-1, le=3600)]
Frames = Annotated[int, msgspec.Meta(ge=1, le=100_000)]
Seed = Annotated[int, msgspec.Meta(ge=-1, le=2**32 - 1)]


class _Url(msgspec.Struct):
    url: str


class _Draft(msgspec.Struct):
    id: str


class _Item(msgspec.Struct):
    type: str
    text: str | None = None
    image_url: _Url | None = None
    video_url: _Url | None = None
    audio_url: _Url | None = None
    draft_task: _Draft | None = None
    role: str | None = None


class _Tool(msgspec.Struct):
    type: str


class _Create(msgspec.Struct):
    model: str
    content: list[_Item]
    resolution: str | None = None
    ratio: str | None = None
    duration: Seconds | None = None
    frames: Frames | None = None
    seed: Seed | None = None
    camera_fixed: bool | None = None
    watermark: bool | None = None
    generate_audio: bool | None = None
    return_last_frame: bool | None = None
    draft: bool | None = None
    service_tier: str | None = None
    execution_expires_after: Annotated[int, msgspec.Meta(ge=3600, le=259200)] | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
    callback_url: str | None = None
    safety_identifier: str | None = None
    tools: list[_Tool] | None = None


_CREATE = msgspec.json.Decoder(_Create)
_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode

_RESOLUTIONS = ("480p", "720p", "1080p", "4k")
_ROLES: dict[str, tuple[MediumKind, MediumRole]] = {
    "first_frame": ("image", "first_frame"),
    "last_frame": ("image", "last_frame"),
    "reference_image": ("image", "reference"),
    "reference_video": ("video", "reference"),
    "reference_audio": ("audio", "reference"),
}
_KINDS: dict[str, MediumKind] = {"image_url": "image", "video_url": "video", "audio_url": "audio"}
#: How a prompt's own parameters are called in a VideoRequest.
_FIELDS = {"duration": "seconds"}


def decode_create(body: bytes) -> VideoRequest | Failure:
    try:
        asked = _CREATE.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    wrong = _wrong(asked)
    if wrong is not None:
        return wrong
    media = _media(asked.content)
    if isinstance(media, Failure):
        return media
    lifted, losses = _lifted(asked)
    values = {name: value for name, (value, _) in lifted.items()}
    said = VideoRequest(
        dialect="ark_tasks",
        model=asked.model,
        prompt="\n".join(lift(i.text).text for i in asked.content if i.type == "text" and i.text is not None),
        media=media,
        seconds=asked.duration,
        frames=asked.frames,
        resolution=(asked.resolution or "").lower(),
        ratio=(asked.ratio or "").lower(),
        seed=asked.seed,
        audio=asked.generate_audio,
        watermark=asked.watermark,
        camera_fixed=asked.camera_fixed,
        last_frame=asked.return_last_frame,
        draft=asked.draft,
        draft_task=next((i.draft_task.id for i in asked.content if i.draft_task is not None), ""),
        tier=asked.service_tier or "",
        expires_after=asked.execution_expires_after,
        priority=asked.priority,
        tools=tuple(tool.type for tool in asked.tools or ()),
        callback=asked.callback_url or "",
        user=asked.safety_identifier or "",
        native=body,
        native_type="application/json",
        lifted=frozenset(values),
        losses=tuple(losses),
    )
    changed = {_FIELDS.get(name, name): value for name, value in values.items() if name != "framespersecond"}
    return msgspec.structs.replace(said, **changed)


def _wrong(asked: _Create) -> Failure | None:
    """What the types do not say."""
    if not asked.model.strip():
        return invalid("model is empty", param="model", code="missing_field")
    if not asked.content:
        return invalid("content must have at least one item", param="content", code="missing_field")
    if asked.resolution is not None and asked.resolution.lower() not in _RESOLUTIONS:
        return invalid(f"resolution must be one of {', '.join(_RESOLUTIONS)}", param="resolution", code="invalid_value")
    if asked.duration in (0,):
        return invalid("duration must be a number of seconds, or -1", param="duration", code="invalid_value")
    if asked.service_tier not in (None, "default", "flex"):
        return invalid("service_tier must be default or flex", param="service_tier", code="invalid_value")
    return None


def _media(content: list[_Item]) -> tuple[Medium, ...] | Failure:
    images = sum(1 for item in content if item.type == "image_url")
    found: list[Medium] = []
    for at, item in enumerate(content):
        path = f"content[{at}]"
        if item.type == "text":
            if item.text is None:
                return invalid(f"{path}.text is required", param=f"{path}.text", code="missing_field")
            continue
        if item.type == "draft_task":
            if item.draft_task is None:
                return invalid(f"{path}.draft_task is required", param=f"{path}.draft_task", code="missing_field")
            continue
        kind = _KINDS.get(item.type)
        if kind is None:
            message = f"{path}.type must be one of text, image_url, video_url, audio_url, draft_task"
            return invalid(message, param=f"{path}.type", code="invalid_value")
        url = {"image": item.image_url, "video": item.video_url, "audio": item.audio_url}[kind]
        if url is None or not url.url:
            return invalid(f"{path}.{item.type}.url is required", param=f"{path}.{item.type}.url", code="missing_field")
        role = _role(item.role, kind, images)
        if role is None:
            words = [name for name, (of, _) in _ROLES.items() if of == kind]
            return invalid(f"{path}.role must be one of {', '.join(words)}", param=f"{path}.role", code="invalid_value")
        found.append(Medium(kind=kind, role=role, url=url.url))
    return tuple(found)


def _role(said: str | None, kind: MediumKind, images: int) -> MediumRole | None:
    """A single image without a role is the first frame (D.2)."""
    if said is None:
        return "reference" if kind != "image" else "first_frame" if images == 1 else None
    known = _ROLES.get(said)
    return known[1] if known is not None and known[0] == kind else None


def _lifted(asked: _Create) -> tuple[dict[str, tuple[Value, str]], list[Loss]]:
    """What the texts' own parameters decide, and what fields of the body have overridden."""
    found: dict[str, tuple[Value, str]] = {}
    losses: list[Loss] = []
    for at, item in enumerate(asked.content):
        if item.type != "text" or not item.text:
            continue
        inline = lift(item.text)
        for name, value in inline.values.items():
            written = inline.written[name]
            if name == "framespersecond":
                losses.append(Loss(f"content[{at}].text", f"{written} has no effect"))
            elif getattr(asked, name) is not None or (name == "duration" and asked.frames is not None):
                by = "frames" if name == "duration" and asked.frames is not None else name
                losses.append(Loss(f"content[{at}].text", f"{written} overridden by {by}"))
            else:
                found[name] = (value, written)
    return found, losses


# --- lists ---------------------------------------------------------------------------------------------------------------
_STATES: dict[str, frozenset[JobState]] = {
    "queued": frozenset({"submitting", "queued"}),
    "running": frozenset({"running", "unknown"}),
    "succeeded": frozenset({"succeeded"}),
    "failed": frozenset({"failed"}),
    "expired": frozenset({"expired"}),
    "cancelled": frozenset({"cancelled"}),
}


def decode_list(query: bytes) -> ListAsk | Failure:
    """`page_num`, `page_size`, `filter.*` (D.4)."""
    said: dict[str, list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1")):
        said.setdefault(name, []).append(value)
    page = _number(said, "page_num", 1, 500)
    size = _number(said, "page_size", 20, 500)
    for found in (page, size):
        if isinstance(found, Failure):
            return found
    status = said.get("filter.status", [""])[0]
    if status and status not in _STATES:
        return invalid(
            f"filter.status must be one of {', '.join(_STATES)}", param="filter.status", code="invalid_value"
        )
    shown = [part for value in said.get("filter.task_ids", []) for part in value.split(",") if part]
    assert isinstance(page, int) and isinstance(size, int)
    return ListAsk(
        limit=size,
        page=page,
        states=_STATES.get(status, frozenset()),
        model=said.get("filter.model", [""])[0],
        tier=said.get("filter.service_tier", [""])[0],
        ids=tuple(i for i in map(job_id, shown) if i is not None) if shown else None,
    )


def _number(said: dict[str, list[str]], name: str, default: int, most: int) -> int | Failure:
    text = said.get(name, [str(default)])[0]
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= most:
        return int(text)
    return invalid(f"{name} must be a whole number from 1 to {most}", param=name, code="invalid_value")


_HEX = frozenset("0123456789abcdef")


def job_id(shown: str) -> str | None:
    plain = shown.removeprefix("cgt-")
    return plain if len(plain) == 32 and len(shown) == 36 and _HEX.issuperset(plain) else None


# --- to the provider -----------------------------------------------------------------------------------------------------
def encode_create(request: VideoRequest, model: str, marks: Marks) -> EncodedJob | Failure:
    if request.dialect == "ark_tasks":
        return EncodedJob(_edited(request, model, marks))
    return _built(request, model, marks)


def _edited(request: VideoRequest, model: str, marks: Marks) -> bytes:
    """The caller's own fields, but for the model, nulls, the callback and the mark."""
    fields = {name: raw for name, raw in _RAW.decode(request.native).items() if bytes(raw) != b"null"}
    fields["model"] = _raw(model)
    fields.pop("callback_url", None)
    if marks.callback:
        fields["callback_url"] = _raw(marks.callback)
    if not request.user:
        fields["safety_identifier"] = _raw(marks.marker)
    fields["content"] = _raw([_plain_item(item) for item in msgspec.json.decode(fields["content"])])
    for name in request.lifted:
        fields[name] = _raw(getattr(request, _FIELDS.get(name, name)))
    return _encode(fields)


def _plain_item(item: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in item.items() if value is not None}
    if kept.get("type") == "text" and isinstance(kept.get("text"), str):
        kept["text"] = lift(kept["text"]).text
    return kept


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _built(request: VideoRequest, model: str, marks: Marks) -> EncodedJob | Failure:
    """From another format (wire-formats.md E.13)."""
    losses: list[Loss] = []
    content: list[dict[str, Any]] = []
    if request.prompt:
        content.append({"type": "text", "text": lift(request.prompt).text})
    for medium in request.media:
        name = f"{medium.kind}_url"
        role = medium.role if medium.role != "reference" else f"reference_{medium.kind}"
        content.append({"type": name, name: {"url": _url(medium)}, "role": role})
    if not content:
        return Failure(
            kind=Kind.CAPABILITY,
            fault=FaultClass.CAPABILITY,
            source="gateway",
            message="a task needs a prompt or an image",
            param="prompt",
        )
    if request.negative_prompt:
        losses.append(Loss("negative_prompt", "not available there"))
    fields: dict[str, Any] = {
        "model": model,
        "content": content,
        "resolution": request.resolution or None,
        "ratio": request.ratio or None,
        "duration": request.seconds,
        "frames": request.frames,
        "seed": request.seed,
        "camera_fixed": request.camera_fixed,
        "watermark": request.watermark,
        "generate_audio": request.audio,
        "return_last_frame": request.last_frame,
        "draft": request.draft,
        "service_tier": request.tier or None,
        "execution_expires_after": request.expires_after,
        "priority": request.priority,
        "callback_url": marks.callback or None,
        "safety_identifier": request.user or marks.marker,
        "tools": [{"type": tool} for tool in request.tools] or None,
    }
    return EncodedJob(_encode({k: v for k, v in fields.items() if v is not None}), losses=tuple(losses))


def _url(medium: Medium) -> str:
    if medium.url:
        return medium.url
    return f"data:{medium.mime or 'image/png'};base64,{base64.b64encode(medium.data).decode()}"


__all__ = ["Lifted", "decode_create", "decode_list", "encode_create", "job_id"]
