"""Video tasks of the ModelArk twin: create, get, list and delete (wire-formats.md D.2 to D.5), and its store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from trunkline.twins.ark_film_read import Film, read_film
from trunkline.twins.ark_films import FPS, film_model
from trunkline.twins.ask import Problem
from trunkline.twins.media import STORE, refused, serve, signed_url, store_error, task_of, video_file
from trunkline.twins.mp4 import still
from trunkline.twins.studio import Order, Studio, Task, account_of
from trunkline.twins.video_pace import Failing
from trunkline.twins.wire import NOT_JSON, Mood, Reply, Request, token

_encode = msgspec.json.Encoder().encode

PATH = "/api/v3/contents/generations/tasks"

#: Tasks on a page: as many unless asked otherwise, and at most.
PAGE = 10
LARGEST_PAGE = 500

_STATES = ("queued", "running", "cancelled", "succeeded", "failed", "expired")
_CHINA = 8 * 3600  # the time in an id is Beijing's, seconds east
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"

REFUSED = Failing(
    code="OutputVideoSensitiveContentDetected",
    message="The request failed because the output video may contain sensitive information.",
)

#: Status, body → reply; and problem or error → reply: the surface words them.
Ok = Callable[[Request, bytes], Reply]
Fail = Callable[[Request, Problem], Reply]


def owns(path: str) -> bool:
    """Whether a path is a task's or a result's."""
    return path == PATH or path.startswith((PATH + "/", STORE))


def model_of(studio: Studio, path: str) -> str:
    """The model behind a path that names a task, for faults that strike one model."""
    if path.startswith(STORE):
        found = task_of(studio, path)
        return found[0].order.model if found is not None else ""
    task = studio.peek(path[len(PATH) + 1 :])
    return task.order.model if task is not None else ""


def store(request: Request, studio: Studio) -> Reply:
    """GET of a signed address; needs no key."""
    found = task_of(studio, request.path)
    if found is None:
        return store_error(request, 404, "NoSuchKey", "The specified key does not exist.")
    task, kind = found
    refusal = refused(studio, request, task, kind)
    if refusal is not None:
        return store_error(request, *refusal)
    film: Film = task.order.spec
    if kind == "png":
        file = still(film.width, film.height, _seed(task))
    else:
        file = video_file(task, film.width, film.height, _seconds(film), _seed(task))
    return serve(request, task, file, [(b"x-tos-request-id", request.id.encode())])


class Tasks:
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
            return self._fail(request, _not_found(f"The path {request.path} was not found.", "NotFound"))
        task = studio.find(request.path[len(PATH) + 1 :], account)
        if task is None or request.method not in ("GET", "DELETE"):
            text = f"The specified task {request.path[len(PATH) + 1 :]} was not found."
            return self._fail(request, _not_found(text, "NotFound.Task"))
        if request.method == "DELETE":
            return self._delete(request, studio, task)
        task.entry.polls += 1
        return self._ok(request, _encode(shown(studio, task)))

    def _create(self, request: Request, studio: Studio, account: str, mood: Mood) -> Reply:
        document = request.document
        if document is NOT_JSON or not isinstance(document, dict):
            return self._fail(request, Problem(message="The request body is not valid JSON.", code="InvalidParameter"))
        name = document.get("model")
        if not isinstance(name, str) or not name:
            return self._fail(request, Problem(message="", param="model", code="MissingParameter"))
        model = film_model(name)
        if isinstance(model, Problem):
            return self._fail(request, model)

        def drafts(task_id: str) -> Film | None:
            task = studio.find(task_id, account)
            finished = task is not None and task.state == "succeeded" and task.order.spec.draft
            return task.order.spec if task is not None and finished else None

        film = read_film(document, model, drafts)
        if isinstance(film, Problem):
            return self._fail(request, film)
        order = Order(
            account=account,
            model=name,
            spec=film,
            digested=film.text,
            marker=film.marker,
            bills=film.tokens,
            priority=film.priority or 0,
            lasts=film.expires,
            callback=film.callback,
            report=lambda task: _encode(shown(studio, task)),
            refused=REFUSED if mood.shape == "refusal" else None,
        )
        task = studio.submit(order, lambda serial: _task_id(studio, serial))
        if task is None:
            text = "The request has exceeded the quota."
            return self._fail(request, Problem(message=text, status=429, code="QuotaExceeded"))
        answer: dict[str, Any] = {"id": task.id}
        if film.marker is not None:
            answer["safety_identifier"] = film.marker
        return self._ok(request, _encode(answer))

    def _list(self, request: Request, studio: Studio, account: str) -> Reply:
        query = parse_qsl(request.raw_query, keep_blank_values=True)
        wanted: dict[str, list[str]] = {}
        for key, value in query:
            wanted.setdefault(key, []).append(value)
        number, size = _page(wanted, "page_num", 1), _page(wanted, "page_size", PAGE)
        for name, asked in (("page_num", number), ("page_size", size)):
            if not 1 <= asked <= LARGEST_PAGE:
                return self._fail(request, _wrong(name, f"expected a number from 1 to {LARGEST_PAGE}"))
        states = wanted.get("filter.status", [])
        if any(state not in _STATES for state in states):
            return self._fail(request, _wrong("filter.status", f"expected one of {', '.join(_STATES)}"))
        found = [task for task in studio.listed(account) if _fits(task, wanted)]
        start = (number - 1) * size
        items = [shown(studio, task) for task in found[start : start + size]]
        return self._ok(request, _encode({"total": len(found), "items": items}))

    def _delete(self, request: Request, studio: Studio, task: Task) -> Reply:
        if task.state == "queued":
            studio.cancel(task)
        elif task.state in ("running", "cancelled"):
            text = f"The task {task.id} is {task.state} and cannot be deleted."
            return self._fail(request, Problem(message=text, status=403, code="OperationDenied.InvalidState"))
        else:
            studio.forget(task)
        reply = self._ok(request, b"")
        # Nothing, and no word of JSON: the SDKs decode whatever calls itself so.
        reply.headers = [pair for pair in reply.headers if pair[0] != b"content-type"]
        return reply


def _not_found(text: str, code: str) -> Problem:
    return Problem(message=text, status=404, code=code)


def _wrong(param: str, text: str) -> Problem:
    return Problem(message=text, param=param, code="InvalidParameter")


def _page(wanted: dict[str, list[str]], name: str, usual: int) -> int:
    """0, which is no page, for what is not a number."""
    text = wanted.get(name, [str(usual)])[-1]
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 0


def _fits(task: Task, wanted: dict[str, list[str]]) -> bool:
    film: Film = task.order.spec
    tests = (
        ("filter.status", task.state),
        ("filter.model", task.order.model),
        ("filter.service_tier", film.tier),
        ("filter.task_ids", task.id),
    )
    return all(not wanted.get(name) or value in wanted[name] for name, value in tests)


def _task_id(studio: Studio, serial: int) -> str:
    """`cgt-<yyyymmddHHMMSS>-<5 characters>`."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(studio.epoch(studio.now()) + _CHINA))
    number = int(token(f"{studio.nonce} task {serial}", 16), 16)
    tail = ""
    for _ in range(5):
        number, digit = divmod(number, len(_LETTERS))
        tail += _LETTERS[digit]
    return f"cgt-{stamp}-{tail}"


def _seed(task: Task) -> int:
    film: Film = task.order.spec
    return int(token(f"seed {task.id}", 4), 16) if film.open_seed else film.seed


def _seconds(film: Film) -> float:
    return film.seconds if film.frames is None else film.frames / FPS


def shown(studio: Studio, task: Task) -> dict[str, Any]:
    """A task as D.3 shows it. What the model decides is open while the task waits."""
    film: Film = task.order.spec
    waits = task.state in ("queued", "cancelled")
    record: dict[str, Any] = {"id": task.id, "model": task.order.model, "status": task.state, "error": None}
    if task.state == "failed" and task.failure is not None:
        record["error"] = {"code": task.failure.code, "message": task.failure.message}
    if task.state == "succeeded":
        record["content"] = {"video_url": signed_url(studio, task, "mp4")}
        if film.last_frame:
            record["content"]["last_frame_url"] = signed_url(studio, task, "png")
        record["usage"] = {"completion_tokens": film.tokens, "total_tokens": film.tokens}
    record["created_at"] = int(studio.epoch(task.made_at))
    record["updated_at"] = int(studio.epoch(task.updated_at))
    record["seed"] = -1 if waits and film.open_seed else _seed(task)
    record["resolution"] = film.resolution
    record["ratio"] = film.ratio
    if film.frames is not None:
        record["frames"] = film.frames
    else:
        record["duration"] = -1 if waits and film.open_seconds else film.seconds
    record["framespersecond"] = FPS
    record["service_tier"] = film.tier
    record["execution_expires_after"] = film.expires
    if film.audio is not None:
        record["generate_audio"] = film.audio
    record["draft"] = film.draft
    if film.draft_task:
        record["draft_task_id"] = film.draft_task
    if film.priority is not None:
        record["priority"] = film.priority
    if film.tools:
        record["tools"] = [{"type": word} for word in film.tools]
    if film.marker is not None:
        record["safety_identifier"] = film.marker
    if film.output_format is not None:
        record["output_format"] = film.output_format
    return record
