"""The retry budget of one (route, deployment): what keeps retries from becoming the outage (reliability.md 3.9)."""

from __future__ import annotations

SHARE = 0.1
PER_SECOND = 3.0
SPAN = 10.0


class HedgeBudget:
    """By route: every request earns `max_extra` of a hedge, and what has been earned lasts for `CAP` hedges at most."""

    CAP = 10.0
    __slots__ = ("_earned",)

    def __init__(self) -> None:
        self._earned: dict[str, float] = {}

    def earn(self, route: str, share: float) -> None:
        earned = self._earned.get(route, 0.0) + share
        self._earned[route] = earned if earned < self.CAP else self.CAP

    def take(self, route: str) -> bool:
        earned = self._earned.get(route, 0.0)
        if earned < 1.0:
            return False
        self._earned[route] = earned - 1.0
        return True


class RetryBudget:
    """Token bucket over 10 s: 10 % of the requests plus 3 a second, divided by the workers."""

    __slots__ = ("cap", "rate", "tokens", "updated")

    def __init__(self, now: float, workers: int = 1) -> None:
        self.rate = PER_SECOND / workers
        self.cap = self.rate * SPAN
        self.tokens = self.cap
        self.updated = now

    def request(self, now: float) -> None:
        """A first attempt was made here: a tenth of a retry is earned."""
        self._refill(now)
        self.tokens += SHARE

    def take(self, now: float) -> bool:
        self._refill(now)
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def remaining(self, now: float) -> float:
        self._refill(now)
        return self.tokens

    def _refill(self, now: float) -> None:
        # Earned tenths live as long as the bucket's span: what exceeds the steady cap drains linearly.
        elapsed = now - self.updated
        if elapsed <= 0.0:
            return
        self.updated = now
        if self.tokens > self.cap:
            self.tokens = max(self.cap, self.tokens - (self.tokens - self.cap) * min(1.0, elapsed / SPAN))
        else:
            tokens = self.tokens + elapsed * self.rate
            self.tokens = tokens if tokens < self.cap else self.cap
