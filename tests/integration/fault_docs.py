"""`docs/reference/faults.md`, from the table that the fault matrix proves. `python tests/integration/fault_docs.py`
writes it anew."""

from __future__ import annotations

from pathlib import Path

from fault_table import ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"

HEAD = """\
# What the gateway does under each fault

<!-- Generated from tests/integration/fault_table.py by tests/integration/fault_docs.py; a test keeps it current. -->

Each row is proved by `tests/integration/test_fault_matrix.py`: the twin of a provider has the fault, and clients of all
three dialects ask, streamed and not. *Streamed* and *not streamed* are on a route with a second deployment that is well,
*alone* is on a route without one. All other options are the defaults, but that the GPT has
`first_token: 15s` (a model that thinks before it shows anything is given 120 s). The faults are the words of the twins'
control endpoint (`PUT /_twin/faults`); a number after the colon is a count of events, milliseconds, a rate or a status.
F1 to F13 are the failure classes.

"""
FIRST = "the first deployment answers"
CUT_SHORT = "content, then the error event"
WORDS = {"200": "200", "broken": CUT_SHORT, "5xx": "502 or 503, as the event says"}
COLUMNS = ("fault", "streamed", "not streamed", "alone", "why")
NAMES = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini"}


def faults_markdown() -> str:
    lines = [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
    for row in ROWS:
        lines.append(_row(row, _only(row)))
        lines += [_row(other, f" ({NAMES[twin]})") for twin, other in row.differs.items()]
    return HEAD + "\n".join(lines) + "\n"


def _row(row: Row, of: str) -> str:
    return _line(
        (
            f"`{row.fault}`{of}",
            _paired(row.stream, row.stream_tries),
            _paired(row.plain, row.plain_tries),
            _alone(row),
            row.why,
        )
    )


def _only(row: Row) -> str:
    return "" if len(row.only) == len(NAMES) else f" ({', '.join(NAMES[twin] for twin in row.only)})"


def _paired(outcome: str, tries: int) -> str:
    if outcome == "primary":
        return FIRST
    if outcome == "broken":
        return CUT_SHORT
    if outcome == "backup":
        return f"the second answers (attempt {tries})"
    return f"{outcome} to the caller"


def _alone(row: Row) -> str:
    streamed, plain = _status(row.alone), _status(row.alone_plain or row.alone)
    return streamed if streamed == plain else f"streamed: {streamed}; not streamed: {plain}"


def _status(outcome: str) -> str:
    status, _, kind = outcome.partition(" ")
    return f"{status} `{kind}`" if kind else WORDS[outcome]


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(faults_markdown())
