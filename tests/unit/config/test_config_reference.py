"""Every option is described, and the page that describes them is the one in docs/."""

from __future__ import annotations

from pathlib import Path

from trunkline.config.kinds import MapOf
from trunkline.config.options import FILE
from trunkline.config.schema import reference_markdown
from trunkline.config.sections import Section
from trunkline.providers import PROVIDERS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "configuration.md"


def test_the_reference_page_is_current() -> None:
    options = {kind: {name: o.about for name, o in p.options.items()} for kind, p in PROVIDERS.items()}
    assert PAGE.read_text() == reference_markdown(options), "write reference_markdown(...) into docs/reference/"


def test_every_option_says_what_it_is_for() -> None:
    def walk(section: Section) -> list[str]:
        silent = [name for name, option in section.options.items() if not option.about.endswith(".")]
        for option in section.options.values():
            kind = option.kind.item if isinstance(option.kind, MapOf) else option.kind
            silent += walk(kind) if isinstance(kind, Section) else []
        return silent

    assert walk(FILE) == []


def test_every_kind_of_provider_is_named_in_the_reference() -> None:
    about = FILE.options["providers"].kind
    assert isinstance(about, MapOf) and isinstance(about.item, Section)
    assert all(kind in about.item.options["type"].about for kind in PROVIDERS)
