"""Health of one endpoint and of one credential: two small state machines (reliability.md section 3).

Times are loop seconds given by the caller; `rand` is a number in [0, 1). Health is kept for endpoints and credentials
separately: one bad key never ejects the endpoint, one dead endpoint never ejects the key.
"""

from __future__ import annotations

from typing import Literal

CONSECUTIVE_TRANSIENT = 5
CONSECUTIVE_SILENT = 2
WINDOW = 10
WINDOW_ATTEMPTS = 20
EJECTION = 5.0
EJECTION_JITTER = 0.1
EJECTION_CAP = 60.0
PROBE_AGAIN_CAP = 10.0
FLAP_WINDOW = 60.0
PROBE_SUCCESSES = 2
SLOW_START = 10.0
SLOW_START_SHARE = 0.1
CREDENTIAL_OUT = 60.0
CREDENTIAL_OUT_CAP = 900.0
THROTTLE_FIRST = 1.0
THROTTLE_CAP = 60.0

State = Literal["healthy", "ejected"]
Reason = Literal["", "transient", "silent", "ratio", "connect", "hard"]


class Window:
    """Attempts and failures of the last `WINDOW` seconds, in one-second buckets."""

    __slots__ = ("bad", "seconds", "total")

    def __init__(self) -> None:
        self.seconds = [-1] * WINDOW
        self.total = [0] * WINDOW
        self.bad = [0] * WINDOW

    def add(self, now: float, bad: bool) -> None:
        second = int(now)
        slot = second % WINDOW
        if self.seconds[slot] != second:
            self.seconds[slot] = second
            self.total[slot] = 0
            self.bad[slot] = 0
        self.total[slot] += 1
        self.bad[slot] += bad

    def sums(self, now: float) -> tuple[int, int]:
        oldest = int(now) - WINDOW + 1
        total = bad = 0
        for slot in range(WINDOW):
            if self.seconds[slot] >= oldest:
                total += self.total[slot]
                bad += self.bad[slot]
        return total, bad

    def clear(self) -> None:
        self.seconds = [-1] * WINDOW


class EndpointHealth:
    """One address + upstream model.

    `until` is the end of the present ejection, `closed_until` the end of a stated delay (503/529), both loop
    seconds. `suspect` asks for a confirming probe: a threshold was crossed, but by one key only.
    """

    __slots__ = (
        "back_at",
        "closed_until",
        "flaps",
        "probe_failures",
        "probe_running",
        "probe_successes",
        "reason",
        "run_confirmed",
        "run_keys",
        "silent_run",
        "state",
        "suspect",
        "transient_run",
        "until",
        "window",
        "window_keys",
    )

    def __init__(self) -> None:
        self.state: State = "healthy"
        self.reason: Reason = ""
        self.transient_run = 0
        self.silent_run = 0
        self.run_keys: set[str] = set()
        self.run_confirmed = False
        self.window = Window()
        self.window_keys: set[str] = set()
        self.until = 0.0
        self.closed_until = 0.0
        self.back_at = -1e9
        self.flaps = 0
        self.probe_running = False
        self.probe_successes = 0
        self.probe_failures = 0
        self.suspect = False

    @property
    def calm(self) -> bool:
        """Nothing a plan would have to look at, but for slow start."""
        return self.state == "healthy" and self.closed_until == 0.0

    def share(self, now: float) -> float:
        """Share of its traffic that slow start allows, 0.1 … 1."""
        since = now - self.back_at
        if since >= SLOW_START:
            return 1.0
        return SLOW_START_SHARE + (1.0 - SLOW_START_SHARE) * max(0.0, since) / SLOW_START

    def succeeded(self, now: float, *, probe: bool, panic: bool = False) -> bool:
        """An attempt served. Returns True when this ends an ejection."""
        self.transient_run = self.silent_run = 0
        self.run_confirmed = self.suspect = False
        if self.run_keys:
            self.run_keys = set()
        if self.state == "healthy":
            self.window.add(now, bad=False)
            return False
        if probe:
            self.probe_successes += 1
            if self.probe_successes < PROBE_SUCCESSES and not panic:
                return False
        elif not panic:
            # A late answer of an attempt that began before the ejection proves little; probes decide.
            return False
        self._return(now)
        return True

    def failed(self, now: float, rand: float, *, key: str, silent: bool, confirmed: bool, probe: bool) -> bool:
        """An attempt failed in a way that counts (F1 or F6). Returns True when this ejects (again)."""
        if self.state == "ejected":
            if probe:
                self.probe_failed(now, rand)
            return False
        self.window.add(now, bad=True)
        if silent:
            self.silent_run += 1
            self.transient_run = 0
        else:
            self.transient_run += 1
            self.silent_run = 0
        if len(self.run_keys) < 2:
            self.run_keys.add(key)
        self.run_confirmed = self.run_confirmed or confirmed
        return self._judge(now, rand)

    def _judge(self, now: float, rand: float) -> bool:
        crossed: Reason = ""
        if self.transient_run >= CONSECUTIVE_TRANSIENT:
            crossed = "connect" if self.run_confirmed else "transient"
        elif self.silent_run >= CONSECUTIVE_SILENT:
            crossed = "connect" if self.run_confirmed else "silent"
        else:
            total, bad = self.window.sums(now)
            if total >= WINDOW_ATTEMPTS and 2 * bad >= total:
                crossed = "ratio"
        if not crossed:
            return False
        if len(self.run_keys) >= 2 or self.run_confirmed:
            self.eject(now, rand, crossed)
            return True
        self.suspect = True
        return False

    def eject(self, now: float, rand: float, reason: Reason) -> None:
        healthy_for = now - self.back_at
        if healthy_for < FLAP_WINDOW:
            self.flaps += 1
        else:
            self.flaps = max(0, self.flaps - int(healthy_for // FLAP_WINDOW))
        span = min(EJECTION_CAP, EJECTION * 2.0**self.flaps)
        self.state = "ejected"
        self.reason = reason
        self.suspect = False
        self.probe_running = False
        self.probe_successes = self.probe_failures = 0
        self.until = max(self.until, now + _jitter(span, rand))
        self.window.clear()

    def probe_failed(self, now: float, rand: float) -> None:
        self.probe_running = False
        self.probe_successes = 0
        self.probe_failures += 1
        span = EJECTION if self.probe_failures == 1 else PROBE_AGAIN_CAP
        self.until = max(self.until, now + _jitter(span, rand))

    def close(self, until: float) -> None:
        """A stated delay: nobody touches this endpoint before it has passed; a shorter one never shortens it."""
        self.closed_until = max(self.closed_until, until)

    def _return(self, now: float) -> None:
        self.state = "healthy"
        self.reason = ""
        self.back_at = now
        self.probe_running = False
        self.window.clear()


class CredentialHealth:
    """One credential, or one credential for one model. Out in F4; closed by a stated or assumed throttle delay."""

    __slots__ = ("closed_until", "generation", "out_for", "out_until", "stated", "throttle_for")

    def __init__(self) -> None:
        self.out_until = 0.0
        self.out_for = 0.0
        self.closed_until = 0.0
        self.stated = False
        self.throttle_for = 0.0
        self.generation = 0

    @property
    def calm(self) -> bool:
        return self.out_until == 0.0 and self.closed_until == 0.0

    def out(self, now: float) -> None:
        """Hard down: 60 s, doubling to 15 min."""
        if now < self.out_until:
            return
        self.out_for = min(CREDENTIAL_OUT_CAP, self.out_for * 2.0 if self.out_for else CREDENTIAL_OUT)
        self.out_until = now + self.out_for

    def throttle(self, now: float, delay: float | None) -> None:
        """429: closed for the stated delay, or 1 s doubling to 60 s where none was stated."""
        if delay is not None:
            self.closed_until = max(self.closed_until, now + delay)
            self.stated = True
            return
        self.stated = self.stated and self.closed_until > now
        self.throttle_for = min(THROTTLE_CAP, self.throttle_for * 2.0 if self.throttle_for else THROTTLE_FIRST)
        self.closed_until = max(self.closed_until, now + self.throttle_for)

    def succeeded(self, now: float) -> None:
        self.out_until = self.out_for = 0.0
        self.throttle_for = 0.0
        if self.closed_until <= now:
            self.closed_until = 0.0
            self.stated = False

    def renewed(self, generation: int) -> None:
        """The secret changed: whatever was held against the old one is void."""
        if generation != self.generation:
            self.generation = generation
            self.out_until = self.out_for = self.closed_until = self.throttle_for = 0.0


def _jitter(span: float, rand: float) -> float:
    return span * (1.0 - EJECTION_JITTER + 2.0 * EJECTION_JITTER * rand)
