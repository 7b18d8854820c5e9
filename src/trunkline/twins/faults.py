"""Faults on demand: the words of observability.md 9.1, checked, and the rules that say which requests they strike.

| word | effect |
| --- | --- |
| `refuse` | the listener is closed; a request on an open connection is reset |
| `blackhole` | connections are accepted by the kernel and never read; requests on open ones are never answered |
| `reset` | RST before any byte of the answer; the request has had no effect |
| `lost_answer` | the request has its whole effect (a task is created and billed), then RST before any byte of the answer |
| `tls` | garbage instead of a TLS or HTTP answer |
| `latency:<ms>` | waits before the head; the request has its effect at once, so a client that gives up leaves a task behind |
| `first_token:<ms>` | head and preamble at once, then waits before the first content event (or the body) |
| `stall:<k>` | silence after k content events (or half of the body), the connection stays open |
| `cut:<k>` | the connection is cut there |
| `eof:<k>` | the transfer ends cleanly there, without finish or terminator |
| `malformed:<k>` | the event after k content events is broken JSON (the whole body, when not streamed) |
| `error_event:<k>` | the provider's error event after k content events, then the end (streams only) |
| `no_terminator`, `no_terminator:open` | all but the last event; with `open` the connection stays (streams only) |
| `slow:<tokens/s>` | output at that rate; the bytes of a video at that many KiB/s |
| `heartbeat:<seconds>` | the provider's keep-alive that often, until the first content event or the body |
| `status:<code>`, `status:<code>@<share>` | the provider's own error of that status |
| `throttle`, `throttle:<seconds>` | 429, with the delay where the provider states it |
| `quota` `bad_credential` `context_length` | the provider's error for it |
| `refusal` | 200, and the provider's way to decline; a task that makes a video is accepted and fails |
| `empty` | 200 without content (Gemini: without candidates) |

k beyond the end of an answer strikes before its finish, so a fault is never missed. Of a video larger than 256 KiB an
event is 48 KiB; a smaller one is an answer in one piece.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

FaultWord = Literal[
    "refuse",
    "blackhole",
    "reset",
    "lost_answer",
    "tls",
    "latency",
    "first_token",
    "stall",
    "cut",
    "eof",
    "malformed",
    "error_event",
    "no_terminator",
    "slow",
    "heartbeat",
    "status",
    "throttle",
    "quota",
    "bad_credential",
    "context_length",
    "refusal",
    "empty",
]

#: What stands behind the colon of each word: a whole number, a positive number, nothing, …
_PARAMETERS: dict[str, Literal["none", "whole", "number", "rate", "optional", "status", "open"]] = {
    "refuse": "none",
    "blackhole": "none",
    "reset": "none",
    "lost_answer": "none",
    "tls": "none",
    "latency": "number",
    "first_token": "number",
    "stall": "whole",
    "cut": "whole",
    "eof": "whole",
    "malformed": "whole",
    "error_event": "whole",
    "no_terminator": "open",
    "slow": "rate",
    "heartbeat": "rate",
    "status": "status",
    "throttle": "optional",
    "quota": "none",
    "bad_credential": "none",
    "context_length": "none",
    "refusal": "none",
    "empty": "none",
}

#: Faults that strike the connection rather than the answer.
CONNECTION_WORDS = frozenset({"refuse", "blackhole", "reset", "tls"})

_MEANING = {
    "none": "takes no parameter",
    "whole": "needs a whole number, as in {}:3",
    "number": "needs a number of milliseconds, as in {}:250",
    "rate": "needs a number above 0, as in {}:5",
    "optional": "takes a number of seconds or nothing, as in {}:10",
    "status": "needs a status from 400 to 599 and perhaps a share, as in {}:503@0.3",
    "open": "takes nothing or `open`",
}


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One fault. `value` is its number (`stated` tells 0 from none), `option` its word, `share` what stood behind @."""

    word: FaultWord
    text: str
    value: float = 0.0
    stated: bool = False
    option: str = ""
    share: float | None = None


def parse_fault(text: str) -> Fault | str:
    """The fault, or what is wrong with it in words for the person who wrote it."""
    word, colon, parameter = text.strip().partition(":")
    kind = _PARAMETERS.get(word)
    if kind is None:
        return f"unknown fault {word!r}; known are {', '.join(_PARAMETERS)}"
    share: float | None = None
    value: float | None = None
    option = ""
    if kind == "status":
        parameter, at, share_text = parameter.partition("@")
        share = _number(share_text) if at else None
        if at and (share is None or not 0 <= share <= 1):
            return f"{text!r}: the share behind @ must be between 0 and 1"
    if kind == "open":
        option = parameter
        good = parameter == "open" if colon else True
    elif not colon:
        good = kind in ("none", "optional")
    else:
        value = _number(parameter)
        good = value is not None and value >= 0 and _fits(kind, value)
    if not good:
        return f"{text!r}: {word} {_MEANING[kind].format(word)}"
    return msgspec.convert(
        {
            "word": word,
            "text": text.strip(),
            "value": value or 0.0,
            "stated": value is not None,
            "option": option,
            "share": share,
        },
        Fault,
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _fits(kind: str, value: float) -> bool:
    match kind:
        case "whole":
            return value == int(value)
        case "rate":
            return value > 0
        case "status":
            return value == int(value) and 400 <= value <= 599
        case "none":
            return False
        case _:
            return True


class Effects(msgspec.Struct):
    """Everything the drawn faults do to one request. Waits in seconds; None or "" where nothing happens."""

    words: list[str] = []
    connection: str = ""
    failure: Fault | None = None
    shape: Literal["normal", "refusal", "empty"] = "normal"
    latency: float = 0.0
    first_token: float | None = None
    heartbeat: float | None = None
    rate: float | None = None
    breaks: Literal["", "stall", "cut", "eof", "error_event"] = ""
    breaks_at: int = -1
    malformed: int = -1
    no_terminator: bool = False
    left_open: bool = False
    lost: bool = False


def combine(faults: list[Fault]) -> Effects:
    """The effects of several faults at once; of two that exclude each other the first one holds."""
    effects = Effects()
    for fault in faults:
        effects.words.append(fault.text)
        _add(effects, fault)
    return effects


def _add(effects: Effects, fault: Fault) -> None:
    match fault.word:
        case "refuse" | "blackhole" | "reset" | "tls":
            effects.connection = effects.connection or fault.word
        case "lost_answer":
            effects.lost = True
        case "status" | "throttle" | "quota" | "bad_credential" | "context_length":
            effects.failure = effects.failure or fault
        case "refusal" | "empty":
            effects.shape = fault.word
        case "latency":
            effects.latency += fault.value / 1000
        case "first_token":
            effects.first_token = max(effects.first_token or 0.0, fault.value / 1000)
        case "heartbeat":
            effects.heartbeat = fault.value
        case "slow":
            effects.rate = fault.value
        case "malformed":
            effects.malformed = int(fault.value)
        case "no_terminator":
            effects.no_terminator = True
            effects.left_open = fault.option == "open"
        case "stall" | "cut" | "eof" | "error_event":
            if not effects.breaks:
                effects.breaks, effects.breaks_at = fault.word, int(fault.value)
