"""What is wrong with a configuration, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec

LISTED = 12  # known words that a suggestion lists at most


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where something stands. `line` and `column` count from 1; 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """`line` and `column` count from 1; 0 means the file as a whole. `path`: `routes.assistant.retry.times`."""

    file: str
    line: int
    column: int
    path: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        path = f" {self.path}:" if self.path else ""
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return f"{place}:{path} {self.message}{hint}"


def problem_at(place: Place, path: str, message: str, suggestion: str = "") -> Problem:
    """Names from the file are shown as they are, but for characters that would disturb a terminal or a log."""
    return Problem(
        file=place.file,
        line=place.line,
        column=place.column,
        path=_printable(path),
        message=_printable(message),
        suggestion=_printable(suggestion),
    )


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def did_you_mean(word: str, known: Iterable[str], near_only: bool = False) -> str:
    """`did you mean …?`, or the known words when none is near (`near_only`: nothing then)."""
    names = sorted(known)
    near = difflib.get_close_matches(word[:LONGEST], names, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    if near_only or not names:
        return ""
    more = ", …" if len(names) > LISTED else ""
    return f"known are {', '.join(names[:LISTED])}{more}"


LONGEST = 128  # characters of a word that are compared: a name is never longer
