"""Reads a generateContent request the way Gemini does, with its words for what is wrong (wire-formats.md C.2, C.3)."""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any

import msgspec

from trunkline.twins.answer import seed_of
from trunkline.twins.ask import PICTURE_TOKENS, TURN_TOKENS, Ask, Problem, Tool, ToolMode, ToolOutcome, tokens_of
from trunkline.twins.catalogue import GeminiModel

_FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")
_MODES = ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")

#: Signatures that pass without having been made by this model (wire-formats.md C.3).
_DUMMIES = (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go")

_MODE_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1beta.FunctionCallingConfig.Mode"


class Generation(msgspec.Struct, kw_only=True):
    """A request that is right. `candidates` alternatives are wanted."""

    ask: Ask
    candidates: int = 1


def signature_of(model: str) -> bytes:
    """Thought signature of a function call: opaque to clients, bound to the model."""
    return b"twin" + blake2b(model.encode(), key=b"thought signature", digest_size=32).digest()


def parse_generation(fields: dict[str, Any], model: GeminiModel) -> Generation | Problem:
    """`fields` (as `read_fields` returns them) as an `Ask`, or what is wrong with it."""
    reader = _Reader(fields, model)
    generation = reader.generation()
    return reader.problem or generation


class _Reader:
    __slots__ = ("ask", "calls", "fields", "model", "previous", "problem", "texts", "tokens")

    def __init__(self, fields: dict[str, Any], model: GeminiModel) -> None:
        self.fields = fields
        self.model = model
        self.problem: Problem | None = None
        self.ask = Ask(model=model.id, users=[])
        self.calls: list[str] = []
        self.previous = ""
        self.texts: list[str] = []
        self.tokens = 0

    def fail(self, message: str) -> None:
        if self.problem is None:
            self.problem = Problem(message=message)

    def generation(self) -> Generation:
        ask = self.ask
        contents = self.fields.get("contents", [])
        if not contents:
            self.fail("* GenerateContentRequest.contents: contents is not specified\n")
        current = _current_turn(contents)
        for at, content in enumerate(contents):
            self._content(content, at, current=at >= current)
        if self.previous == "model":
            self.fail("Please ensure that multiturn requests end with a user role or a function response.")
        system = self.fields.get("systemInstruction", {})
        ask.system = "\n".join(part.get("text", "") for part in system.get("parts", []))
        self._tools()
        config = self.fields.get("generationConfig", {})
        candidates = self._config(config)
        ask.seed = seed_of([self.model.id, ask.system, *self.texts])
        ask.prompt_tokens = self.tokens + tokens_of(ask.system)
        if ask.prompt_tokens > self.model.context:
            self.fail(
                f"The input token count ({ask.prompt_tokens}) exceeds the maximum number of tokens allowed "
                f"({self.model.context})."
            )
        return Generation(ask=ask, candidates=candidates)

    # -- contents -----------------------------------------------------------------------------------------------

    def _content(self, content: dict[str, Any], at: int, *, current: bool) -> None:
        role = content.get("role", "user")
        parts = content.get("parts", [])
        if role not in ("user", "model", "function"):
            self.fail("Please use a valid role: user, model.")
        if not parts:
            self.fail(f"* GenerateContentRequest.contents[{at}].parts: contents.parts must not be empty.\n")
        self.tokens += TURN_TOKENS
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        self._answered(responses)
        self.ask.pictures, self.ask.outcomes = [], []
        if role == "model":
            self.calls = self._model_calls(parts, at, current)
            if self.calls and self.previous not in ("user", "function"):
                self.fail(
                    "Please ensure that function call turn comes immediately after a user turn or after a function "
                    "response turn."
                )
        self.texts.append(role)
        said = "\n".join(self._part(part, at, number) for number, part in enumerate(parts))
        if role != "model" and not (responses and not said.strip()):
            self.ask.users.append(said.strip("\n"))
        self.previous = role

    def _answered(self, responses: list[dict[str, Any]]) -> None:
        if len(responses) != len(self.calls):
            if responses and not self.calls:
                self.fail("Please ensure that function response turn comes immediately after a function call turn.")
            self.fail(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        for response in responses:
            if response.get("name") not in self.calls:
                self.fail("Please ensure that the name of each function response matches a function call.")
        self.calls = []

    def _model_calls(self, parts: list[dict[str, Any]], at: int, current: bool) -> list[str]:
        names: list[str] = []
        for position, part in enumerate(parts, 1):
            if "functionCall" not in part:
                continue
            name = str(part["functionCall"].get("name", ""))
            if not name:
                self.fail(
                    f"* GenerateContentRequest.contents[{at}].parts[{position - 1}].function_call.name: "
                    "Name cannot be empty.\n"
                )
            if not names and self.model.signs and current:
                self._signature(part, name, position)
            names.append(name)
        return names

    def _signature(self, part: dict[str, Any], name: str, position: int) -> None:
        signature = part.get("thoughtSignature", b"")
        if not signature:
            self.fail(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{name}` , position {position}. Please refer to "
                "https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
            )
        elif signature not in _DUMMIES and signature != signature_of(self.model.id):
            self.fail("Corrupted thought signature.")

    def _part(self, part: dict[str, Any], at: int, number: int) -> str:
        where = f"* GenerateContentRequest.contents[{at}].parts[{number}]"
        if "functionCall" in part:
            call = part["functionCall"]
            written = msgspec.json.encode(call.get("args", {})).decode()
            self._say(f"{call.get('name')} {written}")
        elif "functionResponse" in part:
            self._response(part["functionResponse"])
        elif "inlineData" in part:
            blob = part["inlineData"]
            if not blob.get("mimeType"):
                self.fail(f"{where}.inline_data: mimeType must be specified.\n")
            if not blob.get("data"):
                self.fail(
                    "Unable to process input image. Please retry or report in "
                    "https://developers.generativeai.google/guide/troubleshooting"
                )
            self._picture(f"{blob.get('mimeType')} of {len(blob.get('data', b''))} bytes")
            self.texts.append(blake2b(blob.get("data", b""), digest_size=8).hexdigest())
        elif "fileData" in part:
            uri = part["fileData"].get("fileUri", "")
            if not uri:
                self.fail(f"{where}.file_data: file_uri must be specified.\n")
            self._picture(uri)
            self.texts.append(uri)
        elif "text" in part:
            self._say(part["text"])
            return "" if part.get("thought") else str(part["text"])
        elif not part or set(part) <= {"thought", "thoughtSignature"}:
            self.fail(f"{where}.data: required oneof field 'data' must have one initialized field\n")
        return ""

    def _picture(self, description: str) -> None:
        self.tokens += PICTURE_TOKENS
        self.ask.pictures.append(description)

    def _say(self, text: str) -> None:
        self.tokens += tokens_of(text)
        self.texts.append(text)

    def _response(self, response: dict[str, Any]) -> None:
        value = response.get("response")
        if not isinstance(value, dict):
            self.fail(
                "Invalid value at 'contents.parts.function_response.response' "
                "(type.googleapis.com/google.protobuf.Struct)"
            )
            value = {}
        plain = value.get("output", value.get("result", value)) if len(value) == 1 else value
        text = plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()
        self._say(text)
        self.ask.outcomes.append(ToolOutcome(str(response.get("name", "")), text))

    # -- tools and configuration --------------------------------------------------------------------------------

    def _tools(self) -> None:
        declared = [
            (f"tools[{at}].function_declarations[{number}]", declaration)
            for at, tool in enumerate(self.fields.get("tools", []))
            for number, declaration in enumerate(tool.get("functionDeclarations", []))
        ]
        for where, declaration in declared:
            name = declaration.get("name", "")
            if not _FUNCTION_NAME.fullmatch(name):
                self.fail(
                    f"* GenerateContentRequest.{where}.name: Invalid function name. Must start with a letter or an "
                    "underscore. Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or "
                    "dashes (-), with a maximum length of 128.\n"
                )
            if any(tool.name == name for tool in self.ask.tools):
                self.fail(f"Duplicate function declaration found: {name}")
            if "parameters" in declaration and "parametersJsonSchema" in declaration:
                self.fail(
                    f"* GenerateContentRequest.{where}: only one of parameters and parameters_json_schema can be set.\n"
                )
            schema = declaration.get("parametersJsonSchema") or declaration.get("parameters") or {"type": "object"}
            self.ask.tools.append(Tool(name, schema if isinstance(schema, dict) else {"type": "object"}))
            self.tokens += tokens_of(msgspec.json.encode(declaration).decode())
        self.ask.mode, self.ask.allowed = self._mode()

    def _mode(self) -> tuple[ToolMode, frozenset[str]]:
        config = self.fields.get("toolConfig", {}).get("functionCallingConfig", {})
        mode = config.get("mode", "AUTO").upper()
        if mode not in _MODES:
            self.fail(f"Invalid value at 'tool_config.function_calling_config.mode' ({_MODE_TYPE}), \"{mode}\"")
        allowed = frozenset(config.get("allowedFunctionNames", []))
        if allowed and mode not in ("ANY", "VALIDATED"):
            self.fail("Allowed function names can only be set when function calling mode is ANY or VALIDATED.")
        unknown = allowed - {tool.name for tool in self.ask.tools}
        if unknown:
            self.fail(
                "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: "
                f"{sorted(unknown)[0]} is not declared.\n"
            )
        if mode == "ANY" and not self.ask.tools:
            self.fail("Function calling mode is ANY but no function declarations were provided.")
        return ("any" if mode == "ANY" else "none" if mode == "NONE" else "auto"), allowed

    def _config(self, config: dict[str, Any]) -> int:
        """Fills in what the generation config says; returns the number of candidates."""
        ask = self.ask
        where = "* GenerateContentRequest.generation_config"
        if not 0 <= config.get("temperature", 1) <= 2:
            self.fail(f"{where}.temperature: temperature must be in the range [0.0, 2.0].\n")
        if not 0 <= config.get("topP", 1) <= 1:
            self.fail(f"{where}.top_p: top_p must be in the range [0.0, 1.0].\n")
        stops = config.get("stopSequences", [])
        if len(stops) > 5:
            self.fail(f"{where}.stop_sequences: The number of stop sequences must be at most 5.\n")
        limit = config.get("maxOutputTokens")
        if limit is not None and limit < 1:
            self.fail(f"{where}.max_output_tokens: max_output_tokens must be positive.\n")
        if limit is not None and limit > self.model.max_output:
            limit = self.model.max_output
        candidates = config.get("candidateCount", 1)
        if not 1 <= candidates <= 8:
            self.fail(f"{where}.candidate_count: candidate_count must be in the range [1, 8].\n")
            candidates = 1
        thinking = config.get("thinkingConfig", {})
        if "thinkingBudget" in thinking and "thinkingLevel" in thinking:
            self.fail("You can only set only one of thinking budget and thinking level.")
        ask.thinking = bool(thinking.get("includeThoughts")) and thinking.get("thinkingBudget") != 0
        ask.stops, ask.max_tokens = stops, limit
        schema = config.get("responseJsonSchema") or config.get("responseSchema")
        if config.get("responseMimeType", "text/plain") == "application/json":
            ask.json_schema = schema if isinstance(schema, dict) else {"type": "object"}
        elif schema:
            self.fail(f"{where}.response_schema: only allowed when response_mime_type is application/json.\n")
        return int(candidates)


def _current_turn(contents: list[dict[str, Any]]) -> int:
    """Where the current turn starts: the last user content that brings more than function responses. From there on
    function calls must carry their signatures (wire-formats.md C.3)."""
    for at in range(len(contents) - 1, -1, -1):
        content = contents[at]
        parts = content.get("parts", [])
        if content.get("role", "user") == "user" and any("functionResponse" not in part for part in parts):
            return at
    return 0
