"""Connect probes off the request path (reliability.md 3.2, 3.4): for suspects at once, for connect-class and silent
ejections when their time is over. Single flight per endpoint; nothing is ever sent."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.engine.house import House
from trunkline.transport.contract import Fault, Outbound
from trunkline.types.fleet import Candidate, Snapshot

EVERY = 0.25  # seconds between looks while anything is troubled
CALM = 1.0


class Prober:
    """A `Deadlines` entry of one worker."""

    __slots__ = ("_candidates", "_house", "_snapshot")

    def __init__(self, house: House) -> None:
        self._house = house
        self._snapshot: Snapshot | None = None
        self._candidates: dict[str, Candidate] = {}

    def start(self) -> None:
        self._house.deadlines.add(self, self._house.loop.time() + EVERY)

    def stop(self) -> None:
        self._house.deadlines.remove(self)

    def on_deadline(self, now: float) -> float | None:
        house = self._house
        if not house.fleet.troubled:
            return now + CALM
        if self._snapshot is not house.snapshot:
            self._snapshot = house.snapshot
            self._candidates = {c.endpoint: c for c in _candidates(house.snapshot)}
        for name in list(house.fleet.troubled):
            candidate = self._candidates.get(name)
            if candidate is not None and house.fleet.wants_connect_probe(candidate, now):
                self._probe(candidate)
        return now + EVERY

    def _probe(self, candidate: Candidate) -> None:
        house = self._house
        house.fleet.connect_probe_began(candidate)
        provider = candidate.deployment.provider

        def done(fault: Fault | None) -> None:
            change = house.fleet.connect_probe_ended(candidate, house.loop.time(), house.rand(), ok=fault is None)
            if change is not None:
                house.log("fleet", {"subject": change.subject, "state": change.state, "reason": change.reason})

        house.upstreams.probe(
            Outbound(
                origin=candidate.origin,
                method=b"GET",
                target=b"/",
                headers=[],
                body=b"",
                tls=provider.tls,
                proxy=provider.proxy,
            ),
            done,
        )


def _candidates(snapshot: Snapshot) -> Iterable[Candidate]:
    for route in snapshot.routes.values():
        yield from route.use
        yield from route.fallback
