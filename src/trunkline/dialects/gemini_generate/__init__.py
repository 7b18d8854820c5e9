"""Gemini generateContent and streamGenerateContent, /v1 and /v1beta. The model stands in the URL."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, Dialect, Encoded, ErrorFacts, StreamOptions, Target
from trunkline.dialects.gemini_generate import encode, errors, request, response
from trunkline.dialects.gemini_generate.reader import GenerateReader
from trunkline.dialects.gemini_generate.stream import GenerateTap, GenerateWriter
from trunkline.dialects.wording import generate_words
from trunkline.types.canonical import ChatRequest, ChatResponse
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.wire import DialectName, Headers
from trunkline.types.words import Words


class GeminiGenerate:
    name: DialectName = "gemini_generate"

    def peek(self, target: Target, body: bytes) -> Envelope | Failure:
        return request.peek(target, body)

    def words(self, body: bytes) -> Words:
        return generate_words(body)

    def splice(self, body: bytes, facts: Envelope, model: str) -> bytes | Failure:
        """The body as it is: the provider puts the model into the URL."""
        return body

    def decode_request(self, body: bytes, facts: Envelope) -> ChatRequest | Failure:
        return request.decode_request(body, facts)

    def encode_request(self, request_: ChatRequest, model: str, *, max_output_tokens: int) -> Encoded | Failure:
        """The limit is optional here: one that the caller left open stays open."""
        return encode.encode_request(request_, model)

    def check(self, body: bytes) -> Answer | Failure:
        return response.check(body)

    def decode_response(self, body: bytes) -> ChatResponse | Failure:
        return response.decode_response(body)

    def encode_response(self, response_: ChatResponse, *, created: int) -> Encoded:
        return response.encode_response(response_)

    def tap(self, options: StreamOptions) -> GenerateTap:
        return GenerateTap(options)

    def reader(self, options: StreamOptions) -> GenerateReader:
        return GenerateReader(options)

    def writer(self, options: StreamOptions) -> GenerateWriter:
        return GenerateWriter(options)

    def read_error(self, status: int, body: bytes) -> ErrorFacts:
        return errors.read_error(status, body)

    def error_body(self, failure: Failure, request_id: str) -> bytes:
        return errors.error_body(failure, request_id)

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True, opened: bool = True) -> bytes:
        """`opened` matters without SSE: whether an element of the answer's array has already been sent."""
        if sse:
            return errors.error_event(failure, request_id)
        return errors.array_end(failure, request_id, opened=opened)

    def keepalive(self) -> bytes:
        """A blank line; a comment would make the SDK raise (wire-formats.md 0.8)."""
        return b"\n"

    def answer_headers(self, request_id: str) -> Headers:
        """A Gemini client reads no id header (E.11); the id stands in the error's details."""
        return []


_guard: Dialect = GeminiGenerate()
