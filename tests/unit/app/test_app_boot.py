"""One loaded configuration: what a process starts on, and what a reload may change."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.app.boot import TWIN_PORTS, Boot
from trunkline.config.problems import Problem

FILE = """\
state_dir: "{state}"
workers: 3
limits: {{body: 1MiB, inflight: 8MiB, connections: 7, header_timeout: 2s, requests: 5}}
providers:
  openai: {{api_key: "${{BOOT_TEST_KEY}}", base_url: "https://proxy.example/v1", proxy: "http://proxy.example:3128"}}
  anthropic: {{api_key: "file:{state}/absent"}}
  google: {{api_key: k}}
  modelark: {{api_key: k}}
  local: {{type: openai_compatible, base_url: "http://10.0.0.9:8000/v1"}}
deployments:
  gpt: {{provider: openai, model: gpt-6.1-sol, base_url: "https://other.example/v1"}}
  claude: {{provider: anthropic, model: claude-sonnet-5-5}}
  gemini: {{provider: google, model: gemini-3.8-flash}}
  seed: {{provider: modelark, model: doubao-seed-2-1-pro-260915}}
  llama: {{provider: local, model: llama}}
routes:
  assistant: {{use: [gpt, claude, gemini, seed, llama]}}
"""
SMALL = """\
state_dir: "{state}"
providers: {{local: {{type: openai_compatible, base_url: "{url}"}}}}
deployments: {{llama: {{provider: local, model: llama}}}}
routes: {{assistant: {{use: [llama]}}}}
"""


def written(tmp_path: Path, text: str, url: str = "http://10.0.0.9:8000/v1") -> str:
    path = tmp_path / "trunkline.yaml"
    path.write_text(text.format(state=tmp_path / "state", url=url))
    return str(path)


def loaded(path: str, *, twins: bool = False, workers: int | None = None) -> Boot:
    boot = Boot.load(path, twins=twins, workers=workers)
    assert isinstance(boot, Boot), [str(problem) for problem in boot]
    return boot


def addresses(boot: Boot) -> dict[str, str]:
    return {name: f"{o.host}:{o.port}" for name, d in boot.snapshot.deployments.items() for o in [boot.origin_of(d)]}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BOOT_TEST_KEY", raising=False)
    monkeypatch.delenv("TRUNKLINE_TWIN_PORTS", raising=False)


def test_with_the_twins_every_deployment_goes_to_a_twin(tmp_path: Path) -> None:
    boot = loaded(written(tmp_path, FILE), twins=True)
    assert addresses(boot) == {
        "gpt": f"127.0.0.1:{TWIN_PORTS['openai']}",
        "claude": f"127.0.0.1:{TWIN_PORTS['anthropic']}",
        "gemini": f"127.0.0.1:{TWIN_PORTS['gemini']}",
        "seed": f"127.0.0.1:{TWIN_PORTS['ark']}",
        "llama": f"127.0.0.1:{TWIN_PORTS['openai']}",
    }
    assert boot.snapshot.deployments["gpt"].provider.proxy is None


def test_the_twins_may_listen_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_TWIN_PORTS", "openai=1101,unknown=5,gemini=x")
    found = addresses(loaded(written(tmp_path, FILE), twins=True))
    assert (found["gpt"], found["gemini"]) == ("127.0.0.1:1101", f"127.0.0.1:{TWIN_PORTS['gemini']}")


def test_with_the_twins_unset_variables_and_missing_files_have_a_credential(tmp_path: Path) -> None:
    vault = loaded(written(tmp_path, FILE), twins=True).vault
    assert vault.current("openai", "default") == vault.current("anthropic", "default") == "twin-key"


def test_without_the_twins_an_unset_variable_is_a_problem(tmp_path: Path) -> None:
    problems = Boot.load(written(tmp_path, FILE))
    assert isinstance(problems, list)
    assert [(p.line, p.path) for p in problems] == [(5, "providers.openai.api_key")]


def test_a_missing_secret_file_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOT_TEST_KEY", "sk-1")
    problems = Boot.load(written(tmp_path, FILE))
    assert isinstance(problems, list)
    assert "absent cannot be read" in str(problems[0])


def test_a_secret_that_cannot_stand_in_a_header_is_a_problem_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BOOT_TEST_KEY", "sk-canary\r\nx-evil: 1")
    problems = Boot.load(written(tmp_path, FILE))
    assert isinstance(problems, list)
    assert "sk-canary" not in "".join(map(str, problems))


def test_the_command_line_goes_before_the_file_for_workers(tmp_path: Path) -> None:
    path = written(tmp_path, FILE)
    assert (loaded(path, twins=True).workers, loaded(path, twins=True, workers=2).workers) == (3, 2)


def test_limits_of_the_file_reach_the_front_door(tmp_path: Path) -> None:
    boot = loaded(written(tmp_path, FILE), twins=True)
    limits = boot.server_limits
    assert (limits.body_bytes, limits.inflight_bytes, limits.connections) == (1 << 20, 8 << 20, 7)
    assert (limits.header_timeout, limits.header_count) == (2.0, 128)
    assert boot.max_live == 5


def test_the_store_lies_in_the_state_directory_by_default(tmp_path: Path) -> None:
    boot = loaded(written(tmp_path, SMALL))
    assert boot.store_url == f"sqlite:///{tmp_path}/state/trunkline.db"


def test_the_state_directory_is_private(tmp_path: Path) -> None:
    boot = loaded(written(tmp_path, SMALL))
    boot.prepare_state()
    assert boot.state_dir.stat().st_mode & 0o777 == 0o700


def test_a_reload_swaps_everything_and_counts(tmp_path: Path) -> None:
    boot = loaded(written(tmp_path, SMALL))
    before, digest = boot.snapshot, boot.digest
    written(tmp_path, SMALL, "http://10.0.0.10:8000/v1")
    assert boot.reload() == []
    assert addresses(boot) == {"llama": "10.0.0.10:8000"}
    assert (before.number, boot.number, boot.snapshot.number) == (1, 2, 2)
    assert boot.digest != digest


@pytest.mark.parametrize("ruin", ["", "routes: [", "{state}{url}", SMALL.replace("[llama]", "[lama]")])
def test_a_refused_reload_changes_nothing(tmp_path: Path, ruin: str) -> None:
    boot = loaded(written(tmp_path, SMALL))
    before = (boot.tree, boot.snapshot, boot.vault, boot.number)
    written(tmp_path, ruin)
    problems = boot.reload()
    assert problems and all("trunkline.yaml" in problem for problem in problems)
    assert (boot.tree, boot.snapshot, boot.vault, boot.number) == before


def test_a_file_that_vanishes_is_a_refused_reload(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    boot = loaded(path)
    Path(path).unlink()
    assert boot.reload() == [f"{path}: there is no such file"]
    assert boot.number == 1


def test_the_same_configuration_has_the_same_identity(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    first = loaded(path)
    assert first.reload() == []
    assert first.digest == loaded(path).digest


def test_the_supervisors_number_is_taken_for_the_same_snapshot_only(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    supervisor, worker = loaded(path), loaded(path)
    supervisor.prepare_state()
    supervisor.publish()
    written(tmp_path, SMALL, "http://10.0.0.11:8000/v1")
    assert supervisor.reload() == []
    supervisor.publish()
    again = loaded(path)  # a restart goes on where the numbers were
    again.publish()
    assert (supervisor.number, again.number) == (2, 2)
    assert worker.reload() == []
    assert (worker.number, worker.snapshot.number) == (2, 2)
    written(tmp_path, SMALL, "http://10.0.0.10:8000/v1")
    assert worker.reload() == []
    assert worker.number == 3


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"digest": 5}', b"\xff"])
def test_a_damaged_number_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    boot = loaded(written(tmp_path, SMALL))
    boot.prepare_state()
    (boot.state_dir / "snapshot.json").write_bytes(content)
    assert boot.reload() == []
    assert boot.number == 2


def test_a_child_finds_the_same_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = loaded(written(tmp_path, FILE), twins=True, workers=2)
    for name, value in parent.environment().items():
        monkeypatch.setenv(name, value)
    child = Boot.inherited()
    assert (child.digest, child.workers, child.twins) == (parent.digest, 2, True)


def test_no_secret_travels_in_a_childs_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOT_TEST_KEY", "sk-canary")
    boot = loaded(written(tmp_path, FILE), twins=True)
    assert "sk-canary" not in str(boot.environment())


def test_a_start_on_a_broken_file_takes_the_last_good_one_and_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, SMALL)
    boot = loaded(path)
    boot.prepare_state()
    boot.publish()
    Path(path).write_text("routes: [")
    again = Boot.load_or_last_good(path, tmp_path / "state")
    assert isinstance(again, Boot)
    assert (again.digest, again.path) == (boot.digest, path)
    assert len(again.refused) == 1


def test_a_first_start_on_a_broken_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "routes: [")
    problems = Boot.load_or_last_good(path, tmp_path / "state")
    assert isinstance(problems, list)
    assert isinstance(problems[0], Problem)


def test_the_copy_of_the_last_good_file_is_readable_by_this_user_only(tmp_path: Path) -> None:
    boot = loaded(written(tmp_path, SMALL))
    boot.prepare_state()
    boot.publish()
    copies = list((tmp_path / "state" / "last_good").iterdir())
    assert [copy.name for copy in copies] == ["trunkline.yaml"]
    assert copies[0].stat().st_mode & 0o777 == 0o600


def test_the_copy_of_a_directory_has_every_fragment(tmp_path: Path) -> None:
    """`a.yml` and `a.yaml` are two files."""
    folder = tmp_path / "conf"
    folder.mkdir()
    head, _, tail = SMALL.format(state=tmp_path / "state", url="http://10.0.0.9:8000/v1").partition("deployments")
    (folder / "a.yaml").write_text(head)
    (folder / "a.yml").write_text("deployments" + tail)
    (folder / "notes.txt").write_text("no fragment")
    boot = loaded(str(folder))
    boot.prepare_state()
    boot.publish()
    assert loaded(str(tmp_path / "state" / "last_good")).digest == boot.digest
