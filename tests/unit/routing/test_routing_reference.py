"""The generated pages are the ones in docs/, and the catalogue says what wire-formats.md says."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from trunkline.catalogue.chat import chat_models, cost_nanos, find_chat, price_of
from trunkline.routing.reference import chat_models_markdown, conditions_markdown
from trunkline.types.envelope import NEED

DOCS = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(
    ("page", "made"), [("conditions", conditions_markdown()), ("chat-models", chat_models_markdown())]
)
def test_the_page_is_current(page: str, made: str) -> None:
    assert (DOCS / f"{page}.md").read_text() == made


def test_every_model_is_found_by_its_own_name_and_by_revisions_of_it() -> None:
    for model in chat_models():
        for name in (model.stem, f"{model.stem}-20260901", f"{model.stem}-2026-09-01", f"vendor/{model.stem}"):
            found = find_chat(name)
            assert found is not None and found.stem == model.stem, name
        assert model.prices and all(word in NEED for word in model.lacks)
    assert find_chat("gpt-6.1-sol-mini") is None and find_chat("my-model") is None


@pytest.mark.parametrize(
    ("model", "on", "tokens", "dollars"),
    [  # G.1 to G.3, in micro-dollars per million: input, cached, output
        ("gpt-6.1-sol", date(2026, 11, 23), 1000, (2_000_000, 100_000, 10_000_000)),
        ("gpt-6.1-sol", date(2026, 11, 23), 272_001, (4_000_000, 200_000, 15_000_000)),
        ("gpt-5.4-mini", date(2026, 11, 23), 300_000, (750_000, 75_000, 4_500_000)),
        ("claude-opus-5-5", date(2026, 11, 23), 1000, (4_000_000, 200_000, 20_000_000)),
        ("claude-haiku-5-5", date(2026, 11, 23), 100_001, (500_000, 50_000, 2_500_000)),
        ("claude-haiku-5-5", date(2026, 11, 23), 100_000, (100_000, 10_000, 500_000)),
        ("gemini-4-argon", date(2026, 11, 30), 1000, (2_000_000, 100_000, 10_000_000)),
        ("gemini-4-argon", date(2026, 12, 1), 1000, (4_000_000, 200_000, 20_000_000)),
        ("gemini-3.7-flash", date(2027, 1, 1), 1000, (1_500_000, 150_000, 7_500_000)),
        ("gemini-2.5-pro", date(2026, 11, 23), 200_001, (2_500_000, 250_000, 15_000_000)),
        ("doubao-seed-2-0-pro", date(2026, 11, 23), 32_001, (700_000, None, 3_500_000)),
    ],
)
def test_prices_by_day_and_size(model: str, on: date, tokens: int, dollars: tuple[int, int | None, int]) -> None:
    found = find_chat(model)
    assert found is not None
    price = price_of(found, on, tokens)
    assert price is not None
    assert (price.input, price.cached, price.output) == dollars


def test_cost_is_exact_and_rounded_once_half_to_even() -> None:
    found = find_chat("gpt-6.1-sol")
    assert found is not None
    price = price_of(found, date(2026, 11, 23), 10)
    assert price is not None
    assert cost_nanos(price, 1000, 100) == 1000 * 2000 + 100 * 10_000
    assert cost_nanos(price, 1000, 0, 900) == 100 * 2000 + 900 * 100
    assert cost_nanos(price, 1000, 0, 5000) == 1000 * 100  # never more cached than there is
    assert cost_nanos(price, -5, -5) == 0
    lite = find_chat("doubao-seed-2-1-pro")
    assert lite is not None and cost_nanos(lite.prices[0], 1, 0) == 862  # 862.5, half to even
    assert cost_nanos(lite.prices[0], 3, 0) == 2588  # 2587.5, half to even


@pytest.mark.parametrize(
    ("model", "lacks"),
    [  # B.9, C.2, A.4
        ("claude-opus-5-5", {"forced_tool", "prefill", "temperature"}),
        ("claude-sonnet-4-6", {"prefill"}),
        ("claude-opus-4-8", {"prefill", "temperature", "top_k"}),
        ("gemini-3.8-flash", {"prefill", "temperature"}),
        ("gpt-6.1-sol", {"temperature", "stop"}),
        ("gpt-4.1", {"reasoning"}),
    ],
)
def test_what_models_lack(model: str, lacks: set[str]) -> None:
    found = find_chat(model)
    assert found is not None and lacks <= found.lacks
    assert "prefill" not in find_chat("claude-sonnet-4-5").lacks  # type: ignore[union-attr]
