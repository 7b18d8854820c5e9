"""The models that the twins know, with what they refuse. Source: wire-formats.md 0.3-0.5, B.6, B.9, C.6, D.7, G."""

from __future__ import annotations

import msgspec

#: Creation stamp that model lists show, seconds since 1970 (2026-01-15).
CREATED = 1_768_435_200


class ChatModel(msgspec.Struct, frozen=True, kw_only=True):
    """An OpenAI or Ark chat model. `reasoning` models refuse sampling parameters, `stop` and `max_tokens`;
    `tools_need_none` ones refuse function tools on Chat Completions while reasoning is on."""

    id: str
    context: int = 400_000
    max_output: int = 128_000
    reasoning: bool = False
    tools_need_none: bool = False
    allows_none: bool = True


def _old(*ids: str, context: int = 128_000, max_output: int = 16_384) -> list[ChatModel]:
    return [ChatModel(id=name, context=context, max_output=max_output) for name in ids]


def _reasoning(*ids: str, tools_need_none: bool = False, allows_none: bool = True) -> list[ChatModel]:
    return [
        ChatModel(id=name, reasoning=True, tools_need_none=tools_need_none, allows_none=allows_none) for name in ids
    ]


OPENAI: dict[str, ChatModel] = {
    model.id: model
    for model in (
        *_old("gpt-4o", "gpt-4o-mini", "gpt-4o-2024-08-06"),
        *_old("gpt-4.1", "gpt-4.1-mini", context=1_047_576, max_output=32_768),
        *_reasoning("gpt-5", "gpt-5-mini", "gpt-5-nano", "o3", allows_none=False),
        *_reasoning("gpt-5.1", "gpt-5.2"),
        *_reasoning("gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.5", tools_need_none=True),
        *_reasoning("gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna", tools_need_none=True),
        *_reasoning("gpt-6-sol", "gpt-6-luna", "gpt-6.1-terra", tools_need_none=True),
        *_reasoning("gpt-5.5-pro", "gpt-6-astra", "gpt-6.1-sol", tools_need_none=True, allows_none=False),
        *_reasoning("gpt-6.2-sol", "gpt-6.2-astra", tools_need_none=True, allows_none=False),
    )
}

#: Shut down in 2026; the API says so.
OPENAI_RETIRED = frozenset(
    {"gpt-4", "gpt-4-turbo", "gpt-3.5-turbo", "o1", "o3-mini", "o4-mini", "gpt-4.1-nano", "dall-e-3", "gpt-image-1"}
)

ARK: dict[str, ChatModel] = {
    name: ChatModel(id=name, context=256_000, max_output=64_000, reasoning=True)
    for name in (
        "doubao-seed-2-1-pro-260915",
        "doubao-seed-2-1-lite-260915",
        "doubao-seed-2-1-turbo-260628",
        "doubao-seed-2-0-pro-260215",
        "doubao-seed-2-0-lite-260215",
        "seed-2-0-pro-260328",
        "seed-2-0-lite-260228",
    )
}


class ClaudeModel(msgspec.Struct, frozen=True, kw_only=True):
    """A Claude model and the rows of wire-formats.md B.9. `thinking_off`: `disabled` is accepted. `bound`: thinking
    blocks are bound to the conversation before them (B.8)."""

    id: str
    context: int = 1_000_000
    max_output: int = 128_000
    sampling: bool = False
    prefill: bool = False
    budget: bool = False
    adaptive: bool = True
    forced_tools: bool = True
    thinking_off: bool = True
    between_tools: bool = False
    bound: bool = False

    @property
    def display_name(self) -> str:
        line, *version = self.id.removeprefix("claude-").split("-")
        return f"Claude {line.title()} {'.'.join(version)}"


def _claude(*ids: str, **features: bool | int) -> list[ClaudeModel]:
    return [msgspec.convert({"id": name, **features}, ClaudeModel) for name in ids]


CLAUDE: dict[str, ClaudeModel] = {
    model.id: model
    for model in (
        *_claude("claude-fable-5-2", "claude-mythos-5-2", forced_tools=False, thinking_off=False, bound=True),
        *_claude("claude-haiku-5-5", bound=True),
        *_claude("claude-sonnet-5-5", forced_tools=False, thinking_off=False, between_tools=True, bound=True),
        *_claude("claude-opus-5-5", forced_tools=False, thinking_off=False, bound=True),
        *_claude("claude-fable-5-1", "claude-mythos-5-1", forced_tools=False, thinking_off=False, bound=True),
        *_claude("claude-fable-5", thinking_off=False),
        *_claude("claude-sonnet-5", "claude-opus-5", "claude-opus-4-8", "claude-opus-4-7"),
        *_claude("claude-opus-4-6", "claude-sonnet-4-6", sampling=True, budget=True),
        *_claude(
            "claude-opus-4-5",
            "claude-sonnet-4-5",
            "claude-haiku-4-5",
            sampling=True,
            prefill=True,
            budget=True,
            adaptive=False,
            context=200_000,
            max_output=64_000,
        ),
    )
}


class GeminiModel(msgspec.Struct, frozen=True, kw_only=True):
    """A Gemini model. `signs` ones (3 and later) put thought signatures on function calls and want them back."""

    id: str
    context: int = 1_048_576
    max_output: int = 65_536
    signs: bool = True

    @property
    def display_name(self) -> str:
        return self.id.replace("-", " ").title()


GEMINI: dict[str, GeminiModel] = {
    model.id: model
    for model in (
        *(
            GeminiModel(id=name)
            for name in (
                "gemini-4-argon",
                "gemini-3.8-flash",
                "gemini-3.7-flash",
                "gemini-3.6-flash",
                "gemini-3.5-flash",
                "gemini-3.5-flash-lite",
                "gemini-3.1-pro-preview",
                "gemini-3.1-flash-lite",
            )
        ),
        *(
            GeminiModel(id=name, signs=False)
            for name in ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-2.5-flash-lite")
        ),
    )
}

#: Aliases that only v1beta knows, and the model behind each.
GEMINI_LATEST = {"gemini-flash-latest": "gemini-3.8-flash", "gemini-pro-latest": "gemini-4-argon"}
