"""The same request said otherwise: what must not change the answer of a classifier. Pure; the same text gives the same text."""

from __future__ import annotations

from collections.abc import Callable

_PASSAGE = (
    "The harbour office keeps its records in three rooms on the second floor. In the first there are arrivals, in the second "
    "repairs, and in the third everything that nobody has found a place for. Each spring the keeper walks through all of them "
    "with a lamp and a ledger, and each spring the ledger grows by a few pages. Visitors are welcome on weekdays until four. "
)
#: 4,000 tokens, at about four characters each.
_LONG = _PASSAGE * (16_000 // len(_PASSAGE) + 1)


def _typo(text: str) -> str:
    """Two neighbouring letters swapped in every fourth long word."""
    words = text.split(" ")
    seen = 0
    for at, word in enumerate(words):
        if len(word) > 4 and word.isalpha():
            seen += 1
            if seen % 4 == 1:
                middle = len(word) // 2
                words[at] = word[: middle - 1] + word[middle] + word[middle - 1] + word[middle + 1 :]
    return " ".join(words)


#: Kind of change → the change. What the classifier is trained on is changed by other words (`AUGMENTED`).
PERTURBED: dict[str, Callable[[str], str]] = {
    "case": str.lower,
    "capitals": str.upper,
    "typo": _typo,
    "greeting": lambda text: f"Hi there, hope you are well! {text} Thanks a lot in advance.",
    "quoting": lambda text: f'"{text}"',
    "wrapper": lambda text: (
        "Use the retrieved passages below only where they help.\n\n"
        f"[1] {_PASSAGE}\n[2] {_PASSAGE[:160]}\n\nUser request: {text}"
    ),
    "appended": lambda text: f"{text}\n\n{_LONG}",
}
_FILLER = (
    "Our branch in Tiller Street moved twice last year. First the roof leaked, then the lease ran out. The new rooms are "
    "brighter, though the lift stops on every floor and the kitchen is shared with a dentist. Post still goes to the old "
    "address on Fridays. "
)
_OTHER = (
    "Rain fell on the allotments for nine days. The committee met in the shed, counted the keys twice and put the broken mower "
    "on the list for autumn. Two members asked about the hedge; nobody knew who had planted it or when it was last cut. "
)


def _dropped(text: str) -> str:
    """A letter missing from every third long word."""
    words = text.split(" ")
    for at in range(1, len(words), 3):
        if len(words[at]) > 4:
            words[at] = words[at][:2] + words[at][3:]
    return " ".join(words)


def _swapped(text: str) -> str:
    """The second and third letters of every second long word."""
    words = text.split(" ")
    for at in range(0, len(words), 2):
        if len(words[at]) > 4:
            words[at] = words[at][0] + words[at][2] + words[at][1] + words[at][3:]
    return " ".join(words)


#: How prompts are changed for training, so that wrapping is learnt without the wordings that are measured.
AUGMENTED: tuple[Callable[[str], str], ...] = (
    lambda text: f"Background documents:\n---\n{_FILLER}\n---\nQuestion: {text}",
    lambda text: f"{text}\n\n{_FILLER * 4}",
    _swapped,
    _dropped,
    lambda text: f"{_OTHER}\n\n{_FILLER}\n\nTask: {text}",
    lambda text: f"{text}\n\n{_OTHER * 3}\n\n{_FILLER}",
    lambda text: f"Good morning. {text}\n\nKind regards, Robin",
)
