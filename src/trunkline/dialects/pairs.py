"""Surrogate pairs in JSON: its grammar allows half of one, which a delta may end with, and UTF-8 does not. Pure."""

from __future__ import annotations


def whole(text: str) -> str:
    """Half of a surrogate pair cannot be written as UTF-8; it becomes U+FFFD, two halves become one character."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def split(text: str) -> tuple[str, str]:
    """What can be said now, and the first half of a pair that waits for the next delta ("" if none)."""
    if text and "\ud800" <= text[-1] <= "\udbff":
        return whole(text[:-1]), text[-1]
    return whole(text), ""
