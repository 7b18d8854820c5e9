"""Making, listing and revoking virtual keys against the store, for the command line."""

from __future__ import annotations

import time

from trunkline.app.boot import Boot
from trunkline.policy.keys import Issued, KeyLimits, Labels, issue
from trunkline.policy.pepper import confirm, load_pepper
from trunkline.storage.contract import KeyRow
from trunkline.storage.open import open_store
from trunkline.types.failure import Failure


class Keys:
    """One call, one open store. Raises StoreUnavailable, StoreUrlError or PepperError, whose texts say what to do."""

    def __init__(self, boot: Boot) -> None:
        self._boot = boot

    def create(
        self, *, name: str, team: str = "", user: str = "", feature: str = "", limits: KeyLimits | None = None
    ) -> Issued | Failure:
        self._boot.prepare_state()
        pepper = load_pepper(self._boot.state_dir)
        store = open_store(self._boot.store_url)
        try:
            confirm(store, pepper)
            bound = KeyLimits() if limits is None else limits
            return issue(store, pepper, Labels(name=name, team=team, user=user, feature=feature, limits=bound))
        finally:
            store.close()

    def list(self) -> list[KeyRow]:
        """Newest first."""
        store = open_store(self._boot.store_url)
        try:
            return list(reversed(store.list_keys()))
        finally:
            store.close()

    def revoke(self, key_id: str) -> bool:
        """False: unknown, or revoked before."""
        store = open_store(self._boot.store_url)
        try:
            return store.revoke_key(key_id, time.time_ns() // 1000)
        finally:
            store.close()
