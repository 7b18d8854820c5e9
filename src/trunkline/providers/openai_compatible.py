"""Any server that speaks Chat Completions (vLLM, Ollama, Groq, Mistral …) at the base URL given; a key is optional."""

from __future__ import annotations

from trunkline.providers.contract import Provider
from trunkline.providers.openai import OpenAI


class OpenAICompatible(OpenAI):
    kind = "openai_compatible"
    default_base_url = ""


_guard: Provider = OpenAICompatible()
