"""Hard conditions on deployments. They come from route, rule, policy, key or request and only ever add up: an attempt is
allowed if every one of them is satisfied, and each is looked at again before every attempt (reliability.md K20)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec


class Ceiling(msgspec.Struct, frozen=True):
    """`max_price:` micro-dollars per million tokens; None: no ceiling."""

    input: int | None = None
    output: int | None = None


class Constraint(msgspec.Struct, frozen=True, kw_only=True):
    """`origin` says where it comes from (`route assistant`, `rule 1`, `policy eu-only`, `key k_…`, `request`).

    `require`: for each label one of these values. `forbid`: none of these values. `max_price`: neither price above it.
    """

    origin: str
    require: dict[str, tuple[str, ...]] = {}
    forbid: dict[str, tuple[str, ...]] = {}
    max_price: Ceiling | None = None


class Violation(msgspec.Struct, frozen=True):
    """Why a deployment may not be used: which constraint, and in words."""

    origin: str
    detail: str
    about: Literal["residency", "price"] = "residency"


def violation(constraint: Constraint, labels: Mapping[str, str], price: tuple[int, int] | None) -> Violation | None:
    """The first thing that stands against a deployment with these labels; None: nothing does.

    A label may have several values, separated by commas. A label that is not declared satisfies no `require` and breaks no
    `forbid`. `price` is (input, output); a deployment whose price nobody knows is above every ceiling.
    """
    for name, allowed in constraint.require.items():
        have = values_of(labels, name)
        if not any(value in allowed for value in have):
            said = f"{name} is {', '.join(have)}" if have else f"{name} is not declared"
            return Violation(constraint.origin, f"{said}, required is {' or '.join(allowed)}")
    for name, banned in constraint.forbid.items():
        for value in values_of(labels, name):
            if value in banned:
                return Violation(constraint.origin, f"{name} is {value}, which is forbidden")
    if constraint.max_price is not None:
        return _too_dear(constraint.origin, constraint.max_price, price)
    return None


def values_of(labels: Mapping[str, str], name: str) -> tuple[str, ...]:
    text = labels.get(name, "")
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _too_dear(origin: str, ceiling: Ceiling, price: tuple[int, int] | None) -> Violation | None:
    if price is None:
        return Violation(origin, "its price is not known, so it may be above the ceiling", "price")
    for words, cost, most in (("input", price[0], ceiling.input), ("output", price[1], ceiling.output)):
        if most is not None and cost > most:
            detail = f"{words} costs {dollars(cost)} a million tokens, above {dollars(most)}"
            return Violation(origin, detail, "price")
    return None


def dollars(micros: int) -> str:
    """Micro-dollars as written in a configuration: `$2.5`."""
    return f"${micros / 1_000_000:g}"
