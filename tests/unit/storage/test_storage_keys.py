"""Virtual keys in a store: made, found by digest, revoked, and every change seen by whoever polls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trunkline.storage.contract import KeyRow, RowRefused, Store
from trunkline.storage.open import open_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/t.db")
    yield opened
    opened.close()


def row(number: int, **fields: str) -> KeyRow:
    return KeyRow(key_id=f"key_{number}", digest=bytes([number]) * 32, created_at=1_000 + number, **fields)


def test_a_key_is_found_by_its_whole_digest_with_all_its_labels(store: Store) -> None:
    made = KeyRow(
        key_id="key_a",
        digest=b"\x01" * 32,
        name="laptop",
        team="clinic",
        user="ann",
        feature="summarize",
        organisation="acme",
        created_at=5,
        expires_at=9,
    )
    store.create_key(made)
    assert store.find_key(b"\x01" * 32) == made
    assert store.find_key(b"\x01" * 31) is None
    assert store.find_key(b"") is None


@pytest.mark.parametrize(
    "second",
    [
        KeyRow(key_id="key_1", digest=b"\x07" * 32),
        KeyRow(key_id="key_7", digest=b"\x01" * 32),
        KeyRow(key_id="key_7", digest=b"short"),
        KeyRow(key_id="key_7", digest=b"\x07" * 32, created_at=2**63),
        KeyRow(key_id="key_7", digest=b"\x07" * 32, name="lone \ud800 surrogate"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_changes_nothing(store: Store, second: KeyRow) -> None:
    store.create_key(row(1))
    with pytest.raises(RowRefused):
        store.create_key(second)
    assert [k.key_id for k in store.list_keys()] == ["key_1"]
    assert store.changes_since(0).upto == 1


def test_a_key_is_revoked_once_and_still_found(store: Store) -> None:
    store.create_key(row(1))
    assert store.revoke_key("key_1", 77)
    assert not store.revoke_key("key_1", 99)
    assert not store.revoke_key("key_2", 99)
    found = store.find_key(b"\x01" * 32)
    assert found is not None
    assert found.revoked_at == 77


def test_a_poll_sees_each_key_touched_since_and_none_twice(store: Store) -> None:
    store.create_key(row(1))
    store.create_key(row(2))
    first = store.all_keys()
    assert ([k.key_id for k in first.keys], first.upto) == (["key_1", "key_2"], 2)
    assert store.changes_since(2).keys == ()
    store.create_key(row(3))
    store.revoke_key("key_1", 50)
    news = store.changes_since(2)
    assert [(k.key_id, k.revoked_at) for k in news.keys] == [("key_1", 50), ("key_3", None)]
    assert (news.upto, news.store_id) == (4, first.store_id)


def test_another_process_sees_the_change(store: Store, tmp_path: Path) -> None:
    other = open_store(f"sqlite:///{tmp_path}/t.db")
    assert other.changes_since(0).keys == ()
    store.create_key(row(1))
    assert [k.key_id for k in other.changes_since(0).keys] == ["key_1"]
    other.close()


@pytest.mark.parametrize("name", ["'; DROP TABLE keys; --", '"', "%", "\x00", "😀", "x" * 10_000])
def test_values_are_never_sql(store: Store, name: str) -> None:
    store.create_key(row(1, name=name, team=name, user=name))
    assert store.list_keys()[0].name == name
    assert not store.revoke_key(name, 1)
