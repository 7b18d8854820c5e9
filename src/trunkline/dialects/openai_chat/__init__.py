"""OpenAI Chat Completions, also as ModelArk and compatible servers speak it."""

from __future__ import annotations

from trunkline.dialects.contract import Answer, Dialect, Encoded, ErrorFacts, StreamOptions, Target
from trunkline.dialects.openai_chat import encode, errors, request, response
from trunkline.dialects.openai_chat.reader import ChatReader
from trunkline.dialects.openai_chat.stream import ChatTap
from trunkline.dialects.openai_chat.writer import ChatWriter
from trunkline.dialects.splice import replace_model, set_include_usage
from trunkline.dialects.wording import chat_words
from trunkline.types.canonical import ChatRequest, ChatResponse
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.wire import DialectName, Headers
from trunkline.types.words import Words


class OpenAIChat:
    name: DialectName = "openai_chat"

    def peek(self, target: Target, body: bytes) -> Envelope | Failure:
        return request.peek(target, body)

    def words(self, body: bytes) -> Words:
        return chat_words(body)

    def splice(self, body: bytes, facts: Envelope, model: str) -> bytes | Failure:
        made = replace_model(body, model)
        if isinstance(made, Failure) or facts.wants_usage:
            return made
        return set_include_usage(made)

    def decode_request(self, body: bytes, facts: Envelope) -> ChatRequest | Failure:
        return request.decode_request(body, facts)

    def encode_request(self, request_: ChatRequest, model: str, *, max_output_tokens: int) -> Encoded | Failure:
        return encode.encode_request(request_, model)

    def check(self, body: bytes) -> Answer | Failure:
        return response.check(body)

    def decode_response(self, body: bytes) -> ChatResponse | Failure:
        return response.decode_response(body)

    def encode_response(self, response_: ChatResponse, *, created: int) -> Encoded:
        return response.encode_response(response_, created)

    def tap(self, options: StreamOptions) -> ChatTap:
        return ChatTap(options)

    def reader(self, options: StreamOptions) -> ChatReader:
        return ChatReader(options)

    def writer(self, options: StreamOptions) -> ChatWriter:
        return ChatWriter(options)

    def read_error(self, status: int, body: bytes) -> ErrorFacts:
        return errors.read_error(status, body)

    def error_body(self, failure: Failure, request_id: str) -> bytes:
        return errors.error_body(failure)

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True) -> bytes:
        return errors.error_event(failure)

    def keepalive(self) -> bytes:
        return b": keep-alive\n\n"

    def answer_headers(self, request_id: str) -> Headers:
        return [(b"x-request-id", request_id.encode())]


_guard: Dialect = OpenAIChat()
