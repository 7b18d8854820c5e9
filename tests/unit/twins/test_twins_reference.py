"""The reference of the twins names every word and field that there is."""

from __future__ import annotations

from pathlib import Path

from trunkline.twins import control, faults
from trunkline.twins.ledger import VideoEntry
from trunkline.twins.serve import PORTS
from trunkline.twins.video_pace import VideoPace

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "twins.md").read_text()


def test_every_fault_stands_in_the_reference_as_in_the_code() -> None:
    rows = [line for line in (faults.__doc__ or "").splitlines() if line.startswith("| `")]
    assert len(rows) == 20
    assert [row for row in rows if row not in PAGE] == []
    assert {word for word in faults._PARAMETERS if f"`{word}" not in PAGE} == set()


def test_every_field_stands_in_the_reference() -> None:
    fields = (*VideoPace.__struct_fields__, *VideoEntry.__struct_fields__)
    assert [name for name in fields if f"`{name}`" not in PAGE] == []


def test_every_control_path_stands_in_the_reference() -> None:
    for word in ("faults", "ledger", "pace", "videos", "keys", "health"):
        assert f"/_twin/{word}" in (control.__doc__ or "") and f"/_twin/{word}" in PAGE
    for name, port in PORTS.items():
        assert f"| `{name}` | {port} |" in PAGE
