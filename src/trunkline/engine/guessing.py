"""The task of a request, in the order of evidence (task-routing.md): what the caller says, what its key says, what the
request's form and words show."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.engine.exchange import Exchange
from trunkline.tasks.difficulty import band
from trunkline.tasks.labels import group_of
from trunkline.types.envelope import Envelope
from trunkline.types.facts import NO_GUESS, Guess, Guesser
from trunkline.types.words import Words


def guess(x: Exchange) -> Guess:
    """What is no chat is not classified."""
    guesser: Guesser | None = x.snapshot.guesser
    principal = x.principal
    if x.note is not None or guesser is None or principal is None:
        return NO_GUESS
    said = stated(x.labels, x.facts) or principal.task
    return weighed(guesser, said, x.chat.words(x.call.body))


def stated(labels: Mapping[str, str], facts: Envelope | None) -> str:
    """What the caller says of the task: the header, else its metadata; "" if nothing."""
    said = labels.get("task") or labels.get("metadata.task")
    return said or (facts.metadata.get("task", "") if facts is not None else "")


def weighed(guesser: Guesser, said: str, words: Words) -> Guess:
    """What was said, else what the words show."""
    if not said:
        return guesser.guess(words)
    hard = band(words.text, said)
    return Guess(label=said, group=group_of(said), confidence=1.0, difficulty=hard, sure=True, source="caller")
