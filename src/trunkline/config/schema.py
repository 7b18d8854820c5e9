"""The JSON Schema of the file (`trunkline check --schema`) and the reference page, from the one description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trunkline.config.kinds import VARIABLE, Kind, MapOf, RowsOf
from trunkline.config.options import FILE
from trunkline.config.sections import Option, Section

#: What each kind of provider understands under `options:`, kind → option → what it is for.
ProviderOptions = Mapping[str, Mapping[str, str]]


def json_schema() -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Trunkline configuration",
        "$defs": {"variable": {**VARIABLE, "description": "Text with ${NAME} or ${NAME:-default} in it."}},
        **FILE.schema(),
    }


def reference_markdown(providers: ProviderOptions) -> str:
    """docs/reference/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "<!-- Generated from the option descriptions in src/trunkline/config; a test keeps it current. -->",
        "",
        "One YAML file (default `./trunkline.yaml`) or a directory of fragments (`*.yaml`, merged; what two of them say",
        "is an error). `trunkline check` validates it offline and names file, line, key path and what would be right;",
        "`trunkline check --schema` prints its JSON Schema.",
        "",
        "* Scalars are YAML 1.2: only `true` and `false` are booleans; `on`, `off`, `yes` and `no` are words.",
        "* A *duration* is written as `250ms`, `15s`, `2m`, `24h` or `7d`, a *size* as `64KiB`, `32MiB` or `1GiB`:",
        "  a number without a unit is refused.",
        "* `${NAME}` and `${NAME:-default}` expand inside values; a variable that is not set is an error. With",
        "  `serve --twins` an unset secret or URL is filled in.",
        "* A secret written as `file:/path` is read from that file, and again when the file changes.",
        "* Unknown keys, duplicate keys, tags and merge keys are refused. Anchors may be used.",
        "",
    ]
    _table(lines, "", FILE)
    lines += ["## Provider options", "", "Under `providers.<name>.options`, by the entry's kind:", ""]
    lines += ["| kind | option | |", "| --- | --- | --- |"]
    for kind, options in providers.items():
        lines += [f"| `{kind}` | `{name}` | {about} |" for name, about in options.items()]
    return "\n".join(lines).rstrip() + "\n"


def _table(lines: list[str], path: str, section: Section, told: dict[int, str] | None = None) -> None:
    told = {} if told is None else told
    if id(section) in told:
        lines += [f"## `{path}`", "", f"As `{told[id(section)]}`.", ""]
        return
    told[id(section)] = path
    lines += [
        f"## `{path}`" if path else "## Top level",
        "",
        "| key | value | default | |",
        "| --- | --- | --- | --- |",
    ]
    nested: list[tuple[str, Section]] = []
    for name, option in section.options.items():
        lines.append(_row(name, option))
        found = _inner(option.kind)
        if found is not None:
            place = f"{path}.{name}" if path else name
            more = ".<name>" if isinstance(option.kind, MapOf) else "[]" if isinstance(option.kind, RowsOf) else ""
            nested.append((place + more, found))
    lines.append("")
    for place, inner in nested:
        _table(lines, place, inner, told)


def _row(name: str, option: Option) -> str:
    default = "required" if option.required else f"`{option.default}`" if option.default else ""
    words = option.kind.words().replace("|", "\\|")
    return f"| `{name}` | {words} | {default} | {option.about} |"


def _inner(kind: Kind) -> Section | None:
    if isinstance(kind, Section):
        return kind
    if isinstance(kind, MapOf | RowsOf) and isinstance(kind.item, Section):
        return kind.item
    return None
