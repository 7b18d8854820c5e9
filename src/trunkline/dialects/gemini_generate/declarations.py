"""Function declarations and the choice among them, to the hub. Source: wire-formats.md C.2 (Schema), E.3."""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.dialects.complaints import given
from trunkline.dialects.gemini_generate.schema import FunctionField, ToolConfig, ToolField, camel, fields_of, items_of
from trunkline.types.canonical import Tool, ToolChoice
from trunkline.types.failure import Failure, invalid
from trunkline.types.wire import Loss

_any = msgspec.json.Decoder()

#: Keywords of the proto subset that JSON Schema does not have, or has in other words.
_DROPPED = frozenset({"nullable", "propertyOrdering", "example"})
_MAPS = frozenset({"properties", "defs"})
_NESTED = frozenset({"items", "anyOf", "additionalProperties"})
_SIZES = frozenset({"minItems", "maxItems", "minProperties", "maxProperties", "minLength", "maxLength"})
_SPELLED = frozenset(
    {"anyOf", "additionalProperties", "propertyOrdering", "minItems", "maxItems", "minProperties", "maxProperties"}
    | {"minLength", "maxLength"}
)


def read_tools(fields: list[ToolField], raw: msgspec.Raw | None, losses: list[Loss]) -> tuple[Tool, ...]:
    """`raw` is the same list undecoded: what stands beside the function declarations (server tools) is a loss."""
    for at, field in enumerate(items_of(raw) if raw is not None else ()):
        losses.extend(
            Loss(f"tools[{at}].{kind[:64]}", "a server tool of this provider")
            for kind in fields_of(field)
            if kind != "functionDeclarations"
        )
    return tuple(_tool(f, losses) for field in fields for f in field.function_declarations or ())


def _tool(f: FunctionField, losses: list[Loss]) -> Tool:
    schema: msgspec.Raw | None = None
    if given(f.parameters_json_schema):
        schema = f.parameters_json_schema
    elif given(f.parameters):
        schema = msgspec.Raw(msgspec.json.encode(json_schema(_any.decode(f.parameters))))
    for name, value in (("response", f.response), ("responseJsonSchema", f.response_json_schema)):
        if given(value):
            losses.append(Loss(f"tools.{f.name[:64]}.{name}", "no equivalent"))
    if bytes(f.behavior) not in (b"", b'"BLOCKING"', b'"UNSPECIFIED"'):
        losses.append(Loss(f"tools.{f.name[:64]}.behavior", "no equivalent"))
    return Tool(name=f.name, description=f.description, schema=schema)


def json_schema(value: Any) -> Any:
    """The proto subset as JSON Schema: types in lower case, `nullable` as a type list, sizes as numbers."""
    if isinstance(value, list):
        return [json_schema(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, inner in value.items():
        name = camel(key) if camel(key) in _SPELLED else key
        if inner is None or name in _DROPPED:
            continue
        if name == "type" and isinstance(inner, str):
            if inner != "TYPE_UNSPECIFIED":
                made["type"] = inner.lower()
        elif name in _MAPS and isinstance(inner, dict):
            made["$defs" if name == "defs" else name] = {k: json_schema(v) for k, v in inner.items()}
        elif name in _NESTED:
            made[name] = json_schema(inner)
        elif name in _SIZES and isinstance(inner, str) and inner.isdecimal():
            made[name] = int(inner[:15])
        elif name == "ref" and isinstance(inner, str):
            made["$ref"] = inner.replace("#/defs/", "#/$defs/")
        elif not (name == "format" and inner == "enum"):
            made[name] = inner
    if value.get("example") is not None:
        made["examples"] = [value["example"]]
    return _nullable(made) if value.get("nullable") is True else made


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    kind, choices, values = schema.get("type"), schema.get("anyOf"), schema.get("enum")
    if isinstance(kind, str) and kind != "null":
        schema["type"] = [kind, "null"]
    if isinstance(choices, list):
        schema["anyOf"] = [*choices, {"type": "null"}]
    if isinstance(values, list) and None not in values:
        schema["enum"] = [*values, None]
    return schema


def read_choice(
    config: ToolConfig | None, tools: tuple[Tool, ...], losses: list[Loss]
) -> tuple[ToolChoice | None, tuple[Tool, ...]] | Failure:
    """One allowed name with ANY is a choice of that tool; several narrow the list of tools."""
    calling = config.function_calling_config if config is not None else None
    if calling is None:
        return None, tools
    mode = (calling.mode or "AUTO").upper()
    names = calling.allowed_function_names or []
    where = "toolConfig.functionCallingConfig"
    if mode not in ("AUTO", "ANY", "NONE", "VALIDATED", "MODE_UNSPECIFIED"):
        return invalid(
            f"{where}.mode must be AUTO, ANY, NONE or VALIDATED", param=f"{where}.mode", code="invalid_value"
        )
    if mode == "NONE":
        return ToolChoice(mode="none"), tools
    if len(names) == 1 and mode == "ANY":
        return ToolChoice(mode="tool", name=names[0]), tools
    if names:
        tools = tuple(t for t in tools if t.name in names)
        losses.append(Loss(f"{where}.allowedFunctionNames", "the list of tools was narrowed instead"))
    if mode == "VALIDATED":
        losses.append(Loss(f"{where}.mode", "VALIDATED became AUTO"))
    return ToolChoice(mode="required" if mode == "ANY" else "auto"), tools
