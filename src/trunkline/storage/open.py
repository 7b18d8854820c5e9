"""From a `store:` URL to a store. Another kind of store is one file and one line in `SCHEMES`."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.storage.contract import Store, StoreUrlError
from trunkline.storage.sqlite import open_sqlite

#: How long one call may wait for a lock (seconds). Workers ask for less: their callers wait (reliability.md D3).
PATIENCE = 5.0

SCHEMES: dict[str, Callable[[str, float], Store]] = {
    "sqlite": open_sqlite,
}


def open_store(url: str, patience: float = PATIENCE) -> Store:
    """Opens the store and brings its tables up to date.

    Raises StoreUrlError (the URL is wrong) or StoreUnavailable. Messages never contain the URL: it may hold a password.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise StoreUrlError("a store is written as a URL such as sqlite:///trunkline.db (relative) or sqlite:////var/…")
    make = SCHEMES.get(scheme.lower())
    if make is None:
        known = ", ".join(f"{name}://" for name in sorted(SCHEMES))
        raise StoreUrlError(f"no store is known for {scheme[:32]!r}; this version has: {known}")
    return make(rest, patience)
