"""Virtual keys: their shape, their checksum, their hash, and the ring that holds them."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from pathlib import Path

import pytest

from trunkline.policy.keys import Issued, KeyRing, Labels, digest, digester, held, issue, mint, new_key_id, well_formed
from trunkline.storage.contract import KeyRow
from trunkline.storage.open import open_store
from trunkline.types.failure import Failure, Kind

PEPPER = bytes(range(32))
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def test_a_key_is_160_bits_in_base62_and_a_checksum_over_all_before_it() -> None:
    key = mint(lambda n: bytes([0] * (n - 1) + [62]))
    assert key[:30] == "tl-" + "0" * 25 + "10"
    number = zlib.crc32(key[:30].encode())
    spelled = ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        spelled = ALPHABET[rest] + spelled
    assert key[30:] == spelled


def test_the_largest_number_fits() -> None:
    assert len(mint(lambda n: b"\xff" * n)) == 36
    assert well_formed(mint(lambda n: b"\xff" * n))


def test_keys_differ_and_all_are_well_formed() -> None:
    keys = {mint() for _ in range(200)}
    assert len(keys) == 200
    assert all(map(well_formed, keys))


def test_any_single_typing_mistake_is_noticed() -> None:
    key = mint(lambda n: bytes(range(1, n + 1)))
    for place in range(3, len(key)):
        for wrong in "0Zaz":
            if key[place] != wrong:
                assert not well_formed(key[:place] + wrong + key[place + 1 :])


def test_swapped_neighbours_are_noticed() -> None:
    key = mint(lambda n: bytes(range(1, n + 1)))
    for place in range(3, len(key) - 1):
        if key[place] != key[place + 1]:
            assert not well_formed(key[:place] + key[place + 1] + key[place] + key[place + 2 :])


@pytest.mark.parametrize(
    "text",
    ["", "tl-", "sk-proj-abcdef", "tl-" + "0" * 33, "TL-" + "0" * 33, "tl-" + "é" * 33, "tl-" + "\x00" * 33, " " * 36],
)
def test_what_was_never_minted_is_not_well_formed(text: str) -> None:
    assert not well_formed(text)


def test_the_digest_is_hmac_sha256_under_the_pepper() -> None:
    key = mint()
    assert digest(PEPPER, key) == hmac.new(PEPPER, key.encode(), hashlib.sha256).digest()


@pytest.mark.parametrize("length", [0, 32, 64, 65, 200])
def test_many_keys_under_one_pepper_have_the_same_digests(length: int) -> None:
    pepper = bytes(range(length))
    digest_of = digester(pepper)
    for key in (mint(), mint()):
        assert digest_of(key.encode()) == digest(pepper, key)


def test_a_key_id_says_nothing_about_its_key() -> None:
    assert new_key_id(lambda n: b"\0" * n) == "key_" + "0" * 17
    assert len({new_key_id() for _ in range(100)}) == 100


def test_keys_that_share_a_prefix_do_not_meet() -> None:
    ring = KeyRing()
    keys = [mint(lambda n, last=last: b"\x07" * (n - 1) + bytes([last])) for last in range(50)]
    ring.apply(KeyRow(key_id=f"key_{n}", digest=digest(PEPPER, key)) for n, key in enumerate(keys))
    for n, key in enumerate(keys):
        found = ring.lookup(digest(PEPPER, key))
        assert found is not None
        assert found.principal.key_id == f"key_{n}"


@pytest.mark.parametrize(
    ("revoked", "expires", "ends"),
    [(None, None, None), (None, 5_000_000, 5.0), (9_000_000, None, 0.0), (9_000_000, 5_000_000, 0.0)],
)
def test_a_key_ends_when_it_expires_and_at_once_when_revoked(
    revoked: int | None, expires: int | None, ends: float | None
) -> None:
    row = KeyRow(key_id="key_1", digest=b"x", revoked_at=revoked, expires_at=expires)
    assert held(row).ends_at == ends


def test_an_issued_key_is_stored_as_its_digest_only(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    issued = issue(store, PEPPER, Labels(name="laptop", team="clinic", user="ann", feature="summarize"))
    assert isinstance(issued, Issued)
    row = store.find_key(digest(PEPPER, issued.key))
    assert row is not None
    assert (row.key_id, row.name, row.team, row.user, row.feature) == (
        issued.key_id,
        "laptop",
        "clinic",
        "ann",
        "summarize",
    )
    store.close()
    secret = issued.key[3:30].encode()
    assert all(secret not in path.read_bytes() for path in tmp_path.iterdir())


@pytest.mark.parametrize(
    ("labels", "field"),
    [
        (Labels(name=""), "name"),
        (Labels(name="  "), "name"),
        (Labels(name="x" * 65), "name"),
        (Labels(name="ok", team="a\nb"), "team"),
        (Labels(name="ok", user="\x1b[31m"), "user"),
        (Labels(name="ok", feature="\u202eevil"), "feature"),
    ],
)
def test_labels_that_would_spoil_logs_are_refused(tmp_path: Path, labels: Labels, field: str) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    refused = issue(store, PEPPER, labels)
    assert isinstance(refused, Failure)
    assert (refused.kind, refused.param) == (Kind.INVALID_REQUEST, field)
    assert store.list_keys() == ()
    store.close()
