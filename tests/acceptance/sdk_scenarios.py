"""What an official SDK must be able to do, against a twin directly or through the gateway.

    python tests/acceptance/sdk_scenarios.py --surface openai --base-url http://127.0.0.1:9101/v1 \
        --api-key sk-test --model gpt-4.1 --fault-url http://127.0.0.1:9101/_twin/faults

Each scenario runs with the sync and the async client, plain and streamed where that makes sense. It needs no pytest
and nothing but the SDK of its surface, so it runs under older SDK majors too. Exit 1 when a scenario fails.
The wording of the prompts steers the twins (see `trunkline.twins.answer`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

#: A transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE_URL = "https://example.com/cat.png"
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

Ask = Callable[[Wish], Said]


# --- scenarios that must succeed: each gets a surface, its target, and a way to ask ---------------------------------


def plain(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", "Tell me about rivers.")]))
    assert len(said.text) > 80, said.text
    assert "rivers" in said.text
    assert said.finish == "end"
    assert said.prompt_tokens > 0 and said.output_tokens > 0
    assert said.total_tokens == said.prompt_tokens + said.output_tokens
    again = ask(Wish([("user", "Tell me about rivers.")]))
    assert again.text == said.text, "the same request must give the same text"


def exact_text(surface: Any, target: Target, ask: Ask) -> None:
    wanted = "naïve ‘quotes’, a tab\tand 漢字 – 🙂 \\ {'a': 1}\nnext line"
    said = ask(Wish([("user", f'Say exactly "{wanted}"')]))
    assert said.text == wanted, said.text


def system(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", "ping")], system='Always reply with exactly "pong from the system".'))
    assert said.text == "pong from the system", said.text


def multi_turn(surface: Any, target: Target, ask: Ask) -> None:
    turns = [
        ("user", "Remember the word heliotrope."),
        ("assistant", "I will."),
        ("user", "Repeat the first message."),
    ]
    said = ask(Wish(turns))
    assert said.text == "Remember the word heliotrope.", said.text


def image_base64(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", ["What is in this image?", PNG])]))
    assert f"image/png of {len(PNG)} bytes" in said.text, said.text


def image_url(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", ["What is in this image?", PICTURE_URL])]))
    assert PICTURE_URL in said.text, said.text


def two_tools(surface: Any, target: Target, ask: Ask) -> None:
    question = ("user", "Please call get_weather for the two cities of Paris and Rome.")
    said = ask(Wish([question], tools=True))
    assert said.finish == "tools", said.finish
    assert [(name, arguments) for _, name, arguments in said.calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Rome"}),
    ]
    ids = [call_id for call_id, _, _ in said.calls]
    assert len(set(ids)) == 2 or not any(ids), ids
    done = ask(Wish([question, *surface.results(said, ["sunny, 21 degrees", "rain, 17 degrees"])], tools=True))
    assert done.finish == "end"
    assert "sunny, 21 degrees" in done.text and "rain, 17 degrees" in done.text, done.text


def stop_sequence(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", 'Say exactly "alpha beta HALT gamma"')], stop="HALT"))
    assert said.text == "alpha beta ", repr(said.text)
    told = surface.finishes.get("stop_sequence") == "stop" and not target.translated
    assert said.finish == ("stop" if told else said.finish) and said.finish in ("stop", "end"), said.finish


def max_tokens(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", "Write 200 words about rivers.")], max_tokens=16))
    assert said.finish == "length", said.finish
    assert 0 < said.output_tokens <= 16
    assert said.text


SUCCESSES = (plain, exact_text, system, multi_turn, image_base64, image_url, two_tools, stop_sequence, max_tokens)


# --- scenarios that must fail with the SDK's own exception ----------------------------------------------------------

HELLO = [("user", "Hello there.")]


def refused(surface: Any, ask: Ask, wish: Wish) -> int:
    try:
        said = ask(wish)
    except Exception as error:
        return int(surface.status_of(error))
    raise AssertionError(f"no error, but {said.text!r}")


def error_400(surface: Any, target: Target, ask: Ask) -> None:
    assert refused(surface, ask, Wish([("wizard", "Hello there.")])) == 400


def error_401(surface: Any, target: Target, ask: Ask) -> None:
    status = refused(surface, ask, Wish(HELLO, api_key="bad-key"))
    assert status in ((401,) if target.gateway else surface.bad_key_statuses[:1]), status


def error_404(surface: Any, target: Target, ask: Ask) -> None:
    assert refused(surface, ask, Wish(HELLO, model="no-such-model")) == 404


FAILURES = (error_400, error_401, error_404)


def too_large(surface: Any, target: Target, ask: Ask) -> None:
    """The gateway refuses at the head, while the SDK is still sending."""
    assert refused(surface, ask, Wish([("user", "x" * target.body_limit)])) == 413


#: Faults of the twin, the statuses a client may see directly, and through a gateway that has spent its retries.
FAULTS: dict[str, tuple[str, set[int], set[int]]] = {
    "error_413": ("status:413", {413}, {413}),
    "error_429": ("throttle:60", {429}, {429}),
    "error_500": ("status:500", {500}, {502}),
    "error_503": ("status:503", {503}, {503}),
}

#: Faults after which a gateway says `x-should-retry: false`: behind one, these scenarios keep the SDK's own retries.
SPENT = ("error_500", "error_503")


def put_faults(url: str, fault: str | None) -> None:
    """Sets a fault on a twin, or removes all of them."""
    method = "DELETE" if fault is None else "PUT"
    data = None if fault is None else json.dumps({"fault": fault}).encode()
    request = urllib.request.Request(url, data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        answer.read()


@contextmanager
def fault_on(target: Target, fault: str) -> Iterator[None]:
    for url in target.fault_urls:
        put_faults(url, fault)
    try:
        yield
    finally:
        for url in target.fault_urls:
            put_faults(url, None)


# --- running --------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    name: str
    ok: bool
    detail: str = ""


def ways(surface: Any) -> dict[str, Ask]:
    """Sync and async client, plain and streamed."""
    return {
        "sync": surface.plain,
        "async": lambda wish: asyncio.run(surface.plain_async(wish)),
        "sync stream": surface.stream,
        "async stream": lambda wish: asyncio.run(surface.stream_async(wish)),
    }


def run(surface_name: str, target: Target) -> Iterator[Verdict]:
    """Every scenario in every way; never raises."""
    surface = SURFACES[surface_name](target)
    for way, ask in ways(surface).items():
        for scenario in (*SUCCESSES, *FAILURES, *((too_large,) if target.body_limit else ())):
            yield judge(f"{scenario.__name__} {way}", scenario, surface, target, ask)
        if not target.fault_urls:
            continue
        for name, (fault, direct, through) in FAULTS.items():
            # A gateway remembers what a provider said: each fault strikes a deployment of its own.
            own = replace(target, sdk_retries=target.gateway and name in SPENT)
            if target.own_models:
                own.model = fault_model(target.model, name, way)
            asked = ways(SURFACES[surface_name](own))[way]
            with fault_on(target, fault):
                yield judge(f"{name} {way}", _expecting(through if target.gateway else direct), surface, own, asked)


def fault_model(model: str, name: str, way: str) -> str:
    """The alias that a fault scenario asks for behind a gateway."""
    return f"{model}-{name}-{way}".replace(" ", "-")


def _expecting(statuses: set[int]) -> Callable[[Any, Target, Ask], None]:
    def scenario(surface: Any, target: Target, ask: Ask) -> None:
        status = refused(surface, ask, Wish(HELLO))
        assert status in statuses, status

    return scenario


def judge(name: str, scenario: Callable[[Any, Target, Ask], None], surface: Any, target: Target, ask: Ask) -> Verdict:
    try:
        scenario(surface, target, ask)
    except Exception:
        return Verdict(name, False, traceback.format_exc(limit=-4))
    return Verdict(name, True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surface", choices=sorted(SURFACES), required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--fault-url", action="append", default=[], help="control endpoint of an upstream twin")
    parser.add_argument("--gateway", action="store_true", help="a gateway stands between client and twin")
    parser.add_argument("--translated", action="store_true", help="the upstream speaks another dialect")
    parser.add_argument("--own-models", action="store_true", help="ask for <model>-<fault>-<way> in fault scenarios")
    parser.add_argument("--body-limit", type=int, default=0, help="largest request body that the gateway takes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    target = Target(
        options.base_url,
        options.api_key,
        options.model,
        options.fault_url,
        translated=options.translated,
        gateway=options.gateway or options.translated,
        own_models=options.own_models,
        body_limit=options.body_limit,
    )
    failed = 0
    for verdict in run(options.surface, target):
        failed += not verdict.ok
        if options.json:
            line = json.dumps({"scenario": verdict.name, "ok": verdict.ok, "detail": verdict.detail})
        else:
            line = f"{'ok  ' if verdict.ok else 'FAIL'} {verdict.name}" + (
                f"\n{verdict.detail}" if verdict.detail else ""
            )
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
