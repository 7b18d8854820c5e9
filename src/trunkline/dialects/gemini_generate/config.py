"""`generationConfig`: the settings that are carried, checked one by one. Source: wire-formats.md C.2, E.6.

Proto JSON writes whole numbers as numbers, as floats without a fraction or as digit strings; all three are taken.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.complaints import complain
from trunkline.dialects.gemini_generate.schema import fields_of
from trunkline.types.canonical import Sampling
from trunkline.types.envelope import NEED
from trunkline.types.failure import Failure, invalid
from trunkline.types.wire import Loss

_any = msgspec.json.Decoder()

_INTEGERS = ("maxOutputTokens", "candidateCount", "topK", "seed")
_NUMBERS = ("temperature", "topP", "presencePenalty", "frequencyPenalty")
_CARRIED = frozenset((*_INTEGERS, *_NUMBERS, "stopSequences"))
_HARMLESS: dict[str, tuple[Any, ...]] = {
    "responseMimeType": ("text/plain",),
    "responseModalities": (["TEXT"], []),
    "responseLogprobs": (False,),
    "thinkingConfig": ({},),
}
#: Proto3 writes "not set" as 0 too.
_UNSET_AT_ZERO = ("maxOutputTokens", "candidateCount", "topK")
_BOUND = 2**53


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`losses` are the settings that no other format has."""

    max_output_tokens: int | None = None
    candidates: int = 1
    stop: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    output_schema: bool = False
    losses: tuple[Loss, ...] = ()
    needs: int = 0


_NEEDS = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "presencePenalty": "penalties",
    "frequencyPenalty": "penalties",
    "seed": "seed",
    "responseLogprobs": "logprobs",
    "responseSchema": "schema",
    "responseJsonSchema": "schema",
    "responseFormat": "schema",
}


def _needs(fields: dict[str, Any], stop: tuple[str, ...]) -> int:
    bits = NEED["stop"] if stop else 0
    for name, need in _NEEDS.items():
        if fields.get(name):
            bits |= NEED[need]
    if (fields.get("candidateCount") or 1) > 1:
        bits |= NEED["n"]
    thinking = fields.get("thinkingConfig")
    if isinstance(thinking, dict) and (
        thinking.get("thinkingLevel") or thinking.get("thinking_level") or thinking.get("thinkingBudget")
    ):
        bits |= NEED["reasoning"]
    return bits


def read_settings(raw: msgspec.Raw | None) -> Settings | Failure:
    """`raw` is the value of `generationConfig`, already known to be an object."""
    if raw is None:
        return Settings()
    try:
        fields = {name: _any.decode(value) for name, value in fields_of(raw).items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return complain(error)
    for name in _INTEGERS:
        if name in fields:
            whole = _whole(fields[name])
            if whole is None or not (-_BOUND if name == "seed" else 0) <= whole <= _BOUND:
                return _wrong(name, "a whole number" if name == "seed" else "a whole number that is not negative")
            fields[name] = None if whole == 0 and name in _UNSET_AT_ZERO else whole
    for name in _NUMBERS:
        if name in fields:
            number = _number(fields[name])
            if number is None:
                return _wrong(name, "a number")
            fields[name] = number
    stop = _strings(fields.get("stopSequences", []))
    if stop is None:
        return _wrong("stopSequences", "a list of strings")
    return Settings(
        max_output_tokens=fields.get("maxOutputTokens"),
        candidates=fields.get("candidateCount") or 1,
        stop=stop,
        sampling=Sampling(
            temperature=fields.get("temperature"),
            top_p=fields.get("topP"),
            top_k=fields.get("topK"),
            presence_penalty=fields.get("presencePenalty"),
            frequency_penalty=fields.get("frequencyPenalty"),
            seed=fields.get("seed"),
        ),
        output_schema=any(n in fields for n in ("responseSchema", "responseJsonSchema", "responseFormat")),
        losses=tuple(
            Loss(f"generationConfig.{name[:64]}", "no equivalent")
            for name, value in fields.items()
            if name not in _CARRIED and value not in _HARMLESS.get(name, ())
        ),
        needs=_needs(fields, tuple(stop)),
    )


def _wrong(name: str, right: str) -> Failure:
    param = f"generationConfig.{name}"
    return invalid(f"{param} must be {right}", param=param, code="invalid_value")


def _whole(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number == int(number) else None


def _number(value: Any) -> float | int | None:
    """Finite, or None."""
    if isinstance(value, str):
        try:
            value = int(value) if value.lstrip("-").isdecimal() and len(value) < 20 else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if -1e300 < value < 1e300 else None


def _strings(value: Any) -> tuple[str, ...] | None:
    values = value if isinstance(value, list) else [value]
    return tuple(values) if all(isinstance(v, str) for v in values) else None
