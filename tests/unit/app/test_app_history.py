"""Configurations that were in force are kept, numbered and comparable; a rollback is a pin that everybody sees."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline.app import history as rooms
from trunkline.app.boot import Boot
from trunkline.app.history import History
from trunkline.cli.__main__ import main

FILE = """\
state_dir: {state}
providers: {{openai: {{api_key: "${{OPENAI_API_KEY}}"}}}}
deployments: {{gpt: {{provider: openai, model: {model}}}}}
routes: {{assistant: {{use: [gpt]}}}}
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-history")


def write(folder: Path, model: str) -> str:
    path = folder / "trunkline.yaml"
    path.write_text(FILE.format(state=folder / "state", model=model))
    return str(path)


def loaded(path: str) -> Boot:
    boot = Boot.load(path)
    assert isinstance(boot, Boot)
    boot.prepare_state()
    return boot


def lived(folder: Path, *models: str) -> Boot:
    boot = loaded(write(folder, models[0]))
    boot.publish()
    for model in models[1:]:
        write(folder, model)
        assert boot.reload() == []
        boot.publish()
    return boot


def run(folder: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["config", *words, "--config", str(folder / "trunkline.yaml")])
    return result.exit_code, result.output


def test_each_is_kept_once_with_its_number_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    boot = lived(tmp_path, "gpt-6-sol", "gpt-6-sol", "gpt-6.1-sol", "gpt-6-sol")
    assert boot.number == 3
    code, shown = run(tmp_path, "history", "--json")
    found = json.loads(shown)
    assert (code, [e["number"] for e in found]) == (0, [3, 2, 1])
    assert found[0]["digest"] == found[2]["digest"] != found[1]["digest"]
    for path in (tmp_path / "state" / "snapshots").rglob("*.yaml"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "sk-canary" not in path.read_text()  # as written: variables are not expanded


def test_a_difference_is_shown_line_by_line(tmp_path: Path) -> None:
    lived(tmp_path, "gpt-6-sol", "gpt-6.1-sol")
    code, shown = run(tmp_path, "diff", "1", "2")
    assert code == 1
    assert "-deployments: {gpt: {provider: openai, model: gpt-6-sol}}" in shown
    assert "+deployments: {gpt: {provider: openai, model: gpt-6.1-sol}}" in shown
    assert run(tmp_path, "diff", "2") == (0, "")
    write(tmp_path, "gpt-6-luna")
    assert run(tmp_path, "diff", "2")[0] == 1
    assert run(tmp_path, "diff", "7")[0] == 2


def test_a_rollback_is_in_force_until_it_is_lifted(tmp_path: Path) -> None:
    boot = lived(tmp_path, "gpt-6-sol", "gpt-6.1-sol")
    assert run(tmp_path, "rollback", "1")[0] == 0
    assert boot.reload() == []
    boot.publish()
    assert (boot.pinned, boot.number) == (1, 1)
    assert boot.snapshot.deployments["gpt"].model == "gpt-6-sol"
    write(tmp_path, "gpt-6-luna")
    again = Boot.load_or_last_good(str(tmp_path / "trunkline.yaml"), tmp_path / "state")  # a restart
    assert isinstance(again, Boot)
    assert (again.pinned, again.snapshot.deployments["gpt"].model) == (1, "gpt-6-sol")
    assert run(tmp_path, "pin")[1] == "snapshot 1 is pinned\n"
    assert run(tmp_path, "pin", "--lift")[0] == 0
    assert boot.reload() == []
    boot.publish()
    assert (boot.pinned, boot.number, boot.snapshot.deployments["gpt"].model) == (None, 3, "gpt-6-luna")
    assert run(tmp_path, "pin", "--lift")[0] == 1


def test_what_is_not_kept_or_no_longer_valid_is_not_pinned(tmp_path: Path) -> None:
    lived(tmp_path, "gpt-6-sol")
    code, said = run(tmp_path, "rollback", "5")
    assert code == 2 and "snapshot 5 is not kept" in said
    (tmp_path / "state" / "snapshots" / "1" / "trunkline.yaml").write_text("routes: {}\n")
    assert run(tmp_path, "rollback", "1")[0] == 2
    assert History(tmp_path / "state").pinned() is None


def test_a_pin_whose_snapshot_is_gone_changes_nothing(tmp_path: Path) -> None:
    boot = lived(tmp_path, "gpt-6-sol")
    History(tmp_path / "state").pin(9)
    assert boot.reload() == [
        "snapshot 9 is pinned and no longer there; lift the pin with `trunkline config pin --lift`"
    ]
    assert boot.snapshot.deployments["gpt"].model == "gpt-6-sol"


def test_the_oldest_go_first_and_the_pinned_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "KEPT", 4)
    lived(tmp_path, "m1", "m2")
    History(tmp_path / "state").pin(1)
    history = History(tmp_path / "state")
    for number in range(3, 9):
        path = tmp_path / "trunkline.yaml"
        history.keep(path, f"digest-{number}")
    assert [e.number for e in history.entries()] == [1, 5, 6, 7, 8]  # four, and the pinned one


def test_damaged_entries_are_left_out(tmp_path: Path) -> None:
    lived(tmp_path, "m1", "m2")
    (tmp_path / "state" / "snapshots" / "1" / "entry.json").write_text("{")
    (tmp_path / "state" / "pin.json").write_text("[]")
    assert [e.number for e in History(tmp_path / "state").entries()] == [2]
    assert History(tmp_path / "state").pinned() is None
