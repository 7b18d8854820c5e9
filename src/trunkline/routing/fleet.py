"""The fleet: deployments as this worker sees them now. Local, in memory, synchronous (reliability.md 3.1)."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from trunkline.routing.affinity import Affinity
from trunkline.routing.budget import HedgeBudget, RetryBudget
from trunkline.routing.health import SLOW_START, CredentialHealth, EndpointHealth
from trunkline.routing.queues import Queues
from trunkline.routing.speed import Speeds
from trunkline.types.constraint import Constraint
from trunkline.types.failure import Failure, FaultClass
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import Plan

if TYPE_CHECKING:
    from trunkline.routing.fit import Fitting
    from trunkline.routing.wide import Wide

StandingKind = Literal["ok", "slow", "probe", "ejected", "throttled", "closed", "credential", "full"]


#: How an attempt came to an endpoint: openly, as the probe of an ejected one, or in panic past its ejection.
Way = Literal["open", "probe", "panic"]


class Standing(msgspec.Struct, frozen=True):
    """How a candidate stands at a moment. `until` (loop seconds) is when that may change; `share` is slow start's;
    `assumed`: no provider has stated this delay."""

    kind: StandingKind
    until: float = 0.0
    share: float = 1.0
    assumed: bool = False


class Change(msgspec.Struct, frozen=True):
    """A change of state worth one log line and one event."""

    subject: str
    state: str
    reason: str


OK = Standing("ok")


class Fleet:
    """Health of endpoints and credentials, permits in use, retry budgets. One per worker; survives reloads.

    `troubled` names everything that is not plainly healthy; while it is empty a plan costs a dictionary look-up.
    """

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self.endpoints: dict[str, EndpointHealth] = {}
        self.credentials: dict[str, CredentialHealth] = {}
        self.by_address: dict[str, set[str]] = {}
        self.inflight: defaultdict[str, int] = defaultdict(int)
        self.budgets: dict[tuple[str, str], RetryBudget] = {}
        self.turns: dict[str, int] = {}
        #: By route name: the plan that holds while the fleet is calm, for strategies that always rank the same.
        self.plans: dict[tuple[str, int], tuple[Route, Plan]] = {}
        #: Which candidates fit, by route, rule, needs, day and constraints; for the route that they were found for.
        self.fits: dict[tuple[Any, ...], tuple[Route, tuple[Constraint, ...], Fitting]] = {}
        #: Endpoint → deployments that are behind it, for conditions on the fleet's state.
        self.named: dict[str, tuple[str, ...]] = {}
        self.affinity = Affinity()
        self.speeds = Speeds()
        self.hedges = HedgeBudget()
        #: What is known of tuples of very many candidates, by their identity (wide.py).
        self.wides: dict[int, Wide] = {}
        self.queues = Queues()
        self.troubled: set[str] = set()

    # --- reading -------------------------------------------------------------------------------------------------
    def standing(self, candidate: Candidate, now: float) -> Standing:
        """Credential first: it is what a stated delay speaks about; then the endpoint; then permits."""
        if self.troubled:
            for name in (candidate.secret, credential_model(candidate)):
                credential = self.credentials.get(name)
                if credential is None:
                    continue
                if credential.out_until > now:
                    return Standing("credential", credential.out_until)
                if credential.closed_until > now:
                    return Standing("throttled", credential.closed_until, assumed=not credential.stated)
            endpoint = self.endpoints.get(candidate.endpoint)
            if endpoint is not None:
                if endpoint.closed_until > now:
                    return Standing("closed", endpoint.closed_until)
                if endpoint.state == "ejected":
                    if now < endpoint.until or endpoint.probe_running:
                        return Standing("ejected", endpoint.until)
                    return Standing("probe", endpoint.until)
                share = endpoint.share(now)
                if share < 1.0:
                    return Standing("slow", 0.0, share)
        if self.inflight[candidate.deployment.name] >= candidate.deployment.limits.concurrency:
            return Standing("full")
        return OK

    def ejected(self) -> tuple[str, ...]:
        """Names of deployments that are out of health now."""
        if not self.troubled:
            return ()
        out = {name for name in self.troubled if (e := self.endpoints.get(name)) is not None and e.state == "ejected"}
        return tuple(sorted({name for endpoint in out for name in self.named.get(endpoint, ())}))

    def budget(self, route: Route, candidate: Candidate, now: float) -> RetryBudget:
        key = (route.name, candidate.deployment.name)
        budget = self.budgets.get(key)
        if budget is None:
            budget = self.budgets[key] = RetryBudget(now, self.workers)
        return budget

    def tidy(self, now: float) -> None:
        """Forget what has become plainly healthy."""
        for name in list(self.troubled):
            endpoint = self.endpoints.get(name)
            if endpoint is not None:
                if endpoint.closed_until and endpoint.closed_until <= now:
                    endpoint.closed_until = 0.0
                if endpoint.calm and now - endpoint.back_at >= SLOW_START:
                    self.troubled.discard(name)
                continue
            credential = self.credentials.get(name)
            if credential is None or (credential.out_until <= now and credential.closed_until <= now):
                self.troubled.discard(name)

    # --- the life of an attempt ---------------------------------------------------------------------------------
    def began(self, candidate: Candidate, now: float) -> Way:
        """An attempt starts; the answer is to be handed back at its end."""
        self.inflight[candidate.deployment.name] += 1
        if not self.troubled:
            return "open"
        endpoint = self.endpoints.get(candidate.endpoint)
        if endpoint is None or endpoint.state != "ejected":
            return "open"
        if endpoint.probe_running or now < endpoint.until:
            return "panic"
        endpoint.probe_running = True
        return "probe"

    def served(self, candidate: Candidate, now: float, *, way: Way) -> Change | None:
        """An attempt ended well (or in a way that says nothing against the deployment)."""
        self._release(candidate)
        endpoint = self.endpoints.get(candidate.endpoint)
        if endpoint is None:
            return None
        if way == "probe":
            endpoint.probe_running = False
        came_back = endpoint.succeeded(now, probe=way == "probe", panic=way == "panic")
        if self.troubled:
            for name in (candidate.secret, credential_model(candidate)):
                credential = self.credentials.get(name)
                if credential is not None:
                    credential.succeeded(now)
        return Change(candidate.endpoint, "healthy", "probed") if came_back else None

    def released(self, candidate: Candidate, *, way: Way) -> None:
        """An attempt ended without a verdict about the deployment (cancelled, client fault, refusal)."""
        self._release(candidate)
        if way == "probe":
            self.endpoints[candidate.endpoint].probe_running = False

    def failed(
        self, candidate: Candidate, failure: Failure, now: float, rand: float, *, key: str, way: Way
    ) -> list[Change]:
        """An attempt failed: the outcome that crosses a threshold ejects before the next plan is made."""
        self._release(candidate)
        changes = self._penalise(candidate, failure, now, rand, key=key, way=way)
        endpoint = self.endpoints.get(candidate.endpoint)
        if way == "probe" and endpoint is not None:
            endpoint.probe_running = False
        return changes

    def _release(self, candidate: Candidate) -> None:
        self.give_back(candidate.deployment.name)

    def offer(self, candidate: Candidate) -> None:
        """A permit that nobody took goes to whoever waits for one."""
        name, limits = candidate.deployment.name, candidate.deployment.limits
        if self.queues.length(name) and self.inflight[name] < limits.concurrency:
            self.inflight[name] += 1
            self.queues.hand_over(name)

    def give_back(self, deployment: str) -> None:
        """A permit becomes free, or goes to whoever is next in the queue."""
        if not self.queues.hand_over(deployment):
            self.inflight[deployment] = max(0, self.inflight[deployment] - 1)

    def _penalise(
        self, candidate: Candidate, failure: Failure, now: float, rand: float, *, key: str, way: Way
    ) -> list[Change]:
        match failure.penalty:
            case "nothing":
                return []
            case "credential" | "credential_model":
                return self._penalise_credential(candidate, failure, now)
            case "endpoint":
                names = [candidate.endpoint]
            case "address":
                names = sorted(self.by_address.get(candidate.address, {candidate.endpoint}))
        changes: list[Change] = []
        for name in names:
            endpoint = self._endpoint(name, candidate.address)
            self.troubled.add(name)
            if failure.fault is FaultClass.THROTTLED_KNOWN and failure.delay is not None:
                endpoint.close(now + failure.delay)
            elif failure.fault is FaultClass.ENDPOINT:
                if endpoint.state == "healthy":
                    changes.append(Change(name, "ejected", "hard"))
                    endpoint.eject(now, rand, "hard")
                elif way == "probe":
                    endpoint.probe_failed(now, rand)
            elif endpoint.failed(
                now,
                rand,
                key=key,
                silent=failure.fault is FaultClass.SILENT,
                confirmed=failure.confirmed,
                probe=way == "probe" and name == candidate.endpoint,
            ):
                changes.append(Change(name, "ejected", endpoint.reason))
        return changes

    def _penalise_credential(self, candidate: Candidate, failure: Failure, now: float) -> list[Change]:
        whole = failure.penalty == "credential"
        name = candidate.secret if whole else credential_model(candidate)
        credential = self.credentials.setdefault(name, CredentialHealth())
        self.troubled.add(name)
        if failure.fault is FaultClass.CREDENTIAL:
            known = credential.out_until > now
            credential.out(now)
            return [] if known else [Change(name, "out", failure.code or str(failure.status))]
        credential.throttle(now, failure.delay)
        return []

    def know(self, candidate: Candidate) -> None:
        """Register a candidate's endpoint, so that a failure of its address reaches it."""
        self._endpoint(candidate.endpoint, candidate.address)
        self._named(candidate)

    def _named(self, candidate: Candidate) -> None:
        known = self.named.get(candidate.endpoint, ())
        if candidate.deployment.name not in known:
            self.named[candidate.endpoint] = (*known, candidate.deployment.name)

    def _endpoint(self, name: str, address: str) -> EndpointHealth:
        endpoint = self.endpoints.get(name)
        if endpoint is None:
            endpoint = self.endpoints[name] = EndpointHealth()
            self.by_address.setdefault(address, set()).add(name)
        return endpoint

    # --- probes off the request path ----------------------------------------------------------------------------
    def wants_connect_probe(self, candidate: Candidate, now: float) -> bool:
        """A connect-class or silent ejection whose time is over is probed by a bare connect first; so is an endpoint
        that one key alone has brought to a threshold."""
        endpoint = self.endpoints.get(candidate.endpoint)
        if endpoint is None or endpoint.probe_running:
            return False
        if endpoint.suspect:
            return True
        return (
            endpoint.state == "ejected"
            and now >= endpoint.until
            and endpoint.reason in ("connect", "silent")
            and endpoint.probe_successes == 0
        )

    def connect_probe_began(self, candidate: Candidate) -> None:
        self.endpoints[candidate.endpoint].probe_running = True

    def connect_probe_ended(self, candidate: Candidate, now: float, rand: float, *, ok: bool) -> Change | None:
        endpoint = self.endpoints[candidate.endpoint]
        endpoint.probe_running = False
        if endpoint.state == "healthy":
            suspect, endpoint.suspect = endpoint.suspect, False
            if suspect and not ok:
                endpoint.eject(now, rand, "connect")
                return Change(candidate.endpoint, "ejected", "connect")
            endpoint.transient_run = endpoint.silent_run = 0
            return None
        if ok:
            endpoint.succeeded(now, probe=True)
        else:
            endpoint.probe_failed(now, rand)
        return None

    def renew(self, secret: str, generation: int) -> None:
        """A credential's secret changed: give it back at once."""
        for name, credential in self.credentials.items():
            if name == secret or name.startswith(secret + "|"):
                credential.renewed(generation)


def credential_model(candidate: Candidate) -> str:
    """Key of the (credential, model) health: one model's quota says nothing about the others."""
    return f"{candidate.secret}|{candidate.deployment.model}"
