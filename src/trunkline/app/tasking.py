"""The task classifier with the weights of this package and the labels of a configuration, read when somebody first needs it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from trunkline import tasks
from trunkline.tasks.classify import Classifier
from trunkline.tasks.model import Model
from trunkline.tasks.own import OwnLabels
from trunkline.tasks.senses import Senses
from trunkline.types.facts import Guess
from trunkline.types.words import OwnTask, Words

WEIGHTS = Path(tasks.__file__).parent / "weights.bin"
SENSES = WEIGHTS.with_name("senses.bin")


@lru_cache(1)
def model() -> Model:
    """Raises OSError or ValueError if the package is damaged."""
    return Model.read(WEIGHTS.read_bytes())


def classifier(own: tuple[OwnTask, ...] = ()) -> Classifier:
    """Raises OSError or ValueError if the package is damaged."""
    if not own:
        return Classifier(model())
    return Classifier(model(), OwnLabels(own, model(), Senses.read(SENSES.read_bytes()), model().settings.background))


class TaskGuesser:
    """A `types.facts.Guesser`. Every process compiles the configuration, but only workers are asked: the weights are read by
    `warm`, or by the first question."""

    def __init__(self, own: tuple[OwnTask, ...] = ()) -> None:
        self.own = own
        self._made: Classifier | None = None

    def warm(self) -> None:
        self.classifier()

    def classifier(self) -> Classifier:
        if self._made is None:
            self._made = classifier(self.own)
        return self._made

    def guess(self, words: Words) -> Guess:
        return self.classifier().guess(words.text, words.system, words.before)


def task_notes(guesser: TaskGuesser | None) -> list[str]:
    """What is worth knowing of a configuration's own labels: nothing here is an error."""
    if guesser is None or not guesser.own:
        return []
    own = guesser.classifier().own
    assert own is not None
    fit = own.fitness
    said = ", ".join(f"{name} {share:.0%}" for name, share in fit.by_label.items())
    notes = [f"tasks: {fit.accuracy:.0%} of the examples are recognised when left out ({said})"]
    notes += [
        f"tasks: warning: {a} and {b} overlap: their examples are taken for each other" for a, b in fit.overlapping
    ]
    notes += [
        f"tasks: warning: an example of {label} is closer to another label: {text[:60]!r}"
        for label, text in fit.contradicting
    ]
    return notes
