"""Every provider keeps the promises of tests/provider_contract.py, down to the bytes that the transport writes; so does
the example of docs/how-to/add-a-provider.md, imported from the page as printed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from provider_contract import PROMISES, Promise
from trunkline.providers import PROVIDERS
from trunkline.providers.contract import Provider

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "add-a-provider.md").read_text()


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Provider:
    """The first block of Python on the page; its class is the one with a `kind`."""
    code = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert code is not None
    path = tmp_path_factory.mktemp("page") / "example_provider.py"
    path.write_text(code.group(1))
    spec = importlib.util.spec_from_file_location("example_provider", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (made,) = (thing for thing in vars(module).values() if isinstance(thing, type) and hasattr(thing, "kind")
               and thing.__module__ == "example_provider")  # fmt: skip
    provider: Provider = made()
    return provider


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_example_of_the_page_keeps_every_promise(example: Provider, promise: Promise) -> None:
    promise(example)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_a_provider_keeps_every_promise(provider: Provider, promise: Promise) -> None:
    promise(provider)


def test_the_example_is_none_of_the_registered_ones(example: Provider) -> None:
    assert example.kind not in PROVIDERS
