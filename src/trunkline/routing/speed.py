"""How fast deployments have been lately, by size of the request: what least_latency compares, and what timers and hedges learn.

Peak-sensitive averages: a slower observation counts at once, a faster one decays in over `DECAY` seconds, so that a deployment
that turns slow is left quickly and trusted again slowly.
"""

from __future__ import annotations

import math
from bisect import bisect_left

DECAY = 10.0
#: Upper edges of the size classes, input tokens.
SIZES = (1_000, 8_000, 64_000)
#: Upper edges of the histogram of times to first content, seconds: each a quarter above the one before, 1 ms to 17 min.
EDGES = tuple(0.001 * 1.25**n for n in range(62))
HALF_LIFE = 300.0
#: Fewer observations than this say nothing about a tail.
ENOUGH = 200


def size_class(input_tokens: int, stream: bool) -> int:
    """Streams and whole answers are measured apart: a whole answer shows its first content with its last."""
    return bisect_left(SIZES, input_tokens) + (0 if stream else WHOLE)


WHOLE = len(SIZES) + 1


class Speed:
    """Of one deployment and size class. Seconds."""

    __slots__ = ("_counted_at", "_counts", "_decayed", "first", "per_token", "seen_at")

    def __init__(self, now: float) -> None:
        self.first = 0.0
        self.per_token = 0.0
        self.seen_at = now
        self._counts: list[float] = [0.0] * (len(EDGES) + 1)
        self._counted_at = now
        self._decayed = 0.0

    def observe(self, first: float, per_token: float | None, now: float) -> None:
        """One served attempt: time to first content, and seconds per output token after it (None: not known)."""
        keep = math.exp(-max(0.0, now - self.seen_at) / DECAY)
        keep = min(keep, 0.95)  # simultaneous observations count too
        self.seen_at = now
        self.first = first if first > self.first else first + (self.first - first) * keep
        if per_token is not None:
            before = self.per_token
            self.per_token = per_token if per_token > before else per_token + (before - per_token) * keep
        self._age(now)
        self._counts[bisect_left(EDGES, first)] += 1.0
        self._decayed += 1.0

    def _age(self, now: float) -> None:
        """Counts halve every `HALF_LIFE` seconds, in steps of a tenth of it."""
        since = now - self._counted_at
        if since < HALF_LIFE / 10.0:
            return
        share = 0.5 ** (since / HALF_LIFE)
        self._counts = [count * share for count in self._counts]
        self._decayed *= share
        self._counted_at = now

    def percentile(self, share: float) -> float | None:
        """Upper edge of the time to first content that this share of requests stays below; None: too few to say."""
        if self._decayed < ENOUGH:
            return None
        left = self._decayed * share
        for at, count in enumerate(self._counts):
            left -= count
            if left <= 0.0:
                return EDGES[min(at, len(EDGES) - 1)]
        return EDGES[-1]


class Speeds:
    """All of a worker's."""

    __slots__ = ("_by", "outputs")

    def __init__(self) -> None:
        self._by: dict[tuple[str, int], Speed] = {}
        #: Mean output tokens by route, for costs of answers that have no limit.
        self.outputs: dict[str, float] = {}

    def of(self, deployment: str, size: int) -> Speed | None:
        """Of that size class, else of the nearest one that is known."""
        found = self._by.get((deployment, size))
        if found is not None:
            return found
        for distance in range(1, len(SIZES) + 1):
            for near in (size - distance, size + distance):
                if near // WHOLE != size // WHOLE:
                    continue
                found = self._by.get((deployment, near))
                if found is not None:
                    return found
        return None

    def observe(self, deployment: str, size: int, first: float, per_token: float | None, now: float) -> None:
        key = (deployment, size)
        found = self._by.get(key)
        if found is None:
            found = self._by[key] = Speed(now)
        found.observe(first, per_token, now)

    def answered(self, route: str, output_tokens: int) -> None:
        before = self.outputs.get(route)
        self.outputs[route] = output_tokens if before is None else before + (output_tokens - before) * 0.05

    def expected_output(self, route: str, limit: int | None) -> int:
        """Output tokens to reckon with before an answer is there."""
        mean = int(self.outputs.get(route, USUAL_OUTPUT))
        return mean if limit is None else min(mean, limit)

    def keep(self, names: set[str]) -> None:
        """Forget deployments that are no longer there."""
        self._by = {key: speed for key, speed in self._by.items() if key[0] in names}


USUAL_OUTPUT = 400
