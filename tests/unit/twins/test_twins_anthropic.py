"""The Anthropic twin: shapes, stream, both API versions, validation and errors as wire-formats.md B says."""

from __future__ import annotations

from typing import Any

import pytest

from twins_stage import ANTHROPIC_HEADERS, ask, body_of, events, perform

OLD = [(b"x-api-key", b"k"), (b"anthropic-version", b"2023-06-01")]
NEW = ANTHROPIC_HEADERS
TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
USER = {"role": "user", "content": "Hello"}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}}]}


def result(*ids: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": one, "content": "sunny"} for one in ids]}


def message(call: Any) -> str:
    text: str = call.json["error"]["message"]
    return text


def test_a_message_has_the_documented_shape_and_usage() -> None:
    call = ask("anthropic", body_of("anthropic", 'Say exactly "abcdefgh"'))
    body = call.json
    assert (body["type"], body["role"], body["model"]) == ("message", "assistant", "claude-opus-5-5")
    assert body["id"].startswith("msg_01")
    assert body["content"] == [{"type": "text", "text": "abcdefgh", "citations": None}]
    assert (body["stop_reason"], body["stop_sequence"]) == ("end_turn", None)
    assert (body["usage"]["input_tokens"], body["usage"]["output_tokens"]) == (10, 2)
    assert (body["usage"]["cache_read_input_tokens"], body["usage"]["cache_creation_input_tokens"]) == (0, 0)


def test_answers_carry_request_id_and_rate_limit_headers() -> None:
    call = ask("anthropic", body_of("anthropic"))
    assert (call.header("request-id") or "").startswith("req_01")
    assert call.header("anthropic-ratelimit-input-tokens-remaining") == "1999000"
    assert call.header("anthropic-organization-id")


def test_a_stream_has_the_documented_events_in_order() -> None:
    call, _ = perform("anthropic", prompt='Say exactly "abcdefgh"')
    names = [line[7:] for line in call.text.split("\n") if line.startswith("event: ")]
    assert names == [
        "message_start",
        "content_block_start",
        "ping",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    found = events(call)
    assert [event["type"] for event in found] == names
    assert found[0]["message"]["usage"]["input_tokens"] == 10
    assert found[0]["message"]["stop_reason"] is None
    assert [event["delta"] for event in found[3:5]] == [
        {"type": "text_delta", "text": "abcd"},
        {"type": "text_delta", "text": "efgh"},
    ]
    assert found[6]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert found[6]["usage"]["output_tokens"] == 2


def test_streamed_blocks_do_not_interleave_and_tool_arguments_concatenate() -> None:
    body = body_of("anthropic", "Call get_weather in Rome", tools=[TOOL], stream=True, thinking={"type": "adaptive"})
    found = events(ask("anthropic", body))
    opened = [event["content_block"]["type"] for event in found if event["type"] == "content_block_start"]
    assert opened == ["thinking", "tool_use"]
    indexes = [event["index"] for event in found if "index" in event]
    assert indexes == sorted(indexes)
    thinking = [event["delta"] for event in found if event["type"] == "content_block_delta" and event["index"] == 0]
    assert {delta["type"] for delta in thinking[:-1]} == {"thinking_delta"}
    assert thinking[-1]["type"] == "signature_delta"
    written = [event["delta"]["partial_json"] for event in found if event.get("index") == 1 and "delta" in event]
    assert written[0] == ""
    assert "".join(written) == '{"city":"Rome"}'
    assert found[-2]["delta"]["stop_reason"] == "tool_use"


def test_the_stop_sequence_that_was_hit_is_named() -> None:
    body = body_of("anthropic", 'Say exactly "one two three"', stop_sequences=["three", "two"])
    found = ask("anthropic", body).json
    assert (found["content"][0]["text"], found["stop_reason"], found["stop_sequence"]) == (
        "one ",
        "stop_sequence",
        "two",
    )


def test_bearer_and_x_api_key_are_both_accepted() -> None:
    version = (b"anthropic-version", b"2026-10-21")
    assert (
        ask("anthropic", body_of("anthropic"), headers=[(b"authorization", b"Bearer sk-ant-x"), version]).status == 200
    )
    assert ask("anthropic", body_of("anthropic"), headers=[(b"x-api-key", b"sk-ant-x"), version]).status == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ([], "x-api-key header is required"),
        ([(b"x-api-key", b"bad")], "invalid x-api-key"),
        ([(b"authorization", b"Bearer bad")], "Invalid bearer token"),
    ],
)
def test_keys_missing_and_bad_are_401(headers: Any, words: str) -> None:
    call = ask("anthropic", body_of("anthropic"), headers=[*headers, (b"anthropic-version", b"2026-10-21")])
    assert call.status == 401
    assert (call.json["error"]["type"], message(call)) == ("authentication_error", words)
    assert call.json["request_id"] == call.header("request-id")


def test_the_version_header_is_required_and_must_be_known() -> None:
    assert message(ask("anthropic", body_of("anthropic"), headers=[(b"x-api-key", b"k")])) == (
        "anthropic-version: header is required"
    )
    headers = [(b"x-api-key", b"k"), (b"anthropic-version", b"2025-01-01")]
    assert "is not a valid version" in message(ask("anthropic", body_of("anthropic"), headers=headers))


@pytest.mark.parametrize("field", ["temperature", "top_p", "top_k"])
def test_the_new_version_refuses_sampling_parameters_on_every_model(field: str) -> None:
    body = body_of("anthropic", model="claude-haiku-4-5", **{field: 1})
    assert ask("anthropic", body, headers=OLD).status == 200
    assert message(ask("anthropic", body, headers=NEW)) == f"{field}: Extra inputs are not permitted"


def test_the_new_version_refuses_documents_of_the_assistant_and_citations_of_the_user() -> None:
    document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
    replayed = [USER, {"role": "assistant", "content": [document]}, USER]
    cited = [{"role": "user", "content": [{"type": "text", "text": "x", "citations": [{"type": "char_location"}]}]}]
    for messages in (replayed, cited):
        assert ask("anthropic", body_of("anthropic", messages=messages), headers=OLD).status == 200
        assert ask("anthropic", body_of("anthropic", messages=messages), headers=NEW).status == 400


def test_models_since_4_7_refuse_sampling_under_the_old_version_too() -> None:
    call = ask("anthropic", body_of("anthropic", model="claude-opus-4-8", temperature=0.5), headers=OLD)
    assert message(call) == "`temperature` is deprecated for this model."


@pytest.mark.parametrize(
    ("model", "fields", "status"),
    [
        ("claude-opus-5-5", {"tools": [TOOL], "tool_choice": {"type": "any"}}, 400),
        ("claude-sonnet-5-5", {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "get_weather"}}, 400),
        ("claude-haiku-5-5", {"tools": [TOOL], "tool_choice": {"type": "any"}}, 200),
        ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, 400),
        ("claude-haiku-5-5", {"thinking": {"type": "disabled"}}, 200),
        ("claude-sonnet-5-5", {"thinking": {"type": "between_tools"}}, 200),
        ("claude-opus-5-5", {"thinking": {"type": "between_tools"}}, 400),
        ("claude-opus-4-8", {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000}, 400),
        ("claude-opus-4-6", {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4000}, 200),
        ("claude-haiku-4-5", {"thinking": {"type": "adaptive"}}, 400),
        ("claude-opus-5-5", {"messages": [USER, {"role": "assistant", "content": "So"}]}, 400),
        ("claude-opus-4-6", {"messages": [USER, {"role": "assistant", "content": "So"}]}, 400),
        ("claude-opus-4-5", {"messages": [USER, {"role": "assistant", "content": "So"}]}, 200),
    ],
)
def test_models_accept_and_refuse_by_the_feature_matrix(model: str, fields: dict[str, Any], status: int) -> None:
    assert ask("anthropic", body_of("anthropic", **{"model": model, **fields})).status == status


def test_forced_tool_choice_and_prefill_are_refused_in_anthropics_words() -> None:
    forced = body_of("anthropic", tools=[TOOL], tool_choice={"type": "any"})
    assert message(ask("anthropic", forced)) == 'tool_choice: type "tool" and "any" are not supported for this model.'
    prefill = body_of("anthropic", messages=[USER, {"role": "assistant", "content": "So"}])
    assert message(ask("anthropic", prefill)).startswith("This model does not support assistant message prefill.")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": "x"}, "max_tokens: Input should be a valid integer"),
        ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
        ({"max_tokens": 200_000}, "max_tokens: 200000 > 128000, which is the maximum"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "x"}, "messages: Input should be a valid list"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages.0.role: Input should be 'user' or 'assistant'"),
        ({"messages": [{"role": "system", "content": "x"}]}, 'messages: Unexpected role "system".'),
        ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0: user messages must have non-empty content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages.0: user messages must have non-empty content"),
        ({"messages": [{"role": "user", "content": [{"type": "x"}]}]}, "Input tag 'x' found using 'type'"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": ""}]}]}, "must be non-empty"),
        ({"system": "  "}, "system: text content blocks must contain non-whitespace text"),
        ({"system": [{"type": "text", "text": ""}]}, "system: text content blocks must be non-empty"),
        ({"system": 5}, "system: Input should be a valid list"),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"stop_sequences": "x"}, "stop_sequences: Input should be a valid list"),
        ({"stop_sequences": [" "]}, "each stop sequence must contain non-whitespace"),
        ({"tool_choice": {"type": "auto"}}, "may only be specified while providing `tools`."),
        ({"tools": [{"name": "f"}]}, "tools.0.custom.input_schema: Field required"),
        ({"tools": [{"name": "no spaces", "input_schema": {"type": "object"}}]}, "String should match pattern"),
        ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
        ({"tools": [TOOL], "tool_choice": "auto"}, "tool_choice: Input tag"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema: Field required"),
    ],
)
def test_a_wrong_field_is_named_in_anthropics_words(fields: dict[str, Any], words: str) -> None:
    call = ask("anthropic", {**body_of("anthropic"), **fields})
    assert call.status == 400
    assert call.json["type"] == "error"
    assert call.json["error"]["type"] == "invalid_request_error"
    assert words in message(call)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ([{"type": "text", "text": "\n\n"}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}], 200),
        ([{"type": "text", "text": ""}, {"type": "tool_use", "id": "t", "name": "f", "input": {}}], 400),
        ([{"type": "text", "text": " "}], 400),
        ([], 200),
        ("", 200),
    ],
)
def test_empty_assistant_content_follows_the_probed_rules(content: Any, status: int) -> None:
    has_call = isinstance(content, list) and len(content) == 2
    following = result("t") if has_call else USER
    body = body_of("anthropic", messages=[USER, {"role": "assistant", "content": content}, following])
    assert ask("anthropic", body).status == status


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ([USER, USE, USER], "`tool_use` ids were found without `tool_result` blocks immediately after: toolu_1."),
        ([USER, USE, result("toolu_2")], "unexpected `tool_use_id` found in `tool_result` blocks: toolu_2."),
        ([USER, result("toolu_1")], "unexpected `tool_use_id` found"),
        (
            [USER, USE, {"role": "user", "content": [{"type": "text", "text": "x"}, *result("toolu_1")["content"]]}],
            "without `tool_result` blocks immediately after",
        ),
        ([USER, USE, result("toolu_1"), USE, result("toolu_1")], "`tool_use` ids must be unique"),
    ],
)
def test_every_tool_use_must_be_answered_first_in_the_next_turn(messages: list[Any], words: str) -> None:
    call = ask("anthropic", body_of("anthropic", messages=messages))
    assert call.status == 400
    assert words in message(call)


def test_tool_results_are_quoted_and_may_be_empty() -> None:
    call = ask("anthropic", body_of("anthropic", messages=[USER, USE, result("toolu_1")], tools=[TOOL]))
    assert call.json["content"][0]["text"] == "The tools answered: get_weather returned sunny."
    empty = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": []}]}
    assert ask("anthropic", body_of("anthropic", messages=[USER, USE, empty])).status == 200


@pytest.mark.parametrize(
    ("source", "status", "words"),
    [
        ({"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}, 200, "image/png of 8 bytes"),
        ({"type": "url", "url": "https://example.com/a.png"}, 200, "https://example.com/a.png"),
        ({"type": "base64", "media_type": "image/png", "data": "%%"}, 400, "Invalid base64 data"),
        ({"type": "base64", "media_type": "image/bmp", "data": "iVBORw0KGgo="}, 400, "media_type: Input should be"),
        ({"type": "base64", "media_type": "image/png"}, 400, "image.source.base64.data: Field required"),
        ({"type": "url", "url": "ftp://x"}, 400, "Only HTTP and HTTPS URLs"),
    ],
)
def test_images_come_by_url_or_as_valid_base64(source: dict[str, str], status: int, words: str) -> None:
    content = [{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}]
    call = ask("anthropic", body_of("anthropic", messages=[{"role": "user", "content": content}]))
    assert call.status == status
    assert words in call.text


def test_thinking_blocks_are_replayed_with_their_signature_or_refused() -> None:
    first = ask("anthropic", body_of("anthropic", thinking={"type": "adaptive"})).json
    assert first["content"][0]["type"] == "thinking"
    replay = [
        {"role": "user", "content": "Tell me about rivers."},
        {"role": "assistant", "content": first["content"]},
        USER,
    ]
    assert ask("anthropic", body_of("anthropic", messages=replay)).status == 200
    assert ask("anthropic", body_of("anthropic", model="claude-sonnet-5", messages=replay)).status == 200
    tampered = [{**first["content"][0], "thinking": "something else"}, *first["content"][1:]]
    call = ask("anthropic", body_of("anthropic", messages=[USER, {"role": "assistant", "content": tampered}, USER]))
    assert message(call) == "messages.1.content.0: Invalid `signature` in `thinking` block"


@pytest.mark.parametrize(("model", "status"), [("claude-opus-5-5", 400), ("claude-opus-5", 200)])
def test_newer_models_bind_thinking_to_the_conversation_before_it(model: str, status: int) -> None:
    body = body_of("anthropic", model=model, thinking={"type": "adaptive"})
    content = ask("anthropic", body).json["content"]
    replay = [{"role": "user", "content": "Tell me about rivers."}, {"role": "assistant", "content": content}, USER]
    assert ask("anthropic", body_of("anthropic", model=model, messages=replay)).status == 200
    for change in ({"system": "Be brief."}, {"tools": [TOOL]}, {"messages": [USER, *replay[1:]]}):
        call = ask("anthropic", body_of("anthropic", **{"model": model, "messages": replay, **change}))
        assert call.status == status
        assert ("bound to a different conversation" in call.text) is (status == 400)


def test_unknown_models_paths_and_methods() -> None:
    unknown = ask("anthropic", body_of("anthropic", model="claude-9"))
    assert (unknown.status, unknown.json["error"]["type"], message(unknown)) == (
        404,
        "not_found_error",
        "model: claude-9",
    )
    assert message(ask("anthropic", {**body_of("anthropic"), "model": None})) == "model: Field required"
    assert ask("anthropic", {}, path="/v1/nope").status == 404
    assert ask("anthropic", None, method="GET").status == 405


def test_the_query_of_the_path_is_ignored_and_beta_fields_need_a_beta() -> None:
    assert ask("anthropic", body_of("anthropic"), path="/v1/messages?beta=true").status == 200
    assert ask("anthropic", body_of("anthropic", mcp_servers=[])).status == 400
    headers = [*ANTHROPIC_HEADERS, (b"anthropic-beta", b"mcp-client-2025-11-20,made-up-2026-01-01")]
    assert ask("anthropic", body_of("anthropic", mcp_servers=[]), headers=headers).status == 200


def test_tokens_are_counted_without_max_tokens() -> None:
    body = {"model": "claude-opus-5-5", "messages": [{"role": "user", "content": "abcdefgh"}]}
    assert ask("anthropic", body, path="/v1/messages/count_tokens").json == {"input_tokens": 6}


def test_the_model_list_pages() -> None:
    first = ask("anthropic", None, path="/v1/models?limit=3", method="GET").json
    assert (len(first["data"]), first["has_more"]) == (3, True)
    second = ask("anthropic", None, path=f"/v1/models?limit=1000&after_id={first['last_id']}", method="GET").json
    assert second["has_more"] is False
    assert first["data"][0]["display_name"] == "Claude Fable 5.2"
    assert not {one["id"] for one in first["data"]} & {one["id"] for one in second["data"]}
    assert ask("anthropic", None, path="/v1/models/claude-opus-5-5", method="GET").json["lifecycle"] == "active"
    assert ask("anthropic", None, path="/v1/models/claude-9", method="GET").status == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b"\xff"])
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    assert ask("anthropic", body).status == 400


def test_a_prompt_beyond_the_context_is_too_long() -> None:
    call = ask("anthropic", body_of("anthropic", "x" * 900_000, model="claude-haiku-4-5"))
    assert message(call) == "prompt is too long: 225004 tokens > 200000 maximum"
