"""`plan`: what differs in the file, and where the traffic of the past would go, what it would cost and in which region."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from trunkline.app.boot import Boot
from trunkline.app.explaining import explain_record
from trunkline.app.planning import planned
from trunkline.cli.__main__ import main
from trunkline.policy.keys import Held
from trunkline.types.constraint import Constraint
from trunkline.types.principal import Principal

BASE = """\
state_dir: {state}
providers: {{openai: {{api_key: k}}, anthropic: {{api_key: k}}}}
deployments:
  gpt: {{provider: openai, model: gpt-6.1-sol, labels: {{region: us}}}}
  claude: {{provider: anthropic, model: claude-haiku-5-5, labels: {{region: eu}}}}
  mine: {{provider: openai, model: my-model}}
"""
NOW = "routes: {assistant: {use: [gpt], timeouts: {total: 60s}}, old: {use: [gpt]}}\n"
THEN = """\
policies: {clinic: {when: 'team == "clinic"', require: {region: [eu]}}}
routes:
  assistant:
    rules:
      - {when: 'task == "code"', use: [claude]}
      - {when: 'metadata.x == "1"', refuse: "no"}
    otherwise: [gpt, claude]
  new: {use: [mine]}
"""


def snapshot(folder: Path, routes: str) -> Any:
    path = folder / "trunkline.yaml"
    path.write_text(BASE.format(state=folder / "state") + routes)
    boot = Boot.load(str(path))
    assert isinstance(boot, Boot), [str(p) for p in boot]
    return boot.snapshot


def record(**more: Any) -> dict[str, Any]:
    return {
        "operation": "chat", "surface": "chat", "alias": "assistant", "dialect": "openai_chat", "body_bytes": 400,
        "started_at": 1_795_000_000_000_000, "key_id": "k1", "metadata": {"x": "0"},
        "usage": {"input_uncached": {"tokens": 1000}, "output": {"tokens": 100}, "reasoning": {"tokens": 50}}, **more,
    }  # fmt: skip


def test_the_traffic_of_the_past_under_both(tmp_path: Path) -> None:
    old, new = snapshot(tmp_path, NOW), snapshot(tmp_path, THEN)
    records = [
        *[record() for _ in range(6)],
        *[record(task="code", task_confidence=0.99) for _ in range(3)],
        record(team="clinic"),
        record(alias="old"),
        record(metadata={"x": "1"}),
        record(key_id="bound"),
        record(operation="video_create"),
        record(surface="shadow"),
    ]
    bound = Held(
        Principal(key_id="bound", constraints=(Constraint(origin="key bound", require={"region": ("eu",)}),)), None
    )
    made = planned(old, new, records, {"bound": bound})
    assert (made.before.requests, made.before.deployments, made.before.refused) == (13, {"gpt": 12}, 1)
    assert (made.after.deployments, made.after.refused) == ({"gpt": 6, "claude": 5}, 2)
    assert (made.before.regions, made.after.regions) == ({"us": 12}, {"us": 6, "eu": 5})
    assert sorted(made.moved) == [("gpt", "claude", 4), ("gpt", "refused", 2), ("refused", "claude", 1)]
    gpt, claude = 1000 * 2000 + 100 * 10_000, 1000 * 100 + 100 * 500
    assert (made.before.nanos, made.after.nanos) == (12 * gpt, 6 * gpt + 5 * claude)


def test_a_record_is_explained_under_the_file_of_today(tmp_path: Path) -> None:
    path = tmp_path / "trunkline.yaml"
    path.write_text(BASE.format(state=tmp_path / "state") + THEN)
    boot = Boot.load(str(path))
    assert isinstance(boot, Boot)
    shown = explain_record(boot, record(task="code", task_confidence=0.99), None)
    assert shown.rule == '1: task == "code"'
    assert shown.task.startswith("code (0.99")
    assert [leg.deployment for leg in shown.legs] == ["claude"]
    assert not shown.legs[0].same and shown.legs[0].request == ""
    clinic = explain_record(boot, record(team="clinic"), None)
    assert clinic.constraints == ["policy clinic: region is eu"]
    assert [leg.deployment for leg in clinic.legs] == ["claude"]
    assert explain_record(boot, record(metadata={"x": "1"}), None).refusal == "no"
    assert "no route is called 'gone'" in explain_record(boot, record(alias="gone"), None).refusal


def test_explain_says_that_there_is_no_such_record(tmp_path: Path) -> None:
    path = tmp_path / "trunkline.yaml"
    path.write_text(BASE.format(state=tmp_path / "state") + NOW)
    (tmp_path / "state").mkdir()
    result = CliRunner().invoke(main, ["explain", "--config", str(path), "01a20b68-8ec9-788f-97ea-87d3937ea887"])
    assert (result.exit_code, result.output) == (1, "there is no record 01a20b68-8ec9-788f-97ea-87d3937ea887\n")
    result = CliRunner().invoke(main, ["explain", "--config", str(path), "no-such-file.json"])
    assert result.exit_code == 2 and "no-such-file.json cannot be read" in result.output


def test_what_differs_in_the_file(tmp_path: Path) -> None:
    old, new = snapshot(tmp_path, NOW), snapshot(tmp_path, THEN)
    found = {change.what: (change.before, change.after) for change in planned(old, new, []).changes}
    assert found["route assistant: candidates"] == ("gpt", "gpt, claude")
    assert found['route assistant: rule 1 (task == "code")'] == ("", "candidates claude")
    assert found['route assistant: rule 2 (metadata.x == "1")'] == ("", "refuses no")
    assert '"total":60.0' in found["route assistant: timeouts"][0]
    assert found["route old"] == ("there", "")
    assert found["route new"][1].startswith("candidates mine; balance priority")
    assert '"require":{"region":["eu"]}' in found["policy clinic"][1]
    assert not any(what.startswith("deployment") for what in found)
    assert planned(old, old, []).changes == []


def test_a_price_that_nobody_knows_is_said(tmp_path: Path) -> None:
    old, new = snapshot(tmp_path, NOW), snapshot(tmp_path, "routes: {assistant: {use: [mine]}}\n")
    made = planned(old, new, [record(), record()])
    assert (made.after.nanos, made.after.unpriced) == (0, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_compares_with_what_is_in_force(folder: Path) -> None:
    path = folder / "trunkline.yaml"
    snapshot(folder, NOW)
    boot = Boot.load(str(path), twins=True)
    assert isinstance(boot, Boot)
    result = CliRunner().invoke(main, ["plan"])
    assert result.exit_code == 2 and "nothing was ever in force" in result.output
    boot.prepare_state()
    boot.publish()
    result = CliRunner().invoke(main, ["plan"])
    assert (result.exit_code, result.output) == (0, "nothing changes\n")
    snapshot(folder, THEN)
    result = CliRunner().invoke(main, ["plan", "--json"])
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert said["digest_before"] == boot.digest != said["digest_after"]
    assert CliRunner().invoke(main, ["plan"]).exit_code == 1
    assert CliRunner().invoke(main, ["plan", "--against", "1"]).exit_code == 1
