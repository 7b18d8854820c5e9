"""How hard a request looks: bands from the length of what is asked, its constraints, its task and its maths. Pure.

The length of the instruction alone is as good as a trained model on public outcome data (task-routing.md); the rest breaks
ties.
"""

from __future__ import annotations

import re

from trunkline.types.facts import Difficulty

_CONSTRAINT = re.compile(
    r"\b(?:must|exactly|at (?:least|most)|without|only|except|step by step|prove|optimi[sz]e|constraints?|ensure|edge cases?)\b"
    r"|(?m:^\s*(?:[-*•]|\d+[.)]))",
    re.IGNORECASE,
)
_WEIGHTY = {
    "code": 1.0,
    "math_reasoning": 1.0,
    "writing": 0.3,
    "brainstorming": 0.2,
    "translation": -0.5,
    "classification": -0.7,
}
EASY, HARD = 1.2, 3.6


def points(text: str, task: str) -> float:
    """A number that grows with difficulty; a window of it is looked at, so that its cost is bounded."""
    seen = text[:1_000]
    words = len(text) / 6.0
    size = 0.0 if words < 8 else 1.0 if words < 25 else 1.8 if words < 80 else 2.6
    return size + min(2.5, 0.5 * len(_CONSTRAINT.findall(seen))) + _WEIGHTY.get(task, 0.0)


def band(text: str, task: str) -> Difficulty:
    found = points(text, task)
    return "easy" if found < EASY else "hard" if found >= HARD else "medium"
