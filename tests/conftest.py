"""`--scenario ID` keeps the tests of that scenario; `told` is how they say what they measured."""

from __future__ import annotations

import pytest

from scenario import Size, Told


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--scenario", action="append", default=[], help="only the tests of this scenario (may be repeated)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    wanted = set(config.getoption("--scenario"))
    if wanted:
        kept = [item for item in items if {m.args[0] for m in item.iter_markers("scenario")} & wanted]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept


@pytest.fixture
def told(request: pytest.FixtureRequest, size: Size) -> Told:
    marker = request.node.get_closest_marker("scenario")
    assert marker is not None, "`told` belongs to tests of a scenario"
    return Told(marker.args[0], request.node.originalname, size.full)
