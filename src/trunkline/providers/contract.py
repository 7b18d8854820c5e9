"""What every provider offers: address, preparation, and how to read its failures. Pure.

A provider that speaks an existing dialect is one file and one entry in `PROVIDERS`. A cloud that puts the model into
the URL, signs requests or frames its stream differently is one more file too: `prepare` returns the whole target,
all headers and the framing, and is given the clock as an argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from trunkline.dialects.contract import ErrorFacts
from trunkline.types.failure import Failure
from trunkline.types.fleet import Candidate, Deployment
from trunkline.types.wire import DialectName, Framing, Headers, Operation, Origin


class ProviderOption(msgspec.Struct, frozen=True):
    """One key under `options:` of a provider entry: what it is for, and a pattern that its whole value matches."""

    about: str
    pattern: str = r"[!-~]+"


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """What `prepare` may know. `body` is ready (spliced or translated, in `dialect`). `client_headers` are the
    caller's; a provider picks from them by allow-list. `now` is epoch seconds, for signatures."""

    candidate: Candidate
    dialect: DialectName
    operation: Operation
    stream: bool
    same_dialect: bool
    api_version: str
    secret: str
    client_headers: Headers
    body: bytes
    now: float

    def __repr__(self) -> str:
        """Without secret, headers and body: it may end up in a log."""
        return f"Outgoing({self.candidate.deployment.name}, {self.dialect}, {len(self.body)} bytes)"


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request ready for `transport.send`: `target` is path and query; `headers` lack Host and Content-Length."""

    origin: Origin
    method: bytes
    target: bytes
    headers: Headers
    body: bytes
    framing: Framing

    def __repr__(self) -> str:
        """Without headers and body: they hold a secret and a prompt."""
        where = f"{self.origin.scheme}://{self.origin.authority}{self.target.decode('latin-1')}"
        return f"Prepared({self.method.decode('latin-1')} {where}, {len(self.body)} bytes)"


class Provider(Protocol):
    """`kind` is what `type:` says in the configuration (or the entry's name). `default_base_url` is "" for a kind that
    has no address of its own. The first of `dialects` is what requests of other dialects are translated into.
    `options` are the keys under `options:` that this code understands; `needs_key` is false where a server may take
    requests without a credential."""

    kind: str
    default_base_url: str
    dialects: tuple[DialectName, ...]
    options: Mapping[str, ProviderOption]
    needs_key: bool

    def origin(self, deployment: Deployment) -> Origin:
        """Where this deployment's socket goes, from its base_url (what the provider's official SDK takes). Raises
        ValueError, with words for the user, when that is no such URL."""
        ...

    def prepare(self, outgoing: Outgoing) -> Prepared:
        """Never fails: what could go wrong was refused when the configuration was loaded."""
        ...

    def classify(self, status: int, headers: Headers, facts: ErrorFacts, *, now: float) -> Failure:
        """An error answer (status ≥ 400), or an error event inside a 200 (`status` 200), to its class of
        reliability.md section 1. `now` is epoch seconds (Retry-After may be a date)."""
        ...
