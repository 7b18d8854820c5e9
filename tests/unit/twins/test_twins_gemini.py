"""The Gemini twin: shapes, both streams, spellings, validation and errors as wire-formats.md C says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from twins_stage import GEMINI_HEADERS, PATHS, ask, body_of, events, perform, stream_path

TOOL = {"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": {"type": "object", "properties": {}}}]}
DUMMY = base64.b64encode(b"skip_thought_signature_validator").decode()


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "parts": list(parts)}


def called(name: str = "get_weather", signature: str | None = DUMMY) -> dict[str, Any]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": {}}}
    return part if signature is None else {**part, "thoughtSignature": signature}


def answered(name: str = "get_weather") -> dict[str, Any]:
    return {"functionResponse": {"name": name, "response": {"output": "sunny"}}}


def message(call: Any) -> str:
    text: str = call.json["error"]["message"]
    return text


def test_an_answer_has_the_documented_shape_and_usage() -> None:
    body = ask("gemini", body_of("gemini", 'Say exactly "abcdefgh"')).json
    assert body["candidates"] == [
        {"content": {"parts": [{"text": "abcdefgh"}], "role": "model"}, "finishReason": "STOP", "index": 0}
    ]
    assert body["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 2,
        "totalTokenCount": 12,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
    }
    assert body["modelVersion"] == "gemini-3.8-flash"
    assert body["responseId"]


def test_an_sse_stream_has_cumulative_usage_and_the_finish_last_and_no_terminator() -> None:
    call, _ = perform("gemini", prompt='Say exactly "abcdefgh"')
    assert call.header("content-type") == "text/event-stream"
    found = events(call)
    assert [chunk["candidates"][0]["content"]["parts"][0]["text"] for chunk in found] == ["abcd", "efgh", ""]
    assert [chunk["usageMetadata"]["candidatesTokenCount"] for chunk in found] == [1, 2, 2]
    assert [chunk["candidates"][0].get("finishReason") for chunk in found] == [None, None, "STOP"]
    assert all(write.startswith(b"data: {") and write.endswith(b"\r\n\r\n") for write in call.writes)


def test_without_alt_sse_a_stream_is_one_json_array_in_pieces() -> None:
    path = PATHS["gemini"].replace(":generate", ":streamGenerate").replace("GenerateContent", "GenerateContent")
    call = ask("gemini", body_of("gemini", 'Say exactly "abcdefgh"'), path=path)
    assert call.header("content-type") == "application/json; charset=UTF-8"
    assert len(call.writes) == 5
    assert [one["candidates"][0]["content"]["parts"][0]["text"] for one in json.loads(call.text)] == [
        "abcd",
        "efgh",
        "",
    ]


@pytest.mark.parametrize("prefix", ["/v1", "/v1beta"])
def test_both_versions_are_served(prefix: str) -> None:
    path = f"{prefix}/models/gemini-3.8-flash:generateContent"
    assert ask("gemini", body_of("gemini"), path=path).status == 200


def test_latest_aliases_exist_only_on_v1beta() -> None:
    path = "/v1beta/models/gemini-flash-latest:generateContent"
    assert ask("gemini", body_of("gemini"), path=path).json["modelVersion"] == "gemini-3.8-flash"
    assert ask("gemini", body_of("gemini"), path=path.replace("v1beta", "v1")).status == 404


def test_keys_come_by_header_query_or_bearer() -> None:
    assert ask("gemini", body_of("gemini"), headers=[], path=PATHS["gemini"] + "?key=AIza").status == 200
    assert ask("gemini", body_of("gemini"), headers=[(b"authorization", b"Bearer ya29.x")]).status == 200


def test_a_bad_key_is_400_api_key_invalid_and_no_key_403() -> None:
    bad = ask("gemini", body_of("gemini"), headers=[(b"x-goog-api-key", b"bad")])
    assert (bad.status, bad.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert bad.json["error"]["details"][0]["reason"] == "API_KEY_INVALID"
    missing = ask("gemini", body_of("gemini"), headers=[])
    assert (missing.status, missing.json["error"]["status"]) == (403, "PERMISSION_DENIED")


def test_both_spellings_and_both_base64_alphabets_are_read() -> None:
    data = b"\xfb\xff\xbe\x00"
    urlsafe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for blob in (
        {"inlineData": {"mime_type": "image/png", "data": urlsafe}},
        {"inline_data": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}},
    ):
        body = {"contents": [user({"text": "What is this?"}, blob)]}
        assert "image/png of 4 bytes" in ask("gemini", body).text
    config = {"stop_sequences": ["two"], "maxOutputTokens": 50}
    body = body_of("gemini", 'Say exactly "one two"', generation_config=config)
    assert ask("gemini", body).json["candidates"][0]["content"]["parts"] == [{"text": "one "}]


def test_system_instruction_may_have_a_role_and_a_single_part() -> None:
    for system in (
        {"role": "user", "parts": [{"text": 'Say exactly "pong"'}]},
        {"parts": {"text": 'Say exactly "pong"'}},
    ):
        body = body_of("gemini", "ping", systemInstruction=system)
        assert ask("gemini", body).json["candidates"][0]["content"]["parts"] == [{"text": "pong"}]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "* GenerateContentRequest.contents: contents is not specified"),
        ({"contents": []}, "contents is not specified"),
        ({"contents": [{"role": "wizard", "parts": [{"text": "x"}]}]}, "Please use a valid role: user, model."),
        ({"contents": [{"role": "user", "parts": []}]}, "contents.parts must not be empty"),
        ({"contents": [user({})]}, "required oneof field 'data' must have one initialized field"),
        ({"contents": "x"}, "Invalid value at 'contents[0]'"),
        ({"contents": [user({"text": 5})]}, "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5"),
        ({"contents": [user({"text": "x"})], "colour": 1}, 'Unknown name "colour": Cannot find field.'),
        ({"contents": [user({"text": "x", "tone": 1})]}, "Unknown name \"tone\" at 'contents[0].parts[0]'"),
        (
            {"contents": [user({"inlineData": {"mimeType": "image/png", "data": "%%"}})]},
            "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"%%\"",
        ),
        ({"contents": [user({"text": "x"}), {"role": "model", "parts": [{"text": "y"}]}]}, "end with a user role"),
    ],
)
def test_a_wrong_content_is_named_in_googles_words(body: dict[str, Any], words: str) -> None:
    call = ask("gemini", body)
    assert call.status == 400
    assert call.json["error"]["status"] == "INVALID_ARGUMENT"
    assert words in message(call)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"temperature": 3}, "temperature must be in the range [0.0, 2.0]"),
        ({"temperature": "hot"}, "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"hot\""),
        ({"topP": 2}, "top_p must be in the range [0.0, 1.0]"),
        ({"stopSequences": ["a", "b", "c", "d", "e", "f"]}, "at most 5"),
        ({"maxOutputTokens": 0}, "max_output_tokens must be positive"),
        ({"candidateCount": 9}, "candidate_count must be in the range [1, 8]"),
        (
            {"thinkingConfig": {"thinkingBudget": 1, "thinkingLevel": "LOW"}},
            "only one of thinking budget and thinking level",
        ),
        ({"responseSchema": {"type": "OBJECT"}}, "only allowed when response_mime_type is application/json"),
        ({"maxTokens": 5}, "Unknown name \"maxTokens\" at 'generation_config': Cannot find field."),
    ],
)
def test_a_wrong_generation_config_is_named(config: dict[str, Any], words: str) -> None:
    call = ask("gemini", body_of("gemini", generationConfig=config))
    assert call.status == 400
    assert words in message(call)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$schema": "x"}, "Unknown name \"$schema\" at 'tools[0].function_declarations[0].parameters'"),
        (
            {"type": "object", "properties": {"a": {"const": 1}}},
            "Unknown name \"const\" at 'tools[0].function_declarations[0].parameters.properties[0].value'",
        ),
        (
            {"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
            "properties[0].value': Proto field is not repeating, cannot start list.",
        ),
        ({"oneOf": [{}]}, 'Unknown name "oneOf"'),
    ],
)
def test_parameters_take_only_the_proto_subset_of_json_schema(schema: dict[str, Any], words: str) -> None:
    declaration = {"name": "f", "parameters": schema}
    call = ask("gemini", body_of("gemini", tools=[{"functionDeclarations": [declaration]}]))
    assert call.status == 400
    assert words in message(call)
    declaration = {"name": "f", "parametersJsonSchema": schema}
    assert ask("gemini", body_of("gemini", tools=[{"functionDeclarations": [declaration]}])).status == 200


def test_every_violation_is_listed_in_the_details() -> None:
    call = ask("gemini", {"contents": [user({"text": "x"})], "a": 1, "b": 2})
    assert len(call.json["error"]["details"][0]["fieldViolations"]) == 2


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (
            [user({"text": "x"}), {"role": "model", "parts": [called(), called(signature=None)]}, user(answered())],
            "the number of function response parts is equal to the number of function call parts",
        ),
        ([user({"text": "x"}), {"role": "model", "parts": [called()]}, user({"text": "y"})], "is equal to the number"),
        (
            [user({"text": "x"}), user(answered())],
            "function response turn comes immediately after a function call turn",
        ),
        (
            [user({"text": "x"}), {"role": "model", "parts": [called()]}, user(answered("other"))],
            "name of each function",
        ),
        ([{"role": "model", "parts": [called()]}, user(answered())], "immediately after a user turn"),
        (
            [user({"text": "x"}), {"role": "model", "parts": [called(signature=None)]}, user(answered())],
            "Function call is missing a thought_signature in functionCall parts.",
        ),
        (
            [user({"text": "x"}), {"role": "model", "parts": [called(signature="AAAA")]}, user(answered())],
            "Corrupted thought signature.",
        ),
    ],
)
def test_function_turns_must_fit_together(contents: list[Any], words: str) -> None:
    call = ask("gemini", {"contents": contents, "tools": [TOOL]})
    assert call.status == 400
    assert words in message(call)


def test_calls_come_with_an_id_and_one_signature_that_can_be_replayed() -> None:
    question = user({"text": "Call get_weather for two cities."})
    content = ask("gemini", {"contents": [question], "tools": [TOOL]}).json["candidates"][0]["content"]
    assert ["thoughtSignature" in part for part in content["parts"]] == [True, False]
    assert all(part["functionCall"]["id"] for part in content["parts"])
    body = {"contents": [question, content, user(answered(), answered())], "tools": [TOOL]}
    text = ask("gemini", body).json["candidates"][0]["content"]["parts"][0]["text"]
    assert text == "The tools answered: get_weather returned sunny; get_weather returned sunny."


def test_signatures_are_asked_for_only_in_the_current_turn_and_only_by_new_models() -> None:
    unsigned = [user({"text": "x"}), {"role": "model", "parts": [called(signature=None)]}, user(answered())]
    later = [*unsigned, {"role": "model", "parts": [{"text": "sunny"}]}, user({"text": "thanks"})]
    assert ask("gemini", {"contents": later, "tools": [TOOL]}).status == 200
    path = "/v1/models/gemini-2.5-flash:generateContent"
    assert ask("gemini", {"contents": unsigned, "tools": [TOOL]}, path=path).status == 200


@pytest.mark.parametrize(
    ("config", "status"),
    [
        ({"mode": "ANY", "allowedFunctionNames": ["get_weather"]}, 200),
        ({"mode": "any"}, 200),
        ({"mode": "NONE"}, 200),
        ({"mode": "SOMETIMES"}, 400),
        ({"mode": "AUTO", "allowedFunctionNames": ["get_weather"]}, 400),
        ({"mode": "ANY", "allowedFunctionNames": ["other"]}, 400),
    ],
)
def test_function_calling_modes(config: dict[str, Any], status: int) -> None:
    body = body_of("gemini", tools=[TOOL], toolConfig={"functionCallingConfig": config})
    call = ask("gemini", body)
    assert call.status == status
    if status == 200:
        parts = call.json["candidates"][0]["content"]["parts"]
        assert ("functionCall" in parts[0]) is (config["mode"].upper() == "ANY")


def test_tool_calls_finish_with_stop() -> None:
    body = body_of("gemini", "Call get_weather", tools=[TOOL])
    assert ask("gemini", body).json["candidates"][0]["finishReason"] == "STOP"


def test_thoughts_are_parts_of_their_own_and_counted_apart() -> None:
    body = body_of("gemini", generationConfig={"thinkingConfig": {"include_thoughts": True, "thinking_level": "LOW"}})
    found = ask("gemini", body).json
    parts, usage = found["candidates"][0]["content"]["parts"], found["usageMetadata"]
    assert [part.get("thought", False) for part in parts] == [True, False]
    total = usage["promptTokenCount"] + usage["candidatesTokenCount"] + usage["thoughtsTokenCount"]
    assert usage["totalTokenCount"] == total


def test_unknown_models_and_verbs_are_404_in_googles_words() -> None:
    call = ask("gemini", body_of("gemini"), path="/v1beta/models/gemini-9:generateContent")
    assert (call.status, call.json["error"]["status"]) == (404, "NOT_FOUND")
    assert message(call).startswith("models/gemini-9 is not found for API version v1beta, or is not supported for")
    assert ask("gemini", body_of("gemini"), path="/v1/models/gemini-3.8-flash:paint").status == 404
    assert ask("gemini", body_of("gemini"), path="/v1/nope").status == 404


def test_errors_of_array_streams_are_wrapped_in_an_array() -> None:
    path = "/v1/models/gemini-3.8-flash:streamGenerateContent"
    assert ask("gemini", {}, path=path).json[0]["error"]["code"] == 400
    assert ask("gemini", {}, path=stream_path("gemini")).json["error"]["code"] == 400


def test_tokens_are_counted() -> None:
    path = "/v1/models/gemini-3.8-flash:countTokens"
    contents = [user({"text": "abcdefgh"})]
    assert ask("gemini", {"contents": contents}, path=path).json == {"totalTokens": 6}
    nested = {"generateContentRequest": {"model": "models/gemini-3.8-flash", "contents": contents}}
    assert ask("gemini", nested, path=path).json == {"totalTokens": 6}


def test_the_model_list_and_one_model() -> None:
    listed = ask("gemini", None, path="/v1beta/models", method="GET", headers=GEMINI_HEADERS).json["models"]
    assert "models/gemini-3.8-flash" in [one["name"] for one in listed]
    assert ask("gemini", None, path="/v1/models/gemini-2.5-pro", method="GET").json["inputTokenLimit"] == 1048576
    assert ask("gemini", None, path="/v1/models/nope", method="GET").status == 404


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_json_is_400(body: bytes) -> None:
    assert ask("gemini", body).status == 400
