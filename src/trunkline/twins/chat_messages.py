"""Reads the `messages` of a Chat Completions request, with OpenAI's words for what is wrong (wire-formats.md A.4)."""

from __future__ import annotations

import re
from typing import Any

from trunkline.twins.ask import PICTURE_TOKENS, TURN_TOKENS, Problem, ToolOutcome, tokens_of
from trunkline.twins.wire import decode_base64

ROLES = ("system", "assistant", "user", "function", "tool", "developer")

_DATA_URL = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,", re.IGNORECASE)
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_USER_PARTS = ("text", "image_url", "input_audio", "file")
_OTHER_PARTS = ("text", "refusal")


def json_kind(value: Any) -> str:
    """How OpenAI's error messages name the type of a JSON value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a decimal"
        case str():
            return "a string"
        case []:
            return "an empty array"
        case list():
            return "an array"
        case _:
            return "an object"


class Conversation:
    """The messages, read. `texts` is everything the answer depends on, in order; `problem` the first mistake."""

    __slots__ = ("outcomes", "pending", "pictures", "problem", "system", "texts", "tokens", "users", "videos")

    def __init__(self, messages: Any, *, videos: bool = False) -> None:
        self.problem: Problem | None = None
        self.system = ""
        self.users: list[str] = []
        self.pictures: list[str] = []
        self.outcomes: list[ToolOutcome] = []
        self.texts: list[str] = []
        self.tokens = 0
        self.pending: dict[str, str] = {}
        self.videos = videos
        self._read(messages)

    def _fail(self, message: str, *, param: str = "", code: str = "") -> None:
        if self.problem is None:
            self.problem = Problem(message=message, param=param, code=code)

    def _missing(self, param: str) -> None:
        self._fail(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")

    def _wrong_type(self, param: str, wanted: str, value: Any) -> None:
        message = f"Invalid type for '{param}': expected {wanted}, but got {json_kind(value)} instead."
        self._fail(message, param=param, code="invalid_type")

    def _read(self, messages: Any) -> None:
        if messages is None:
            self._missing("messages")
            return
        if not isinstance(messages, list):
            self._wrong_type("messages", "an array of objects", messages)
            return
        if not messages:
            message = (
                "Invalid 'messages': empty array. "
                "Expected an array with minimum length 1, but got an empty array instead."
            )
            self._fail(message, param="messages", code="empty_array")
        for at, message in enumerate(messages):
            if not isinstance(message, dict):
                self._wrong_type(f"messages[{at}]", "an object", message)
                return
            self._message(message, at)
            if self.problem is not None:
                return
        self._unanswered("messages")

    def _message(self, message: dict[str, Any], at: int) -> None:
        role = message.get("role")
        if role is None:
            self._missing(f"messages[{at}].role")
            return
        if role not in ROLES:
            supported = ", ".join(f"'{name}'" for name in ROLES[:-1])
            text = f"Invalid value: '{role}'. Supported values are: {supported}, and '{ROLES[-1]}'."
            self._fail(text, param=f"messages[{at}].role", code="invalid_value")
            return
        if role != "tool":
            self._unanswered(f"messages.[{at}].role")
        self.tokens += TURN_TOKENS
        if role != "tool":
            self.pictures = []
            self.outcomes = []
        text = self._content(message, role, at)
        self.tokens += tokens_of(text)
        self.texts += (role, text)
        match role:
            case "system" | "developer":
                self.system += text + "\n"
            case "user":
                self.users.append(text)
            case "assistant":
                self._calls(message.get("tool_calls"), at)
            case "tool":
                self._outcome(message, text, at)

    def _unanswered(self, param: str) -> None:
        if self.pending:
            text = (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: " + ", ".join(self.pending)
            )
            self._fail(text, param=param)
        self.pending = {}

    def _outcome(self, message: dict[str, Any], text: str, at: int) -> None:
        call_id = message.get("tool_call_id")
        if call_id is None:
            self._missing(f"messages[{at}].tool_call_id")
            return
        name = self.pending.pop(str(call_id), None)
        if name is None:
            wrong = (
                "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                "'tool_calls'."
            )
            self._fail(wrong, param=f"messages.[{at}].role")
            return
        self.outcomes.append(ToolOutcome(name, text))

    def _calls(self, calls: Any, at: int) -> None:
        if calls is None:
            return
        if not isinstance(calls, list) or not calls:
            if calls == []:
                text = (
                    f"Invalid 'messages[{at}].tool_calls': empty array. "
                    "Expected an array with minimum length 1, but got an empty array instead."
                )
                self._fail(text, param=f"messages[{at}].tool_calls", code="empty_array")
            else:
                self._wrong_type(f"messages[{at}].tool_calls", "an array of objects", calls)
            return
        for number, call in enumerate(calls):
            self._call(call, f"messages[{at}].tool_calls[{number}]")

    def _call(self, call: Any, param: str) -> None:
        if not isinstance(call, dict):
            self._wrong_type(param, "an object", call)
            return
        kind = call.get("type", "function")
        body = call.get(kind) if kind in ("function", "custom") else None
        if not isinstance(call.get("id"), str):
            self._missing(f"{param}.id")
        elif not isinstance(body, dict):
            self._missing(f"{param}.function")
        elif not isinstance(body.get("name"), str):
            self._missing(f"{param}.{kind}.name")
        elif kind == "function" and not isinstance(body.get("arguments"), str):
            if "arguments" in body:
                self._wrong_type(f"{param}.function.arguments", "a string", body["arguments"])
            else:
                self._missing(f"{param}.function.arguments")
        else:
            written = str(body.get("arguments", body.get("input", "")))
            self.pending[call["id"]] = body["name"]
            self.texts += (body["name"], written)
            self.tokens += 1 + tokens_of(written)

    def _content(self, message: dict[str, Any], role: str, at: int) -> str:
        content = message.get("content")
        if isinstance(content, str):
            return content
        param = f"messages[{at}].content"
        if content is None:
            if role == "assistant" and (message.get("tool_calls") or message.get("refusal") or message.get("audio")):
                return ""
            self._fail(
                "Invalid value for 'content': expected a string, got null.",
                param=f"messages.[{at}].content",
            )
            return ""
        if not isinstance(content, list):
            self._wrong_type(param, "one of a string or array of objects", content)
            return ""
        return "\n".join(self._part(part, role, f"{param}[{number}]") for number, part in enumerate(content))

    def _part(self, part: Any, role: str, param: str) -> str:
        kind = part.get("type") if isinstance(part, dict) else None
        known = _USER_PARTS if role == "user" else _OTHER_PARTS
        if self.videos and role == "user":
            known = (*known, "video_url")
        if not isinstance(part, dict):
            self._wrong_type(param, "an object", part)
        elif kind is None:
            self._missing(f"{param}.type")
        elif kind not in known:
            supported = " and ".join(f"'{name}'" for name in known) if len(known) == 2 else ", ".join(map(repr, known))
            wrong = f"Invalid value: '{kind}'. Supported values are: {supported}."
            self._fail(wrong, param=f"{param}.type", code="invalid_value")
        elif kind in ("text", "refusal"):
            text = part.get(kind)
            if isinstance(text, str):
                return text
            self._wrong_type(f"{param}.{kind}", "a string", text)
        elif kind == "image_url":
            self._image(part.get("image_url"), f"{param}.image_url")
        else:
            self.pictures.append(f"{kind} input")
        return ""

    def _image(self, image: Any, param: str) -> None:
        url = image.get("url") if isinstance(image, dict) else image
        if not isinstance(image, dict):
            self._wrong_type(param, "an object", image)
            return
        if not isinstance(url, str):
            self._missing(f"{param}.url")
            return
        self.tokens += PICTURE_TOKENS
        self.texts.append(url)
        if url.startswith(("http://", "https://")):
            self.pictures.append(url)
            return
        head = _DATA_URL.match(url)
        if head is None or head.group(1).lower() not in _IMAGE_TYPES:
            got = f"unsupported MIME type '{head.group(1)}'" if head else "a value without the 'data:' prefix"
            text = (
                f"Invalid '{param}.url'. Expected a base64-encoded data URL with an image MIME type "
                f"(e.g. 'data:image/png;base64,aW1nIGJ5dGVzIGhlcmU='), but got {got}."
            )
            self._fail(text, param=f"{param}.url", code="invalid_value")
            return
        data = decode_base64(url[head.end() :])
        if not data:
            self._fail("Invalid base64 image_url.", param=f"{param}.url", code="invalid_base64_image")
            return
        self.pictures.append(f"{head.group(1).lower()} of {len(data)} bytes")
