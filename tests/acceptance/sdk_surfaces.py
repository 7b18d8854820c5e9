"""The official SDKs under one shape, so that a scenario is written once for all of them.

Needs nothing but the SDK of the surface that is used, and runs under older SDK majors too.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Name of the city"}},
    "required": ["city"],
}
TOOL = {"name": "get_weather", "description": "The weather in a city", "schema": WEATHER}


@dataclass
class Target:
    """Where to send requests. `translated`: another dialect answers behind a gateway, so that what it cannot carry
    (which stop sequence was hit) is not asked for. `fault_urls`: control endpoints of every upstream twin.
    `own_models`: fault scenarios ask for `fault_model`. `sdk_retries`: the client keeps its SDK's own retries.
    `body_limit`: bytes of a request body that are one too few for `too_large`; 0 leaves that scenario out."""

    base_url: str
    api_key: str
    model: str
    fault_urls: list[str] = field(default_factory=list)
    translated: bool = False
    gateway: bool = False
    own_models: bool = False
    sdk_retries: bool = False
    body_limit: int = 0
    timeout: float = 20.0


@dataclass
class Said:
    """One answer in no SDK's words. `finish`: end, stop, length or tools. `raw` is the turn to be replayed."""

    text: str
    calls: list[tuple[str, str, dict[str, Any]]]
    finish: str
    prompt_tokens: int
    output_tokens: int
    total_tokens: int
    raw: Any
    events: int = 0


@dataclass
class Wish:
    """One request in no SDK's words. `turns` are (role, content) pairs, content a text or a list of texts, bytes
    (a PNG) and URLs; or (role "raw", the SDK's own turns)."""

    turns: list[tuple[str, Any]]
    system: str = ""
    stop: str = ""
    max_tokens: int = 1024
    tools: bool = False
    model: str = ""
    api_key: str = ""


def is_url(part: Any) -> bool:
    return isinstance(part, str) and part.startswith("https://")


class OpenAISurface:
    """The `openai` package."""

    bad_key_statuses = (401,)
    finishes = {"stop": "end", "length": "length", "tool_calls": "tools"}

    def __init__(self, target: Target) -> None:
        import openai

        self.sdk = openai
        self.stream_error = openai.APIError
        self.target = target

    def _client(self, kind: Any, wish: Wish) -> Any:
        key = wish.api_key or self.target.api_key
        retries: dict[str, Any] = {} if self.target.sdk_retries else {"max_retries": 0}
        return kind(base_url=self.target.base_url, api_key=key, timeout=self.target.timeout, **retries)

    def _arguments(self, wish: Wish) -> dict[str, Any]:
        messages: list[Any] = [{"role": "system", "content": wish.system}] if wish.system else []
        for role, content in wish.turns:
            if role == "raw":
                messages += content
            elif isinstance(content, list):
                messages.append({"role": role, "content": [self._part(part) for part in content]})
            else:
                messages.append({"role": role, "content": content})
        arguments: dict[str, Any] = {
            "model": wish.model or self.target.model,
            "messages": messages,
            "max_tokens": wish.max_tokens,
        }
        if wish.stop:
            arguments["stop"] = [wish.stop]
        if wish.tools:
            function = {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}
            arguments["tools"] = [{"type": "function", "function": function}]
        return arguments

    @staticmethod
    def _part(part: Any) -> dict[str, Any]:
        if isinstance(part, bytes):
            url = "data:image/png;base64," + base64.b64encode(part).decode()
            return {"type": "image_url", "image_url": {"url": url}}
        return {"type": "image_url", "image_url": {"url": part}} if is_url(part) else {"type": "text", "text": part}

    def plain(self, wish: Wish) -> Said:
        with self._client(self.sdk.OpenAI, wish) as client:
            return self._read(client.chat.completions.create(**self._arguments(wish)))

    async def plain_async(self, wish: Wish) -> Said:
        async with self._client(self.sdk.AsyncOpenAI, wish) as client:
            return self._read(await client.chat.completions.create(**self._arguments(wish)))

    def stream(self, wish: Wish) -> Said:
        with self._client(self.sdk.OpenAI, wish) as client:
            options = {"include_usage": True}
            chunks = client.chat.completions.create(**self._arguments(wish), stream=True, stream_options=options)
            return self._join(list(chunks))

    async def stream_async(self, wish: Wish) -> Said:
        async with self._client(self.sdk.AsyncOpenAI, wish) as client:
            options = {"include_usage": True}
            chunks = await client.chat.completions.create(**self._arguments(wish), stream=True, stream_options=options)
            return self._join([chunk async for chunk in chunks])

    def _read(self, completion: Any) -> Said:
        choice = completion.choices[0]
        message = choice.message
        calls = [
            (call.id, call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []
        ]
        return self._said(message.content or "", calls, choice.finish_reason, completion.usage)

    def _join(self, chunks: list[Any]) -> Said:
        text, finish, usage, events = "", "", None, 0
        calls: dict[int, list[str]] = {}
        for chunk in chunks:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                events += 1
                text += choice.delta.content or ""
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or []:
                    entry = calls.setdefault(call.index, ["", "", ""])
                    entry[0] += call.id or ""
                    entry[1] += call.function.name or ""
                    entry[2] += call.function.arguments or ""
        made = [(call_id, name, json.loads(written)) for call_id, name, written in calls.values()]
        said = self._said(text, made, finish, usage)
        said.events = events
        return said

    def _said(self, text: str, calls: list[Any], finish: str, usage: Any) -> Said:
        raw: dict[str, Any] = {"role": "assistant", "content": text or None}
        if calls:
            raw["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
                for call_id, name, arguments in calls
            ]
        counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
        return Said(text, calls, self.finishes[finish], *counts, raw)

    def results(self, said: Said, outputs: list[str]) -> list[tuple[str, Any]]:
        tools = [
            {"role": "tool", "tool_call_id": call[0], "content": output}
            for call, output in zip(said.calls, outputs, strict=True)
        ]
        return [("raw", [said.raw, *tools])]

    def status_of(self, error: BaseException) -> int:
        """HTTP status of the SDK's own exception, after checking that it is the class for that status."""
        sdk = self.sdk
        classes = {
            400: sdk.BadRequestError,
            401: sdk.AuthenticationError,
            404: sdk.NotFoundError,
            413: sdk.APIStatusError,
            429: sdk.RateLimitError,
        }
        assert isinstance(error, sdk.APIStatusError), repr(error)
        wanted = classes.get(error.status_code, sdk.InternalServerError)
        assert isinstance(error, wanted), f"{type(error).__name__} for {error.status_code}"
        return int(error.status_code)


class AnthropicSurface:
    """The `anthropic` package."""

    bad_key_statuses = (401,)
    finishes = {"end_turn": "end", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tools"}

    def __init__(self, target: Target) -> None:
        import anthropic

        self.sdk = anthropic
        self.stream_error = anthropic.APIError
        self.target = target

    def _client(self, kind: Any, wish: Wish) -> Any:
        key = wish.api_key or self.target.api_key
        retries: dict[str, Any] = {} if self.target.sdk_retries else {"max_retries": 0}
        return kind(base_url=self.target.base_url, api_key=key, timeout=self.target.timeout, **retries)

    def _arguments(self, wish: Wish) -> dict[str, Any]:
        messages: list[Any] = []
        for role, content in wish.turns:
            if role == "raw":
                messages += content
            elif isinstance(content, list):
                messages.append({"role": role, "content": [self._part(part) for part in content]})
            else:
                messages.append({"role": role, "content": content})
        arguments: dict[str, Any] = {
            "model": wish.model or self.target.model,
            "messages": messages,
            "max_tokens": wish.max_tokens,
        }
        if wish.system:
            arguments["system"] = wish.system
        if wish.stop:
            arguments["stop_sequences"] = [wish.stop]
        if wish.tools:
            tool = {"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}
            arguments["tools"] = [tool]
        return arguments

    @staticmethod
    def _part(part: Any) -> dict[str, Any]:
        if isinstance(part, bytes):
            data = base64.b64encode(part).decode()
            return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
        if is_url(part):
            return {"type": "image", "source": {"type": "url", "url": part}}
        return {"type": "text", "text": part}

    def plain(self, wish: Wish) -> Said:
        with self._client(self.sdk.Anthropic, wish) as client:
            return self._read(client.messages.create(**self._arguments(wish)))

    async def plain_async(self, wish: Wish) -> Said:
        async with self._client(self.sdk.AsyncAnthropic, wish) as client:
            return self._read(await client.messages.create(**self._arguments(wish)))

    def stream(self, wish: Wish) -> Said:
        with (
            self._client(self.sdk.Anthropic, wish) as client,
            client.messages.stream(**self._arguments(wish)) as events,
        ):
            count = sum(1 for _ in events)
            said = self._read(events.get_final_message())
        said.events = count
        return said

    async def stream_async(self, wish: Wish) -> Said:
        async with (
            self._client(self.sdk.AsyncAnthropic, wish) as client,
            client.messages.stream(**self._arguments(wish)) as events,
        ):
            count = len([event async for event in events])
            said = self._read(await events.get_final_message())
        said.events = count
        return said

    def _read(self, message: Any) -> Said:
        text = "".join(block.text for block in message.content if block.type == "text")
        calls = [(block.id, block.name, block.input) for block in message.content if block.type == "tool_use"]
        usage = message.usage
        cached = (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
        prompt = usage.input_tokens + cached
        raw = {"role": "assistant", "content": [self._replayed(block) for block in message.content]}
        total = prompt + usage.output_tokens
        return Said(text, calls, self.finishes[message.stop_reason], prompt, usage.output_tokens, total, raw)

    @staticmethod
    def _replayed(block: Any) -> dict[str, Any]:
        if block.type == "tool_use":
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
        if block.type == "text":
            return {"type": "text", "text": block.text}
        kept: dict[str, Any] = block.to_dict()
        return kept

    def results(self, said: Said, outputs: list[str]) -> list[tuple[str, Any]]:
        blocks = [
            {"type": "tool_result", "tool_use_id": call[0], "content": output}
            for call, output in zip(said.calls, outputs, strict=True)
        ]
        return [("raw", [said.raw, {"role": "user", "content": blocks}])]

    def status_of(self, error: BaseException) -> int:
        sdk = self.sdk
        classes = {
            400: sdk.BadRequestError,
            401: sdk.AuthenticationError,
            404: sdk.NotFoundError,
            413: sdk.APIStatusError,
            429: sdk.RateLimitError,
        }
        assert isinstance(error, sdk.APIStatusError), repr(error)
        wanted = classes.get(error.status_code, sdk.APIStatusError)
        assert isinstance(error, wanted), f"{type(error).__name__} for {error.status_code}"
        if error.status_code == 500:
            assert isinstance(error, sdk.InternalServerError)
        return int(error.status_code)


class GeminiSurface:
    """The `google-genai` package."""

    #: Google says 400 to a bad key, the gateway 401 to an unknown one.
    bad_key_statuses = (400, 401)
    finishes = {"STOP": "end", "MAX_TOKENS": "length"}

    def __init__(self, target: Target) -> None:
        from google import genai
        from google.genai import errors, types

        self.sdk = genai
        self.errors = errors
        self.stream_error = errors.APIError
        self.types = types
        self.target = target

    def _client(self, wish: Wish) -> Any:
        options = self.types.HttpOptions(base_url=self.target.base_url, timeout=int(self.target.timeout * 1000))
        return self.sdk.Client(api_key=wish.api_key or self.target.api_key, http_options=options)

    def _arguments(self, wish: Wish) -> dict[str, Any]:
        types = self.types
        contents: list[Any] = []
        for role, content in wish.turns:
            if role == "raw":
                contents += content
                continue
            parts = [self._part(part) for part in (content if isinstance(content, list) else [content])]
            contents.append(types.Content(role={"assistant": "model"}.get(role, role), parts=parts))
        config: dict[str, Any] = {"max_output_tokens": wish.max_tokens}
        if wish.system:
            config["system_instruction"] = wish.system
        if wish.stop:
            config["stop_sequences"] = [wish.stop]
        if wish.tools:
            declaration = types.FunctionDeclaration(
                name=TOOL["name"], description=TOOL["description"], parameters_json_schema=TOOL["schema"]
            )
            config["tools"] = [types.Tool(function_declarations=[declaration])]
        return {
            "model": wish.model or self.target.model,
            "contents": contents,
            "config": types.GenerateContentConfig(**config),
        }

    def _part(self, part: Any) -> Any:
        if isinstance(part, bytes):
            return self.types.Part.from_bytes(data=part, mime_type="image/png")
        if is_url(part):
            return self.types.Part.from_uri(file_uri=part, mime_type="image/png")
        return self.types.Part.from_text(text=part)

    def plain(self, wish: Wish) -> Said:
        client = self._client(wish)
        try:
            return self._join([client.models.generate_content(**self._arguments(wish))])
        finally:
            client.close()

    async def plain_async(self, wish: Wish) -> Said:
        client = self._client(wish).aio
        try:
            return self._join([await client.models.generate_content(**self._arguments(wish))])
        finally:
            await client.aclose()

    def stream(self, wish: Wish) -> Said:
        client = self._client(wish)
        try:
            return self._join(list(client.models.generate_content_stream(**self._arguments(wish))))
        finally:
            client.close()

    async def stream_async(self, wish: Wish) -> Said:
        client = self._client(wish).aio
        try:
            stream = await client.models.generate_content_stream(**self._arguments(wish))
            return self._join([chunk async for chunk in stream])
        finally:
            await client.aclose()

    def _join(self, responses: list[Any]) -> Said:
        parts: list[Any] = []
        finish = None
        for response in responses:
            for candidate in response.candidates or []:
                parts += (candidate.content.parts if candidate.content else None) or []
                finish = candidate.finish_reason or finish
        text = "".join(part.text or "" for part in parts if not part.thought)
        calls = [
            (part.function_call.id or "", part.function_call.name, dict(part.function_call.args or {}))
            for part in parts
            if part.function_call
        ]
        usage = responses[-1].usage_metadata
        assert finish is not None, "no finish reason"
        word = "tools" if calls and finish.value == "STOP" else self.finishes[finish.value]
        output = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        kept = [part for part in parts if part.function_call or part.text]
        raw = self.types.Content(role="model", parts=kept)
        prompt, total = usage.prompt_token_count, usage.total_token_count
        return Said(text, calls, word, prompt, output, total, raw, events=len(responses))

    def results(self, said: Said, outputs: list[str]) -> list[tuple[str, Any]]:
        types = self.types
        parts = [
            types.Part(
                function_response=types.FunctionResponse(id=call[0] or None, name=call[1], response={"output": output})
            )
            for call, output in zip(said.calls, outputs, strict=True)
        ]
        return [("raw", [said.raw, types.Content(role="user", parts=parts)])]

    def status_of(self, error: BaseException) -> int:
        assert isinstance(error, self.errors.APIError), repr(error)
        wanted = self.errors.ClientError if error.code < 500 else self.errors.ServerError
        assert isinstance(error, wanted), f"{type(error).__name__} for {error.code}"
        return int(error.code)


SURFACES: dict[str, Callable[[Target], Any]] = {
    "openai": OpenAISurface,
    "anthropic": AnthropicSurface,
    "gemini": GeminiSurface,
}
