"""The envelope: facts read from a request without decoding it fully."""

from __future__ import annotations

import msgspec

from trunkline.types.wire import DialectName, Operation

#: What a request may need of a model, one bit each. The hard ones change what the request means; without the soft ones it
#: still means the same, only less exactly.
HARD = ("image", "audio", "video", "file", "tools", "forced_tool", "schema", "reasoning", "prefill", "n")
SOFT = ("temperature", "top_p", "top_k", "penalties", "seed", "stop", "logprobs")
NEED: dict[str, int] = {name: 1 << at for at, name in enumerate((*HARD, *SOFT))}
SOFT_NEEDS = sum(NEED[name] for name in SOFT)
MEDIA_NEEDS = NEED["image"] | NEED["audio"] | NEED["video"] | NEED["file"]


def needs_named(bits: int) -> list[str]:
    """The words behind a set of needs, hard ones first."""
    return [name for name, bit in NEED.items() if bits & bit]


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What routing and policy may know about a request.

    `model` is the alias the caller wrote (for Gemini: from the URL). `body_bytes` is the size of the request body.
    `input_tokens` is an estimate by size (4 bytes a token) until something better counts. `wants_usage` is false
    only for an `openai_chat` stream that did not ask for usage. `api_version` is the dialect's version as the caller
    sent it (`anthropic-version`, or `v1` / `v1beta` for Gemini), "" if the dialect has none. `sse` is false for a
    Gemini stream that wants a JSON array. `needs` are bits of `NEED`. `turns` counts messages. `state`: the conversation
    carries opaque provider state (thinking signatures); `cached`: or marks a prefix to be cached; then `thread` is a digest of
    how the conversation begins. `unthinking`: the request says that nothing is to be thought first.
    """

    dialect: DialectName
    operation: Operation
    model: str
    stream: bool
    body_bytes: int
    input_tokens: int
    max_output_tokens: int | None = None
    tools: int = 0
    images: bool = False
    output_schema: bool = False
    choices: int = 1
    wants_usage: bool = True
    api_version: str = ""
    sse: bool = True
    user: str = ""
    metadata: dict[str, str] = {}
    needs: int = 0
    turns: int = 1
    state: bool = False
    cached: bool = False
    unthinking: bool = False
    thread: str = ""

    @property
    def modality(self) -> str:
        """The most demanding kind of input: video, audio, image, file, else text."""
        for kind in ("video", "audio", "image", "file"):
            if self.needs & NEED[kind]:
                return kind
        return "text"
