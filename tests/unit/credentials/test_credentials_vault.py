"""Secrets: literal or from files that are read again when they change; never shown."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from trunkline.credentials.vault import SecretError, Vault

NAME = ("openai", "default")


def vault_of(value: str, fallback: str | None = None) -> Vault:
    return Vault({NAME: value}, fallback)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("first\n")
    return path


def test_a_literal_secret_is_given_without_its_outer_white_space() -> None:
    assert vault_of(" sk-1 ").current(*NAME) == "sk-1"


def test_an_unknown_name_has_no_secret_and_no_generation() -> None:
    vault = vault_of("sk-1")
    assert (vault.current("openai", "spare"), vault.generation("openai", "spare")) == ("", 0)


def test_a_file_is_read_without_its_last_newline(secret_file: Path) -> None:
    assert vault_of(f"file:{secret_file}").current(*NAME) == "first"


def test_a_changed_file_is_read_again(secret_file: Path) -> None:
    vault = vault_of(f"file:{secret_file}")
    secret_file.write_text("the second\n")
    assert vault.refresh(10.0) == [("openai", "default", 1)]
    assert (vault.current(*NAME), vault.generation(*NAME)) == ("the second", 1)
    assert vault.refresh(20.0) == []


def test_a_file_that_was_replaced_is_read_again(secret_file: Path) -> None:
    """As orchestrators rotate secrets: a new file under the old name, here of the same size."""
    vault = vault_of(f"file:{secret_file}")
    fresh = secret_file.with_name("fresh")
    fresh.write_text("other\n")
    fresh.replace(secret_file)
    assert vault.refresh(10.0) == [("openai", "default", 1)]
    assert vault.current(*NAME) == "other"


def test_a_touched_file_with_the_same_secret_is_nothing_new(secret_file: Path) -> None:
    vault = vault_of(f"file:{secret_file}")
    os.utime(secret_file, ns=(1, 1))
    assert vault.refresh(10.0) == []
    assert vault.generation(*NAME) == 0


def test_files_are_looked_at_once_a_second_at_most(secret_file: Path) -> None:
    vault = vault_of(f"file:{secret_file}")
    assert vault.refresh(10.0) == []
    secret_file.write_text("the second\n")
    assert vault.refresh(10.9) == []
    assert vault.current(*NAME) == "first"
    assert vault.refresh(11.0) == [("openai", "default", 1)]


@pytest.mark.parametrize("ruin", [b"", b" \n", b"two\nlines", b"\xff\xfe", b"a\x00b", b"x" * 70_000])
def test_a_file_that_becomes_useless_keeps_its_last_good_secret(secret_file: Path, ruin: bytes) -> None:
    vault = vault_of(f"file:{secret_file}")
    secret_file.write_bytes(ruin)
    assert vault.refresh(10.0) == []
    assert vault.current(*NAME) == "first"
    secret_file.write_text("good again")
    assert vault.refresh(20.0) == [("openai", "default", 1)]


def test_a_file_that_vanishes_keeps_its_last_good_secret(secret_file: Path) -> None:
    vault = vault_of(f"file:{secret_file}")
    secret_file.unlink()
    assert vault.refresh(10.0) == []
    assert vault.current(*NAME) == "first"


@pytest.mark.parametrize("content", [b"", b"\n", b"sk-very-secret\nx-evil: 1", b"sk-\xffvery-secret", b"x" * 70_000])
def test_a_useless_file_is_refused_by_name_and_never_by_content(secret_file: Path, content: bytes) -> None:
    secret_file.write_bytes(content)
    with pytest.raises(SecretError, match=re.escape(str(secret_file))) as refused:
        vault_of(f"file:{secret_file}")
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "  ", "sk-very-secret\r\nx-evil: 1", "sk-very-secret-é", "sk-very-secret\x00"])
def test_a_secret_that_could_not_stand_in_a_header_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(SecretError, match=r"providers\.openai") as refused:
        vault_of(value)
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize("path", ["/nowhere/secret", "", "\0"])
def test_a_file_that_cannot_be_read_is_an_error(path: str) -> None:
    with pytest.raises(SecretError, match="cannot be read"):
        vault_of(f"file:{path}")


def test_a_directory_and_a_pipe_are_no_secret_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(SecretError, match=r"not a regular file|cannot be read"):
            vault_of(f"file:{path}")


def test_with_the_twins_a_missing_file_has_a_fallback_until_it_appears(tmp_path: Path) -> None:
    vault = vault_of(f"file:{tmp_path / 'late'}", fallback="twin-key")
    assert vault.current(*NAME) == "twin-key"
    (tmp_path / "late").write_text("real")
    assert vault.refresh(10.0) == [("openai", "default", 1)]
    assert vault.current(*NAME) == "real"


def test_a_new_vault_counts_on_where_the_one_before_stopped(secret_file: Path) -> None:
    before = vault_of(f"file:{secret_file}")
    secret_file.write_text("the second")
    before.refresh(10.0)
    after = Vault({NAME: "the third", ("google", "default"): "g"})
    assert after.follow(before) == [("openai", "default", 2)]
    assert (after.generation(*NAME), after.generation("google", "default")) == (2, 0)


def test_a_vault_shows_no_secret() -> None:
    vault = vault_of("sk-very-secret")
    for shown in (repr(vault), str(vault), f"{vault}"):
        assert "very-secret" not in shown
