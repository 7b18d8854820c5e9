"""Reads a Messages request the way Anthropic does, with its words for what is wrong (wire-formats.md B.2, B.9).

Version 2026-10-21 refuses sampling parameters on every model, 2023-06-01 only where the model does. Reading goes on
after the first mistake, but only the first is reported.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from trunkline.twins.answer import seed_of
from trunkline.twins.anthropic_blocks import Turns
from trunkline.twins.ask import Ask, Problem, Tool, ToolMode, tokens_of
from trunkline.twins.catalogue import ClaudeModel

NEW_VERSION = "2026-10-21"
VERSIONS = ("2023-06-01", NEW_VERSION)

_KNOWN = frozenset(
    {
        *("model", "messages", "max_tokens", "system", "stop_sequences", "stream", "temperature", "top_p", "top_k"),
        *("tools", "tool_choice", "thinking", "output_config", "cache_control", "service_tier", "speed", "container"),
        *("inference_geo", "metadata", "user_profile_id", "diagnostics"),
    }
)
#: Fields that exist only behind a beta header.
_BETA = frozenset({"mcp_servers", "context_management", "fallbacks", "betas", "threads"})
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


def parse_messages(
    document: dict[str, Any], model: ClaudeModel, *, version: str, beta: bool, counting: bool = False
) -> Ask | Problem:
    """The request as an `Ask`, or what is wrong. `counting`: for count_tokens, which needs no max_tokens."""
    reader = _Reader(document, model, version)
    ask = reader.ask_of(beta=beta, counting=counting)
    return reader.problem or ask


class _Reader:
    __slots__ = ("dated", "fields", "model", "problem")

    def __init__(self, document: dict[str, Any], model: ClaudeModel, version: str) -> None:
        self.fields = {name: value for name, value in document.items() if value is not None}
        self.model = model
        self.dated = version == NEW_VERSION
        self.problem: Problem | None = None

    def fail(self, message: str) -> None:
        if self.problem is None:
            self.problem = Problem(message=message)

    def ask_of(self, *, beta: bool, counting: bool) -> Ask:
        fields = self.fields
        for name in fields:
            if name not in _KNOWN and not (beta and name in _BETA):
                self.fail(f"{name}: Extra inputs are not permitted")
        if not counting:
            self._max_tokens()
        messages = fields.get("messages")
        if messages is None:
            self.fail("messages: Field required")
        elif not isinstance(messages, list):
            self.fail("messages: Input should be a valid list")
        elif not messages:
            self.fail("messages: at least one message is required")
        system = self._system()
        tools, written = self._tools()
        opening = [self.model.id, system, written]
        turns = Turns(messages if isinstance(messages, list) else [], self.model, opening, dated=self.dated)
        ask = Ask(model=self.model.id, users=turns.users, system=system)
        self.problem = self.problem or turns.problem
        ask.pictures, ask.outcomes = turns.pictures, turns.outcomes
        ask.tools = tools
        ask.mode, ask.allowed, ask.parallel = self._choice(ask.tools)
        ask.stops = self._stops()
        self._sampling()
        ask.thinking = self._thinking(counting)
        ask.json_schema = self._format()
        self._prefill(turns.last_role)
        ask.max_tokens = fields.get("max_tokens") if isinstance(fields.get("max_tokens"), int) else None
        ask.seed = seed_of([*opening, *turns.texts])
        ask.prompt_tokens = turns.tokens + tokens_of(system) + tokens_of(written)
        if ask.prompt_tokens > self.model.context:
            self.fail(f"prompt is too long: {ask.prompt_tokens} tokens > {self.model.context} maximum")
        return ask

    def _max_tokens(self) -> None:
        value = self.fields.get("max_tokens")
        limit = self.model.max_output
        if value is None:
            self.fail("max_tokens: Field required")
        elif isinstance(value, bool) or not isinstance(value, int):
            self.fail("max_tokens: Input should be a valid integer")
        elif value < 0:
            self.fail("max_tokens: Input should be greater than or equal to 0")
        elif value > limit:
            self.fail(
                f"max_tokens: {value} > {limit}, which is the maximum allowed number of output tokens for "
                f"{self.model.id}"
            )

    def _system(self) -> str:
        system = self.fields.get("system", "")
        if isinstance(system, str):
            if system and not system.strip():
                self.fail("system: text content blocks must contain non-whitespace text")
            return system
        if not isinstance(system, list):
            self.fail("system: Input should be a valid list")
            return ""
        texts = []
        for at, block in enumerate(system):
            text = block.get("text") if isinstance(block, dict) else None
            if not isinstance(text, str):
                self.fail(f"system.{at}.text: Field required")
            elif not text.strip():
                self.fail("system: text content blocks must be non-empty")
            else:
                texts.append(text)
        return "\n".join(texts)

    def _stops(self) -> list[str]:
        stops = self.fields.get("stop_sequences", [])
        if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
            self.fail("stop_sequences: Input should be a valid list")
            return []
        if any(not stop.strip() for stop in stops):
            self.fail("stop_sequences: each stop sequence must contain non-whitespace")
        return stops

    def _sampling(self) -> None:
        for name, high in (("temperature", 1.0), ("top_p", 1.0), ("top_k", float("inf"))):
            if name not in self.fields:
                continue
            value = self.fields[name]
            if self.dated:
                self.fail(f"{name}: Extra inputs are not permitted")
            elif not self.model.sampling:
                self.fail(f"`{name}` is deprecated for this model.")
            elif isinstance(value, bool) or not isinstance(value, (int, float)):
                self.fail(f"{name}: Input should be a valid number")
            elif not 0 <= value <= high:
                self.fail(f"{name}: range: 0..1" if high == 1.0 else f"{name}: range: -1..")

    def _thinking(self, counting: bool) -> bool:
        """Whether a thinking block is sent: only when asked for (an adaptive model finds these prompts easy)."""
        model, thinking = self.model, self.fields.get("thinking")
        if thinking is None:
            return False
        kind = thinking.get("type") if isinstance(thinking, dict) else None
        if kind == "enabled" and isinstance(thinking, dict):
            budget, limit = thinking.get("budget_tokens"), self.fields.get("max_tokens")
            if not model.budget:
                self.fail(
                    '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
                    '"output_config.effort" to control thinking behavior.'
                )
            elif not isinstance(budget, int):
                self.fail("thinking.enabled.budget_tokens: Field required")
            elif budget < 1024:
                self.fail("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
            elif not counting and isinstance(limit, int) and budget >= limit:
                self.fail("`max_tokens` must be greater than `thinking.budget_tokens`.")
            if isinstance(self.fields.get("tool_choice"), dict) and self.fields["tool_choice"].get("type") != "auto":
                self.fail("Thinking may not be enabled when tool_choice forces tool use.")
        elif kind == "adaptive":
            if not model.adaptive:
                self.fail("adaptive thinking is not supported on this model")
        elif kind == "disabled":
            if not model.thinking_off:
                self.fail('"thinking.type.disabled" is not supported for this model.')
        elif kind == "between_tools":
            if not model.between_tools:
                self.fail('"thinking.type.between_tools" is not supported for this model.')
        else:
            self.fail("thinking: Input should be 'adaptive', 'disabled', 'enabled' or 'between_tools'")
        return kind in ("enabled", "adaptive")

    def _format(self) -> dict[str, Any] | None:
        config = self.fields.get("output_config", {})
        if not isinstance(config, dict):
            self.fail("output_config: Input should be a valid dictionary")
            return None
        effort = config.get("effort")
        if effort is not None and effort not in _EFFORTS:
            self.fail("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
        wanted = config.get("format")
        if not isinstance(wanted, dict):
            return None
        schema = wanted.get("schema")
        if wanted.get("type") != "json_schema" or not isinstance(schema, dict):
            self.fail("output_config.format.schema: Field required")
            return None
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            self.fail(
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
            )
        return schema

    def _prefill(self, last_role: str) -> None:
        if last_role == "assistant" and not self.model.prefill:
            self.fail(
                "This model does not support assistant message prefill. The conversation must end with a user message."
            )

    # -- tools --------------------------------------------------------------------------------------------------

    def _tools(self) -> tuple[list[Tool], str]:
        """The tools, and all of them as JSON text ("" for none)."""
        tools = self.fields.get("tools", [])
        if not isinstance(tools, list):
            self.fail("tools: Input should be a valid list")
            return [], ""
        found: list[Tool] = []
        for at, tool in enumerate(tools):
            one = self._tool(tool, at)
            if one is None:
                continue
            if any(other.name == one.name for other in found):
                self.fail("tools: Tool names must be unique.")
            found.append(one)
        return found, msgspec.json.encode(tools).decode() if tools else ""

    def _tool(self, tool: Any, at: int) -> Tool | None:
        if not isinstance(tool, dict):
            self.fail(f"tools.{at}: Input should be a valid dictionary")
            return None
        if tool.get("type", "custom") != "custom":
            return None  # server tools run at the provider; the twin never chooses them
        name, schema = tool.get("name"), tool.get("input_schema")
        if not isinstance(name, str):
            self.fail(f"tools.{at}.custom.name: Field required")
        elif not _TOOL_NAME.fullmatch(name):
            self.fail(f"tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        elif not isinstance(schema, dict):
            self.fail(f"tools.{at}.custom.input_schema: Field required")
        elif schema.get("type") != "object":
            self.fail(f"tools.{at}.custom.input_schema.type: Input should be 'object'")
        else:
            return Tool(name, schema)
        return None

    def _choice(self, tools: list[Tool]) -> tuple[ToolMode, frozenset[str], bool]:
        choice = self.fields.get("tool_choice")
        if choice is None:
            return "auto", frozenset(), True
        kind = choice.get("type") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or kind not in ("auto", "any", "tool", "none"):
            self.fail("tool_choice: Input tag does not match any of the expected tags: 'auto', 'any', 'tool', 'none'")
            return "auto", frozenset(), True
        parallel = choice.get("disable_parallel_tool_use") is not True
        if kind != "none" and not self.fields.get("tools"):
            self.fail("tool_choice: `tool_choice` may only be specified while providing `tools`.")
        if kind in ("any", "tool") and not self.model.forced_tools:
            self.fail('tool_choice: type "tool" and "any" are not supported for this model.')
        if kind == "tool":
            name = str(choice.get("name"))
            if all(tool.name != name for tool in tools):
                self.fail(f"tool_choice: Tool '{name}' not found in provided tools")
            return "any", frozenset({name}), parallel
        return ("none" if kind == "none" else "any" if kind == "any" else "auto"), frozenset(), parallel
