"""Reading records back, for `logs` and the tour."""

from __future__ import annotations

from typing import Any

from trunkline.app.boot import Boot
from trunkline.ledger.encoding import whole
from trunkline.storage.contract import PAGE_MAX, RecordFilter
from trunkline.storage.open import open_store


class Records:
    """A context manager over the store's request log."""

    def __init__(self, boot: Boot) -> None:
        self._store = open_store(boot.store_url)

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def find(self, record_id: str) -> dict[str, Any] | None:
        body = self._store.find_record(record_id)
        return None if body is None else whole(body)

    def query(self, match: RecordFilter, limit: int) -> list[dict[str, Any]]:
        """Records as plain values, newest first, page by page."""
        found: list[dict[str, Any]] = []
        older = None
        while len(found) < limit:
            page = self._store.query_records(match, older, min(limit - len(found), PAGE_MAX))
            found += [whole(body) for body in page.bodies]
            older = page.older
            if older is None:
                break
        return found
