"""Virtual keys: how they are made, checked, hashed, and held in memory (reliability.md K6).

    tl-<27 characters><6 characters>     base62; 160 random bits, then the CRC32 of everything before it

The checksum tells a mistyped key from an unknown one without asking anybody. A key is stored and looked up only as
its HMAC-SHA-256 under the pepper; a dict lookup by that digest gives an attacker nothing to time.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
import zlib
from collections.abc import Callable, Iterable

import msgspec

from trunkline.storage.contract import KeyRow, Store
from trunkline.types.constraint import Constraint
from trunkline.types.failure import Failure, invalid
from trunkline.types.principal import Principal, Priority

PREFIX = "tl-"
RANDOM_BYTES = 20
_RANDOM_DIGITS = 27  # 62 ** 27 > 2 ** 160
_CHECKSUM_DIGITS = 6  # 62 ** 6 > 2 ** 32
KEY_LENGTH = len(PREFIX) + _RANDOM_DIGITS + _CHECKSUM_DIGITS
_KEY_ID_BYTES = 12
_KEY_ID_DIGITS = 17  # 62 ** 17 > 2 ** 96
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ALPHABET_BYTES = _ALPHABET.encode("ascii")
#: Longest label of a key, characters (observability.md 1.3).
LABEL_MAX = 64

TokenBytes = Callable[[int], bytes]


def mint(token_bytes: TokenBytes = os.urandom) -> str:
    """A new key. Show it once; keep only its digest."""
    text = PREFIX + _base62(int.from_bytes(token_bytes(RANDOM_BYTES), "big"), _RANDOM_DIGITS)
    return text + _checksum(text)


def new_key_id(token_bytes: TokenBytes = os.urandom) -> str:
    """The public name of a key; says nothing about the key."""
    return "key_" + _base62(int.from_bytes(token_bytes(_KEY_ID_BYTES), "big"), _KEY_ID_DIGITS)


def well_formed(key: str) -> bool:
    """Could this ever have been made by `mint`?"""
    if len(key) != KEY_LENGTH or not key.isascii() or not key.startswith(PREFIX):
        return False
    # By table, so that no step takes another branch for another digit: a guessed prefix gives no timing to compare.
    if key[len(PREFIX) :].encode("ascii").translate(None, _ALPHABET_BYTES):
        return False
    return key[-_CHECKSUM_DIGITS:] == _checksum(key[:-_CHECKSUM_DIGITS])


def digest(pepper: bytes, key: str) -> bytes:
    """32 bytes. `key` is ASCII."""
    return hmac.digest(pepper, key.encode("ascii"), "sha256")


def digester(pepper: bytes) -> Callable[[bytes], bytes]:
    """`digest` for many keys under one pepper: both hashes of HMAC are taken up behind the pepper (RFC 2104, 4), which
    costs a third."""
    block = (pepper if len(pepper) <= 64 else hashlib.sha256(pepper).digest()).ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def digest_of(key: bytes) -> bytes:
        found = inner.copy()
        found.update(key)
        last = outer.copy()
        last.update(found.digest())
        return last.digest()

    return digest_of


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every request with a key is bound by: labels that a deployment must have, or must not have. `task` is what they
    are about, where they do not say so themselves; `batch` is shed first and waits longest."""

    require: dict[str, tuple[str, ...]] = {}
    forbid: dict[str, tuple[str, ...]] = {}
    task: str = ""
    priority: Priority = "interactive"

    @property
    def says(self) -> bool:
        return self != NO_LIMITS


NO_LIMITS = KeyLimits()


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """What a key stands for. `expires_at`: microseconds since the epoch."""

    name: str
    team: str = ""
    user: str = ""
    feature: str = ""
    organisation: str = ""
    expires_at: int | None = None
    limits: KeyLimits = KeyLimits()


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A new key: the only place where it is ever seen."""

    key_id: str
    key: str


def issue(store: Store, pepper: bytes, labels: Labels) -> Issued | Failure:
    """Makes a key and stores its digest. Raises StoreUnavailable."""
    for field in ("name", "team", "user", "feature", "organisation"):
        value: str = getattr(labels, field)
        if len(value) > LABEL_MAX or not value.isprintable():
            return invalid(f"{field} takes at most {LABEL_MAX} printable characters", param=field)
    if not labels.name.strip():
        return invalid("a key needs a name", param="name")
    issued = Issued(key_id=new_key_id(), key=mint())
    store.create_key(
        KeyRow(
            key_id=issued.key_id,
            digest=digest(pepper, issued.key),
            name=labels.name,
            team=labels.team,
            user=labels.user,
            feature=labels.feature,
            organisation=labels.organisation,
            created_at=time.time_ns() // 1000,
            expires_at=labels.expires_at,
            limits=msgspec.json.encode(labels.limits).decode() if labels.limits.says else "",
        )
    )
    return issued


class Held(msgspec.Struct, frozen=True, gc=False):
    """A key in memory. `ends_at`: seconds since the epoch from which it is refused; None: never."""

    principal: Principal
    ends_at: float | None


def held(row: KeyRow) -> Held:
    ends = min((t for t in (row.revoked_at, row.expires_at) if t is not None), default=None)
    if row.revoked_at is not None:
        ends = 0  # at once, whatever the clocks of the machines say
    constraints, limits = _limits(row)
    principal = Principal(
        key_id=row.key_id,
        name=row.name,
        user=row.user,
        team=row.team,
        organisation=row.organisation,
        feature=row.feature,
        task=limits.task,
        priority=limits.priority,
        constraints=constraints,
    )
    return Held(principal, None if ends is None else ends / 1e6)


def _limits(row: KeyRow) -> tuple[tuple[Constraint, ...], KeyLimits]:
    """Limits that cannot be read let nothing pass: nobody has the label that they then require."""
    if not row.limits:
        return (), NO_LIMITS
    origin = f"key {row.key_id}"
    try:
        limits = msgspec.json.decode(row.limits, type=KeyLimits)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return (Constraint(origin=origin, require={"readable limits": ()}),), NO_LIMITS
    if not (limits.require or limits.forbid):
        return (), limits
    return (Constraint(origin=origin, require=limits.require, forbid=limits.forbid),), limits


class KeyRing:
    """Digest → key. All keys of the store, revoked ones too, so that nothing known needs a look-up."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: dict[bytes, Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def load(self, everything: dict[bytes, Held]) -> None:
        """Takes the place of all that was there; the dict is handed over."""
        self._held = everything

    def apply(self, rows: Iterable[KeyRow]) -> None:
        for row in rows:
            self._held[row.digest] = held(row)

    def items(self) -> list[tuple[bytes, Held]]:
        """A copy, safe to read in a thread."""
        return list(self._held.items())

    def lookup(self, key_digest: bytes) -> Held | None:
        return self._held.get(key_digest)


def _base62(number: int, digits: int) -> str:
    found = []
    for _ in range(digits):
        number, digit = divmod(number, 62)
        found.append(_ALPHABET[digit])
    return "".join(reversed(found))


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode("ascii")), _CHECKSUM_DIGITS)
