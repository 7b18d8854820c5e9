"""Signatures of thinking blocks: bound to the model, and on newer models to the conversation before them
(wire-formats.md B.8)."""

from __future__ import annotations

from hashlib import blake2b

from trunkline.twins.catalogue import CLAUDE, ClaudeModel


def signature_of(model: str, thinking: str, prefix: int) -> str:
    """Opaque to clients. `prefix` stands for system, tools and every turn before the block (`answer.seed_of`)."""
    return f"Er{_proof(model, thinking)}{prefix:016x}GAE="


def _proof(model: str, thinking: str) -> str:
    key = b"signature " + model.encode()[:48]
    return blake2b(thinking.encode("utf-8", "replace"), key=key, digest_size=32).hexdigest()


def check_signature(model: ClaudeModel, thinking: str, signature: str, prefix: int) -> str:
    """What is wrong with a replayed block, "" when nothing is. Another model's block is fine: it is dropped silently.
    Omitted thinking (an empty text) cannot be checked."""
    if not thinking:
        return ""
    signer = next((name for name in CLAUDE if signature.startswith(f"Er{_proof(name, thinking)}")), None)
    if signer is None:
        return "Invalid `signature` in `thinking` block"
    if signer == model.id and model.bound and signature != signature_of(model.id, thinking, prefix):
        return (
            "Invalid signature in thinking block. The block is bound to a different conversation. Thinking blocks must "
            "be replayed with the system prompt, tools and messages that preceded them unchanged."
        )
    return ""
