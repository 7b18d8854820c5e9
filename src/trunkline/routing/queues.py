"""Who waits for a permit of a deployment, and who is next (reliability.md 3.13). Pure: a place in a queue is handed over
by calling `wake`, in the turn in which the permit becomes free, and nobody can step in between.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.types.principal import Priority


class Waiter:
    """One exchange in one queue. `due` is the caller's own deadline (loop seconds), None if it named none. `granted`: a
    permit is held for it and must be used or given back."""

    __slots__ = ("due", "granted", "key", "number", "priority", "wake")

    def __init__(self, key: str, priority: Priority, due: float | None, wake: Callable[[], None]) -> None:
        self.key = key
        self.priority = priority
        self.due = due
        self.wake = wake
        self.granted = False
        self.number = 0


class Queues:
    """By deployment. Served in this order: interactive before batch, whoever named the earliest deadline, the key that got
    the fewest permits while anybody waited, the one that came first."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Waiter]] = {}
        self._given: dict[str, dict[str, int]] = {}
        self._number = 0
        #: Waits for a stated delay of a provider, by what is waited for; they are bounded too.
        self.delayed: dict[str, int] = {}

    def length(self, deployment: str) -> int:
        return len(self._waiting.get(deployment, ()))

    def join(self, deployment: str, waiter: Waiter, bound: int) -> bool:
        """False: the queue is full."""
        waiting = self._waiting.setdefault(deployment, [])
        if len(waiting) >= bound:
            if not waiting:
                del self._waiting[deployment]
            return False
        self._number += 1
        waiter.number = self._number
        waiting.append(waiter)
        return True

    def leave(self, deployment: str, waiter: Waiter) -> None:
        waiting = self._waiting.get(deployment)
        if waiting is not None and waiter in waiting:
            waiting.remove(waiter)
            self._forget(deployment)

    def hand_over(self, deployment: str) -> bool:
        """The permit that has just become free goes to the next in the queue. False: nobody waits."""
        waiting = self._waiting.get(deployment)
        if not waiting:
            return False
        given = self._given.setdefault(deployment, {})
        chosen = min(
            waiting,
            key=lambda w: (
                w.priority == "batch",
                float("inf") if w.due is None else w.due,
                given.get(w.key, 0),
                w.number,
            ),
        )
        waiting.remove(chosen)
        given[chosen.key] = given.get(chosen.key, 0) + 1
        self._forget(deployment)
        chosen.granted = True
        chosen.wake()
        return True

    def _forget(self, deployment: str) -> None:
        """Shares count while anybody waits."""
        if not self._waiting[deployment]:
            del self._waiting[deployment]
            self._given.pop(deployment, None)
