"""Reads the `messages` of a Messages request, with Anthropic's words for what is wrong (wire-formats.md B.2, B.8)."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.twins.answer import seed_of
from trunkline.twins.anthropic_thinking import check_signature
from trunkline.twins.ask import PICTURE_TOKENS, TURN_TOKENS, Problem, ToolOutcome, tokens_of
from trunkline.twins.catalogue import ClaudeModel
from trunkline.twins.wire import decode_base64

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_TAGS = (
    "document",
    "image",
    "redacted_thinking",
    "search_result",
    "text",
    "thinking",
    "tool_result",
    "tool_use",
)
_REPLAYED = ("server_tool_use", "container_upload")


class Turns:
    """The messages, read. `texts` is everything the answer depends on; `problem` the first mistake."""

    __slots__ = (
        "answered",
        "dated",
        "last_role",
        "model",
        "opening",
        "outcomes",
        "pending",
        "pictures",
        "problem",
        "texts",
        "tokens",
        "turn_at",
        "users",
    )

    def __init__(self, messages: list[Any], model: ClaudeModel, opening: list[str], *, dated: bool) -> None:
        """`opening`: what stands before the first message (model, system, tools). `dated`: the version is 2026-10-21,
        which refuses documents in assistant turns and citations in user text."""
        self.model = model
        self.opening = opening
        self.turn_at = 0
        self.dated = dated
        self.problem: Problem | None = None
        self.users: list[str] = []
        self.pictures: list[str] = []
        self.outcomes: list[ToolOutcome] = []
        self.texts: list[str] = []
        self.tokens = 0
        self.pending: dict[str, str] = {}
        self.answered: set[str] = set()
        self.last_role = ""
        for at, message in enumerate(messages):
            self._message(message, at, last=at == len(messages) - 1)
        if self.pending:
            self._unanswered(len(messages) - 1)

    def fail(self, message: str) -> None:
        if self.problem is None:
            self.problem = Problem(message=message)

    def _message(self, message: Any, at: int, *, last: bool) -> None:
        where = f"messages.{at}"
        if not isinstance(message, dict):
            self.fail(f"{where}: Input should be a valid dictionary or object to extract fields from")
            return
        role = message.get("role")
        if role not in ("user", "assistant", "system"):
            hint = "Field required" if role is None else "Input should be 'user' or 'assistant'"
            self.fail(f"{where}.role: {hint}")
            return
        if role == "system" and (at == 0 or self.last_role != "user"):
            text = (
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            )
            self.fail(text)
        if "content" not in message:
            self.fail(f"{where}.content: Field required")
            return
        self.tokens += TURN_TOKENS
        if role == "user" and self.last_role != "user":
            self.pictures, self.outcomes = [], []
            self.users.append("")
        elif role == "assistant":
            self.pictures, self.outcomes = [], []
        self.turn_at = len(self.texts)
        self.texts.append(role)
        self._content(message["content"], role, where, last=last)
        if role == "user" and self.pending and self.last_role == "assistant":
            self._unanswered(at - 1)
        self.last_role = role if role != "system" else self.last_role

    def _unanswered(self, at: int) -> None:
        ids = ", ".join(self.pending)
        self.fail(
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {ids}. "
            "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        )
        self.pending = {}

    def _content(self, content: Any, role: str, where: str, *, last: bool) -> None:
        if isinstance(content, str):
            if role == "user" and not content:
                self.fail(f"{where}: user messages must have non-empty content")
            self._say(content, role)
            return
        if not isinstance(content, list):
            self.fail(f"{where}.content: Input should be a valid list")
            return
        if role == "user" and not content:
            self.fail(f"{where}: user messages must have non-empty content")
        blank = bool(content)
        seen_other = False
        for number, block in enumerate(content):
            kind = block.get("type") if isinstance(block, dict) else None
            if kind == "tool_result" and seen_other and self.pending:
                self._unanswered(int(where.rpartition(".")[2]) - 1)
            seen_other = seen_other or kind != "tool_result"
            self._block(block, role, f"{where}.content.{number}")
            if kind != "text" or not isinstance(block.get("text"), str) or block["text"].strip():
                blank = False
        if blank and role == "assistant" and not last:
            self.fail("messages: text content blocks must contain non-whitespace text")

    def _say(self, text: str, role: str) -> None:
        self.tokens += tokens_of(text)
        self.texts.append(text)
        if role == "user" and self.users:
            self.users[-1] = f"{self.users[-1]}\n{text}" if self.users[-1] else text

    def _block(self, block: Any, role: str, where: str) -> None:
        if not isinstance(block, dict):
            self.fail(f"{where}: Input should be a valid dictionary or object to extract fields from")
            return
        kind = block.get("type")
        match kind:
            case "text":
                self._text(block, role, where)
            case "image" if role == "user":
                self._source(block.get("source"), f"{where}.image.source")
            case "document" if role == "user" or not self.dated:
                self.pictures.append("a document")
                self.tokens += PICTURE_TOKENS
            case "document":
                self.fail(f"{where}: `document` blocks are not permitted in assistant messages")
            case "search_result" if role == "user":
                self._say(str(block.get("title", "")), "")
            case "tool_use" if role == "assistant":
                self._tool_use(block, where)
            case "tool_result" if role == "user":
                self._tool_result(block, where)
            case "thinking" | "redacted_thinking" if role == "assistant":
                self._thinking(block, where)
            case str() if kind in _REPLAYED or kind.endswith("_tool_result"):
                pass
            case None:
                self.fail(f"{where}.type: Field required")
            case _:
                tags = ", ".join(f"'{tag}'" for tag in _TAGS)
                self.fail(
                    f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {tags}"
                )

    def _text(self, block: dict[str, Any], role: str, where: str) -> None:
        text = block.get("text")
        if not isinstance(text, str):
            hint = "Field required" if text is None else "Input should be a valid string"
            self.fail(f"{where}.text.text: {hint}")
            return
        if not text:
            self.fail("messages: text content blocks must be non-empty")
        if self.dated and role == "user" and block.get("citations"):
            self.fail(f"{where}.text.citations: Extra inputs are not permitted")
        self._say(text, role)

    def _source(self, source: Any, where: str) -> None:
        self.tokens += PICTURE_TOKENS
        match source:
            case {"type": "base64", "media_type": str(media), "data": str(data)}:
                if media not in _IMAGE_TYPES:
                    allowed = ", ".join(f"'{name}'" for name in _IMAGE_TYPES[:-1]) + f" or '{_IMAGE_TYPES[-1]}'"
                    self.fail(f"{where}.base64.media_type: Input should be {allowed}")
                    return
                picture = decode_base64(data)
                if not picture:
                    self.fail(f"{where}.base64.data: Invalid base64 data")
                    return
                self.texts.append(data)
                self.pictures.append(f"{media} of {len(picture)} bytes")
            case {"type": "url", "url": str(url)}:
                if not url.startswith(("http://", "https://")):
                    self.fail(f"{where}.url.url: Only HTTP and HTTPS URLs are supported.")
                self.texts.append(url)
                self.pictures.append(url)
            case {"type": "file", "file_id": str(file_id)}:
                self.fail(f"File not found: {file_id}")
            case {"type": "base64" | "url" | "file" as kind}:
                field = {"base64": "data", "url": "url", "file": "file_id"}[kind]
                self.fail(f"{where}.{kind}.{field}: Field required")
            case _:
                self.fail(f"{where}: Field required")

    def _tool_use(self, block: dict[str, Any], where: str) -> None:
        for name, kind, words in (("id", str, "string"), ("name", str, "string"), ("input", dict, "dictionary")):
            if not isinstance(block.get(name), kind):
                hint = f"Input should be a valid {words}" if name in block else "Field required"
                self.fail(f"{where}.tool_use.{name}: {hint}")
                return
        if block["id"] in self.answered or block["id"] in self.pending:
            self.fail("messages: `tool_use` ids must be unique")
        self.pending[block["id"]] = block["name"]
        written = msgspec.json.encode(block["input"]).decode()
        self.texts += (block["name"], written)
        self.tokens += 1 + tokens_of(written)

    def _tool_result(self, block: dict[str, Any], where: str) -> None:
        call_id = str(block.get("tool_use_id", ""))
        name = self.pending.pop(call_id, None)
        if name is None:
            self.fail(
                f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each `tool_result` "
                "block must have a corresponding `tool_use` block in the previous message."
            )
            return
        self.answered.add(call_id)
        content = block.get("content", "")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        said = []
        for number, part in enumerate(parts):
            if isinstance(part, dict) and part.get("type") == "image":
                self._source(part.get("source"), f"{where}.tool_result.content.{number}.image.source")
            elif isinstance(part, dict):
                said.append(str(part.get("text", "")))
        text = "\n".join(said)
        self._say(text, "")
        self.outcomes.append(ToolOutcome(name, f"error: {text}" if block.get("is_error") else text))

    def _thinking(self, block: dict[str, Any], where: str) -> None:
        if block.get("type") == "redacted_thinking":
            return
        thinking, signature = block.get("thinking"), block.get("signature")
        if not isinstance(thinking, str) or not isinstance(signature, str):
            missing = "thinking" if not isinstance(thinking, str) else "signature"
            self.fail(f"{where}.thinking.{missing}: Field required")
        else:
            prefix = seed_of(self.opening + self.texts[: self.turn_at])
            wrong = check_signature(self.model, thinking, signature, prefix)
            if wrong:
                self.fail(f"{where}: {wrong}")
