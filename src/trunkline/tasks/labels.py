"""The built-in tasks and their groups (task-routing.md)."""

from __future__ import annotations

UNKNOWN = "unknown"
LABELS = (
    "brainstorming",
    "classification",
    "closed_qa",
    "code",
    "extraction",
    "math_reasoning",
    "open_qa",
    "rewriting",
    "summarization",
    "translation",
    "writing",
)
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


def group_of(label: str) -> str:
    """A label that is not built in is a group of its own."""
    return GROUPS.get(label, label)
