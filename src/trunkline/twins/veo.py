"""Veo at the Gemini twin: long-running operations and the files behind them (wire-formats.md C.6).

Operations can be asked for in two ways, and neither listed nor called off.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from trunkline.twins import gemini_errors as errors
from trunkline.twins.media import WHOLE, beats, serve, video_file
from trunkline.twins.mp4 import File
from trunkline.twins.studio import Order, Studio, Task, account_of
from trunkline.twins.veo_read import MODELS, Veo, VeoModel, read_order
from trunkline.twins.video_pace import Failing
from trunkline.twins.wire import NOT_JSON, Mood, Reply, Request, Trouble, token
from trunkline.types.wire import Headers

_encode = msgspec.json.Encoder().encode

#: A task that fails with this code ends well, and without a video.
FILTERED = "filtered"
REFUSED = Failing(code=FILTERED, message="The prompt was blocked by Veo's safety filters.")

_MODEL = re.compile(r"/(v1|v1beta|v1alpha)/models/(veo[^:/]*):(predictLongRunning|fetchPredictOperation)")
_OPERATION = re.compile(r"/(v1|v1beta|v1alpha)/(models/([^:/]+)/operations/([^:/]+))")
_FILE = re.compile(r"/(v1|v1beta|v1alpha)/files/([0-9a-f]+)-([0-9]):download")
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"

#: Number of each status word (google.rpc.Code).
_CODES = {
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
}

Ok = Callable[[Request, bytes], Reply]
Fail = Callable[[Request, dict[str, Any]], Reply]


def owns(path: str) -> bool:
    return any(pattern.fullmatch(path) for pattern in (_MODEL, _OPERATION, _FILE))


def model_of(path: str, studio: Studio) -> str:
    """The model that a path is about, for faults that strike one."""
    found = _MODEL.fullmatch(path)
    if found is not None:
        return found[2]
    found = _OPERATION.fullmatch(path)
    if found is not None:
        return found[3]
    found = _FILE.fullmatch(path)
    task = studio.peek(found[2]) if found is not None else None
    return task.order.model if task is not None else ""


class Operations:
    """Answers for keys that are good."""

    def __init__(self, ok: Ok, fail: Fail) -> None:
        self._ok = ok
        self._fail = fail

    def respond(self, request: Request, studio: Studio, mood: Mood) -> Reply:
        account = account_of(request.key)
        found = _FILE.fullmatch(request.path)
        if found is not None:
            return self._file(request, studio, account, found[2], int(found[3]))
        found = _OPERATION.fullmatch(request.path)
        if found is not None:
            if request.method != "GET":
                return self._fail(request, errors.plain(404, "Not Found"))
            return self._poll(request, studio, account, found[2], inline=False)
        found = _MODEL.fullmatch(request.path)
        if found is None or request.method != "POST":
            return self._fail(request, errors.plain(404, "Not Found"))
        if request.document is NOT_JSON:
            text = "Invalid JSON payload received. Unexpected end of string.\n" + request.body[:32].decode("latin-1")
            return self._fail(request, errors.plain(400, text))
        if found[3] == "fetchPredictOperation":
            return self._fetch(request, studio, account, found[2])
        model = MODELS.get(found[2])
        if model is None:
            text = (
                f"models/{found[2]} is not found for API version {found[1]}, or is not supported for {found[3]}. Call "
                "ListModels to see the list of available models and their supported methods."
            )
            return self._fail(request, errors.plain(404, text))
        return self._create(request, studio, account, model, mood)

    def _create(self, request: Request, studio: Studio, account: str, model: VeoModel, mood: Mood) -> Reply:
        veo = read_order(request.document, model)
        if isinstance(veo, str):
            return self._fail(request, errors.plain(400, veo))
        order = Order(
            account=account,
            model=model.id,
            spec=veo,
            digested=veo.prompt,
            bills=veo.seconds * veo.samples,
            unit="seconds",
            refused=REFUSED if mood.shape == "refusal" else None,
        )
        task = studio.submit(order, lambda serial: token(f"{studio.nonce} operation {serial}", 12))
        if task is None:
            return self._fail(request, errors.of_trouble(Trouble(kind="throttle"), model.id))
        return self._ok(request, _encode({"name": _name(task)}))

    # -- looking ----------------------------------------------------------------------------------------------------

    def _fetch(self, request: Request, studio: Studio, account: str, model: str) -> Reply:
        document = request.document if isinstance(request.document, dict) else {}
        name = document.get("operationName")
        if not isinstance(name, str) or not name.startswith(f"models/{model}/operations/"):
            text = f"Invalid operation name: {name}. Expected models/{model}/operations/{{operation}}."
            return self._fail(request, errors.plain(400, text))
        return self._poll(request, studio, account, name, inline=True)

    def _poll(self, request: Request, studio: Studio, account: str, name: str, *, inline: bool) -> Reply:
        task = studio.find(name.rpartition("/")[2], account)
        if task is None or _name(task) != name:
            return self._fail(request, errors.plain(404, f"Operation {name} not found."))
        task.entry.polls += 1
        shown: dict[str, Any] = {"name": name}
        if task.state in ("queued", "running"):
            return self._ok(request, _encode(shown))
        shown["done"] = True
        if task.failure is not None and task.failure.code != FILTERED:
            shown["error"] = _error(task.failure)
            return self._ok(request, _encode(shown))
        if task.failure is not None:
            filtered = {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": [task.failure.message]}
            shown["response"] = filtered if inline else {"@type": _TYPE, "generateVideoResponse": filtered}
            return self._ok(request, _encode(shown))
        if not inline:
            samples = [{"video": {"uri": _uri(studio, task, at)}} for at in range(task.order.spec.samples)]
            shown["response"] = {"@type": _TYPE, "generateVideoResponse": {"generatedSamples": samples}}
            return self._ok(request, _encode(shown))
        return self._inline(request, task, shown)

    def _inline(self, request: Request, task: Task, shown: dict[str, Any]) -> Reply:
        """The videos inside the answer, which may be large."""
        shown["response"] = {"@type": _TYPE, "videos": []}
        files = [_file(task, at) for at in range(task.order.spec.samples)]
        before, _, after = _encode(shown).partition(b"[]")
        pieces = _wrapped(before + b"[", files, b"]" + after)
        reply = self._ok(request, b"")
        reply.serves = task.entry
        if sum(file.size for file in files) * 4 // 3 <= WHOLE:
            reply.body = b"".join(pieces)
        else:
            reply.beats, reply.free = beats(pieces), True
        return reply

    def _file(self, request: Request, studio: Studio, account: str, task_id: str, at: int) -> Reply:
        task = studio.peek(task_id)
        held = task is not None and task.order.account == account and task.state == "succeeded"
        if task is None or not held or at >= task.order.spec.samples or studio.now() >= task.valid_until:
            text = f"You do not have permission to access the File {task_id}-{at} or it may not exist."
            return self._fail(request, errors.plain(403, text))
        if request.method != "GET":
            return self._fail(request, errors.plain(404, "Not Found"))
        extra: Headers = [(b"x-goog-request-id", request.id.encode())]
        return serve(request, task, _file(task, at), extra)


def _name(task: Task) -> str:
    return f"models/{task.order.model}/operations/{task.id}"


def _uri(studio: Studio, task: Task, at: int) -> str:
    return f"{studio.url()}/v1beta/files/{task.id}-{at}:download?alt=media"


def _file(task: Task, at: int) -> File:
    veo: Veo = task.order.spec
    seed = veo.seed if veo.seed is not None else int(token(task.id, 4), 16)
    return video_file(task, veo.width, veo.height, veo.seconds, seed + at)


def _wrapped(before: bytes, files: list[File], after: bytes) -> Iterator[bytes]:
    """`before`, an object for every file with the bytes as base64, `after`."""
    lead = before
    for file in files:
        yield lead + b'{"bytesBase64Encoded":"'
        yield from _base64(file.pieces(0, file.size))
        yield b'","mimeType":"video/mp4"}'
        lead = b","
    yield after


def _base64(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return (base64.b64encode(piece) for piece in pieces)


def _error(failing: Failing) -> dict[str, Any]:
    """A failure as google.rpc.Status: the code is a number, here found by its word."""
    word = failing.code if failing.code in _CODES else "INTERNAL"
    return {"code": _CODES[word], "message": failing.message, "status": word}
