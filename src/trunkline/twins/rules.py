"""Which requests a fault strikes: all, a share, or those of one model, key, path or mode."""

from __future__ import annotations

import random
import re
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from trunkline.twins.faults import CONNECTION_WORDS, Effects, Fault, combine, parse_fault
from trunkline.twins.wire import Request, fingerprint

#: A share is exact over this many matching requests, and random within them.
BLOCK = 1000

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_RULE_KEYS = {"fault", "share", "match", "times", "for", "twin"}
_MATCH_KEYS = {"model", "key", "path", "stream"}


def parse_duration(text: Any) -> float | None:
    """Seconds of "250ms", "5s", "2m", "1h"; None for anything else."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    return float(found[1]) * _SECONDS[found[2]] if found else None


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Patterns (`*` and `?`) on model and path; `key` is the key itself or its fingerprint. None matches all."""

    model: str | None = None
    key: str | None = None
    path: str | None = None
    stream: bool | None = None

    def fits(self, request: Request) -> bool:
        if self.model is not None and not fnmatchcase(request.model, self.model):
            return False
        if self.path is not None and not fnmatchcase(request.path, self.path):
            return False
        if self.stream is not None and self.stream != request.stream:
            return False
        return self.key is None or self.key in (request.key, fingerprint(request.key))


class Rule(msgspec.Struct, kw_only=True):
    """A fault with its scope. `left` counts down `times`, `until` is loop time; None is without end."""

    fault: Fault
    share: float = 1.0
    match: Match = Match()
    times: int | None = None
    lasts: float | None = None
    until: float | None = None
    seen: int = 0
    struck: int = 0
    _hits: frozenset[int] = frozenset()

    @property
    def unconditional(self) -> bool:
        """Strikes everything, so that it can be done to the listener itself."""
        return self.share == 1.0 and self.match == Match() and self.times is None

    def draw(self, request: Request) -> bool:
        """Whether this request is struck; counts it."""
        if not self.match.fits(request) or (self.times is not None and self.struck >= self.times):
            return False
        at = self.seen
        self.seen += 1
        if self.share < 1.0:
            if at % BLOCK == 0:
                self._hits = _hits(self.share, at // BLOCK)
            if at % BLOCK not in self._hits:
                return False
        self.struck += 1
        return True

    def shown(self) -> dict[str, Any]:
        """As the control endpoint shows it."""
        match = {name: value for name, value in msgspec.to_builtins(self.match).items() if value is not None}
        return {
            "fault": self.fault.text,
            "share": self.share,
            "match": match,
            "times": self.times,
            "seen": self.seen,
            "struck": self.struck,
        }


def _hits(share: float, block: int) -> frozenset[int]:
    """Which requests of a block are struck: as many as the share says (fractions carry over), at random places that
    are the same in every run."""
    count = int((block + 1) * share * BLOCK + 1e-9) - int(block * share * BLOCK + 1e-9)
    return frozenset(random.Random(f"twin faults {block}").sample(range(BLOCK), count))


def parse_rule(value: Any) -> Rule | str:
    """A rule from its JSON or YAML form, or what is wrong with it."""
    if not isinstance(value, dict):
        return 'a fault is an object such as {"fault": "cut:3", "share": 0.5}'
    unknown = sorted(set(value) - _RULE_KEYS)
    if unknown:
        return f"unknown key {unknown[0]!r}; known are {', '.join(sorted(_RULE_KEYS))}"
    if not isinstance(value.get("fault"), str):
        return '`fault` is missing, or not a word such as "reset"'
    fault = parse_fault(value["fault"])
    if isinstance(fault, str):
        return fault
    rule = Rule(fault=fault)
    share = value.get("share", 1.0 if fault.share is None else fault.share)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        return "`share` must be a number from 0 to 1"
    rule.share = float(share)
    times = value.get("times")
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        return "`times` must be a whole number from 1"
    rule.times = times
    if "for" in value:
        rule.lasts = parse_duration(value["for"])
        if rule.lasts is None:
            return '`for` must be a duration such as "5s"'
    match = _parse_match(value.get("match"))
    if isinstance(match, str):
        return match
    rule.match = match
    if fault.word in ("refuse", "tls") and not rule.unconditional:
        return f"{fault.word} is done to the listener: it takes no share, match or times"
    return rule


def _parse_match(value: Any) -> Match | str:
    if value is None:
        return Match()
    if not isinstance(value, dict):
        return "`match` must be an object with model, key, path or stream"
    unknown = sorted(set(value) - _MATCH_KEYS)
    if unknown:
        return f"unknown key {unknown[0]!r} in `match`; known are {', '.join(sorted(_MATCH_KEYS))}"
    try:
        return msgspec.convert(value, Match)
    except msgspec.ValidationError as error:
        return f"`match`: {error}"


class Board:
    """The rules in force on one twin. `on_change` runs after every change, for what the listener must do."""

    __slots__ = ("on_change", "rules")

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.on_change: Any = lambda: None

    def put(self, rules: list[Rule], now: float) -> None:
        """Replaces all rules."""
        for rule in rules:
            rule.until = None if rule.lasts is None else now + rule.lasts
        self.rules = rules
        self.on_change()

    def expire(self, now: float) -> None:
        left = [rule for rule in self.rules if rule.until is None or rule.until > now]
        if len(left) != len(self.rules):
            self.rules = left
            self.on_change()

    def draw(self, request: Request, now: float) -> Effects | None:
        """What strikes this request; None, cheaply, when nothing does."""
        if not self.rules:
            return None
        self.expire(now)
        struck = [rule.fault for rule in self.rules if rule.draw(request)]
        return combine(struck) if struck else None

    @property
    def listener(self) -> str:
        """What the listener must do: `refuse`, `blackhole`, `tls`, or "" to serve."""
        for rule in self.rules:
            if rule.unconditional and rule.fault.word in CONNECTION_WORDS and rule.fault.word != "reset":
                return rule.fault.word
        return ""

    @property
    def next_expiry(self) -> float | None:
        return min((rule.until for rule in self.rules if rule.until is not None), default=None)
