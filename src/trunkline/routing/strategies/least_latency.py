"""Of two candidates taken at random, the one that promises to be done sooner comes first: its recent time to first content plus
its time per token, for requests of this size, times the attempts that wait there already. The rest follow by the same measure.

Two at random, and not the best of all: when many requests are planned at once, the best of all would get all of them.
"""

from __future__ import annotations

from operator import itemgetter

from trunkline.routing.speed import size_class
from trunkline.routing.strategies.contract import View
from trunkline.types.fleet import Candidate

#: Of a candidate that nobody has seen yet: tried first while idle, and once, not by everybody at the same time.
_UNSEEN_BUSY = 1e6
#: A candidate that has not been asked for so long is worth a fresh look, seconds: what is known of it is old.
STALE = 60.0


class LeastLatency:
    name = "least_latency"
    steady = False

    def order(self, candidates: tuple[Candidate, ...], view: View) -> tuple[Candidate, ...]:
        count = len(candidates)
        if count < 2:
            return candidates
        scored = [(score(c, view), c) for c in candidates]
        one = int(view.rand() * count) % count
        two = (one + 1 + int(view.rand() * (count - 1)) % (count - 1)) % count
        first = one if scored[one][0] <= scored[two][0] else two
        chosen = scored.pop(first)[1]
        scored.sort(key=itemgetter(0))
        return (chosen, *(c for _, c in scored))


def score(candidate: Candidate, view: View) -> float:
    """Seconds until this candidate would be done, as far as the past tells."""
    fleet = view.fleet
    name = candidate.deployment.name
    waiting = fleet.inflight.get(name, 0)
    speed = fleet.speeds.of(name, size_class(view.asked.input_tokens, view.asked.stream))
    if speed is None or view.now - speed.seen_at > STALE:
        return 0.0 if waiting == 0 else _UNSEEN_BUSY + waiting
    tokens = fleet.speeds.expected_output(view.route, view.asked.max_output_tokens)
    return (speed.first + speed.per_token * tokens) * (1.0 + waiting / max(candidate.deployment.limits.concurrency, 1))
