"""All dialects by name."""

from __future__ import annotations

from trunkline.dialects.anthropic_messages import AnthropicMessages
from trunkline.dialects.contract import Dialect
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.openai_chat import OpenAIChat

_ALL: tuple[Dialect, ...] = (OpenAIChat(), AnthropicMessages(), GeminiGenerate())
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}
