"""Reads `content` of a ModelArk video task: the text, and pictures, videos and sounds in one of three exclusive modes:
first frame, first and last frame, references (wire-formats.md D.2)."""

from __future__ import annotations

import re

import msgspec

from trunkline.twins.ark_films import FilmModel
from trunkline.twins.ask import Problem
from trunkline.twins.wire import decode_base64

#: A picture may have less than that, bytes; a sound at most that.
PICTURE_BYTES = 30 << 20
SOUND_BYTES = 15 << 20

TASK_TYPE = "InvalidParameter.TaskTypeConstraint"
UNSUPPORTED = "InvalidParameter.UnsupportedParameter"

_FORMATS = {
    "image": frozenset({"jpeg", "jpg", "png", "webp", "bmp", "tiff", "gif"}),
    "audio": frozenset({"wav", "x-wav", "wave", "mp3", "mpeg"}),
}
_LIMITS = {"image": PICTURE_BYTES - 1, "audio": SOUND_BYTES}
_DATA = re.compile(r"data:(\w+)/([\w.+-]+);base64,(.*)", re.DOTALL)
_FRAMES = ("first_frame", "last_frame")


class Link(msgspec.Struct, frozen=True):
    url: str | None = None


class DraftLink(msgspec.Struct, frozen=True):
    id: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `content`, as sent."""

    type: str | None = None
    text: str | None = None
    image_url: Link | None = None
    video_url: Link | None = None
    audio_url: Link | None = None
    draft_task: DraftLink | None = None
    role: str | None = None


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """`text` as it came; the numbers of reference images, videos and sounds; `pictured`: there is more than text."""

    text: str = ""
    images: int = 0
    videos: int = 0
    audios: int = 0
    pictured: bool = False
    draft: str = ""

    @property
    def references(self) -> int:
        return self.images + self.videos + self.audios


def read_content(items: list[Item] | None, model: FilmModel) -> Content | Problem:
    """The content for `model`, or why it is refused."""
    if not items:
        return _missing("content")
    texts: list[str] = []
    roles: list[str] = []
    for index, item in enumerate(items):
        where = f"content[{index}]"
        match item.type:
            case None:
                return _missing(f"{where}.type")
            case "text":
                if item.text is None:
                    return _missing(f"{where}.text")
                texts.append(item.text)
            case "draft_task":
                return _read_draft(items, item, model, where)
            case "image_url" | "video_url" | "audio_url":
                role = _read_medium(item, where)
                if isinstance(role, Problem):
                    return role
                roles.append(role)
            case other:
                return _wrong(f"{where}.type", f"unknown type {other!r}")
    found = Content(
        text="\n".join(texts),
        images=roles.count("reference_image"),
        videos=roles.count("reference_video"),
        audios=roles.count("reference_audio"),
        pictured=bool(roles),
    )
    return _check_mode(found, roles, model) or found


def _read_draft(items: list[Item], item: Item, model: FilmModel, where: str) -> Content | Problem:
    if not model.drafts:
        return _wrong(f"{where}.type", f"draft_task is not supported by {model.id}", UNSUPPORTED)
    if len(items) > 1:
        return _wrong("content", "a draft task stands alone", TASK_TYPE)
    draft_id = item.draft_task.id if item.draft_task is not None else None
    return Content(draft=draft_id) if draft_id else _missing(f"{where}.draft_task.id")


def _read_medium(item: Item, where: str) -> str | Problem:
    """The role of a picture, video or sound ("" when it has none), once its address is in order."""
    kind = str(item.type).removesuffix("_url")
    link = {"image": item.image_url, "video": item.video_url, "audio": item.audio_url}[kind]
    where = f"{where}.{kind}_url"
    url = link.url if link is not None else None
    if url is None:
        return _missing(f"{where}.url")
    problem = _check_address(url, kind, f"{where}.url")
    if problem is not None:
        return problem
    allowed = ("", *_FRAMES, "reference_image") if kind == "image" else (f"reference_{kind}",)
    role = item.role or ""
    if role not in allowed:
        return _wrong("role", f"{kind}_url takes {', '.join(word for word in allowed if word)}")
    return role


def _check_address(url: str, kind: str, where: str) -> Problem | None:
    if not url:
        code = "InvalidImageURL.EmptyURL" if kind == "image" else "InvalidParameter"
        return _wrong(where, "the address is empty", code)
    if re.fullmatch(r"(https?://|asset://)[^\s/]\S*", url):
        return None
    code = "InvalidImageURL.InvalidFormat" if kind == "image" else "InvalidParameter"
    data = _DATA.fullmatch(url)
    if data is None or kind == "video":
        return _wrong(where, "expected an address" + ("" if kind == "video" else " or a data URL"), code)
    if data[1] != kind or data[2].lower() not in _FORMATS[kind]:
        return _wrong(where, f"unsupported format {data[1]}/{data[2]}", code)
    content = decode_base64(data[3])
    if not content:
        return _wrong(where, "the data is not base64", code)
    if len(content) > _LIMITS[kind]:
        return _wrong(where, "the file is too large", code)
    return None


def _check_mode(found: Content, roles: list[str], model: FilmModel) -> Problem | None:
    frames = [role for role in roles if role in ("", *_FRAMES)]
    if "" in frames and len(roles) > 1:
        return _wrong("content.role", "of several images each needs a role", TASK_TYPE)
    frames = [role or "first_frame" for role in frames]
    if frames and found.references:
        return _wrong("content.role", "first and last frame cannot be mixed with references", TASK_TYPE)
    if frames.count("first_frame") > 1 or frames.count("last_frame") > 1:
        return _wrong("content.role", "there is one first frame and one last frame", TASK_TYPE)
    if frames == ["last_frame"]:
        return _wrong("content.role", "a last frame needs a first frame", TASK_TYPE)
    for role in frames:
        if role not in model.frames:
            return _wrong("content.role", f"{role} is not supported by {model.id}", UNSUPPORTED)
    if model.needs_image and not roles:
        return _missing("content.image_url")
    return _check_references(found, model) if found.references else None


def _check_references(found: Content, model: FilmModel) -> Problem | None:
    if model.references is None:
        return _wrong("content.role", f"references are not supported by {model.id}", UNSUPPORTED)
    counts = (found.images, found.videos, found.audios)
    for kind, count, most in zip(("image", "video", "audio"), counts, model.references, strict=True):
        if count > most:
            code = "InvalidParameter" if most else UNSUPPORTED
            return _wrong("content", f"at most {most} reference {kind}s are supported by {model.id}", code)
    if found.audios == found.references and not model.audio_alone:
        return _wrong("content", "a reference audio needs an image or a video beside it", TASK_TYPE)
    return None


def _wrong(param: str, text: str, code: str = "InvalidParameter") -> Problem:
    return Problem(message=text, param=param, code=code)


def _missing(param: str) -> Problem:
    return Problem(message="", param=param, code="MissingParameter")
