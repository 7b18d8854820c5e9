"""Reads a Chat Completions request the way OpenAI does, with OpenAI's words for what is wrong.

`parse_chat` is the whole of it. Reading goes on after the first mistake, but only the first is reported, so that the
code below needs no exceptions and no chains of checks. Source: wire-formats.md A.3, A.4 (Ark: D.7, shares the shape).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from trunkline.twins.answer import seed_of
from trunkline.twins.ask import Ask, Problem, Tool, ToolMode, tokens_of
from trunkline.twins.catalogue import ChatModel
from trunkline.twins.chat_messages import Conversation, json_kind

#: Optional numbers: lowest and highest value; whether they must be whole.
_NUMBERS: dict[str, tuple[float, float, bool]] = {
    "temperature": (0, 2, False),
    "top_p": (0, 1, False),
    "presence_penalty": (-2, 2, False),
    "frequency_penalty": (-2, 2, False),
    "n": (1, 128, True),
    "top_logprobs": (0, 20, True),
    "max_tokens": (1, 2**31, True),
    "max_completion_tokens": (1, 2**31, True),
}

_KNOWN = frozenset(
    {
        *_NUMBERS,
        *("model", "messages", "stop", "seed", "logprobs", "logit_bias", "reasoning_effort", "verbosity", "tools"),
        *("response_format", "tool_choice", "parallel_tool_calls", "functions", "function_call", "stream", "user"),
        *("stream_options", "prediction", "modalities", "audio", "prompt_cache_key", "prompt_cache_options", "store"),
        *("prompt_cache_retention", "service_tier", "metadata", "safety_identifier", "web_search_options"),
        "moderation",
    }
)

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Chat(msgspec.Struct, kw_only=True):
    """A request that is right. `choices` alternatives are wanted."""

    ask: Ask
    choices: int = 1
    include_usage: bool = False


def parse_chat(document: dict[str, Any], model: ChatModel, *, lenient: bool = False) -> Chat | Problem:
    """The request as an `Ask`, or what is wrong with it. `lenient` (Ark) accepts unknown and sampling fields."""
    fields = {name: value for name, value in document.items() if value is not None}
    reader = _Reader(fields, model, lenient)
    chat = reader.chat()
    return reader.problem or chat


class _Reader:
    __slots__ = ("ask", "fields", "lenient", "model", "problem", "seed", "tokens")

    def __init__(self, fields: dict[str, Any], model: ChatModel, lenient: bool) -> None:
        self.fields = fields
        self.model = model
        self.lenient = lenient
        self.problem: Problem | None = None
        self.ask = Ask(model=model.id, users=[])
        self.seed: list[str] = [model.id]
        self.tokens = 0

    def fail(self, message: str, *, param: str = "", code: str = "") -> None:
        if self.problem is None:
            self.problem = Problem(message=message, param=param, code=code)

    # -- the top level ------------------------------------------------------------------------------------------

    def chat(self) -> Chat:
        fields, ask = self.fields, self.ask
        if not self.lenient:
            for name in fields:
                if name not in _KNOWN:
                    self.fail(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
        self._numbers()
        self._messages()
        self._tools()
        self._model_rules()
        ask.max_tokens = fields.get("max_completion_tokens", fields.get("max_tokens"))
        ask.stops = self._stops()
        ask.json_schema = self._format()
        ask.seed = seed_of(self.seed)
        ask.prompt_tokens = self.tokens
        self._context()
        options = self._mapping("stream_options")
        if options and not fields.get("stream"):
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            self.fail(message, param="stream_options")
        choices = fields.get("n", 1)
        return Chat(
            ask=ask,
            choices=choices if isinstance(choices, int) else 1,
            include_usage=bool(options.get("include_usage")),
        )

    def _messages(self) -> None:
        said = Conversation(self.fields.get("messages"), videos=self.lenient)
        self.problem = self.problem or said.problem
        ask = self.ask
        ask.system, ask.users, ask.pictures, ask.outcomes = said.system, said.users, said.pictures, said.outcomes
        self.seed += said.texts
        self.tokens += said.tokens

    def _mapping(self, name: str) -> dict[str, Any]:
        value = self.fields.get(name, {})
        if isinstance(value, dict):
            return value
        self._wrong_type(name, "an object", value)
        return {}

    def _wrong_type(self, param: str, wanted: str, value: Any) -> None:
        message = f"Invalid type for '{param}': expected {wanted}, but got {json_kind(value)} instead."
        self.fail(message, param=param, code="invalid_type")

    def _numbers(self) -> None:
        for name, (low, high, whole) in _NUMBERS.items():
            if name not in self.fields:
                continue
            value = self.fields[name]
            kind = "an integer" if whole else "a decimal"
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                self._wrong_type(name, kind, value)
                self.fields[name] = low
                continue
            noun = "integer" if whole else "decimal"
            for wrong, word, limit, sign in (
                (value < low, "below minimum", low, ">="),
                (value > high, "above maximum", high, "<="),
            ):
                if wrong:
                    message = (
                        f"Invalid '{name}': {noun} {word} value. "
                        f"Expected a value {sign} {limit:g}, but got {value} instead."
                    )
                    code = f"{noun}_{word.replace(' ', '_').replace('minimum', 'min').replace('maximum', 'max')}_value"
                    self.fail(message, param=name, code=code)
        if not isinstance(self.fields.get("stream", False), bool):
            self._wrong_type("stream", "a boolean", self.fields["stream"])

    def _stops(self) -> list[str]:
        stop = self.fields.get("stop", [])
        stops = [stop] if isinstance(stop, str) else stop
        if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
            self._wrong_type("stop", "a string or an array of strings", stop)
            return []
        if len(stops) > 4:
            message = (
                "Invalid 'stop': array too long. Expected an array with maximum length 4, "
                f"but got an array with length {len(stops)} instead."
            )
            self.fail(message, param="stop", code="array_above_max_length")
        return stops

    def _format(self) -> dict[str, Any] | None:
        wanted = self._mapping("response_format")
        match wanted.get("type", "text"):
            case "text":
                return None
            case "json_object":
                if "json" not in "".join(self.seed).lower():
                    message = (
                        "'messages' must contain the word 'json' in some form, to use 'response_format' of type "
                        "'json_object'."
                    )
                    self.fail(message, param="messages")
                return {"type": "object", "properties": {"answer": {"type": "string"}}}
            case "json_schema":
                schema = wanted.get("json_schema")
                if not isinstance(schema, dict) or "name" not in schema:
                    param = "response_format.json_schema.name" if isinstance(schema, dict) else "response_format"
                    self.fail(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
                    return None
                inner = schema.get("schema")
                return inner if isinstance(inner, dict) else {"type": "object"}
            case other:
                message = f"Invalid value: '{other}'. Supported values are: 'json_object', 'json_schema', and 'text'."
                self.fail(message, param="response_format.type", code="invalid_value")
                return None

    def _model_rules(self) -> None:
        """What this model refuses (wire-formats.md 0.4 and A.4); Ark's models take it all."""
        fields, model = self.fields, self.model
        effort = fields.get("reasoning_effort")
        if effort is not None and effort not in _EFFORTS:
            supported = ", ".join(f"'{word}'" for word in _EFFORTS[:-1])
            message = f"Invalid value: '{effort}'. Supported values are: {supported}, and '{_EFFORTS[-1]}'."
            self.fail(message, param="reasoning_effort", code="invalid_value")
        if self.lenient:
            return
        for name in ("max_tokens", "max_completion_tokens"):
            if fields.get(name, 0) > model.max_output:
                message = (
                    f"{name} is too large: {fields[name]}. This model supports at most {model.max_output} completion "
                    f"tokens, whereas you provided {fields[name]}."
                )
                self.fail(message, param=name, code="invalid_value")
        if not model.reasoning:
            if effort is not None:
                self._unsupported("reasoning_effort", "Unrecognized request argument supplied: reasoning_effort")
            return
        if "max_tokens" in fields:
            hint = "Use 'max_completion_tokens' instead."
            self._unsupported(
                "max_tokens", f"Unsupported parameter: 'max_tokens' is not supported with this model. {hint}"
            )
        if "stop" in fields:
            self._unsupported("stop", "Unsupported parameter: 'stop' is not supported with this model.")
        if effort == "none" and not model.allows_none:
            message = f"Unsupported value: 'reasoning_effort' does not support 'none' with {model.id}."
            self.fail(message, param="reasoning_effort", code="unsupported_value")
        for name, default in (("temperature", 1), ("top_p", 1), ("presence_penalty", 0), ("frequency_penalty", 0)):
            if effort != "none" and fields.get(name, default) != default:
                message = (
                    f"Unsupported value: '{name}' does not support {fields[name]} with this model. "
                    f"Only the default ({default}) value is supported."
                )
                self.fail(message, param=name, code="unsupported_value")
        if model.tools_need_none and self.ask.tools and effort != "none":
            message = (
                f"Function tools with reasoning_effort are not supported for {model.id} in /v1/chat/completions. "
                "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
            )
            self.fail(message, param="reasoning_effort")

    def _unsupported(self, name: str, message: str) -> None:
        self.fail(message, param=name, code="unsupported_parameter")

    def _context(self) -> None:
        if self.tokens > self.model.context:
            message = (
                f"This model's maximum context length is {self.model.context} tokens. However, your messages resulted "
                f"in {self.tokens} tokens. Please reduce the length of the messages."
            )
            self.fail(message, param="messages", code="context_length_exceeded")

    # -- tools --------------------------------------------------------------------------------------------------

    def _tools(self) -> None:
        tools = self.fields.get("tools", [])
        if not isinstance(tools, list):
            self._wrong_type("tools", "an array of objects", tools)
            return
        if not tools and "tools" in self.fields:
            message = (
                "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
            )
            self.fail(message, param="tools", code="empty_array")
        for at, tool in enumerate(tools):
            self._tool(tool, f"tools[{at}]")
        if tools:
            self.tokens += tokens_of(msgspec.json.encode(tools).decode())
            self.seed.append("tools")
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in self.fields and not tools and not self.lenient and self.fields[name] != "none":
                message = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                self.fail(message, param=name)
        self.ask.parallel = self.fields.get("parallel_tool_calls", True) is not False
        self.ask.mode, self.ask.allowed = self._choice(self.fields.get("tool_choice", "auto"))

    def _tool(self, tool: Any, at: str) -> None:
        if not isinstance(tool, dict):
            self._wrong_type(at, "an object", tool)
            return
        kind = tool.get("type")
        if kind not in ("function", "custom"):
            if kind is None:
                self.fail(
                    f"Missing required parameter: '{at}.type'.", param=f"{at}.type", code="missing_required_parameter"
                )
            else:
                message = f"Invalid value: '{kind}'. Supported values are: 'function' and 'custom'."
                self.fail(message, param=f"{at}.type", code="invalid_value")
            return
        body = tool.get(kind)
        name = body.get("name") if isinstance(body, dict) else None
        if not isinstance(name, str):
            param = f"{at}.{kind}.name" if isinstance(body, dict) else f"{at}.{kind}"
            self.fail(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
            return
        if not _TOOL_NAME.fullmatch(name):
            message = (
                f"Invalid '{at}.{kind}.name': string does not match pattern. "
                "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            )
            self.fail(message, param=f"{at}.{kind}.name", code="invalid_value")
        schema = body.get("parameters") if isinstance(body, dict) else None
        if schema is not None and not (isinstance(schema, dict) and schema.get("type", "object") == "object"):
            message = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'."
            self.fail(message, param=f"{at}.function.parameters", code="invalid_function_parameters")
            schema = None
        self.ask.tools.append(Tool(name, schema or {"type": "object", "properties": {}}))

    def _choice(self, choice: Any) -> tuple[ToolMode, frozenset[str]]:
        match choice:
            case "auto":
                return "auto", frozenset()
            case "none":
                return "none", frozenset()
            case "required":
                return "any", frozenset()
            case {"type": "function" | "custom" as kind}:
                body = choice.get(kind)
                name = body.get("name") if isinstance(body, dict) else None
                if all(tool.name != name for tool in self.ask.tools):
                    self.fail("Tool choice 'function' not found in 'tools' parameter.", param="tool_choice")
                return "any", frozenset({str(name)})
            case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}:
                bodies = [tool.get("function") for tool in tools if isinstance(tool, dict)]
                names = frozenset(str(body.get("name")) for body in bodies if isinstance(body, dict))
                return "any" if mode == "required" else "auto", names
            case _:
                message = f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
                self.fail(message, param="tool_choice", code="invalid_value")
                return "auto", frozenset()
