"""Reads the request for a ModelArk video task, and refuses what ModelArk refuses (wire-formats.md D.2, D.5).

Null counts as absent, as the SDKs send every unset field so. Problems carry Ark's own codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from trunkline.twins.ark_film_media import Content, Item, read_content
from trunkline.twins.ark_films import FPS, RATIOS, RESOLUTIONS, FilmModel, size_of
from trunkline.twins.ask import Problem
from trunkline.twins.callbacks import read_address

#: Length that the model picks when it may, seconds; and the length that a reference video is taken to have.
PICKED_SECONDS = 5
REFERENCE_SECONDS = 4

USUAL_EXPIRY = 172_800

UNSUPPORTED = "InvalidParameter.UnsupportedParameter"

_PLACE = re.compile(r" - at `\$\.?(.*)`$")
_INLINE = re.compile(r"--(\w+)[ \t]+(\S+)")
_NAMES = {
    "resolution": "resolution",
    "rs": "resolution",
    "ratio": "ratio",
    "rt": "ratio",
    "duration": "duration",
    "dur": "duration",
    "framespersecond": "fps",
    "fps": "fps",
    "watermark": "watermark",
    "wm": "watermark",
    "seed": "seed",
    "camerafixed": "camera_fixed",
    "cf": "camera_fixed",
}


class Tool(msgspec.Struct, frozen=True):
    type: str


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of D.2. What is not known is ignored."""

    content: list[Item] | None = None
    resolution: str | None = None
    ratio: str | None = None
    duration: int | None = None
    frames: int | None = None
    seed: int | None = None
    camera_fixed: bool | None = None
    watermark: bool | None = None
    generate_audio: bool | None = None
    return_last_frame: bool | None = None
    draft: bool | None = None
    service_tier: str | None = None
    execution_expires_after: int | None = None
    priority: int | None = None
    callback_url: str | None = None
    safety_identifier: str | None = None
    tools: list[Tool] | None = None
    output_format: str | None = None
    omni_reference_task_type: str | None = None


class Film(msgspec.Struct, frozen=True, kw_only=True):
    """What is going to be made. `seconds` and `seed` are decided, `open_seconds` and `open_seed` say that the model did
    so; `frames` takes the place of the duration. `text` is the text as it came."""

    text: str
    resolution: str
    ratio: str
    width: int
    height: int
    seconds: int
    open_seconds: bool = False
    frames: int | None = None
    seed: int = -1
    open_seed: bool = True
    references: int = 0
    audio: bool | None = None
    last_frame: bool = False
    draft: bool = False
    draft_task: str = ""
    tier: str = "default"
    expires: int = USUAL_EXPIRY
    priority: int | None = None
    callback: str = ""
    marker: str | None = None
    tools: tuple[str, ...] = ()
    output_format: str | None = None

    @property
    def tokens(self) -> int:
        """What a success bills (D.3): the pictures made, and those of the reference videos."""
        made = self.frames if self.frames is not None else FPS * self.seconds + 1
        return self.width * self.height * (made + FPS * REFERENCE_SECONDS * self.references) // 1024


#: The film of a finished draft of this account by its id, or None.
Drafts = Callable[[str], Film | None]


def read_film(document: dict[str, Any], model: FilmModel, drafts: Drafts) -> Film | Problem:
    """What the request orders of `model`, or why it is refused."""
    try:
        body = msgspec.convert(document, Body)
    except msgspec.ValidationError as error:
        place = _PLACE.search(str(error))
        return Problem(message=str(error), param=place[1] if place else "", code="InvalidParameter")
    content = read_content(body.content, model)
    if isinstance(content, Problem):
        return content
    body = _with_inline(body, content, model)
    problem = _check_size(body, model) or _check_length(body, model) or _check_switches(body, model, content)
    problem = problem or _check_service(body, model)
    if problem is not None:
        return problem
    if content.draft:
        return _from_draft(body, model, content.draft, drafts)
    prompt = _INLINE.sub("", content.text).strip()
    if not prompt and not content.pictured:
        return Problem(message="the text must not be empty", param="content.text", code="MissingParameter")
    return _film(body, model, content)


def _film(body: Body, model: FilmModel, content: Content) -> Film:
    draft = body.draft is True
    resolution = body.resolution or ("480p" if draft else model.usual_resolution)
    ratio = body.ratio or model.usual_ratio
    ratio = "16:9" if ratio == "adaptive" else ratio  # what this model makes of every text and picture
    width, height = size_of(model, resolution, ratio)
    seconds = PICKED_SECONDS if body.duration in (None, -1) else body.duration
    return Film(
        text=content.text,
        resolution=resolution,
        ratio=ratio,
        width=width,
        height=height,
        seconds=seconds or PICKED_SECONDS,
        open_seconds=body.duration == -1,
        frames=body.frames,
        seed=-1 if body.seed is None else body.seed,
        open_seed=body.seed in (None, -1),
        references=content.videos,
        audio=body.generate_audio is not False if model.sound else None,
        last_frame=body.return_last_frame is True,
        draft=draft,
        tier=body.service_tier or "default",
        expires=body.execution_expires_after or USUAL_EXPIRY,
        priority=body.priority,
        callback=body.callback_url or "",
        marker=body.safety_identifier,
        tools=tuple(tool.type for tool in body.tools or ()),
        output_format=body.output_format,
    )


def _from_draft(body: Body, model: FilmModel, draft_id: str, drafts: Drafts) -> Film | Problem:
    """A draft made large: everything but the resolution is the draft's."""
    if body.draft:
        return _wrong("draft", "a draft cannot be made from a draft")
    found = drafts(draft_id)
    if found is None:
        text = f"the task {draft_id} is not a finished draft"
        return Problem(message=text, param="content.draft_task.id", code="InvalidParameter")
    resolution = body.resolution or model.usual_resolution
    width, height = size_of(model, resolution, found.ratio)
    return msgspec.structs.replace(
        found,
        resolution=resolution,
        width=width,
        height=height,
        draft=False,
        draft_task=draft_id,
        last_frame=body.return_last_frame is True,
        tier=body.service_tier or "default",
        expires=body.execution_expires_after or USUAL_EXPIRY,
        priority=body.priority,
        callback=body.callback_url or "",
        marker=body.safety_identifier,
    )


# -- the rules ----------------------------------------------------------------------------------------------------


def _wrong(param: str, text: str, code: str = "InvalidParameter") -> Problem:
    return Problem(message=text, param=param, code=code)


def _check_size(body: Body, model: FilmModel) -> Problem | None:
    if body.resolution is not None and body.resolution not in model.resolutions:
        if body.resolution in RESOLUTIONS:
            return _wrong("resolution", f"{model.id} makes {', '.join(model.resolutions)}")
        return _wrong("resolution", f"expected one of {', '.join(RESOLUTIONS)}")
    if body.ratio is None or body.ratio == "adaptive":
        return None
    if body.ratio not in RATIOS:
        return _wrong("ratio", f"expected one of {', '.join(RATIOS)}, adaptive")
    if body.ratio == "9:21" and not model.narrow:
        return _wrong("ratio", f"9:21 is not supported by {model.id}")
    return None


def _check_length(body: Body, model: FilmModel) -> Problem | None:
    if body.frames is not None:
        if not model.counts_frames:
            return _wrong("frames", f"not supported by {model.id}", UNSUPPORTED)
        if body.duration == -1:
            return _wrong("frames", "frames excludes a duration of -1")
        least, most = FPS * model.seconds[0], FPS * model.seconds[1] + 1
        if not least <= body.frames <= most:
            return _wrong("frames", f"expected a number from {least} to {most}")
    if body.duration is None:
        return None
    if body.duration == -1:
        return None if model.decides_length else _wrong("duration", f"{model.id} needs a duration")
    shortest, longest = model.seconds
    if not shortest <= body.duration <= longest:
        return _wrong("duration", f"expected a number of seconds from {shortest} to {longest}")
    return None


def _check_switches(body: Body, model: FilmModel, content: Content) -> Problem | None:
    if body.seed is not None and not -1 <= body.seed <= 0xFFFF_FFFF:
        return _wrong("seed", "expected a number from -1 to 4294967295")
    if body.camera_fixed:
        if not model.fixed_camera:
            return _wrong("camera_fixed", f"not supported by {model.id}", UNSUPPORTED)
        if content.references:
            return _wrong("camera_fixed", "not supported together with references", UNSUPPORTED)
    if body.generate_audio and not model.sound:
        return _wrong("generate_audio", f"not supported by {model.id}", UNSUPPORTED)
    if body.tools:
        if not model.tools:
            return _wrong("tools", f"not supported by {model.id}", UNSUPPORTED)
        if any(tool.type != "web_search" for tool in body.tools):
            return _wrong("tools.type", "expected web_search")
    if body.draft:
        if not model.drafts:
            return _wrong("draft", f"not supported by {model.id}", UNSUPPORTED)
        if body.resolution not in (None, "480p"):
            return _wrong("resolution", "a draft has 480p")
        if body.return_last_frame:
            return _wrong("return_last_frame", "a draft has no last frame")
        if body.service_tier == "flex":
            return _wrong("service_tier", "a draft is not made offline")
    return None


def _check_service(body: Body, model: FilmModel) -> Problem | None:
    if body.service_tier not in (None, "default", "flex"):
        return _wrong("service_tier", "expected default or flex")
    if body.service_tier == "flex" and not model.flex:
        return _wrong("service_tier", f"flex is not supported by {model.id}", UNSUPPORTED)
    if body.execution_expires_after is not None and not 3600 <= body.execution_expires_after <= 259_200:
        return _wrong("execution_expires_after", "expected a number of seconds from 3600 to 259200")
    if body.priority is not None and not 0 <= body.priority <= 9:
        return _wrong("priority", "expected a number from 0 to 9")
    if body.callback_url and read_address(body.callback_url) is None:
        return _wrong("callback_url", "expected an http or https address")
    return None


# -- parameters inside the text -----------------------------------------------------------------------------------


def _with_inline(body: Body, content: Content, model: FilmModel) -> Body:
    """The body with what its text says where no field does. Of the text nothing is refused: what the model cannot do is
    passed over."""
    if "--" not in content.text:
        return body
    changes: dict[str, Any] = {}
    for word, value in _INLINE.findall(content.text):
        name = _NAMES.get(word)
        if name is None or name == "fps" or getattr(body, name) is not None:
            continue
        read = _read_value(name, value)
        if read is None:
            continue
        tried = msgspec.structs.replace(body, **{name: read})
        if not (_check_size(tried, model) or _check_length(tried, model) or _check_switches(tried, model, content)):
            changes[name] = read
    return msgspec.structs.replace(body, **changes)


def _read_value(name: str, value: str) -> str | int | bool | None:
    match name:
        case "duration" | "seed":
            try:
                number = int(value)
            except ValueError:
                return None
            return number if name == "duration" or -1 <= number <= 0xFFFF_FFFF else None
        case "watermark" | "camera_fixed":
            return {"true": True, "false": False}.get(value.lower())
        case _:
            return value
