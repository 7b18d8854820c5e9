"""The task of a request, in the order of evidence: what the caller says, what the request's form shows, what its words show."""

from __future__ import annotations

from trunkline.engine.exchange import Exchange
from trunkline.types.facts import Guess

#: Label → coarse group.
GROUPS = {
    "code": "technical",
    "math_reasoning": "technical",
    "summarization": "given_text",
    "rewriting": "given_text",
    "translation": "given_text",
    "classification": "given_text",
    "extraction": "given_text",
    "closed_qa": "given_text",
    "open_qa": "knowledge",
    "brainstorming": "creative",
    "writing": "creative",
}


class Evidence:
    """Asks one kind of evidence after the other; the first that speaks wins."""

    def guess(self, x: Exchange) -> Guess:
        told = (
            x.labels.get("task") or x.labels.get("metadata.task") or (x.facts.metadata.get("task") if x.facts else None)
        )
        if told:
            return Guess(label=told, group=GROUPS.get(told, told), confidence=1.0, sure=True, source="caller")
        return Guess()
