"""generateContent requests to the hub, as wire-formats.md C.2, C.3 and E say."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from trunkline.dialects.contract import Target
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.types.canonical import ChatRequest, Image, Text, Thinking, ToolCall, ToolChoice, ToolResult, Turn
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure, Kind
from trunkline.types.wire import Loss

GEMINI = GeminiGenerate()
TARGET = Target(dialect="gemini_generate", model="m", version="v1", stream=False)
ASK = {"role": "user", "parts": [{"text": "weather?"}]}


def read(**fields: Any) -> ChatRequest | Failure:
    body = json.dumps({"contents": [ASK], **fields}).encode()
    facts = GEMINI.peek(TARGET, body)
    assert isinstance(facts, Envelope), facts
    return GEMINI.decode_request(body, facts)


def hub(**fields: Any) -> ChatRequest:
    found = read(**fields)
    assert isinstance(found, ChatRequest), found
    return found


def lost(request: ChatRequest) -> set[str]:
    return {loss.field for loss in request.losses}


def model(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "model", "parts": list(parts)}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


# --- turns ------------------------------------------------------------------------------------------------------
def test_roles_become_turns_and_no_role_counts_as_user() -> None:
    found = hub(contents=[{"parts": [{"text": "a"}]}, model({"text": "b"}), user({"text": "c"}, {"text": "d"})])
    assert found.turns == (
        Turn("user", (Text("a"),)),
        Turn("assistant", (Text("b"),)),
        Turn("user", (Text("c"), Text("d"))),
    )
    assert found.losses == ()


def test_the_system_instruction_leads_and_its_parts_are_lines() -> None:
    found = hub(systemInstruction={"role": "user", "parts": [{"text": "Be brief."}, {"text": "Be kind."}]})
    assert found.turns[0] == Turn("system", (Text("Be brief.\nBe kind."),))


def test_an_empty_system_instruction_is_no_turn() -> None:
    assert [turn.role for turn in hub(systemInstruction={"parts": [{"text": ""}]}).turns] == ["user"]


@pytest.mark.parametrize("spelling", ["-_8", "-_8=", "+/8", "+/8=", "+/\n8="])
def test_inline_images_become_standard_base64(spelling: str) -> None:
    found = hub(contents=[user({"inline_data": {"mime_type": "image/PNG", "data": spelling}})])
    assert found.turns[0].parts == (Image(media_type="image/png", data="+/8="),)


def test_media_that_is_no_image_is_a_loss() -> None:
    found = hub(contents=[user({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}, {"text": "listen"})])
    assert found.turns[0].parts == (Text("listen"),)
    assert found.losses == (Loss("contents[0].parts[0].inlineData", "audio/wav has no equivalent"),)


def test_a_picture_on_the_web_is_carried_by_its_address() -> None:
    found = hub(contents=[user({"fileData": {"fileUri": "https://example.org/a.png", "mimeType": "image/png"}})])
    assert found.turns[0].parts == (Image(url="https://example.org/a.png", media_type="image/png"),)


@pytest.mark.parametrize(
    "uri",
    [
        "https://generativelanguage.googleapis.com/v1beta/files/abc",
        "gs://bucket/a.png",
        "https://www.youtube.com/watch?v=1",
        "",
    ],
)
def test_files_of_the_provider_are_a_loss(uri: str) -> None:
    found = hub(contents=[user({"fileData": {"fileUri": uri}})])
    assert found.turns[0].parts == ()
    assert lost(found) == {"contents[0].parts[0].fileData"}


def test_thoughts_keep_their_origin_and_their_signature() -> None:
    found = hub(contents=[ASK, model({"text": "hm", "thought": True, "thoughtSignature": "c2ln"}, {"text": "ok"})])
    assert found.turns[1].parts == (Thinking(text="hm", signature="c2ln", origin="gemini_generate"), Text("ok"))


def test_a_signature_on_text_is_a_loss_told_once() -> None:
    signed = {"text": "ok", "thoughtSignature": "c2ln"}
    found = hub(contents=[ASK, model(signed), ASK, model(signed)])
    assert found.losses == (Loss("thoughtSignature", "means nothing to another provider"),)


def test_server_tool_parts_are_losses_by_name() -> None:
    found = hub(contents=[ASK, model({"executableCode": {"code": "1+1"}}, {"text": "2"})])
    assert found.turns[1].parts == (Text("2"),)
    assert found.losses == (Loss("contents[1].parts[0]", "executableCode has no equivalent"),)


# --- calls and results ------------------------------------------------------------------------------------------
def test_arguments_are_carried_byte_for_byte() -> None:
    body = (
        b'{"contents":[{"parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"id":"c1","name":"f",'
        b'"args":{"big": 12345678901234567890123, "e":1E5,"max_rows":null}}}]}]}'
    )
    facts = GEMINI.peek(TARGET, body)
    assert isinstance(facts, Envelope)
    found = GEMINI.decode_request(body, facts)
    assert isinstance(found, ChatRequest)
    arguments = '{"big": 12345678901234567890123, "e":1E5,"max_rows":null}'
    assert found.turns[1].parts == (ToolCall("c1", "f", arguments),)


def test_calls_without_an_id_get_a_stable_one_and_results_find_them_by_order_and_name() -> None:
    contents = [
        ASK,
        model({"functionCall": {"name": "f", "args": {"a": 1}}}, {"functionCall": {"name": "f", "args": {"a": 2}}}),
        user(
            {"functionResponse": {"name": "f", "response": {"output": "one"}}},
            {"functionResponse": {"name": "f", "response": {"result": "two"}}},
        ),
    ]
    found, again = hub(contents=contents), hub(contents=contents)
    first, second = found.turns[1].parts
    assert isinstance(first, ToolCall) and isinstance(second, ToolCall)
    assert first.id != second.id
    assert all(id.startswith("call_") and len(id) <= 29 for id in (first.id, second.id))
    assert found.turns[2].parts == (
        ToolResult(call_id=first.id, name="f", parts=(Text("one"),)),
        ToolResult(call_id=second.id, name="f", parts=(Text("two"),)),
    )
    assert found == again


def test_results_are_matched_by_id_before_order() -> None:
    found = hub(
        contents=[
            ASK,
            model({"functionCall": {"id": "c1", "name": "f"}}, {"functionCall": {"id": "c2", "name": "f"}}),
            user(
                {"functionResponse": {"id": "c2", "name": "f", "response": {"output": "two"}}},
                {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "one"}}},
            ),
        ]
    )
    assert [p.call_id for p in found.turns[2].parts if isinstance(p, ToolResult)] == ["c2", "c1"]


def test_results_in_separate_contents_belong_to_the_same_calls() -> None:
    found = hub(
        contents=[
            ASK,
            model({"functionCall": {"name": "f"}}, {"functionCall": {"name": "g"}}),
            {"role": "function", "parts": [{"functionResponse": {"name": "g", "response": {"output": "2"}}}]},
            {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {"output": "1"}}}]},
        ]
    )
    calls = [p.id for p in found.turns[1].parts if isinstance(p, ToolCall)]
    results = [p.call_id for turn in found.turns[2:] for p in turn.parts if isinstance(p, ToolResult)]
    assert results == [calls[1], calls[0]]


@pytest.mark.parametrize(
    ("response", "text", "is_error"),
    [
        ({"output": "sunny"}, "sunny", False),
        ({"result": {"c": 21}}, '{"c": 21}', False),
        ({"error": "no such city"}, "no such city", True),
        ({"c": 21, "rain_mm": 0}, '{"c": 21, "rain_mm": 0}', False),
        ({"output": "a", "error": "b"}, '{"output": "a", "error": "b"}', False),
        ({"output": ""}, "", False),
        ({"output": None}, "", False),
        ({}, "{}", False),
        (None, "", False),
    ],
)
def test_conventional_responses_become_text_and_others_stay_json(
    response: dict[str, Any] | None, text: str, is_error: bool
) -> None:
    found = hub(
        contents=[
            ASK,
            model({"functionCall": {"id": "c1", "name": "f"}}),
            user({"functionResponse": {"id": "c1", "name": "f", "response": response}}),
        ]
    )
    parts = (Text(text),) if text else ()
    assert found.turns[2].parts == (ToolResult(call_id="c1", name="f", parts=parts, is_error=is_error),)


def test_pictures_in_a_result_are_carried_and_other_media_are_losses() -> None:
    picture = base64.b64encode(b"\x89PNG").decode()
    parts = [
        {"inlineData": {"mimeType": "image/png", "data": picture}},
        {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
    ]
    found = hub(
        contents=[
            ASK,
            model({"functionCall": {"name": "f"}}),
            user({"functionResponse": {"name": "f", "response": {"output": "see"}, "parts": parts}}),
        ]
    )
    result = found.turns[2].parts[0]
    assert isinstance(result, ToolResult)
    assert result.parts == (Text("see"), Image(media_type="image/png", data=picture))
    assert lost(found) == {"contents[2].parts[0].functionResponse.parts[1]"}


def test_a_result_that_answers_no_call_is_dropped_and_told() -> None:
    found = hub(contents=[user({"functionResponse": {"name": "f", "response": {"output": "1"}}}, {"text": "so?"})])
    assert found.turns == (Turn("user", (Text("so?"),)),)
    assert lost(found) == {"contents[0].parts[0].functionResponse"}


def test_the_signature_travels_with_its_call() -> None:
    found = hub(contents=[ASK, model({"functionCall": {"id": "c", "name": "f"}, "thought_signature": "c2ln"})])
    assert found.turns[1].parts == (ToolCall("c", "f", "", "c2ln"),)


# --- tools ------------------------------------------------------------------------------------------------------
def schema_of(found: ChatRequest, at: int = 0) -> Any:
    schema = found.tools[at].schema
    return None if schema is None else msgspec.json.decode(schema)


def test_the_proto_schema_becomes_json_schema() -> None:
    parameters = {
        "type": "OBJECT",
        "properties": {
            "city": {"type": "STRING", "description": "where", "min_length": "2"},
            "unit": {"type": "STRING", "format": "enum", "enum": ["C", "F"], "nullable": True},
            "days": {"type": "ARRAY", "items": {"type": "INTEGER", "format": "int32"}, "maxItems": "7"},
            "any_of": {"anyOf": [{"type": "NUMBER"}, {"type": "STRING"}], "nullable": True, "example": 1},
        },
        "required": ["city"],
        "propertyOrdering": ["city", "unit"],
    }
    found = hub(tools=[{"functionDeclarations": [{"name": "f", "description": "d", "parameters": parameters}]}])
    assert schema_of(found) == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "where", "minLength": 2},
            "unit": {"type": ["string", "null"], "enum": ["C", "F", None]},
            "days": {"type": "array", "items": {"type": "integer", "format": "int32"}, "maxItems": 7},
            "any_of": {"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "null"}], "examples": [1]},
        },
        "required": ["city"],
    }


def test_references_of_the_proto_schema_are_renamed() -> None:
    parameters = {"ref": "#/defs/Node", "defs": {"Node": {"type": "OBJECT"}}}
    found = hub(tools=[{"functionDeclarations": [{"name": "f", "parameters": parameters}]}])
    assert schema_of(found) == {"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object"}}}


def test_a_json_schema_is_carried_as_it_is() -> None:
    schema = {"type": "object", "properties": {"snake_case": {"const": 1}}, "oneOf": []}
    found = hub(tools=[{"function_declarations": [{"name": "f", "parameters_json_schema": schema}]}])
    assert schema_of(found) == schema


def test_a_function_without_parameters_has_no_schema() -> None:
    assert schema_of(hub(tools=[{"functionDeclarations": [{"name": "f"}]}])) is None


def test_server_tools_are_losses() -> None:
    found = hub(tools=[{"googleSearch": {}}, {"code_execution": {}, "functionDeclarations": [{"name": "f"}]}])
    assert [tool.name for tool in found.tools] == ["f"]
    assert lost(found) == {"tools[0].googleSearch", "tools[1].codeExecution"}


@pytest.mark.parametrize(
    ("calling", "choice", "names"),
    [
        ({"mode": "AUTO"}, ToolChoice(mode="auto"), ["f", "g", "h"]),
        ({"mode": "any"}, ToolChoice(mode="required"), ["f", "g", "h"]),
        ({"mode": "NONE"}, ToolChoice(mode="none"), ["f", "g", "h"]),
        ({"mode": "ANY", "allowed_function_names": ["g"]}, ToolChoice(mode="tool", name="g"), ["f", "g", "h"]),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "h"]}, ToolChoice(mode="required"), ["f", "h"]),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice(mode="auto"), ["f"]),
        ({}, ToolChoice(mode="auto"), ["f", "g", "h"]),
    ],
)
def test_the_calling_mode_becomes_the_tool_choice(
    calling: dict[str, Any], choice: ToolChoice, names: list[str]
) -> None:
    tools = [{"functionDeclarations": [{"name": "f"}, {"name": "g"}, {"name": "h"}]}]
    found = hub(tools=tools, toolConfig={"functionCallingConfig": calling})
    assert (found.tool_choice, [tool.name for tool in found.tools]) == (choice, names)
    narrowed = "toolConfig.functionCallingConfig.allowedFunctionNames"
    assert (narrowed in lost(found)) == (len(names) < 3)


# --- settings ---------------------------------------------------------------------------------------------------
def test_settings_are_carried() -> None:
    found = hub(
        generationConfig={
            "temperature": 0.5,
            "top_p": 0.9,
            "topK": 40.0,
            "max_output_tokens": 100,
            "stopSequences": ["END"],
            "seed": -7,
            "presencePenalty": 0.1,
            "frequency_penalty": 0.2,
            "candidateCount": 2,
        }
    )
    s = found.sampling
    assert (s.temperature, s.top_p, s.top_k, s.seed) == (0.5, 0.9, 40, -7)
    assert (s.presence_penalty, s.frequency_penalty) == (0.1, 0.2)
    assert (found.max_output_tokens, found.stop, found.choices) == (100, ("END",), 2)
    assert found.losses == ()


def test_what_no_other_format_has_is_lost_by_name() -> None:
    found = hub(
        generationConfig={"thinkingConfig": {"thinkingLevel": "LOW"}, "responseMimeType": "application/json"},
        safety_settings=[{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        cachedContent="cachedContents/1",
        labels={"a": "b"},
        madeUp=1,
    )
    assert lost(found) == {
        "generationConfig.thinkingConfig",
        "generationConfig.responseMimeType",
        "safetySettings",
        "cachedContent",
        "labels",
        "madeUp",
    }


def test_settings_without_effect_are_no_losses() -> None:
    found = hub(
        generationConfig={"responseMimeType": "text/plain", "responseModalities": ["TEXT"], "thinkingConfig": {}},
        safetySettings=[],
        labels={},
        store=False,
        model="models/m",
    )
    assert found.losses == ()


def test_only_its_own_provider_continues_an_answer() -> None:
    found = read(continuationToken="abc")
    assert isinstance(found, Failure)
    assert (found.kind, found.param) == (Kind.CAPABILITY, "continuationToken")


# --- refusals ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"contents": ["hello"]}, "contents[0]"),
        ({"contents": [{"role": "system", "parts": [{"text": "x"}]}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 5}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": "hello"}]}, "contents[0].parts[0]"),
        (
            {"contents": [ASK, {"parts": [{"inline_data": {"mime_type": 1}}]}]},
            "contents[1].parts[0].inlineData.mimeType",
        ),
        ({"tools": [{"functionDeclarations": [{"description": "nameless"}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"tools": [{"functionDeclarations": ["f"]}]}, "tools[0].functionDeclarations[0]"),
        (
            {"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": [1]}}},
            "toolConfig.functionCallingConfig.allowedFunctionNames[0]",
        ),
        ({"toolConfig": {"functionCallingConfig": {"mode": "MAYBE"}}}, "toolConfig.functionCallingConfig.mode"),
        ({"systemInstruction": {"parts": [{"text": []}]}}, "systemInstruction.parts[0].text"),
    ],
)
def test_a_wrong_type_below_the_top_is_refused_and_named(fields: dict[str, Any], param: str) -> None:
    found = read(**fields)
    assert isinstance(found, Failure)
    assert (found.kind, found.status, found.param) == (Kind.INVALID_REQUEST, 400, param)


@pytest.mark.parametrize(
    "schema", [5, "x", [], {"properties": 5}, {"properties": {"a": None}}, {"type": 5, "enum": {}}]
)
def test_odd_schemas_do_not_crash(schema: Any) -> None:
    assert len(hub(tools=[{"functionDeclarations": [{"name": "f", "parameters": schema}]}]).tools) == 1
