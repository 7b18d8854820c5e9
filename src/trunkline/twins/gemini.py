"""The Gemini twin: generateContent, streamGenerateContent, countTokens and the model list, under /v1 and /v1beta
(wire-formats.md C); Veo's operations are in `veo.py`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from trunkline.twins import gemini_errors as errors
from trunkline.twins import veo
from trunkline.twins.answer import answer
from trunkline.twins.ask import Answer, Problem
from trunkline.twins.catalogue import GEMINI, GEMINI_LATEST, GeminiModel
from trunkline.twins.gemini_fields import read_fields
from trunkline.twins.gemini_read import Generation, parse_generation
from trunkline.twins.gemini_write import Stamp, as_array, as_sse, blocked, chunks, nothing, whole
from trunkline.twins.studio import Studio
from trunkline.twins.wire import (
    CLOSING,
    NOT_JSON,
    Beat,
    Mood,
    Reply,
    Request,
    Trouble,
    TwinName,
    bad_key,
    bearer,
    token,
)
from trunkline.types.wire import Headers

_encode = msgspec.json.Encoder().encode

#: /v1/models/{model}:{verb}, /v1beta/models, /v1/models/{model}
_PATH = re.compile(r"/(v1|v1beta|v1alpha)/models(?:/([^:/]+))?(?::(\w+))?")
_VERBS = ("generateContent", "streamGenerateContent", "countTokens")


class Gemini:
    """Surface of the Gemini twin."""

    name: TwinName = "gemini"
    heartbeat = b"\n"
    result_s = 2 * 86400.0

    def __init__(self, body_limit: int = 20 << 20) -> None:
        self.body_limit = body_limit
        self.studio: Studio | None = None
        self._operations = veo.Operations(self._json, self._error)

    def request_id(self, serial: str) -> str:
        return token(serial, 22)

    def identify(self, request: Request) -> None:
        request.key = request.header(b"x-goog-api-key") or request.query.get("key", "") or bearer(request)
        route = _PATH.fullmatch(request.path)
        if route is not None:
            request.model = route[2] or ""
            request.stream = route[3] == "streamGenerateContent"
        elif self.studio is not None and veo.owns(request.path):
            request.model = veo.model_of(request.path, self.studio)

    def respond(self, request: Request, mood: Mood) -> Reply:
        if not request.key:
            return self._error(request, errors.no_key())
        if bad_key(request.key):
            return self._error(request, errors.bad_key())
        if self.studio is not None and veo.owns(request.path):
            return self._operations.respond(request, self.studio, mood)
        route = _PATH.fullmatch(request.path)
        if route is None:
            return self._error(request, errors.plain(404, "Not Found"))
        version, name, verb = route[1], route[2], route[3]
        if verb is None:
            return self._models(request, name)
        model = GEMINI.get(name or "")
        if model is None and version != "v1":
            model = GEMINI.get(GEMINI_LATEST.get(name or "", ""))
        if model is None or verb not in _VERBS:
            text = (
                f"models/{name} is not found for API version {version}, or is not supported for {verb}. Call "
                "ListModels to see the list of available models and their supported methods."
            )
            return self._error(request, errors.plain(404, text))
        if request.method != "POST":
            return self._error(request, errors.plain(404, "Not Found"))
        return self._generate(request, mood, model, verb)

    # -- the answer ---------------------------------------------------------------------------------------------

    def _generate(self, request: Request, mood: Mood, model: GeminiModel, verb: str) -> Reply:
        if request.document is NOT_JSON:
            text = "Invalid JSON payload received. Unexpected end of string.\n" + request.body[:32].decode("latin-1")
            return self._error(request, errors.plain(400, text))
        message = "CountTokensRequest" if verb == "countTokens" else "GenerateContentRequest"
        fields, violations = read_fields(message, {} if request.document is None else request.document)
        if violations:
            return self._error(request, errors.violations(violations))
        if verb == "countTokens":
            fields = fields.get("generateContentRequest", fields)
        generation = parse_generation(fields, model)
        if isinstance(generation, Problem):
            return self._error(request, errors.plain(generation.status, generation.message))
        if verb == "countTokens":
            return self._json(request, _encode({"totalTokens": generation.ask.prompt_tokens}))
        return self._answer(request, mood, generation, model)

    def _answer(self, request: Request, mood: Mood, generation: Generation, model: GeminiModel) -> Reply:
        prompt = generation.ask.prompt_tokens
        stamp = Stamp(model=model.id, response_id=request.id, prompt_tokens=prompt, signed=model.signs)
        answers: list[Answer] = []
        match mood.shape:
            case "refusal":
                body = blocked(stamp)
            case "empty":
                body = nothing(stamp)
            case "normal":
                answers = [
                    answer(generation.ask, tokens=mood.tokens, choice=index) for index in range(generation.candidates)
                ]
                body = b"" if request.stream else whole(stamp, answers)
        output = sum(one.output_tokens for one in answers)
        if not request.stream:
            reply = self._json(request, body)
        else:
            responses = chunks(stamp, answers) if answers else _only(body)
            sse = request.query.get("alt") == "sse"
            content_type = b"text/event-stream" if sse else b"application/json; charset=UTF-8"
            reply = Reply(
                status=200,
                headers=self._headers(content_type),
                beats=as_sse(responses) if sse else as_array(responses),
            )
        reply.prompt_tokens, reply.output_tokens = prompt, output
        return reply

    def _models(self, request: Request, name: str | None) -> Reply:
        if request.method != "GET":
            return self._error(request, errors.plain(404, "Not Found"))
        if name is None:
            return self._json(request, _encode({"models": [_model_info(model) for model in GEMINI.values()]}))
        if name not in GEMINI:
            text = f"Model is not found: models/{name} for api version {request.path.split('/')[1]}"
            return self._error(request, errors.plain(404, text))
        return self._json(request, _encode(_model_info(GEMINI[name])))

    # -- errors -------------------------------------------------------------------------------------------------

    def trouble(self, request: Request, trouble: Trouble) -> Reply:
        return self._error(request, errors.of_trouble(trouble, request.model or "gemini-3.8-flash"))

    def too_large(self, request: Request) -> Reply:
        text = f"Request payload size exceeds the limit: {self.body_limit} bytes."
        return self._error(request, errors.plain(413, text))

    def error_event(self, request: Request, *, first: bool) -> bytes:
        error = _encode(errors.overloaded())
        if request.query.get("alt") == "sse":
            return b"data: " + error + b"\r\n\r\n"
        return (b"" if first else b",\r\n") + error + b"]"

    def _error(self, request: Request, error: dict[str, Any]) -> Reply:
        """Errors of array-shaped streams are wrapped in a one-element array (wire-formats.md C.5)."""
        wrapped = request.stream and request.query.get("alt") != "sse"
        return Reply(
            status=error["error"]["code"],
            headers=self._headers(b"application/json; charset=UTF-8"),
            body=_encode([error] if wrapped else error),
        )

    def _json(self, request: Request, body: bytes) -> Reply:
        return Reply(status=200, headers=self._headers(b"application/json; charset=UTF-8"), body=body)

    def _headers(self, content_type: bytes) -> Headers:
        return [
            (b"content-type", content_type),
            (b"vary", b"Origin"),
            (b"vary", b"X-Origin"),
            (b"vary", b"Referer"),
            (b"server", b"scaffolding on HTTPServer2"),
            (b"server-timing", b"gfet4t7; dur=12"),
            (b"x-content-type-options", b"nosniff"),
        ]


def _only(body: bytes) -> Any:
    beat: Beat = (CLOSING, 0, body)
    return iter((beat,))


def _model_info(model: GeminiModel) -> dict[str, Any]:
    return {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.display_name,
        "description": f"Twin of {model.display_name}",
        "inputTokenLimit": model.context,
        "outputTokenLimit": model.max_output,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": True,
    }
