"""What a request asks and what the simulated model answers, in no provider's words.

One token is four characters (`tokens_of`): crude, but the same rule for every twin, so usage can be checked by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

#: Characters per token, for prompts and answers alike.
TOKEN_CHARS = 4

#: What a turn costs beyond its text, and what a picture costs, in tokens.
TURN_TOKENS = 4
PICTURE_TOKENS = 85


def tokens_of(text: str) -> int:
    """Tokens of a text: a quarter of its code points, rounded up."""
    return -(-len(text) // TOKEN_CHARS)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Why a provider refuses a request; each surface puts it into its own error shape.

    `param` names the field, `code` is the provider's machine-readable word, both may be empty.
    """

    message: str
    status: int = 400
    code: str = ""
    param: str = ""


class Tool(msgspec.Struct, frozen=True):
    """A tool that the request offers. `schema` is the JSON Schema of its arguments."""

    name: str
    schema: dict[str, Any]


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the model makes. `id` is unique within the conversation."""

    id: str
    name: str
    arguments: dict[str, Any]


class ToolOutcome(msgspec.Struct, frozen=True):
    """A tool result that the last turn of the request brings."""

    name: str
    text: str


#: `auto` the model decides, `none` no calls, `any` at least one call of the allowed tools.
ToolMode = Literal["auto", "none", "any"]


class Ask(msgspec.Struct, kw_only=True):
    """One request, read.

    `users` are the texts of the user turns in order, `pictures` and `outcomes` belong to the last turn only.
    `allowed` narrows the tools (empty: all). `prompt_tokens` counts everything that came in. `seed` is what the
    answer depends on: equal model and conversation, equal answer.
    """

    model: str
    seed: int = 0
    system: str = ""
    users: list[str]
    pictures: list[str] = []
    outcomes: list[ToolOutcome] = []
    tools: list[Tool] = []
    mode: ToolMode = "auto"
    allowed: frozenset[str] = frozenset()
    parallel: bool = True
    max_tokens: int | None = None
    stops: list[str] = []
    thinking: bool = False
    json_schema: dict[str, Any] | None = None
    prompt_tokens: int = 0

    @property
    def last_user(self) -> str:
        return self.users[-1] if self.users else ""


#: Why an answer ends: naturally, at a stop sequence, at the token limit, to have tools called, by refusal.
Finish = Literal["end", "stop", "length", "tools", "refusal"]


class Answer(msgspec.Struct, kw_only=True):
    """What the model says. `stop` is the stop sequence that was hit. Tokens add up to `output_tokens`."""

    text: str = ""
    reasoning: str = ""
    calls: list[ToolCall] = []
    finish: Finish = "end"
    stop: str = ""

    @property
    def reasoning_tokens(self) -> int:
        return tokens_of(self.reasoning)

    @property
    def output_tokens(self) -> int:
        return tokens_of(self.text) + tokens_of(self.reasoning) + sum(call_tokens(call) for call in self.calls)


def arguments_text(call: ToolCall) -> str:
    """The arguments as the JSON text that the model wrote."""
    return msgspec.json.encode(call.arguments).decode()


def call_tokens(call: ToolCall) -> int:
    """One token for the name, the rest by the arguments' text."""
    return 1 + tokens_of(arguments_text(call))


def pieces(text: str) -> Iterator[str]:
    """The text, token by token."""
    return (text[at : at + TOKEN_CHARS] for at in range(0, len(text), TOKEN_CHARS))
