"""Any server that speaks Chat Completions (vLLM, Ollama, Groq, Mistral, DeepSeek …) at the base URL given; a key is
optional. Such servers rarely give OpenAI's codes: their messages are read too."""

from __future__ import annotations

import re
from collections.abc import Mapping

from trunkline.dialects.contract import ErrorFacts
from trunkline.providers.classify import LACKS, Meaning, Phrase, Reading, endpoint_down
from trunkline.providers.contract import Provider, ProviderOption
from trunkline.providers.openai import CODES, STATUSES, OpenAI
from trunkline.types.failure import Failure
from trunkline.types.wire import Headers

_LONG = re.compile(
    r"maximum context length|context (?:window|size|length)\b.{0,40}\bexceed|exceed.{0,40}\bcontext", re.I
)

READING = Reading(
    codes={
        **CODES,
        "exceed_context_size_error": Meaning.CONTEXT,  # llama.cpp
        "invalid_model": Meaning.ENDPOINT,  # Mistral, as 400
    },
    statuses={**STATUSES, "BadRequestError": 400, "InternalServerError": 500},
    phrases=(
        Phrase(400, _LONG, Meaning.CONTEXT),
        Phrase(413, _LONG, Meaning.CONTEXT),
        Phrase(400, LACKS, Meaning.CAPABILITY),
    ),
)


class OpenAICompatible(OpenAI):
    kind = "openai_compatible"
    default_base_url = ""
    options: Mapping[str, ProviderOption] = {}
    needs_key = False
    reading = READING

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        if status == 404 and not facts.param:
            # Nothing that a caller names in a chat lives on such a server: it is the model, or the base URL.
            return endpoint_down(status, facts)
        return super().classify(status, headers, facts, now=now)


_guard: Provider = OpenAICompatible()
