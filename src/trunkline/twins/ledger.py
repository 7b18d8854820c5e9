"""What a twin saw and would have billed."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

#: Entries kept; the totals go on counting beyond them.
KEPT = 100_000


class Entry(msgspec.Struct, kw_only=True):
    """One request. `at` is loop seconds since the twin started; tokens are what the provider would bill for what it
    made (a cut or abandoned stream bills the input and the output that had left). `seconds` from request to end."""

    serial: int
    id: str
    at: float
    method: str
    path: str
    key: str
    model: str
    stream: bool
    status: int = 0
    faults: list[str] = []
    bytes_in: int = 0
    bytes_out: int = 0
    content_events: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    #: `open` while it runs, `complete`, `broken` by a fault, or `disconnected` by the client before the end.
    outcome: str = "open"


class VideoEntry(msgspec.Struct, kw_only=True):
    """One task that makes a video, from its creation on, whatever becomes of its record. `account` is the part of the key
    before its first `~`, or the fingerprint of a key without one. `created_at` is seconds since 1970. What is billed is
    0 until the task has succeeded, and None in the unit that the provider does not bill by. `polls` counts questions
    for this task alone, `downloads` those for its bytes that were granted."""

    id: str
    account: str
    model: str
    state: str = "queued"
    created_at: float
    marker: str | None = None
    prompt_digest: str
    billed_tokens: int | None = None
    billed_seconds: int | None = None
    polls: int = 0
    downloads: int = 0
    bytes_served: int = 0


class Totals(msgspec.Struct):
    """Sums over everything since the ledger was cleared."""

    requests: int = 0
    complete: int = 0
    broken: int = 0
    disconnected: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    statuses: dict[str, int] = {}


class Ledger:
    """The requests of one twin, oldest first."""

    __slots__ = ("_downloads", "entries", "totals", "videos")

    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self.videos: deque[VideoEntry] = deque(maxlen=KEPT)
        self.totals = Totals()
        self._downloads: dict[int, VideoEntry] = {}

    def open(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.totals.requests += 1

    def serve(self, entry: Entry, video: VideoEntry) -> None:
        """This request fetches the bytes of that video; those that left are counted when it ends."""
        video.downloads += 1
        self._downloads[entry.serial] = video

    def close(self, entry: Entry, outcome: str) -> None:
        """Ends an entry, once; what it bills enters the totals now."""
        if entry.outcome != "open":
            return
        entry.outcome = outcome
        video = self._downloads.pop(entry.serial, None)
        if video is not None:
            video.bytes_served += entry.bytes_out
        totals = self.totals
        totals.prompt_tokens += entry.prompt_tokens
        totals.output_tokens += entry.output_tokens
        status = str(entry.status)
        totals.statuses[status] = totals.statuses.get(status, 0) + 1
        match outcome:
            case "complete":
                totals.complete += 1
            case "disconnected":
                totals.disconnected += 1
            case _:
                totals.broken += 1

    def clear(self) -> None:
        self.entries.clear()
        self.videos.clear()
        self.totals = Totals()

    def shown(self, *, after: int = 0, limit: int = KEPT) -> dict[str, Any]:
        """`after`: only entries with a higher serial; the last `limit` of them."""
        found = [entry for entry in self.entries if entry.serial > after][-limit:] if limit else []
        return {"totals": self.totals, "requests": found, "videos": list(self.videos)}
