"""How long the other side asks us to wait: headers first, then the body's own word (wire-formats.md A.1, C.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from trunkline.types.wire import Headers, header

MAX_DELAY = 1e7  # seconds; anything longer is a mistake of the other side

_NUMBER = re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
#: The three forms of RFC 9110 5.6.7: IMF-fixdate, RFC 850, asctime.
_DATES = (
    re.compile(r"\w{3}, (?P<day>\d{2}) (?P<month>\w{3}) (?P<year>\d{4}) (?P<clock>\d{2}:\d{2}:\d{2}) GMT\Z"),
    re.compile(r"\w{6,9}, (?P<day>\d{2})-(?P<month>\w{3})-(?P<year>\d{2}) (?P<clock>\d{2}:\d{2}:\d{2}) GMT\Z"),
    re.compile(r"\w{3} (?P<month>\w{3}) (?P<day>[ \d]\d) (?P<clock>\d{2}:\d{2}:\d{2}) (?P<year>\d{4})\Z"),
)


def stated_delay(headers: Headers, inside: float | None, now: float) -> float | None:
    """Seconds from `retry-after-ms`, `retry-after` (seconds or HTTP date) or, with no usable header, `inside` (the
    body's RetryInfo). A wait of nothing states none: None. `now` is epoch seconds."""
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        value = header(headers, name)
        if value is None:
            continue
        text = value.decode("latin-1").strip()
        delay = float(text) * scale if _NUMBER.match(text) else None
        if delay is None and name == b"retry-after":
            moment = http_date(text)
            delay = None if moment is None else moment - now
        if delay is not None:
            return _bounded(delay)
    return None if inside is None else _bounded(inside)


def http_date(text: str) -> float | None:
    """Epoch seconds, or None for anything that is no HTTP date."""
    for form in _DATES:
        match = form.match(text)
        if match is None:
            continue
        month = match["month"].lower()
        if month not in _MONTHS:
            return None
        year = int(match["year"])
        if len(match["year"]) == 2:
            year += 1900 if year >= 70 else 2000
        hour, minute, second = map(int, match["clock"].split(":"))
        try:
            # A leap second is the next second's beginning for our purpose.
            moment = datetime(
                year, _MONTHS.index(month) + 1, int(match["day"]), hour, minute, min(second, 59), tzinfo=UTC
            )
        except ValueError:
            return None
        return moment.timestamp()
    return None


def _bounded(delay: float) -> float | None:
    return min(delay, MAX_DELAY) if delay > 0 else None
