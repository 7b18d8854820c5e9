"""The course of one exchange: after each attempt, what next? Pure; the rules are reliability.md 1 and 3.9-3.11."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from trunkline.routing.fleet import OK, Fleet
from trunkline.types.envelope import SOFT_NEEDS
from trunkline.types.failure import Failure, FaultClass, Kind
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import AttemptReason, GiveUp, Plan, Queue, Step, Try, Wait

MAX_ATTEMPTS = 8
MIN_LEFT = 0.05
STATED_JITTER = 0.1

_FINAL = frozenset(
    {
        FaultClass.CLIENT,
        FaultClass.CANCELLED,
    }
)

#: Standings in which nobody touches a candidate.
_BARRED = frozenset({"throttled", "closed", "credential"})


class Course(msgspec.Struct, eq=False):
    """Walks a plan. `next(now)` says what to do; `failed` tells it what came of a `Try`.

    `deadline` is loop seconds: arrival + min(total, the caller's own). `needs` are what the request needs, bits of `NEED`;
    `dialect` is what it is written in.
    """

    route: Route
    plan: Plan
    fleet: Fleet
    deadline: float
    rand: Callable[[], float]
    needs: int = 0
    dialect: str = ""
    attempts: int = 0
    failures: list[tuple[Candidate, Failure]] = []
    _tried: set[int] = set()
    _retries: dict[int, int] = {}
    _again: Candidate | None = None
    _delay: float = 0.0
    _stated: bool = False
    _patience: float = 0.0
    _queued: bool = False
    _lined: bool = False
    _granted: Candidate | None = None
    _stop: Failure | None = None
    _turned_away: Failure | None = None
    _declared_only: bool = False

    # --- asking ----------------------------------------------------------------------------------------------------
    def next(self, now: float) -> Step:
        granted = self._use_permit(now)
        if granted is not None:
            return self._try(granted, "failover" if self.attempts else "first", now)
        if self._stop is not None:
            return GiveUp(self._stop)
        if self.deadline - now < MIN_LEFT:
            return GiveUp(expired())
        if self.attempts >= MAX_ATTEMPTS:
            return GiveUp(self._verdict(now))
        if self._again is not None:
            if self._delay > 0.0:
                delay, self._delay = self._delay, 0.0
                return Wait(delay, self._stated)
            candidate, self._again = self._again, None
            step = self._after_wait(candidate, now)
            if step is not None:
                return step
        fresh = self._untried(now)
        if fresh is not None:
            return self._try(fresh, "failover" if self.attempts else "first", now)
        return self._exhausted(now)

    def _after_wait(self, candidate: Candidate, now: float) -> Step | None:
        """The retry that was waited for. Later, or not at all (None), where another exchange was meanwhile told to stay away
        from this candidate for longer: a stated delay is a lower bound for everybody."""
        standing = self.fleet.standing(candidate, now)
        if standing.kind not in _BARRED or standing.assumed:
            return self._try(candidate, "retry", now)
        delay = (standing.until - now) * (1.0 + STATED_JITTER * self.rand())
        if (
            standing.kind != "credential"
            and standing.until <= self._patience
            and now + delay + MIN_LEFT < self.deadline
        ):
            self._again = candidate
            return Wait(delay, True)
        self._retries[id(candidate)] -= 1
        return None

    def _try(self, candidate: Candidate, reason: AttemptReason, now: float) -> Try:
        self._tried.add(id(candidate))
        self.attempts += 1
        if reason == "first":
            self.fleet.budget(self.route, candidate, now).request(now)
        return Try(candidate, reason)

    def _untried(self, now: float) -> Candidate | None:
        larger = self._larger_context() if self.failures else None
        for candidate in self.plan.order:
            if id(candidate) in self._tried:
                continue
            if self._declared_only and not self._declares(candidate):
                continue
            if larger is not None and (candidate.deployment.context_tokens or 0) <= larger:
                continue
            standing = self.fleet.standing(candidate, now)
            if standing is OK:
                return candidate
            if standing.kind in _BARRED or standing.kind == "full":
                continue
            if standing.kind in ("ejected", "probe") and self.attempts:
                # A later attempt on a sick deployment is charged; the healthy ones are not (promise 2).
                if not self.plan.panic and standing.kind == "ejected":
                    continue
                if not self.fleet.budget(self.route, candidate, now).take(now):
                    continue
            elif standing.kind == "ejected" and not self.plan.panic:
                continue
            return candidate
        return None

    def _declares(self, candidate: Candidate) -> bool:
        """After a capability mismatch only candidates of another model qualify, if what is known of them lacks nothing that
        the request needs; what would be dropped on the way there is not needed."""
        missed = {c.deployment.model for c, f in self.failures if f.fault is FaultClass.CAPABILITY}
        deployment = candidate.deployment
        translated = self.dialect not in deployment.dialects
        needs = self.needs & ~SOFT_NEEDS if translated or self.route.on_unsupported == "drop" else self.needs
        return deployment.model not in missed and not deployment.lacks & needs

    def _larger_context(self) -> int | None:
        """After a context-length failure only candidates with a larger declared context qualify."""
        sizes = [c.deployment.context_tokens or 0 for c, f in self.failures if f.fault is FaultClass.CONTEXT]
        return max(sizes) if sizes else None

    def hedge(self, now: float) -> Try | None:
        """A second attempt beside the first: on a healthy candidate that has not been tried, if both budgets allow it and the
        retry budget is at least half full."""
        if self._stop is not None or self.attempts >= MAX_ATTEMPTS or self.deadline - now < MIN_LEFT:
            return None
        candidate = next(
            (c for c in self.plan.order if id(c) not in self._tried and self.fleet.standing(c, now) is OK), None
        )
        if candidate is None:
            return None
        budget = self.fleet.budget(self.route, candidate, now)
        if budget.remaining(now) < budget.cap / 2.0 or not self.fleet.hedges.take(self.route.name):
            return None
        budget.take(now)
        return self._try(candidate, "hedge", now)

    def splice(self, now: float, model: str) -> Try | None:
        """Another candidate to go on with after a break: healthy, not tried yet, and of this model, if one is named."""
        if self.attempts >= MAX_ATTEMPTS or self.deadline - now < MIN_LEFT:
            return None
        for candidate in self.plan.order:
            deployment = candidate.deployment
            if id(candidate) in self._tried or (model and (deployment.base_model or deployment.model) != model):
                continue
            if self.fleet.standing(candidate, now) is OK:
                return self._try(candidate, "splice", now)
        return None

    # --- telling ---------------------------------------------------------------------------------------------------
    def failed(self, candidate: Candidate, failure: Failure, now: float) -> None:
        """An attempt ended badly before commitment."""
        self.failures.append((candidate, failure))
        if failure.fault in _FINAL or (failure.fault is FaultClass.REFUSAL and "F9" not in self.route.failover_on):
            self._stop = failure
            return
        if failure.fault is FaultClass.CAPABILITY:
            self._declared_only = True
        if self._retry_same(candidate, failure, now):
            return
        if failure.fault is not FaultClass.OVERLOAD and failure.fault.value not in self.route.failover_on:
            self._stop = self._verdict(now)

    def skipped(self, candidate: Candidate, failure: Failure) -> None:
        """The candidate cannot serve this request at all; nothing was sent. What the caller wrote wrong is wrong for
        every candidate."""
        self._tried.add(id(candidate))
        self.attempts -= 1
        self.fleet.offer(candidate)
        self.failures.append((candidate, failure))
        if failure.fault is FaultClass.CLIENT:
            self._stop = failure

    def _retry_same(self, candidate: Candidate, failure: Failure, now: float) -> bool:
        rule = self.route.retry
        used = self._retries.get(id(candidate), 0)
        if failure.retry == "never" or used >= rule.times:
            return False
        delay = 0.0
        match failure.fault:
            case FaultClass.THROTTLED_KNOWN:
                delay = failure.delay or 0.0
                if delay > rule.wait_for_retry_after:
                    return False
                delay *= 1.0 + STATED_JITTER * self.rand()
            case FaultClass.TRANSIENT | FaultClass.THROTTLED_UNKNOWN:
                if failure.signal not in rule.on:
                    return False
                first_at_once = failure.retry == "at_once" and used == 0
                delay = 0.0 if first_at_once else self._backoff(used)
            case _:
                return False
        if now + delay + MIN_LEFT >= self.deadline:
            return False
        stated = failure.fault is FaultClass.THROTTLED_KNOWN
        if not stated and not self.fleet.budget(self.route, candidate, now).take(now):
            return False
        self._retries[id(candidate)] = used + 1
        self._again, self._delay, self._stated = candidate, delay, stated
        self._patience = now + rule.wait_for_retry_after
        return True

    def _backoff(self, used: int) -> float:
        rule = self.route.retry
        return self.rand() * min(rule.backoff_cap, rule.backoff_base * 2.0**used)

    # --- waiting for a permit --------------------------------------------------------------------------------------
    def queued(self, candidate: Candidate, *, granted: bool) -> None:
        """What came of a `Queue`: a permit is held for this course, or the wait was in vain."""
        if granted:
            self._granted = candidate

    def turned_away(self) -> None:
        """Too many wait for the same delay already."""
        self._again = None
        self._stop = self._turned_away

    def _use_permit(self, now: float) -> Candidate | None:
        """The candidate whose permit is held, if it still may be tried; else the permit goes to the next."""
        candidate, self._granted = self._granted, None
        if candidate is None:
            return None
        name = candidate.deployment.name
        self.fleet.inflight[name] -= 1  # taken up again by the attempt, in this same turn
        fit = self.fleet.standing(candidate, now).kind in ("ok", "slow")
        if fit and self._stop is None and self.deadline - now >= MIN_LEFT and self.attempts < MAX_ATTEMPTS:
            return candidate
        self.fleet.inflight[name] += 1
        self.fleet.give_back(name)
        return None

    def _in_line(self, now: float) -> Queue | None:
        """Where to wait if everybody that could serve is at its limit: the shortest queue for its limit. Once for each
        exchange."""
        if self._lined:
            return None
        self._lined = True
        full = [c for c in self.plan.order if id(c) not in self._tried and self.fleet.standing(c, now).kind == "full"]
        open_to = [c for c in full if self.fleet.queues.length(c.deployment.name) < c.deployment.limits.queue]
        if not open_to:
            return None
        best = min(
            open_to, key=lambda c: self.fleet.queues.length(c.deployment.name) / max(1, c.deployment.limits.concurrency)
        )
        seconds = min(best.deployment.limits.queue_wait, self.deadline - now - MIN_LEFT)
        return Queue(best, seconds) if seconds > 0.0 else None

    # --- nothing left ----------------------------------------------------------------------------------------------
    def _exhausted(self, now: float) -> Step:
        line = self._in_line(now)
        if line is not None:
            return line
        waiting = self._throttled(now)
        if waiting is not None and not self._queued:
            candidate, until = waiting
            delay = max(0.0, until - now)
            delay *= 1.0 + STATED_JITTER * self.rand()
            allowed = delay <= self.route.retry.wait_for_retry_after * (1.0 + STATED_JITTER)
            fresh = self._retries.get(id(candidate), 0) < max(1, self.route.retry.times)
            if allowed and fresh and now + delay + MIN_LEFT < self.deadline:
                self._queued = True
                self._retries[id(candidate)] = self._retries.get(id(candidate), 0) + 1
                self._again, self._delay, self._stated = candidate, 0.0, True
                self._patience = now + self.route.retry.wait_for_retry_after
                self._turned_away = self._verdict(now)
                return Wait(delay, True, candidate.secret, candidate.deployment.limits.queue)
        return GiveUp(self._verdict(now))

    def _throttled(self, now: float) -> tuple[Candidate, float] | None:
        """The candidate whose throttle passes first, if every candidate that is not otherwise out is throttled."""
        best: tuple[Candidate, float] | None = None
        for candidate in self._all():
            standing = self.fleet.standing(candidate, now)
            if standing.kind == "throttled":
                if best is None or standing.until < best[1]:
                    best = (candidate, standing.until)
            elif standing.kind != "credential":
                return None
        return best

    def _all(self) -> list[Candidate]:
        return [*self.plan.order, *(d.candidate for d in self.plan.dropped)]

    def _verdict(self, now: float) -> Failure:
        """The failure that the caller gets: the most telling one of what happened."""
        throttled = self._throttled(now)
        if throttled is not None:
            return _throttled_failure(throttled[1] - now)
        said = [f for _, f in self.failures]
        for fault in (FaultClass.CONTEXT,):
            found = [f for f in said if f.fault is fault]
            if found:
                return found[-1]
        telling = [f for f in said if f.fault in (FaultClass.TRANSIENT, FaultClass.SILENT) or _overload(f)]
        if telling:
            return telling[-1]
        capability = [f for f in said if f.fault is FaultClass.CAPABILITY]
        if capability and len(capability) == len(said):
            return capability[-1]
        if said and all(f.kind is Kind.THROTTLED for f in said):
            return _throttled_failure(min((f.delay for f in said if f.delay is not None), default=1.0))
        return self._none_left(now)

    def _none_left(self, now: float) -> Failure:
        standings = [self.fleet.standing(c, now) for c in self._all()]
        if any(s.kind == "full" for s in standings):
            return Failure(
                kind=Kind.OVERLOADED,
                fault=FaultClass.OVERLOAD,
                source="gateway",
                message="every deployment of this route is at its concurrency limit",
                delay=1.0,
            )
        soon = [s.until - now for s in standings if s.kind in ("ejected", "closed", "throttled")]
        return Failure(
            kind=Kind.NO_CANDIDATE,
            fault=self.failures[-1][1].fault if self.failures else FaultClass.ENDPOINT,
            source="gateway",
            message="no deployment of this route can serve the request now",
            delay=max(1.0, math.ceil(min(soon))) if soon else None,
        )


def _overload(failure: Failure) -> bool:
    return failure.kind is Kind.OVERLOADED


def _throttled_failure(wait: float) -> Failure:
    return Failure(
        kind=Kind.THROTTLED,
        fault=FaultClass.THROTTLED_KNOWN,
        source="upstream",
        message="the provider's rate limit is reached on every deployment of this route",
        delay=max(0.0, wait),
        status=429,
    )


def expired() -> Failure:
    """The exchange's own deadline has passed; it penalises nobody."""
    return Failure(
        kind=Kind.TIMED_OUT,
        fault=FaultClass.SILENT,
        source="gateway",
        message="the deadline of this request passed before an answer began",
    )


def with_body(failure: Failure, body: bytes) -> Failure:
    """The same failure, carrying the provider's own error body."""
    return msgspec.structs.replace(failure, body=body)
