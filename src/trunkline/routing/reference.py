"""The reference pages of conditions and of chat models, from the tables that the code uses."""

from __future__ import annotations

from trunkline.catalogue.chat import ChatPrice, chat_models
from trunkline.routing.conditions import CONDITION_CAP, LIST_CAP, VARIABLES
from trunkline.types.constraint import dollars
from trunkline.types.envelope import NEED


def conditions_markdown() -> str:
    """docs/reference/conditions.md."""
    lines = [
        "# Conditions",
        "",
        "<!-- Generated from src/trunkline/routing/conditions.py; a test keeps it current. -->",
        "",
        "`when` of rules and policies is a condition in CEL over these variables. `trunkline check` knows names and types.",
        "",
        "| name | type | |",
        "| --- | --- | --- |",
    ]
    words = {"STRING": "text", "INT": "whole number", "DOUBLE": "number with a point", "BOOL": "true or false"}
    for name, (kind, _, about) in VARIABLES.items():
        said = words.get(kind.name().upper(), "list of texts" if "list" in kind.name().lower() else "texts by name")
        lines.append(f"| `{name}` | {said} | {about} |")
    lines += [
        "",
        f"A condition has {CONDITION_CAP} characters at most, a route {LIST_CAP} rules. A loop (`all`, `exists`, `map`,",
        "`filter`) inside another is refused.",
    ]
    return "\n".join(lines) + "\n"


def chat_models_markdown() -> str:
    """docs/reference/chat-models.md."""
    lines = [
        "# Chat models",
        "",
        "<!-- Generated from src/trunkline/catalogue/chat_table.py; a test keeps it current. -->",
        "",
        "What the gateway knows of models. A dated or numbered revision of a name counts as that model. Prices are dollars per",
        "million tokens: input / cache read / output. What is open excludes nothing.",
        "",
        "| model | vendor | context | output | does not take | price |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for model in chat_models():
        lacks = ", ".join(word for word in NEED if word in model.lacks)
        prices = "; ".join(map(_price, model.prices))
        size = f"{model.context:,}" if model.context else ""
        output = f"{model.max_output:,}" if model.max_output else ""
        lines.append(f"| `{model.stem}` | {model.vendor} | {size} | {output} | {lacks} | {prices} |")
    return "\n".join(lines) + "\n"


def _price(price: ChatPrice) -> str:
    cached = dollars(price.cached) if price.cached is not None else "–"
    said = f"{dollars(price.input)} / {cached} / {dollars(price.output)}"
    if price.above:
        said += f" above {price.above:,} tokens"
    if price.until is not None:
        said += f" before {price.until}"
    return said
