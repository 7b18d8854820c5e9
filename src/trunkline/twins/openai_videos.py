"""Videos of the OpenAI twin, in the shape that Sora left behind (wire-formats.md A.8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from trunkline.twins.ask import Problem
from trunkline.twins.media import serve, video_file
from trunkline.twins.mp4 import still
from trunkline.twins.multipart import Upload, read_form
from trunkline.twins.studio import FINAL, Order, Studio, Task, account_of
from trunkline.twins.video_pace import Failing
from trunkline.twins.wire import NOT_JSON, Mood, Reply, Request, token
from trunkline.types.wire import Headers

_encode = msgspec.json.Encoder().encode

PATH = "/v1/videos"

MODELS = ("sora-2", "sora-2-pro")
SECONDS = ("4", "8", "12")
SIZES = ("720x1280", "1280x720", "1024x1792", "1792x1024")
PROMPT_CHARS = 32_000
PAGE = 20
LARGEST_PAGE = 100

_FIELDS = ("prompt", "model", "seconds", "size", "input_reference")
_ONE = re.compile(PATH + r"/([^/]+)(?:/(content|remix))?")
_STATES = {"queued": "queued", "running": "in_progress", "succeeded": "completed"}
_PICTURES = ("image/jpeg", "image/png", "image/webp", "video/mp4")

REFUSED = Failing(code="moderation_blocked", message="Your request was blocked by our moderation system.")

Ok = Callable[[Request, bytes], Reply]
Fail = Callable[[Request, Problem], Reply]


class Sora(msgspec.Struct, frozen=True, kw_only=True):
    """What is going to be made."""

    prompt: str
    model: str
    seconds: str
    size: str
    remix_of: str | None = None

    @property
    def pixels(self) -> tuple[int, int]:
        width, _, height = self.size.partition("x")
        return int(width), int(height)


def owns(path: str) -> bool:
    return path == PATH or path.startswith(PATH + "/")


def identify(request: Request, studio: Studio) -> None:
    """Puts a form in the place of the document, and names the model for faults that strike one."""
    if request.header(b"content-type").lower().startswith("multipart/form-data"):
        form = read_form(request.header(b"content-type"), request.body)
        request.document = NOT_JSON if form is None else form
    if isinstance(request.document, dict):
        model = request.document.get("model")
        request.model = model if isinstance(model, str) else ""
    one = _ONE.fullmatch(request.path)
    task = studio.peek(one[1]) if one is not None else None
    if task is not None:
        request.model = task.order.model


class Videos:
    """Answers under PATH for keys that are good."""

    def __init__(self, ok: Ok, fail: Fail) -> None:
        self._ok = ok
        self._fail = fail

    def respond(self, request: Request, studio: Studio, mood: Mood) -> Reply:
        account = account_of(request.key)
        if request.path == PATH:
            if request.method == "POST":
                return self._create(request, studio, account, mood)
            if request.method == "GET":
                return self._list(request, studio, account)
            return self._fail(request, _not_allowed(request))
        one = _ONE.fullmatch(request.path)
        if one is None:
            return self._fail(request, Problem(message=f"Invalid URL ({request.method} {request.path})", status=404))
        task = studio.find(one[1], account)
        if task is None:
            return self._fail(request, Problem(message=f"Video with id '{one[1]}' not found.", status=404))
        match request.method, one[2]:
            case "GET", None:
                task.entry.polls += 1
                return self._video(request, studio, task)
            case "DELETE", None:
                return self._delete(request, studio, task)
            case "GET", "content":
                return self._content(request, studio, task)
            case "POST", "remix":
                return self._remix(request, studio, task, mood)
            case _:
                return self._fail(request, _not_allowed(request))

    # -- making -----------------------------------------------------------------------------------------------------

    def _create(self, request: Request, studio: Studio, account: str, mood: Mood) -> Reply:
        order = _read_order(request.document, _FIELDS)
        if isinstance(order, Problem):
            return self._fail(request, order)
        return self._submit(request, studio, account, mood, order)

    def _remix(self, request: Request, studio: Studio, task: Task, mood: Mood) -> Reply:
        order = _read_order(request.document, ("prompt",))
        if isinstance(order, Problem):
            return self._fail(request, order)
        if task.state != "succeeded":
            return self._fail(request, Problem(message="Only a completed video can be remixed."))
        order = msgspec.structs.replace(task.order.spec, prompt=order.prompt, remix_of=task.id)
        return self._submit(request, studio, task.order.account, mood, order)

    def _submit(self, request: Request, studio: Studio, account: str, mood: Mood, sora: Sora) -> Reply:
        order = Order(
            account=account,
            model=sora.model,
            spec=sora,
            digested=sora.prompt,
            bills=int(sora.seconds),
            unit="seconds",
            refused=REFUSED if mood.shape == "refusal" else None,
        )
        task = studio.submit(order, lambda serial: "video_" + token(f"{studio.nonce} video {serial}", 48))
        if task is None:
            text = f"Rate limit reached for {sora.model} in organization org-twin on concurrent video jobs."
            return self._fail(request, Problem(message=text, status=429, code="rate_limit_exceeded"))
        return self._video(request, studio, task)

    # -- looking ----------------------------------------------------------------------------------------------------

    def _video(self, request: Request, studio: Studio, task: Task) -> Reply:
        reply = self._ok(request, _encode(shown(studio, task)))
        if task.state not in FINAL:
            reply.headers.append((b"openai-poll-after-ms", b"%d" % studio.pace.poll_after_ms))
        return reply

    def _list(self, request: Request, studio: Studio, account: str) -> Reply:
        limit, order = request.query.get("limit", str(PAGE)), request.query.get("order", "desc")
        if not re.fullmatch(r"[0-9]{1,4}", limit) or not 0 <= int(limit) <= LARGEST_PAGE:
            text = f"Invalid 'limit': expected an integer from 0 to {LARGEST_PAGE}."
            return self._fail(request, Problem(message=text, param="limit", code="invalid_value"))
        if order not in ("asc", "desc"):
            text = "Invalid value for 'order': expected 'asc' or 'desc'."
            return self._fail(request, Problem(message=text, param="order", code="invalid_value"))
        found = studio.listed(account)
        if order == "asc":
            found.reverse()
        after = request.query.get("after")
        if after:
            names = [task.id for task in found]
            if after not in names:
                return self._fail(request, Problem(message=f"Video with id '{after}' not found.", status=404))
            found = found[names.index(after) + 1 :]
        page = found[: int(limit)]
        body = {
            "object": "list",
            "data": [shown(studio, task) for task in page],
            "has_more": len(found) > len(page),
            "first_id": page[0].id if page else None,
            "last_id": page[-1].id if page else None,
        }
        return self._ok(request, _encode(body))

    def _content(self, request: Request, studio: Studio, task: Task) -> Reply:
        sora: Sora = task.order.spec
        variant = request.query.get("variant", "video")
        if variant not in ("video", "thumbnail", "spritesheet"):
            text = f"Invalid value: '{variant}'. Supported values are: 'video', 'thumbnail', and 'spritesheet'."
            return self._fail(request, Problem(message=text, param="variant", code="invalid_value"))
        if task.state != "succeeded":
            text = "Video is not ready yet, use GET /v1/videos/{video_id} to check status."
            return self._fail(request, Problem(message=text, status=404))
        if studio.now() >= task.valid_until:
            return self._fail(request, Problem(message="The content of this video has expired.", status=404))
        seed = int(token(task.id, 4), 16)
        if variant == "video":
            file = video_file(task, *sora.pixels, int(sora.seconds), seed)
        else:
            file = still(*sora.pixels, seed)
        extra: Headers = [(b"x-request-id", request.id.encode())]
        return serve(request, task, file, extra)

    def _delete(self, request: Request, studio: Studio, task: Task) -> Reply:
        if task.state not in FINAL:
            return self._fail(request, Problem(message="Only a completed or failed video can be deleted."))
        studio.forget(task)
        return self._ok(request, _encode({"id": task.id, "deleted": True, "object": "video.deleted"}))


def shown(studio: Studio, task: Task) -> dict[str, Any]:
    """The video object."""
    sora: Sora = task.order.spec
    done = task.state == "succeeded"
    failure = task.failure if task.state == "failed" else None
    return {
        "id": task.id,
        "object": "video",
        "created_at": int(studio.epoch(task.made_at)),
        "status": _STATES.get(task.state, "failed"),
        "completed_at": int(studio.epoch(task.done_at)) if done else None,
        "error": None if failure is None else {"code": failure.code, "message": failure.message},
        "expires_at": int(studio.epoch(task.valid_until)) if done else None,
        "model": sora.model,
        "progress": task.progress,
        "prompt": sora.prompt,
        "remixed_from_video_id": sora.remix_of,
        "seconds": sora.seconds,
        "size": sora.size,
    }


# -- reading ------------------------------------------------------------------------------------------------------


def _read_order(document: Any, known: tuple[str, ...]) -> Sora | Problem:
    if document is NOT_JSON or not isinstance(document, dict):
        return Problem(message="We could not parse the body of your request as JSON or as multipart/form-data.")
    fields = {name: value for name, value in document.items() if value is not None}
    for name in fields:
        if name not in known:
            return Problem(message=f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        text = "Missing required parameter: 'prompt'."
        return Problem(message=text, param="prompt", code="missing_required_parameter")
    if len(prompt) > PROMPT_CHARS:
        text = f"Invalid 'prompt': string too long. Expected a string with maximum length {PROMPT_CHARS}."
        return Problem(message=text, param="prompt", code="string_above_max_length")
    for name, allowed in (("model", MODELS), ("seconds", SECONDS), ("size", SIZES)):
        if name in fields and fields[name] not in allowed:
            choices = ", ".join(f"'{one}'" for one in allowed)
            text = f"Invalid value: '{fields[name]}'. Supported values are: {choices}."
            return Problem(message=text, param=name, code="invalid_value")
    reference = fields.get("input_reference")
    if isinstance(reference, Upload):
        if reference.mime not in _PICTURES or not reference.data:
            text = f"Invalid file 'input_reference': unsupported mimetype ('{reference.mime}')."
            return Problem(message=text, param="input_reference", code="unsupported_file_mimetype")
    elif reference is not None and not (isinstance(reference, dict) and set(reference) & {"image_url", "file_id"}):
        text = "Invalid type for 'input_reference': expected a file or a reference object."
        return Problem(message=text, param="input_reference", code="invalid_type")
    return Sora(
        prompt=prompt,
        model=fields.get("model", MODELS[0]),
        seconds=fields.get("seconds", SECONDS[0]),
        size=fields.get("size", SIZES[0]),
    )


def _not_allowed(request: Request) -> Problem:
    text = f"Not allowed to {request.method} on {request.path}."
    return Problem(message=text, status=405, code="method_not_supported")
