"""The pepper: made once, kept private, never weak, never silently another one."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from trunkline.policy.pepper import PepperError, confirm, load_pepper
from trunkline.storage.open import open_store

GOOD = "correct-horse-battery-staple-0123456789"


def test_it_is_made_once_and_private(tmp_path: Path) -> None:
    state = tmp_path / "state"
    pepper = load_pepper(state, {})
    assert len(pepper) == 32
    assert load_pepper(state, {}) == pepper
    assert stat.S_IMODE((state / "pepper").stat().st_mode) == 0o600
    assert [p.name for p in state.iterdir()] == ["pepper"]


def test_two_installations_have_different_ones(tmp_path: Path) -> None:
    assert load_pepper(tmp_path / "a", {}) != load_pepper(tmp_path / "b", {})


def test_all_who_start_at_once_get_the_same(tmp_path: Path) -> None:
    found: list[bytes] = []
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        found.append(load_pepper(tmp_path, {}))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_environment_wins_as_text_or_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(GOOD + "\n")
    assert load_pepper(tmp_path, {"TRUNKLINE_PEPPER": GOOD}) == GOOD.encode()
    assert load_pepper(tmp_path, {"TRUNKLINE_PEPPER": f"file:{tmp_path}/secret"}) == GOOD.encode()
    assert not (tmp_path / "pepper").exists()


@pytest.mark.parametrize("weak", ["", "short", "x" * 64, "changeme" * 3, "abababab" * 8])
def test_a_weak_one_is_refused_and_not_shown(tmp_path: Path, weak: str) -> None:
    with pytest.raises(PepperError) as caught:
        load_pepper(tmp_path, {"TRUNKLINE_PEPPER": weak})
    assert not weak or weak not in str(caught.value)


def test_a_missing_file_is_refused_and_not_replaced_by_another(tmp_path: Path) -> None:
    with pytest.raises(PepperError, match="No such file"):
        load_pepper(tmp_path, {"TRUNKLINE_PEPPER": f"file:{tmp_path}/nowhere"})
    assert not (tmp_path / "pepper").exists()


def test_an_emptied_file_is_refused_and_not_made_anew(tmp_path: Path) -> None:
    load_pepper(tmp_path, {})
    (tmp_path / "pepper").write_bytes(b"")
    with pytest.raises(PepperError, match="0 bytes"):
        load_pepper(tmp_path, {})


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_pepper(tmp_path, {})
    (tmp_path / "pepper").chmod(0o644)
    with pytest.raises(PepperError, match="chmod 600"):
        load_pepper(tmp_path, {})


def test_another_pepper_than_the_keys_were_made_under_is_noticed(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/t.db")
    confirm(store, b"\x01" * 32)
    confirm(store, b"\x01" * 32)
    with pytest.raises(PepperError, match="another pepper"):
        confirm(store, b"\x02" * 32)
    store.close()
