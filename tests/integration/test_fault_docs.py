"""The page about faults says what the matrix proves."""

from __future__ import annotations

from fault_docs import PAGE, faults_markdown
from fault_table import ROWS


def test_the_page_is_current() -> None:
    wanted = faults_markdown()
    assert PAGE.read_text() == wanted, "run python tests/integration/fault_docs.py"


def test_every_fault_of_the_matrix_has_its_line() -> None:
    page = PAGE.read_text()
    for row in ROWS:
        assert page.count(f"| `{row.fault}`") == 1 + len(row.differs), row.fault


def test_a_line_reads_as_the_table_means_it() -> None:
    lines = PAGE.read_text().splitlines()
    assert (
        "| `throttle` (Anthropic) | the second answers (attempt 2) | the second answers (attempt 2) | 503 `no_candidate` "
        "| Anthropic: 429 without retry-after is a spend cap (F4) |"
    ) in lines
