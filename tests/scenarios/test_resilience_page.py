"""The page of results is of the kept results, and there is no scenario without one."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "resilience_page.py"), run_name="page")


def test_the_page_is_of_the_kept_results() -> None:
    assert SCRIPT["PAGE"].read_text("utf-8") == SCRIPT["page"](SCRIPT["kept"]())


def test_every_scenario_that_is_tested_has_results_and_the_other_way_round() -> None:
    marked = set()
    for file in (ROOT / "tests").rglob("test_*.py"):
        marked |= set(re.findall(r'@scenario\("([A-Z]\d+)"\)', file.read_text("utf-8")))
    assert marked == {row["scenario"] for row in SCRIPT["kept"]()}
