"""The JSON Schema of the file (`trunkline check --schema`) and the reference page, from the one description."""

from __future__ import annotations

from typing import Any

from trunkline.config.kinds import Kind, MapOf
from trunkline.config.options import FILE
from trunkline.config.sections import Option, Section


def json_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trunkline configuration",
        **FILE.schema(),
    }


def reference_markdown() -> str:
    """docs/reference/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "One YAML file (default `./trunkline.yaml`) or a directory of fragments. Scalars are YAML 1.2: `on` and `no`",
        "are strings. `${NAME}` and `${NAME:-default}` expand inside strings; a secret written as `file:/path` is read",
        "again when the file changes. Every duration and size has a unit. Unknown keys are refused. `trunkline check`",
        "validates offline; `trunkline check --schema` prints the JSON Schema. Generated from the option descriptions.",
        "",
    ]
    _table(lines, "Top level", FILE)
    return "\n".join(lines).rstrip() + "\n"


def _table(lines: list[str], title: str, section: Section) -> None:
    lines += [f"## {title}", "", "| key | value | default | |", "| --- | --- | --- | --- |"]
    nested: list[tuple[str, Section]] = []
    for name, option in section.options.items():
        lines.append(_row(name, option))
        inner = _inner(option.kind)
        if inner is not None:
            nested.append((name if title == "Top level" else f"{title}.{name}", inner))
    lines.append("")
    for name, inner in nested:
        _table(lines, f"{name}", inner)


def _row(name: str, option: Option) -> str:
    default = "required" if option.required else f"`{option.default}`" if option.default else ""
    return f"| `{name}` | {option.kind.words().replace('|', chr(92) + '|')} | {default} | {option.about} |"


def _inner(kind: Kind) -> Section | None:
    if isinstance(kind, Section):
        return kind
    if isinstance(kind, MapOf) and isinstance(kind.item, Section):
        return kind.item
    return None
