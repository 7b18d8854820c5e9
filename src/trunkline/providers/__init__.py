"""One file per provider; one entry here. See docs/how-to/add-a-provider.md."""

from __future__ import annotations

from trunkline.providers.anthropic import Anthropic
from trunkline.providers.contract import Provider
from trunkline.providers.google import Google
from trunkline.providers.modelark import ModelArk
from trunkline.providers.openai import OpenAI
from trunkline.providers.openai_compatible import OpenAICompatible

_ALL: tuple[Provider, ...] = (OpenAI(), Anthropic(), Google(), ModelArk(), OpenAICompatible())
PROVIDERS: dict[str, Provider] = {provider.kind: provider for provider in _ALL}
