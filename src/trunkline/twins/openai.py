"""The OpenAI twin: `POST /v1/chat/completions`, `GET /v1/models[/{id}]` (wire-formats.md A.1-A.4); videos are in
`openai_videos.py`."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from trunkline.twins import openai_videos
from trunkline.twins.answer import answer, refusal
from trunkline.twins.ask import Answer, Problem
from trunkline.twins.catalogue import CREATED, OPENAI, OPENAI_RETIRED, ChatModel
from trunkline.twins.chat_read import Chat, parse_chat
from trunkline.twins.chat_write import FINISH, Stamp, beats, whole
from trunkline.twins.studio import Studio
from trunkline.twins.wire import NOT_JSON, Mood, Reply, Request, Trouble, TwinName, bad_key, bearer, token
from trunkline.types.wire import Headers

_encode = msgspec.json.Encoder().encode

_KEYS_PAGE = "https://platform.openai.com/account/api-keys"
_EXTRA = {"service_tier": "default", "system_fingerprint": "fp_twin0a1b2c"}

_LIMITS: Headers = [
    (b"openai-organization", b"org-twin"),
    (b"openai-version", b"2020-10-01"),
    (b"openai-processing-ms", b"12"),
    (b"x-ratelimit-limit-requests", b"10000"),
    (b"x-ratelimit-limit-tokens", b"2000000"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"x-ratelimit-remaining-tokens", b"1999950"),
    (b"x-ratelimit-reset-requests", b"6ms"),
    (b"x-ratelimit-reset-tokens", b"1ms"),
]

#: Wording of plain status errors: type, code, message.
_STATUS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", None, "Invalid request."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", None, "You do not have permission to access this resource."),
    404: ("invalid_request_error", None, "The requested resource was not found."),
    408: ("invalid_request_error", None, "Request timed out."),
    409: ("invalid_request_error", None, "The request conflicted with another one. Please try again."),
    413: ("invalid_request_error", None, "Maximum content size limit (33554432) exceeded"),
    422: ("invalid_request_error", None, "The request could not be processed."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    502: ("server_error", None, "Bad gateway."),
    503: ("service_unavailable_error", "server_is_overloaded", "The server is overloaded or not ready yet."),
    504: ("server_error", None, "Gateway timeout."),
}


class OpenAI:
    """Surface of the OpenAI twin."""

    name: TwinName = "openai"
    heartbeat = b": keep-alive\n\n"
    result_s = 86400.0

    def __init__(self, body_limit: int = 32 << 20) -> None:
        self.body_limit = body_limit
        self.studio: Studio | None = None
        self._videos = openai_videos.Videos(self._ok, self._problem)

    def identify(self, request: Request) -> None:
        request.key = bearer(request)
        document = request.document
        if isinstance(document, dict):
            request.model = str(document.get("model") or "")
            request.stream = document.get("stream") is True
        if self.studio is not None and openai_videos.owns(request.path):
            openai_videos.identify(request, self.studio)

    def respond(self, request: Request, mood: Mood) -> Reply:
        denied = self._denied(request)
        if denied is not None:
            return denied
        if request.path == "/v1/chat/completions":
            if request.method != "POST":
                return self._not_allowed(request)
            return self._chat(request, mood)
        if request.path == "/v1/models" or request.path.startswith("/v1/models/"):
            return self._models(request) if request.method == "GET" else self._not_allowed(request)
        if self.studio is not None and openai_videos.owns(request.path):
            return self._videos.respond(request, self.studio, mood)
        return self._error(request, 404, f"Invalid URL ({request.method} {request.path})")

    # -- the answer ---------------------------------------------------------------------------------------------

    def _chat(self, request: Request, mood: Mood) -> Reply:
        document = request.document
        if document is NOT_JSON or not isinstance(document, dict):
            text = (
                "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
                "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. "
                "If you have trouble figuring out how to fix this, please contact us through our help center at "
                "help.openai.com.)"
            )
            return self._error(request, 400, text)
        model = self._model(request)
        if isinstance(model, Problem):
            return self._problem(request, model)
        chat = parse_chat(document, model)
        if isinstance(chat, Problem):
            return self._problem(request, chat)
        return self._answer(request, chat, mood)

    def _answer(self, request: Request, chat: Chat, mood: Mood) -> Reply:
        stamp = Stamp(
            id=f"chatcmpl-{request.id[4:]}", created=int(time.time()), model=chat.ask.model, extra=_EXTRA, finish=FINISH
        )
        answers = answers_of(chat, mood)
        prompt = chat.ask.prompt_tokens
        output = sum(one.output_tokens for one in answers)
        if request.stream:
            events = beats(stamp, prompt, answers, include_usage=chat.include_usage)
            headers = self._headers(request, b"text/event-stream; charset=utf-8")
            return Reply(status=200, headers=headers, beats=events, prompt_tokens=prompt, output_tokens=output)
        headers = self._headers(request, b"application/json")
        body = whole(stamp, prompt, answers)
        return Reply(status=200, headers=headers, body=body, prompt_tokens=prompt, output_tokens=output)

    def _model(self, request: Request) -> ChatModel | Problem:
        name = request.model
        if not name:
            return Problem(message="you must provide a model parameter")
        model = OPENAI.get(name)
        if model is not None:
            return model
        if name in OPENAI_RETIRED:
            text = f"The model `{name}` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations"
        else:
            text = f"The model `{name}` does not exist or you do not have access to it."
        return Problem(message=text, status=404, code="model_not_found")

    def _models(self, request: Request) -> Reply:
        name = request.path.removeprefix("/v1/models").lstrip("/")
        entries = [
            {"id": model, "object": "model", "created": CREATED, "owned_by": "system"}
            for model in OPENAI
            if not name or model == name
        ]
        if name and not entries:
            return self._problem(
                request,
                Problem(
                    message=f"The model '{name}' does not exist",
                    status=404,
                    code="model_not_found",
                    param="model",
                ),
            )
        body: Any = entries[0] if name else {"object": "list", "data": entries}
        return Reply(status=200, headers=self._headers(request, b"application/json"), body=_encode(body))

    # -- errors -------------------------------------------------------------------------------------------------

    def trouble(self, request: Request, trouble: Trouble) -> Reply:
        model = request.model or "gpt-4.1"
        match trouble.kind:
            case "bad_credential":
                return self._incorrect_key(request)
            case "context_length":
                text = (
                    "This model's maximum context length is 128000 tokens. However, your messages resulted in 131074 "
                    "tokens. Please reduce the length of the messages."
                )
                return self._error(request, 400, text, param="messages", code="context_length_exceeded")
            case "quota":
                text = (
                    "You exceeded your current quota, please check your plan and billing details. For more information "
                    "on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
                )
                return self._error(request, 429, text, kind="insufficient_quota", code="insufficient_quota")
            case "throttle":
                return self._throttled(request, model, trouble.delay)
            case "status":
                default = ("server_error" if trouble.status >= 500 else "invalid_request_error", None, "Error.")
                kind, code, text = _STATUS.get(trouble.status, default)
                return self._error(request, trouble.status, text, kind=kind, code=code)

    def _throttled(self, request: Request, model: str, delay: float | None) -> Reply:
        wait = "" if delay is None else f" Please try again in {delay:g}s."
        text = (
            f"Rate limit reached for {model} in organization org-twin on requests per min (RPM): Limit 10000, "
            f"Used 10000, Requested 1.{wait} Visit https://platform.openai.com/account/rate-limits to learn more."
        )
        reply = self._error(request, 429, text, kind="requests", code="rate_limit_exceeded")
        if delay is not None:
            reply.headers.append((b"retry-after", str(-int(-delay // 1)).encode()))
            reply.headers.append((b"retry-after-ms", str(int(delay * 1000)).encode()))
        return reply

    def too_large(self, request: Request) -> Reply:
        return self._error(request, 413, f"Maximum content size limit ({self.body_limit}) exceeded")

    def error_event(self, request: Request, *, first: bool) -> bytes:
        _, _, text = _STATUS[500]
        error = {"message": text, "type": "server_error", "param": None, "code": None}
        return b"data: " + _encode({"error": error}) + b"\n\n"

    def _denied(self, request: Request) -> Reply | None:
        if not request.key:
            text = (
                "You didn't provide an API key. You need to provide your API key in an Authorization header using "
                "Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if "
                "you're accessing the API from your browser and are prompted for a username and password. You can "
                f"obtain an API key from {_KEYS_PAGE}."
            )
            return self._error(request, 401, text)
        return self._incorrect_key(request) if bad_key(request.key) else None

    def _incorrect_key(self, request: Request) -> Reply:
        key = request.key
        shown = key[:8] + "*" * max(3, len(key) - 12) + key[-4:] if len(key) > 12 else "***"
        text = f"Incorrect API key provided: {shown}. You can find your API key at {_KEYS_PAGE}."
        return self._error(request, 401, text, code="invalid_api_key")

    def _not_allowed(self, request: Request) -> Reply:
        text = (
            f"Not allowed to {request.method} on {request.path}. "
            "(HINT: Perhaps you meant to use a different HTTP method?)"
        )
        return self._error(request, 405, text, code="method_not_supported")

    def _ok(self, request: Request, body: bytes) -> Reply:
        return Reply(status=200, headers=self._headers(request, b"application/json"), body=body)

    def _problem(self, request: Request, problem: Problem) -> Reply:
        kind = "requests" if problem.status == 429 else "invalid_request_error"
        return self._error(
            request, problem.status, problem.message, kind=kind, param=problem.param or None, code=problem.code or None
        )

    def _error(
        self,
        request: Request,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> Reply:
        error = {"message": message, "type": kind, "param": param, "code": code}
        return Reply(status=status, headers=self._headers(request, b"application/json"), body=_encode({"error": error}))

    def _headers(self, request: Request, content_type: bytes) -> Headers:
        return [(b"content-type", content_type), (b"x-request-id", request.id.encode()), *_LIMITS]

    def request_id(self, serial: str) -> str:
        return "req_" + token(serial, 32)


def answers_of(chat: Chat, mood: Mood) -> list[Answer]:
    """One answer per wanted choice, in the mood that a fault may ask for."""
    if mood.shape == "refusal":
        return [refusal(chat.ask)]
    if mood.shape == "empty":
        return [Answer()]
    return [answer(chat.ask, tokens=mood.tokens, choice=index) for index in range(chat.choices)]
