"""Facts of a generateContent request: read from the URL, the settings and the kinds of the fields."""

from __future__ import annotations

import json

import pytest

from trunkline.dialects.contract import Target
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.types.envelope import Envelope
from trunkline.types.failure import Failure, Kind

GEMINI = GeminiGenerate()
TARGET = Target(dialect="gemini_generate", model="gemini-3.8-flash", version="v1beta", stream=True, sse=False)
HELLO = '"contents":[{"role":"user","parts":[{"text":"hello"}]}]'


def facts(body: str) -> Envelope:
    found = GEMINI.peek(TARGET, body.encode())
    assert isinstance(found, Envelope), found
    return found


def refusal(body: str | bytes) -> Failure:
    found = GEMINI.peek(TARGET, body if isinstance(body, bytes) else body.encode())
    assert isinstance(found, Failure), found
    assert (found.kind, found.status) == (Kind.INVALID_REQUEST, 400)
    return found


def test_model_stream_framing_and_version_come_from_the_url() -> None:
    found = facts("{" + HELLO + ',"model":"models/other"}')
    assert (found.model, found.stream, found.sse, found.api_version) == ("gemini-3.8-flash", True, False, "v1beta")


def test_a_call_that_is_not_streamed_says_so() -> None:
    target = Target(dialect="gemini_generate", model="m", version="v1", stream=False)
    found = GEMINI.peek(target, ("{" + HELLO + "}").encode())
    assert isinstance(found, Envelope)
    assert (found.stream, found.api_version) == (False, "v1")


@pytest.mark.parametrize(
    "config",
    [
        '"generationConfig":{"maxOutputTokens":64,"candidateCount":2,"responseSchema":{"type":"OBJECT"}}',
        '"generation_config":{"max_output_tokens":64,"candidate_count":2,"response_schema":{"type":"OBJECT"}}',
        '"generationConfig":{"max_output_tokens":"64","candidateCount":2.0,"responseJsonSchema":{"type":"object"}}',
    ],
)
def test_settings_are_read_in_either_spelling(config: str) -> None:
    found = facts("{" + HELLO + "," + config + "}")
    assert (found.max_output_tokens, found.choices, found.output_schema) == (64, 2, True)


def test_null_and_zero_mean_absent() -> None:
    config = '"generationConfig":{"maxOutputTokens":0,"candidateCount":null,"responseSchema":null}'
    found = facts("{" + HELLO + ',"tools":null,' + config + "}")
    assert (found.max_output_tokens, found.choices, found.output_schema, found.tools) == (None, 1, False, 0)


def test_every_function_and_every_server_tool_counts_as_a_tool() -> None:
    tools = '"tools":[{"function_declarations":[{"name":"a"},{"name":"b"}]},{"googleSearch":{}}]'
    assert facts("{" + HELLO + "," + tools + "}").tools == 3


@pytest.mark.parametrize("part", ["inlineData", "inline_data", "fileData", "file_data"])
def test_media_parts_make_it_a_request_with_images(part: str) -> None:
    assert facts('{"contents":[{"parts":[{"' + part + '":{}}]}]}').images


def test_text_that_speaks_of_inline_data_is_no_image() -> None:
    body = json.dumps({"contents": [{"parts": [{"text": 'write {"inlineData": {}}'}]}]})
    assert not facts(body).images


def test_a_single_content_counts_as_a_list_of_one() -> None:
    assert facts('{"contents":{"parts":[{"text":"hello"}]}}').model == "gemini-3.8-flash"


@pytest.mark.parametrize("body", ["{}", '{"contents":null}', '{"model":"m"}'])
def test_contents_are_required(body: str) -> None:
    found = refusal(body)
    assert (found.param, found.code) == ("contents", "missing_field")


@pytest.mark.parametrize("contents", ["[]", "[ \n\t]"])
def test_contents_must_not_be_empty(contents: str) -> None:
    assert refusal('{"contents":' + contents + "}").param == "contents"


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ('"contents":"hello"', "contents"),
        (HELLO + ',"tools":"search"', "tools"),
        (HELLO + ',"systemInstruction":"be brief"', "systemInstruction"),
        (HELLO + ',"system_instruction":7', "systemInstruction"),
        (HELLO + ',"toolConfig":[]', "toolConfig"),
        (HELLO + ',"generationConfig":[]', "generationConfig"),
        (HELLO + ',"generationConfig":{"maxOutputTokens":"many"}', "generationConfig.maxOutputTokens"),
        (HELLO + ',"generationConfig":{"maxOutputTokens":-1}', "generationConfig.maxOutputTokens"),
        (HELLO + ',"generationConfig":{"candidateCount":true}', "generationConfig.candidateCount"),
        (HELLO + ',"generationConfig":{"topK":1.5}', "generationConfig.topK"),
        (HELLO + ',"generation_config":{"top_p":"high"}', "generationConfig.topP"),
        (HELLO + ',"generationConfig":{"stopSequences":[1]}', "generationConfig.stopSequences"),
        (HELLO + ',"cachedContent":{}', "cachedContent"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_and_named(extra: str, field: str) -> None:
    found = refusal("{" + extra + "}")
    assert found.param == field
    assert field in found.message


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"{", b'{"contents":[}', b"\xff\xfe", b"{" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    assert refusal(body).message.startswith("the request body")


def test_nesting_beyond_the_parser_is_refused() -> None:
    deep = b'{"contents":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert refusal(deep).message == "the request body is nested too deeply"


def test_the_body_is_never_edited_because_the_model_stands_in_the_url() -> None:
    body = b'{ "contents" : [ {"parts":[{"text":"x"}]} ], "model": "models/m", "unknown": 1e5 }'
    assert GEMINI.splice(body, facts(body.decode()), "gemini-other") is body
