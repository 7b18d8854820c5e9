"""The ModelArk twin: `POST /api/v3/chat/completions`, `GET /api/v3/models` (wire-formats.md D.1, D.5, D.7), and video
tasks (`ark_tasks.py`).

The request is read like OpenAI's (that is what Ark promises); errors, reasoning and moderation are Ark's own.
"""

from __future__ import annotations

import time
from typing import Any

import msgspec

from trunkline.twins import ark_tasks
from trunkline.twins.ark_errors import STATUS, STORE_STATUS, TYPES, translate
from trunkline.twins.ask import Problem
from trunkline.twins.catalogue import ARK, CREATED, ChatModel
from trunkline.twins.chat_read import Chat, parse_chat
from trunkline.twins.chat_write import FINISH, Stamp, beats, whole
from trunkline.twins.media import STORE, store_error
from trunkline.twins.openai import answers_of
from trunkline.twins.studio import Studio
from trunkline.twins.wire import NOT_JSON, Mood, Reply, Request, Trouble, TwinName, bad_key, bearer, token
from trunkline.types.wire import Headers

_encode = msgspec.json.Encoder().encode
_FINISH = {**FINISH, "refusal": "content_filter"}


class Ark:
    """Surface of the ModelArk twin."""

    name: TwinName = "ark"
    heartbeat = b": keep-alive\n\n"
    result_s = 86400.0

    def __init__(self, body_limit: int = 64 << 20) -> None:
        self.body_limit = body_limit
        self.studio: Studio | None = None
        self._tasks = ark_tasks.Tasks(self._ok, self._film_problem)

    def request_id(self, serial: str) -> str:
        return "0217" + token(serial, 50)

    def identify(self, request: Request) -> None:
        request.key = bearer(request)
        document = request.document
        if isinstance(document, dict):
            request.model = str(document.get("model") or "")
            request.stream = document.get("stream") is True
        elif self.studio is not None and ark_tasks.owns(request.path):
            request.model = ark_tasks.model_of(self.studio, request.path)

    def respond(self, request: Request, mood: Mood) -> Reply:
        if self.studio is not None and request.path.startswith(STORE):
            return ark_tasks.store(request, self.studio)
        if bad_key(request.key):
            return self._bad_key(request)
        if self.studio is not None and ark_tasks.owns(request.path):
            return self._tasks.respond(request, self.studio, mood)
        match request.method, request.path:
            case "POST", "/api/v3/chat/completions":
                return self._chat(request, mood)
            case "GET", "/api/v3/models":
                entries = [{"id": name, "object": "model", "created": CREATED, "owned_by": "bytedance"} for name in ARK]
                return self._ok(request, _encode({"object": "list", "data": entries}))
            case _:
                return self._error(request, 404, "NotFound", f"The path {request.path} was not found.")

    def _chat(self, request: Request, mood: Mood) -> Reply:
        document = request.document
        if document is NOT_JSON or not isinstance(document, dict):
            text = "The request body is not valid JSON."
            return self._error(request, 400, "InvalidParameter", text)
        if not request.model:
            return self._problem(request, Problem(message="", param="model", code="missing_required_parameter"))
        model = ARK.get(request.model)
        if model is None and request.model.startswith("ep-"):
            model = ChatModel(id=request.model, reasoning=True)
        if model is None:
            text = f"The model or endpoint {request.model} does not exist or you do not have access to it."
            return self._error(request, 404, "InvalidEndpointOrModel.NotFound", text)
        chat = parse_chat(document, model, lenient=True)
        if isinstance(chat, Problem):
            return self._problem(request, chat)
        thinking = document.get("thinking")
        wrong = isinstance(thinking, dict) and thinking.get("type") not in ("enabled", "disabled", "auto")
        if wrong or not isinstance(thinking, (dict, type(None))):
            return self._problem(request, Problem(message="expected enabled, disabled or auto", param="thinking.type"))
        chat.ask.thinking = _thinks(document)
        return self._answer(request, chat, mood)

    def _answer(self, request: Request, chat: Chat, mood: Mood) -> Reply:
        stamp = Stamp(
            id=request.id,
            created=int(time.time()),
            model=chat.ask.model,
            extra={"service_tier": "default"},
            refusal_field=False,
            full_usage=False,
            moderation="severe_violation",
            finish=_FINISH,
        )
        answers = answers_of(chat, mood)
        prompt = chat.ask.prompt_tokens
        output = sum(one.output_tokens for one in answers)
        if request.stream:
            return Reply(
                status=200,
                headers=self._headers(request, b"text/event-stream; charset=utf-8"),
                beats=beats(stamp, prompt, answers, include_usage=chat.include_usage),
                prompt_tokens=prompt,
                output_tokens=output,
            )
        reply = self._ok(request, whole(stamp, prompt, answers))
        reply.prompt_tokens, reply.output_tokens = prompt, output
        return reply

    # -- errors -------------------------------------------------------------------------------------------------

    def trouble(self, request: Request, trouble: Trouble) -> Reply:
        if request.path.startswith(STORE):
            status = trouble.status or (503 if trouble.kind in ("throttle", "quota") else 403)
            return store_error(request, status, *STORE_STATUS.get(status, STORE_STATUS[500]))
        match trouble.kind:
            case "bad_credential":
                return self._bad_key(request)
            case "context_length":
                text = "The input tokens exceed the maximum context length of the model."
                return self._error(request, 400, "OutofContextError", text)
            case "quota":
                text = (
                    f"Your account 2100000000 has reached the set inference limit for the {request.model} model, and "
                    "the model service has been paused. To continue using this model, please visit the Model "
                    'Activation page to adjust or close the "Safe Experience Mode".'
                )
                return self._error(request, 429, "SetLimitExceeded", text)
            case "throttle":
                text = (
                    "The Requests Per Minute (RPM) limit of the associated model for your account has been exceeded. "
                    "Please try again later."
                )
                reply = self._error(request, 429, "ModelAccountRpmRateLimitExceeded", text)
                if trouble.delay is not None:
                    reply.headers.append((b"retry-after", str(-int(-trouble.delay // 1)).encode()))
                return reply
            case "status":
                fallback = ("InternalServiceError", "The service encountered an unexpected internal error.")
                code, text = STATUS.get(trouble.status, fallback)
                return self._error(request, trouble.status, code, text)

    def too_large(self, request: Request) -> Reply:
        return self._error(request, 413, "InvalidParameter", "The request body is too large.")

    def error_event(self, request: Request, *, first: bool) -> bytes:
        error = self._error_object(request, 500, *STATUS[500])
        return b"data: " + _encode({"error": error}) + b"\n\n"

    def _bad_key(self, request: Request) -> Reply:
        text = (
            "The API key doesn't exist."
            if request.key
            else "The API key or AK/SK in the request is missing or invalid."
        )
        return self._error(request, 401, "AuthenticationError", text)

    def _film_problem(self, request: Request, problem: Problem) -> Reply:
        """A refused video task: its problems are in Ark's own codes already."""
        text = problem.message
        if problem.code == "MissingParameter":
            text = f"The request failed because it is missing `{problem.param}` parameter."
        elif problem.param:
            text = f"The parameter `{problem.param}` specified in the request is not valid: {problem.message}."
        return self._error(request, problem.status, problem.code, text, problem.param)

    def _problem(self, request: Request, problem: Problem) -> Reply:
        code, text = translate(problem)
        return self._error(request, problem.status, code, text, problem.param)

    def _error(self, request: Request, status: int, code: str, text: str, param: str = "") -> Reply:
        body = _encode({"error": self._error_object(request, status, code, text, param)})
        return Reply(status=status, headers=self._headers(request, b"application/json"), body=body)

    def _error_object(self, request: Request, status: int, code: str, text: str, param: str = "") -> dict[str, Any]:
        kind = TYPES.get(status, "InternalServerError" if status >= 500 else "BadRequest")
        return {"code": code, "message": f"{text} Request id: {request.id}", "param": param, "type": kind}

    def _ok(self, request: Request, body: bytes) -> Reply:
        return Reply(status=200, headers=self._headers(request, b"application/json; charset=utf-8"), body=body)

    def _headers(self, request: Request, content_type: bytes) -> Headers:
        client = request.header(b"x-client-request-id") or request.id
        return [
            (b"content-type", content_type),
            (b"x-request-id", request.id.encode()),
            (b"x-client-request-id", client.encode("latin-1", "replace")),
        ]


def _thinks(document: dict[str, Any]) -> bool:
    """Thinking is on when asked for; `auto` and silence let this model decide, and it decides not to."""
    thinking = document.get("thinking")
    if isinstance(thinking, dict):
        return bool(thinking.get("type") == "enabled")
    return document.get("reasoning_effort") in ("low", "medium", "high")
