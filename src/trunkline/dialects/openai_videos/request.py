"""Requests for videos: from the caller's body, and to an OpenAI-style server. Source: wire-formats.md A.8, E.13."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from trunkline.dialects.complaints import complain
from trunkline.dialects.jobs import EncodedJob, ListAsk, Marks
from trunkline.dialects.multipart import Part, is_multipart, read, write
from trunkline.types.failure import Failure, FaultClass, Kind, invalid
from trunkline.types.video import MODEL_DECIDES, Medium, VideoRequest
from trunkline.types.wire import Loss

DEFAULT_MODEL = "sora-2"
#: Pixel sizes: resolution, ratio, and what of it is not exact (E.13).
SIZES: dict[str, tuple[str, str, str]] = {
    "1280x720": ("720p", "16:9", ""),
    "720x1280": ("720p", "9:16", ""),
    "1792x1024": ("1080p", "16:9", "the nearest is 1080p 16:9"),
    "1024x1792": ("1080p", "9:16", "the nearest is 1080p 9:16"),
    "1920x1080": ("1080p", "16:9", ""),
    "1080x1920": ("1080p", "9:16", ""),
    "3840x2160": ("4k", "16:9", ""),
    "2160x3840": ("4k", "9:16", ""),
    "854x480": ("480p", "16:9", ""),
    "480x854": ("480p", "9:16", ""),
    "864x496": ("480p", "16:9", ""),
    "496x864": ("480p", "9:16", ""),
    "960x960": ("720p", "1:1", ""),
    "1112x834": ("720p", "4:3", ""),
    "834x1112": ("720p", "3:4", ""),
    "1470x630": ("720p", "21:9", ""),
}
_WHOLE = re.compile(r"-?\d{1,10}")
_RATIO = re.compile(r"\d{1,2}:\d{1,2}|adaptive")
_RESOLUTIONS = ("480p", "720p", "1080p", "4k")
_MAX = 2**32 - 1


class _Wrong(Exception):
    def __init__(self, failure: Failure) -> None:
        self.failure = failure


def _refuse(field: str, wanted: str) -> _Wrong:
    return _Wrong(invalid(f"{field} must be {wanted}", param=field, code="invalid_value"))


def decode_create(body: bytes, content_type: str) -> VideoRequest | Failure:
    """Multipart, where everything is text, or JSON."""
    fields = _fields(body, content_type)
    if isinstance(fields, Failure):
        return fields
    try:
        return _Reading(fields).request(body, content_type)
    except _Wrong as wrong:
        return wrong.failure


def decode_remix(body: bytes, content_type: str) -> str | Failure:
    fields = _fields(body, content_type)
    if isinstance(fields, Failure):
        return fields
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        return invalid("prompt is required", param="prompt", code="missing_field")
    return prompt


def _fields(body: bytes, content_type: str) -> dict[str, Any] | Failure:
    """By name. A file stays a Part; a name that stands twice is refused."""
    if is_multipart(content_type):
        parts = read(body, content_type)
        if isinstance(parts, Failure):
            return parts
        found: dict[str, Any] = {}
        for part in parts:
            name = part.name.removesuffix("[]")
            if name in found:
                return invalid(f"{name} stands twice in the form", param=name, code="invalid_value")
            try:
                found[name] = part if part.filename is not None else part.data.decode()
            except UnicodeDecodeError:
                return invalid(f"{name} is not UTF-8", param=name, code="invalid_value")
        return found
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    if not isinstance(value, dict):
        return invalid("the request body must be an object", code="invalid_type")
    return {name: inner for name, inner in value.items() if inner is not None}


class _Reading:
    """Takes the known fields out; what is left at the end is lost, and said to be."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.left = dict(fields)
        self.losses: list[Loss] = []

    def request(self, body: bytes, content_type: str) -> VideoRequest:
        prompt = self.text("prompt")
        if not prompt.strip():
            raise _Wrong(invalid("prompt is required", param="prompt", code="missing_field"))
        size = self.text("size")
        resolution, ratio = self.sized(size)
        seconds = self.whole("seconds", -1, 3600)
        duration = self.whole("duration", -1, 3600)
        if seconds == 0 or duration == 0:
            raise _refuse("seconds", "a number of seconds")
        made = VideoRequest(
            dialect="openai_videos",
            model=self.text("model") or DEFAULT_MODEL,
            prompt=prompt,
            negative_prompt=self.text("negative_prompt"),
            media=self.media(),
            seconds=seconds if seconds is not None else duration,
            frames=self.whole("frames", 1, 100_000),
            resolution=self.word("resolution", _RESOLUTIONS) or resolution,
            ratio=self.ratio() or ratio,
            size=size,
            seed=self.whole("seed", -1, _MAX),
            audio=self.flag("generate_audio"),
            watermark=self.flag("watermark"),
            camera_fixed=self.flag("camera_fixed"),
            last_frame=self.flag("return_last_frame"),
            draft=self.flag("draft"),
            tier=self.word("service_tier", ("default", "flex")),
            expires_after=self.whole("execution_expires_after", 3600, 259_200),
            priority=self.whole("priority", 0, 9),
            callback=self.text("callback_url"),
            user=self.text("safety_identifier") or self.text("user"),
            native=body,
            native_type=content_type,
        )
        for name in self.left:
            self.losses.append(Loss(name[:64], "not known here"))
        return msgspec.structs.replace(made, losses=tuple(self.losses))

    # --- kinds of value ------------------------------------------------------------------------------------------------
    def text(self, name: str) -> str:
        value = self.left.pop(name, "")
        if not isinstance(value, str):
            raise _refuse(name, "a string")
        return value

    def whole(self, name: str, low: int, high: int) -> int | None:
        value = self.left.pop(name, None)
        if value is None or value == "":
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _refuse(name, f"a whole number from {low} to {high}")
        return value

    def flag(self, name: str) -> bool | None:
        value = self.left.pop(name, None)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return value
        found = {"true": True, "false": False}.get(value.lower()) if isinstance(value, str) else None
        if found is None:
            raise _refuse(name, "true or false")
        return found

    def word(self, name: str, known: tuple[str, ...]) -> str:
        value = self.text(name).lower()
        if value and value not in known:
            raise _refuse(name, f"one of {', '.join(known)}")
        return value

    def ratio(self) -> str:
        value = self.text("ratio").lower()
        if value and not _RATIO.fullmatch(value):
            raise _refuse("ratio", "a ratio such as 16:9, or adaptive")
        return value

    def sized(self, size: str) -> tuple[str, str]:
        if not size:
            return "", ""
        known = SIZES.get(size.lower())
        if known is None:
            raise _refuse("size", f"one of {', '.join(SIZES)}")
        if known[2]:
            self.losses.append(Loss("size", known[2]))
        return known[0], known[1]

    def media(self) -> tuple[Medium, ...]:
        value = self.left.pop("input_reference", None)
        if value is None or value == "":
            return ()
        if isinstance(value, Part):
            return (_uploaded(value),)
        if isinstance(value, str) and value.startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                raise _refuse("input_reference", "a file, or an object with image_url") from None
        if isinstance(value, dict) and isinstance(value.get("image_url"), str) and value["image_url"]:
            return (Medium(kind="image", role="first_frame", url=value["image_url"]),)
        if isinstance(value, dict) and value.get("file_id"):
            raise _refuse(
                "input_reference.file_id", "left out: this gateway keeps no files; send the file or an image_url"
            )
        raise _refuse("input_reference", "a file, or an object with image_url")


def _uploaded(part: Part) -> Medium:
    mime = part.mime.partition(";")[0].strip().lower()
    if mime in ("", "application/octet-stream"):
        mime = _guessed(part.data)
    if mime.startswith("image/"):
        return Medium(kind="image", role="first_frame", data=part.data, mime=mime, filename=part.filename or "")
    if mime.startswith("video/"):
        return Medium(kind="video", role="reference", data=part.data, mime=mime, filename=part.filename or "")
    raise _refuse("input_reference", "an image or a video")


def _guessed(data: bytes) -> str:
    """By the first bytes: some clients say nothing of what they send."""
    for start, mime in ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif")):
        if data.startswith(start):
            return mime
    if data[8:12] == b"WEBP":
        return "image/webp"
    return "video/mp4" if data[4:8] == b"ftyp" else ""


# --- lists and ids -------------------------------------------------------------------------------------------------------
_HEX = frozenset("0123456789abcdef")


def job_id(shown: str) -> str | None:
    plain = shown.removeprefix("video_")
    return plain if len(plain) == 32 and len(shown) == 38 and _HEX.issuperset(plain) else None


def decode_list(query: bytes) -> ListAsk | Failure:
    said = dict(parse_qsl(query.decode("latin-1")))
    limit, order, after = said.get("limit", "20"), said.get("order", "desc"), said.get("after", "")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= 100):
        return invalid("limit must be a whole number from 1 to 100", param="limit", code="invalid_value")
    if order not in ("asc", "desc"):
        return invalid("order must be asc or desc", param="order", code="invalid_value")
    last = job_id(after) if after else ""
    if last is None:
        return invalid("after must be the id of a video", param="after", code="invalid_value")
    return ListAsk(limit=int(limit), after=last, newest_first=order == "desc")


# --- to the provider -----------------------------------------------------------------------------------------------------
_SIZE_OF = {(resolution, ratio): size for size, (resolution, ratio, loss) in reversed(SIZES.items()) if not loss}


def size_of(resolution: str, ratio: str) -> str:
    """Pixels for a resolution and a ratio, "" where no size is named for them."""
    return _SIZE_OF.get((resolution or "720p", ratio), "")


def encode_create(request: VideoRequest, model: str, marks: Marks) -> EncodedJob | Failure:
    """Always multipart, as the SDK sends it."""
    losses: list[Loss] = []
    fields: list[Part] = [Part("model", model.encode()), Part("prompt", request.prompt.encode())]
    if request.seconds is not None and request.seconds != MODEL_DECIDES:
        fields.append(Part("seconds", str(request.seconds).encode()))
    size = request.size or size_of(request.resolution, request.ratio)
    if size:
        fields.append(Part("size", size.encode()))
    elif request.ratio or request.resolution:
        losses.append(Loss("ratio" if request.ratio else "resolution", "no such size there"))
    for at, medium in enumerate(request.media):
        name = "input_reference" if at == 0 else ""
        if not name or medium.kind == "audio":
            losses.append(Loss("content", f"{medium.kind} {medium.role} is not available there"))
        elif medium.data:
            fields.append(Part(name, medium.data, medium.filename or "reference", medium.mime))
        elif medium.kind == "image":
            fields.append(Part(name, json.dumps({"image_url": medium.url}).encode()))
        else:
            return _cannot("a video by URL cannot be sent there")
    losses += [Loss(name, "not available there") for name, value in _extras(request) if value not in (None, "", ())]
    boundary = hashlib.sha256(marks.marker.encode()).hexdigest()[:48]
    content_type = f"multipart/form-data; boundary={boundary}"
    return EncodedJob(write(fields, boundary), content_type, tuple(losses))


def _extras(request: VideoRequest) -> tuple[tuple[str, object], ...]:
    """What a Videos server has no field for."""
    return (
        ("negative_prompt", request.negative_prompt),
        ("frames", request.frames),
        ("seed", request.seed if request.seed != -1 else None),
        ("generate_audio", request.audio),
        ("watermark", request.watermark or None),
        ("camera_fixed", request.camera_fixed or None),
        ("return_last_frame", request.last_frame or None),
        ("draft", request.draft or None),
        ("service_tier", request.tier if request.tier != "default" else ""),
        ("execution_expires_after", request.expires_after),
        ("priority", request.priority),
        ("tools", request.tools),
        ("safety_identifier", request.user),
        ("duration", request.seconds if request.seconds == MODEL_DECIDES else None),
    )


def _cannot(message: str) -> Failure:
    return Failure(
        kind=Kind.CAPABILITY, fault=FaultClass.CAPABILITY, source="gateway", message=message, param="content"
    )
