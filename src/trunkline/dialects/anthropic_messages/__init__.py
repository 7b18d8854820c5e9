"""Anthropic Messages, both API versions."""

from __future__ import annotations

from trunkline.dialects.anthropic_messages import encode, errors, request, response
from trunkline.dialects.anthropic_messages.stream import MessagesReader, MessagesTap, MessagesWriter
from trunkline.dialects.contract import Answer, Dialect, Encoded, ErrorFacts, StreamOptions, Target
from trunkline.dialects.splice import replace_model
from trunkline.dialects.wording import chat_words
from trunkline.types.canonical import ChatRequest, ChatResponse
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure
from trunkline.types.wire import DialectName, Headers
from trunkline.types.words import Words


class AnthropicMessages:
    name: DialectName = "anthropic_messages"

    def peek(self, target: Target, body: bytes) -> Envelope | Failure:
        return request.peek(target, body)

    def words(self, body: bytes) -> Words:
        return chat_words(body)

    def splice(self, body: bytes, facts: Envelope, model: str) -> bytes | Failure:
        return replace_model(body, model)

    def decode_request(self, body: bytes, facts: Envelope) -> ChatRequest | Failure:
        return request.decode_request(body, facts)

    def encode_request(self, request_: ChatRequest, model: str, *, max_output_tokens: int) -> Encoded | Failure:
        return encode.encode_request(request_, model, max_output_tokens)

    def check(self, body: bytes) -> Answer | Failure:
        return response.check(body)

    def decode_response(self, body: bytes) -> ChatResponse | Failure:
        return response.decode_response(body)

    def encode_response(self, response_: ChatResponse, *, created: int) -> Encoded:
        return response.encode_response(response_)

    def tap(self, options: StreamOptions) -> MessagesTap:
        return MessagesTap(options)

    def reader(self, options: StreamOptions) -> MessagesReader:
        return MessagesReader(options)

    def writer(self, options: StreamOptions) -> MessagesWriter:
        return MessagesWriter(options)

    def read_error(self, status: int, body: bytes) -> ErrorFacts:
        return errors.read_error(status, body)

    def error_body(self, failure: Failure, request_id: str) -> bytes:
        return errors.error_body(failure, request_id)

    def error_event(self, failure: Failure, request_id: str, *, sse: bool = True) -> bytes:
        return errors.error_event(failure, request_id)

    def keepalive(self) -> bytes:
        return b'event: ping\ndata: {"type": "ping"}\n\n'

    def answer_headers(self, request_id: str) -> Headers:
        return [(b"request-id", request_id.encode())]


_guard: Dialect = AnthropicMessages()
