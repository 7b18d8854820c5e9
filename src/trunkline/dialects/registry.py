"""All dialects by name."""

from __future__ import annotations

from trunkline.dialects.anthropic_messages import AnthropicMessages
from trunkline.dialects.ark_tasks import ArkTasks
from trunkline.dialects.contract import Dialect
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.gemini_videos import GeminiVideos
from trunkline.dialects.jobs import JobDialect
from trunkline.dialects.openai_chat import OpenAIChat
from trunkline.dialects.openai_videos import OpenAIVideos

_ALL: tuple[Dialect, ...] = (OpenAIChat(), AnthropicMessages(), GeminiGenerate())
DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in _ALL}

_JOBS: tuple[JobDialect, ...] = (OpenAIVideos(), ArkTasks(), GeminiVideos())
JOB_DIALECTS: dict[str, JobDialect] = {dialect.name: dialect for dialect in _JOBS}
