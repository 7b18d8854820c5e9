"""From the words of a request to a `Guess`. Pure; a small memory of windows, because agents repeat themselves."""

from __future__ import annotations

from trunkline.tasks.difficulty import band
from trunkline.tasks.heart import window
from trunkline.tasks.labels import group_of
from trunkline.tasks.model import Model, believed, script_of
from trunkline.tasks.own import OwnLabels
from trunkline.types.facts import NO_GUESS, Guess

#: Under this many characters a message of a longer conversation is read together with the one before.
SHORT = 40
KEPT = 2_048
#: Only what somebody says is certain.
SUREST = 0.999
_FENCE = "```"


class Classifier:
    """One per worker."""

    def __init__(self, model: Model, own: OwnLabels | None = None) -> None:
        self.model = model
        self.own = own
        self._kept: dict[tuple[str, str, str], Guess] = {}

    def guess(self, text: str, system: str = "", before: str = "") -> Guess:
        """`before` is the user's previous message. A text without words says nothing."""
        if not text or text.isspace():
            return NO_GUESS
        before = window(before) if len(text) < SHORT else ""
        key = (window(text), window(system), before)
        found = self._kept.get(key)
        if found is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            found = self._kept[key] = self._fresh(text, system, before)
        return found

    def _fresh(self, text: str, system: str, before: str) -> Guess:
        if _mostly_code(text):
            return Guess(
                label="code",
                group="technical",
                confidence=0.97,
                difficulty=band(text, "code"),
                sure=True,
                source="structure",
            )
        found = self.model.parts(text, system, before)
        if self.own is not None and (mine := self.own.label(text, found)) is not None:
            label, confidence = mine
            return Guess(
                label=label,
                group=label,
                confidence=confidence,
                difficulty=band(text, label),
                sure=True,
                source="own",
            )
        scored = self.model.scored(found, script_of(text))
        return Guess(
            label=scored.label,
            group=group_of(scored.label),
            confidence=min(SUREST, scored.confidence),
            difficulty=band(text, scored.label),
            sure=believed(self.model.settings, scored),
            source="model",
        )


def _mostly_code(text: str) -> bool:
    """A fenced block is nearly all there is."""
    if _FENCE not in text[:200]:
        return False
    inside = sum(len(part) for part in text[:8_000].split(_FENCE)[1::2])
    return inside * 10 > min(len(text), 8_000) * 8
