"""Gemini generateContent and streamGenerateContent, /v1 and /v1beta. The model stands in the URL."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, Dialect, Encoded, ErrorFacts, StreamOptions, Target
from trunkline.dialects.gemini_generate import encode, errors, request, response
from trunkline.dialects.gemini_generate.stream import GenerateReader, GenerateTap, GenerateWriter
from trunkline.types.canonical import ChatRequest, ChatResponse
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.wire import DialectName, Headers


class GeminiGenerate:
    name: DialectName = "gemini_generate"

    def peek(self, target: Target, body: bytes) -> Envelope | Failure:
        return request.peek(target, body)

    def splice(self, body: bytes, facts: Envelope, model: str) -> bytes | Failure:
        return body

    def decode_request(self, body: bytes, facts: Envelope) -> ChatRequest | Failure:
        return request.decode_request(body, facts)

    def encode_request(self, request_: ChatRequest, model: str, *, max_output_tokens: int) -> Encoded | Failure:
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
        return errors.error_body(failure)

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True) -> bytes:
        """In an array the error is the last element; SDKs unwrap it (C.5)."""
        return errors.error_event(failure) if sse else b",\r\n" + errors.error_body(failure) + b"]"

    def keepalive(self) -> bytes:
        return b"\r\n"

    def answer_headers(self, request_id: str) -> Headers:
        return []


_guard: Dialect = GeminiGenerate()
