"""Leaving out parameters that a model does not take: fine-tuning only, each reported as a loss. Every other value keeps its
bytes. Field names: wire-formats.md A.4, B.2, C.2."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from trunkline.types.canonical import ChatRequest, Sampling
from trunkline.types.envelope import NEED
from trunkline.types.wire import DialectName, Loss

_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

_CHAT = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "penalties": ("presence_penalty", "frequency_penalty"),
    "seed": ("seed",),
    "stop": ("stop",),
    "logprobs": ("logprobs", "top_logprobs"),
}
_MESSAGES: dict[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "stop": ("stop_sequences",),
}
_GENERATE = {
    "temperature": ("temperature",),
    "top_p": ("topP", "top_p"),
    "top_k": ("topK", "top_k"),
    "penalties": ("presencePenalty", "presence_penalty", "frequencyPenalty", "frequency_penalty"),
    "seed": ("seed",),
    "stop": ("stopSequences", "stop_sequences"),
    "logprobs": ("responseLogprobs", "response_logprobs", "logprobs"),
}
_FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "openai_chat": _CHAT,
    "anthropic_messages": _MESSAGES,
    "gemini_generate": _GENERATE,
}
_CONFIGS = ("generationConfig", "generation_config")


def without(body: bytes, dialect: DialectName, needs: int, model: str) -> tuple[bytes, tuple[Loss, ...]]:
    """The body, which is a valid JSON object, without the parameters behind these needs."""
    names = frozenset(
        name for need, fields in _FIELDS.get(dialect, {}).items() if needs & NEED[need] for name in fields
    )
    members = _members.decode(body)
    if dialect == "gemini_generate":
        losses: list[Loss] = []
        for config in _CONFIGS:
            if config in members:
                inner, lost = _left(_members.decode(members[config]), names, "generationConfig.", model)
                members[config] = msgspec.Raw(msgspec.json.encode(inner))
                losses += lost
        return msgspec.json.encode(members), tuple(losses)
    kept, lost = _left(members, names, "", model)
    return msgspec.json.encode(kept), tuple(lost)


def _left(
    members: dict[str, msgspec.Raw], names: frozenset[str], path: str, model: str
) -> tuple[dict[str, msgspec.Raw], list[Loss]]:
    kept = {name: value for name, value in members.items() if name not in names}
    lost = [Loss(f"{path}{name}", f"{model} does not take it") for name in members if name in names]
    return kept, lost


def bare(request: ChatRequest, needs: int, model: str) -> ChatRequest:
    """The request in the hub without the parameters behind these needs; what was there is added to its losses."""
    sampling, losses = request.sampling, list(request.losses)
    cleared: dict[str, None] = {}
    for need, names in _CHAT.items():
        if not needs & NEED[need]:
            continue
        for name in names:
            if name in Sampling.__struct_fields__ and getattr(sampling, name) is not None:
                cleared[name] = None
                losses.append(Loss(name, f"{model} does not take it"))
    stop = request.stop
    if needs & NEED["stop"] and stop:
        stop = ()
        losses.append(Loss("stop", f"{model} does not take it"))
    return replace(request, sampling=replace(sampling, **cleared), stop=stop, losses=tuple(losses))
