"""The Anthropic twin: `POST /v1/messages[/count_tokens]`, `GET /v1/models[/{id}]` (wire-formats.md B)."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.twins.answer import answer, refusal
from trunkline.twins.anthropic_read import VERSIONS, parse_messages
from trunkline.twins.anthropic_write import beats, event, whole
from trunkline.twins.ask import Answer, Ask, Problem
from trunkline.twins.catalogue import CLAUDE, ClaudeModel
from trunkline.twins.studio import Studio
from trunkline.twins.wire import NOT_JSON, Mood, Reply, Request, Trouble, TwinName, bad_key, bearer, token
from trunkline.types.wire import Headers

_encode = msgspec.json.Encoder().encode

_RESET = b"2026-11-23T00:00:00Z"
_LIMITS: Headers = [
    (b"anthropic-organization-id", b"00000000-0000-4000-8000-00000000twin"),
    *(
        (b"anthropic-ratelimit-" + name + suffix, value)
        for name, limit, remaining in (
            (b"requests", b"4000", b"3999"),
            (b"tokens", b"2400000", b"2399000"),
            (b"input-tokens", b"2000000", b"1999000"),
            (b"output-tokens", b"400000", b"400000"),
        )
        for suffix, value in ((b"-limit", limit), (b"-remaining", remaining), (b"-reset", _RESET))
    ),
]

#: Error type and message of each status.
_STATUS = {
    400: ("invalid_request_error", "Invalid request."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "There is an issue with your billing or payment information."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "Not Found"),
    408: ("invalid_request_error", "Request timed out."),
    409: ("conflict_error", "The request conflicted with another one."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    422: ("invalid_request_error", "The request could not be processed."),
    429: ("rate_limit_error", "Number of request tokens has exceeded your per-minute rate limit."),
    500: ("api_error", "Internal server error"),
    502: ("api_error", "Bad gateway"),
    503: ("api_error", "Service unavailable"),
    504: ("timeout_error", "Request timed out."),
    529: ("overloaded_error", "Overloaded"),
}


class Anthropic:
    """Surface of the Anthropic twin."""

    name: TwinName = "anthropic"
    heartbeat = event("ping", {})
    result_s = 0.0

    def __init__(self, body_limit: int = 32 << 20) -> None:
        self.body_limit = body_limit
        self.studio: Studio | None = None  # it makes no videos

    def request_id(self, serial: str) -> str:
        return "req_01" + token(serial, 22)

    def identify(self, request: Request) -> None:
        request.key = request.header(b"x-api-key") or bearer(request)
        document = request.document
        if isinstance(document, dict):
            request.model = str(document.get("model") or "")
            request.stream = document.get("stream") is True

    def respond(self, request: Request, mood: Mood) -> Reply:
        if not request.key:
            return self._error(request, 401, "x-api-key header is required")
        if bad_key(request.key):
            return self._bad_key(request)
        version = request.header(b"anthropic-version")
        if not version:
            return self._error(request, 400, "anthropic-version: header is required")
        if version not in VERSIONS:
            return self._error(request, 400, f'anthropic-version: "{version}" is not a valid version')
        match request.path:
            case "/v1/messages" | "/v1/messages/count_tokens" if request.method == "POST":
                return self._messages(request, mood, version)
            case "/v1/messages" | "/v1/messages/count_tokens":
                return self._error(request, 405, "Method Not Allowed", kind="invalid_request_error")
            case path if path == "/v1/models" or path.startswith("/v1/models/"):
                return self._models(request)
            case _:
                return self._error(request, 404, "Not Found")

    # -- the answer ---------------------------------------------------------------------------------------------

    def _messages(self, request: Request, mood: Mood, version: str) -> Reply:
        document = request.document
        if document is NOT_JSON or not isinstance(document, dict):
            return self._error(request, 400, "The request body is not valid JSON.")
        model = self._model(document)
        if isinstance(model, Problem):
            return self._error(request, model.status, model.message)
        counting = request.path.endswith("/count_tokens")
        beta = bool(request.header(b"anthropic-beta")) or request.query.get("beta") == "true"
        ask = parse_messages(document, model, version=version, beta=beta, counting=counting)
        if isinstance(ask, Problem):
            return self._error(request, ask.status, ask.message)
        if counting:
            return self._json(request, _encode({"input_tokens": ask.prompt_tokens}))
        return self._answer(request, ask, mood)

    def _answer(self, request: Request, ask: Ask, mood: Mood) -> Reply:
        match mood.shape:
            case "refusal":
                said = refusal(ask)
            case "empty":
                said = Answer()
            case "normal":
                said = answer(ask, tokens=mood.tokens)
        message_id = "msg_01" + request.id[6:]
        prompt, output = ask.prompt_tokens, said.output_tokens
        if request.stream:
            headers = self._headers(request, b"text/event-stream; charset=utf-8")
            headers.append((b"cache-control", b"no-cache"))
            events = beats(message_id, ask, said)
            return Reply(status=200, headers=headers, beats=events, prompt_tokens=prompt, output_tokens=output)
        reply = self._json(request, whole(message_id, ask, said))
        reply.prompt_tokens, reply.output_tokens = prompt, output
        return reply

    def _model(self, document: dict[str, Any]) -> ClaudeModel | Problem:
        name = document.get("model")
        if name is None:
            return Problem(message="model: Field required")
        if not isinstance(name, str):
            return Problem(message="model: Input should be a valid string")
        return CLAUDE.get(name) or Problem(status=404, message=f"model: {name}")

    def _models(self, request: Request) -> Reply:
        if request.method != "GET":
            return self._error(request, 405, "Method Not Allowed", kind="invalid_request_error")
        name = request.path.removeprefix("/v1/models").lstrip("/")
        if name:
            model = CLAUDE.get(name)
            if model is None:
                return self._error(request, 404, f"model: {name}")
            return self._json(request, _encode(_model_info(model)))
        ids = list(CLAUDE)
        after, limit = request.query.get("after_id", ""), request.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return self._error(request, 400, "limit: Input should be between 1 and 1000")
        if after in ids:
            ids = ids[ids.index(after) + 1 :]
        page = ids[: int(limit)]
        body = {
            "data": [_model_info(CLAUDE[one]) for one in page],
            "has_more": len(page) < len(ids),
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
        return self._json(request, _encode(body))

    # -- errors -------------------------------------------------------------------------------------------------

    def trouble(self, request: Request, trouble: Trouble) -> Reply:
        match trouble.kind:
            case "bad_credential":
                return self._bad_key(request)
            case "context_length":
                return self._error(request, 400, "prompt is too long: 1000213 tokens > 1000000 maximum")
            case "quota":
                text = (
                    "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 "
                    "UTC."
                )
                details = {"error_code": "enforced_spend_limit_reached"}
                return self._error(request, 429, text, details=details)
            case "throttle":
                text = (
                    "This request would exceed your organization's rate limit of 4,000 requests per minute. For "
                    "details, refer to: https://docs.claude.com/en/api/rate-limits."
                )
                reply = self._error(request, 429, text)
                if trouble.delay is not None:
                    reply.headers.append((b"retry-after", str(-int(-trouble.delay // 1)).encode()))
                return reply
            case "status":
                fallback = ("api_error" if trouble.status >= 500 else "invalid_request_error", "Error")
                kind, text = _STATUS.get(trouble.status, fallback)
                return self._error(request, trouble.status, text, kind=kind)

    def too_large(self, request: Request) -> Reply:
        return self._error(request, 413, "Request exceeds the maximum size")

    def error_event(self, request: Request, *, first: bool) -> bytes:
        error = {"type": "overloaded_error", "message": "Overloaded", "details": None}
        return event("error", {"error": error, "request_id": request.id})

    def _bad_key(self, request: Request) -> Reply:
        by_header = bool(request.header(b"x-api-key"))
        return self._error(request, 401, "invalid x-api-key" if by_header else "Invalid bearer token")

    def _error(
        self, request: Request, status: int, message: str, *, kind: str = "", details: dict[str, Any] | None = None
    ) -> Reply:
        kind = kind or _STATUS[status][0]
        error: dict[str, Any] = {"type": kind, "message": message}
        if details is not None:
            error["details"] = details
        body = _encode({"type": "error", "error": error, "request_id": request.id})
        return Reply(status=status, headers=self._headers(request, b"application/json"), body=body)

    def _json(self, request: Request, body: bytes) -> Reply:
        return Reply(status=200, headers=self._headers(request, b"application/json"), body=body)

    def _headers(self, request: Request, content_type: bytes) -> Headers:
        return [(b"content-type", content_type), (b"request-id", request.id.encode()), *_LIMITS]


def _model_info(model: ClaudeModel) -> dict[str, Any]:
    def support(value: bool) -> dict[str, bool]:
        return {"supported": value}

    yes = support(True)
    types = {
        "adaptive": support(model.adaptive),
        "between_tools": support(model.between_tools),
        "disabled": support(model.thinking_off),
        "enabled": support(model.budget),
    }
    efforts = {effort: support(model.adaptive) for effort in ("low", "medium", "high", "xhigh", "max")}
    edits = dict.fromkeys(("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112"), yes)
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.display_name,
        "created_at": "2026-01-15T00:00:00Z",
        "max_input_tokens": model.context,
        "max_tokens": model.max_output,
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": model.id.split("-")[1],
        "capabilities": {
            "batch": yes,
            "citations": yes,
            "code_execution": yes,
            "image_input": yes,
            "pdf_input": yes,
            "structured_outputs": yes,
            "effort": {"supported": model.adaptive, **efforts},
            "thinking": {"supported": True, "types": types},
            "context_management": {"supported": True, **edits},
            "server_tools": {"supported": False, "code_execution": support(False), "web_search": support(False)},
        },
    }
