"""Which candidate a conversation stays with: the one that served it last, as long as it is remembered and able; else, the same
for all workers without asking, the one that a hash gives it."""

from __future__ import annotations

import zlib

from trunkline.types.fleet import Candidate

#: Conversations remembered, and for how long nobody need speak in one, seconds (providers keep caches for an hour at most).
KEPT = 65_536
LIFE = 3_600.0


class Affinity:
    """Bounded; the oldest is forgotten first. One per worker."""

    __slots__ = ("_at", "forgotten_total")

    def __init__(self) -> None:
        self._at: dict[str, tuple[str, float]] = {}
        self.forgotten_total = 0

    def served(self, name: str, candidate: Candidate, now: float) -> None:
        """The conversation was served by this candidate: the next turn goes there too."""
        self._at.pop(name, None)
        if len(self._at) >= KEPT:
            del self._at[next(iter(self._at))]
            self.forgotten_total += 1
        self._at[name] = (identity(candidate), now)

    def remembered(self, name: str, now: float) -> str:
        """Identity of the candidate that served last; "" if nobody knows."""
        found = self._at.get(name)
        return found[0] if found is not None and now - found[1] < LIFE else ""

    def first(self, name: str, ranked: tuple[Candidate, ...], now: float) -> tuple[Candidate, ...]:
        """The same candidates with the conversation's own in front."""
        if len(ranked) < 2:
            return ranked
        wanted = self.remembered(name, now)
        own = next((c for c in ranked if identity(c) == wanted), None) if wanted else None
        if own is None:
            own = max(ranked, key=lambda c: zlib.crc32(f"{name}\0{identity(c)}".encode()))
        return (own, *(c for c in ranked if c is not own))


def identity(candidate: Candidate) -> str:
    """Deployment and credential: what opaque provider state is bound to."""
    return f"{candidate.deployment.name}/{candidate.credential}"
