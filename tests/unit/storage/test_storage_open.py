"""From a URL to a store, and what a store does when its file is not what it was."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from trunkline.storage.contract import KeyRow, StoreUnavailable, StoreUrlError
from trunkline.storage.open import open_store


def row(number: int) -> KeyRow:
    return KeyRow(key_id=f"key_{number}", digest=bytes([number]) * 32, created_at=number)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "sqlite:///"),
        ("trunkline.db", "sqlite:///"),
        ("sqlite:/x.db", "sqlite:///"),
        ("mysql://root:hunter2@db/x", "sqlite://"),
        ("sqlite://host/x.db", "three slashes"),
        ("sqlite:///x.db?mode=ro", "without host"),
        ("sqlite:///", "path of a file"),
        ("sqlite:///:memory:", "path of a file"),
        ("sqlite:////var/", "path of a file"),
    ],
)
def test_a_wrong_url_is_refused_with_what_would_be_right_and_without_its_password(url: str, words: str) -> None:
    with pytest.raises(StoreUrlError) as caught:
        open_store(url)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_three_slashes_are_relative_and_four_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///state/a.db").close()
    open_store(f"sqlite:///{tmp_path}/b.db").close()
    assert (tmp_path / "state" / "a.db").exists()
    assert (tmp_path / "b.db").exists()


def test_the_file_is_private_and_in_wal_mode(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    store.create_key(row(1))
    for name in ("t.db", "t.db-wal"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    assert sqlite3.connect(tmp_path / "t.db").execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_a_store_of_a_newer_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/t.db").close()
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("INSERT INTO migrations VALUES (999, 'later')")
    with pytest.raises(StoreUnavailable, match="version 999"):
        open_store(f"sqlite:///{tmp_path}/t.db")


def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        open_store(f"sqlite:///{tmp_path}/t.db")


def test_a_deleted_file_is_unavailable_and_never_a_fresh_empty_store(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    store.create_key(row(1))
    for name in ("t.db", "t.db-wal", "t.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(StoreUnavailable, match="cannot be seen"):
        store.all_keys()
    assert not (tmp_path / "t.db").exists()


def test_a_file_put_in_its_place_is_opened(tmp_path: Path) -> None:
    other = open_store(f"sqlite:///{tmp_path}/other.db")
    other.create_key(row(2))
    other.close()
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    store.create_key(row(1))
    before = store.all_keys()
    for name in ("t.db-wal", "t.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    os.replace(tmp_path / "other.db", tmp_path / "t.db")
    after = store.all_keys()
    assert [k.key_id for k in after.keys] == ["key_2"]
    assert after.store_id != before.store_id
    store.close()


def test_a_locked_store_is_unavailable_after_the_patience_given(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db", 0.01)
    blocker = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.create_key(row(1))
    blocker.execute("ROLLBACK")
    store.create_key(row(1))
    assert len(store.list_keys()) == 1
    blocker.close()
    store.close()


def test_once_keeps_the_first_value(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    assert store.once("name", b"first") == b"first"
    assert store.once("name", b"second") == b"first"
    store.close()
