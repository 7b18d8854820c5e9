"""Parameters that stand in the prompt's text (`--rs 1080p --dur 5`, wire-formats.md D.2): a person can raise the cost of a
request with them, so they are lifted out, and what they say counts only where no field of the body speaks."""

from __future__ import annotations

import re

import msgspec

#: Every spelling and the field that it stands for.
SPELLINGS = {
    "resolution": "resolution",
    "rs": "resolution",
    "ratio": "ratio",
    "rt": "ratio",
    "duration": "duration",
    "dur": "duration",
    "framespersecond": "framespersecond",
    "fps": "framespersecond",
    "watermark": "watermark",
    "wm": "watermark",
    "seed": "seed",
    "camerafixed": "camera_fixed",
    "cf": "camera_fixed",
}
_INLINE = re.compile(r"(?:(?<=\s)|^)--(" + "|".join(SPELLINGS) + r")(?:\s+|=)(?!--)(\S+)", re.IGNORECASE)
_RESOLUTION = re.compile(r"(?:480|720|1080)p|4k", re.IGNORECASE)
_RATIO = re.compile(r"\d{1,2}:\d{1,2}|adaptive", re.IGNORECASE)
_WHOLE = re.compile(r"-?\d{1,10}")

Value = str | int | bool


class Lifted(msgspec.Struct, frozen=True):
    """`text` without the parameters; `values` by field, the last of each counts; `written` as the caller wrote them."""

    text: str
    values: dict[str, Value]
    written: dict[str, str]


def lift(text: str) -> Lifted:
    """A value that cannot be read stays in the text."""
    values: dict[str, Value] = {}
    written: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        field = SPELLINGS[match[1].lower()]
        value = _read(field, match[2])
        if value is None:
            return match[0]
        values[field] = value
        written[field] = " ".join(match[0].split())
        return ""

    left = _INLINE.sub(take, text)
    if not values:
        return Lifted(text, {}, {})
    # What was lifted may have stood between the dashes and the value of another one: until nothing is left to lift.
    again = lift(re.sub(r"[ \t]{2,}", " ", left).strip())
    return Lifted(again.text, {**values, **again.values}, {**written, **again.written})


def _read(field: str, value: str) -> Value | None:
    match field:
        case "resolution":
            return value.lower() if _RESOLUTION.fullmatch(value) else None
        case "ratio":
            return value.lower() if _RATIO.fullmatch(value) else None
        case "duration" | "framespersecond" | "seed":
            return int(value) if _WHOLE.fullmatch(value) else None
        case _:
            return {"true": True, "false": False}.get(value.lower())
