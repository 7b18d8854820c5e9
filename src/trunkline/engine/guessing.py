"""The task of a request, in the order of evidence: what the caller says, what the request's form shows, what its words show."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.engine.exchange import Exchange
from trunkline.types.envelope import Envelope
from trunkline.types.facts import NO_GUESS, Guess

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
        return told(x.labels, x.facts)


def told(labels: Mapping[str, str], facts: Envelope | None) -> Guess:
    """What the caller says of the task: the header, else its metadata."""
    said = labels.get("task") or labels.get("metadata.task")
    if not said and facts is not None:
        said = facts.metadata.get("task")
    if not said:
        return NO_GUESS
    return Guess(label=said, group=GROUPS.get(said, said), confidence=1.0, sure=True, source="caller")
