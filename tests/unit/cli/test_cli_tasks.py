"""`trunkline tasks`, and what `trunkline check` says of a configuration's own labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from trunkline.cli.__main__ import main

CONFIG = """
providers: {openai: {api_key: k}}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol}
  old: {provider: openai, model: gpt-4.1}
tasks:
  refunds:
    description: "A customer wants money back"
    examples:
      - where is my refund
      - I want my money back for order 4412
      - you charged me twice, please return the second payment
      - my refund still has not arrived after two weeks
  shipping:
    examples:
      - when will my parcel arrive
      - tracking says delivered but nothing is here
      - change the delivery address of my order
      - how long does express delivery take
routes:
  desk:
    rules: [{when: 'task == "refunds"', use: [old]}]
    otherwise: [gpt]
"""


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, words)
    return result.exit_code, result.output


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "trunkline.yaml"
    path.write_text(f"state_dir: {tmp_path}/state\n{CONFIG}")
    return str(path)


def test_classify_says_task_confidence_difficulty_and_source() -> None:
    code, shown = run("tasks", "classify", "Translate the following sentence into French: the train is late")
    assert code == 0
    assert "task        translation (given_text)" in shown
    assert "by          model" in shown


def test_classify_reads_standard_input_and_knows_own_labels(config: str) -> None:
    result = CliRunner().invoke(main, ["tasks", "classify", "--json", "--config", config], input="where is my refund??")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert (told["label"], told["source"]) == ("refunds", "own")


def test_check_says_how_well_the_examples_tell_labels_apart(config: str) -> None:
    code, shown = run("check", "--config", config)
    assert code == 0
    assert "of the examples are recognised when left out (refunds" in shown


def test_explain_shows_the_task_and_the_rule_that_it_led_to(config: str) -> None:
    code, shown = run(
        "explain", "--config", config, "--model", "desk", "--prompt", "my refund has not arrived after two weeks"
    )
    assert code == 0
    assert 'rule      1: task == "refunds"' in shown
    assert "refunds" in shown and "own" in shown


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("code: {examples: [a, b, c, d]}", "'code' is a built-in label"),
        ("mine: {examples: [a, b, c]}", "3 examples: a label takes 4 to 20"),
        ("mine: {examples: [a, a, b, c]}", "stands twice"),
        ("mine: {examples: [a, b, c, d], min_confidence: 7}", "min_confidence"),
        ("mine: {examples: [a, b, c, d], threshold: 1}", "threshold"),
        ("mine: {examples: [a, b, c, d]}\n  more: {examples: [e, f, g, d]}", "'d' is an example of 'mine' too"),
    ],
)
def test_labels_that_cannot_be_are_errors_with_a_place(tmp_path: Path, written: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(CONFIG.replace("tasks:\n", f"tasks:\n  {written}\n"))
    code, shown = run("check", "--config", str(path))
    assert code == 2
    assert said in shown
    assert "t.yaml:" in shown


def test_a_rule_may_only_name_tasks_that_exist(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(CONFIG.replace('"refunds"', '"refund"'))
    code, shown = run("check", "--config", str(path))
    assert code == 2
    assert "task is never 'refund'" in shown and "did you mean 'refunds'" in shown


def test_eval_measures_labelled_prompts(tmp_path: Path) -> None:
    rows = [
        {"prompt": "Translate the following sentence into French: I am late", "label": "translation", "lang": "en"},
        {"prompt": "What is 17% of 2,340 plus 12?", "label": "math_reasoning", "lang": "en"},
        {"prompt": "把下面这段话翻译成英文：今天下雨", "label": "translation", "lang": "zh"},
        {"prompt": "two lines\u2028in one", "label": "writing", "lang": "en"},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    code, shown = run("tasks", "eval", "--json", "--data", str(path))
    assert code == 0
    told = json.loads(shown)
    assert told["prompts"] == 4 and told["accuracy"] >= 0.75
    assert told["baselines"]["majority"] == 0.5
    assert set(told["flips"]) == {"case", "capitals", "typo", "greeting", "quoting", "wrapper", "appended"}
    assert told["languages"]["zh"] == [1, 1.0]
    code, shown = run("tasks", "eval", "--data", str(tmp_path))
    assert code == 0 and "by language" in shown and "flips" in shown


def test_eval_says_which_line_is_no_prompt(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "label": "code"}\n{"prompt": "b"}\n')
    code, shown = run("tasks", "eval", "--data", str(tmp_path))
    assert code == 2 and "rows.jsonl:2" in shown


def test_the_prompts_of_this_project_are_complete_and_known_labels() -> None:
    from trunkline.tasks.labels import LABELS

    folder = Path(__file__).parents[3] / "data" / "tasks"
    seen: set[str] = set()
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_text("utf-8").rstrip("\n").split("\n"):
            row = json.loads(line)
            assert row["label"] in LABELS, row
            assert row["prompt"].strip() and row["lang"] and row["voice"], row
            assert row["prompt"] not in seen, row
            seen.add(row["prompt"])
