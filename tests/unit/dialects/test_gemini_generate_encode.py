"""The hub to a generateContent request, as wire-formats.md C.2, C.3 and E.1-E.6 say."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest

from trunkline.dialects.contract import Encoded
from trunkline.dialects.gemini_generate import GeminiGenerate
from trunkline.dialects.gemini_generate.encode import takes_sampling
from trunkline.types.canonical import (
    ChatRequest,
    Image,
    Part,
    Refusal,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from trunkline.types.failure import Failure, FaultClass, Kind

GEMINI = GeminiGenerate()
DUMMY = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
ASK = Turn("user", (Text("weather?"),))


def encoded(*turns: Turn, model: str = "gemini-2.5-flash", **fields: Any) -> tuple[dict[str, Any], set[str]]:
    made = GEMINI.encode_request(ChatRequest(turns=turns, **fields), model, max_output_tokens=8192)
    assert isinstance(made, Encoded), made
    body: dict[str, Any] = json.loads(made.body)
    return body, {loss.field for loss in made.losses}


def refused(*turns: Turn, **fields: Any) -> Failure:
    made = GEMINI.encode_request(ChatRequest(turns=turns, **fields), "gemini-2.5-flash", max_output_tokens=8192)
    assert isinstance(made, Failure), made
    assert (made.kind, made.fault) == (Kind.CAPABILITY, FaultClass.CAPABILITY)
    return made


def user(*parts: Part) -> Turn:
    return Turn("user", parts)


def assistant(*parts: Part) -> Turn:
    return Turn("assistant", parts)


# --- turns ------------------------------------------------------------------------------------------------------
def test_a_plain_question_needs_nothing_but_contents() -> None:
    body, losses = encoded(ASK)
    assert body == {"contents": [{"role": "user", "parts": [{"text": "weather?"}]}]}
    assert losses == set()


def test_only_the_leading_system_turns_become_the_system_instruction() -> None:
    body, losses = encoded(
        Turn("system", (Text("a"),)), Turn("system", (Text("b"),)), ASK, Turn("system", (Text("late"),))
    )
    assert body["systemInstruction"] == {"parts": [{"text": "a\n\nb"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "weather?"}, {"text": "late"}]}]
    assert losses == {"system"}


def test_an_empty_system_text_is_not_sent() -> None:
    assert "systemInstruction" not in encoded(Turn("system", (Text(" "),)), ASK)[0]


def test_neighbours_of_one_role_are_merged_and_empty_text_is_left_out() -> None:
    body, _ = encoded(user(Text("a")), user(Text("b")), assistant(Text("")), user(Text("c")), assistant(Text("d")), ASK)
    assert [(c["role"], [p["text"] for p in c["parts"]]) for c in body["contents"]] == [
        ("user", ["a", "b", "c"]),
        ("model", ["d"]),
        ("user", ["weather?"]),
    ]


def test_a_leading_assistant_turn_gets_a_user_turn_before_it() -> None:
    body, losses = encoded(assistant(Text("hello")), ASK)
    assert body["contents"][0] == {"role": "user", "parts": [{"text": "(continue)"}]}
    assert losses == {"messages[0]"}


def test_system_text_alone_gets_a_user_turn() -> None:
    body, losses = encoded(Turn("system", (Text("act"),)))
    assert body["contents"] == [{"role": "user", "parts": [{"text": "(continue)"}]}]
    assert losses == {"messages"}


def test_prefill_is_refused() -> None:
    assert "prefill" in refused(ASK, assistant(Text("It is"))).message


def test_images_are_inlined_or_passed_by_address() -> None:
    body, losses = encoded(
        user(
            Image(data="AAAA", media_type="image/webp"),
            Image(url="https://example.org/a.PNG?x=1"),
            Image(url="https://example.org/a", detail="high"),
        )
    )
    assert body["contents"][0]["parts"] == [
        {"inlineData": {"mimeType": "image/webp", "data": "AAAA"}},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://example.org/a.PNG?x=1"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/a"}},
    ]
    assert losses == {"image.detail"}


def test_foreign_reasoning_is_left_out_and_told_once() -> None:
    thought = Thinking(text="hm", signature="s", origin="anthropic_messages")
    body, losses = encoded(ASK, assistant(thought, thought, Text("ok"), Refusal("no")), ASK)
    assert body["contents"][1]["parts"] == [{"text": "ok"}, {"text": "no"}]
    assert losses == {"thinking"}


# --- calls and results ------------------------------------------------------------------------------------------
def test_results_stand_in_one_content_in_the_order_of_the_calls_and_before_other_text() -> None:
    body, losses = encoded(
        ASK,
        assistant(Text("let me see"), ToolCall("c1", "f", '{"a": 1E5}'), ToolCall("c2", "g", "")),
        user(Text("hurry"), ToolResult(call_id="c2", parts=(Text("two"),))),
        user(ToolResult(call_id="c1", parts=(Text('{"n":1}'),))),
    )
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "let me see"},
                {"functionCall": {"id": "c1", "name": "f", "args": {"a": 100000.0}}, "thoughtSignature": DUMMY},
                {"functionCall": {"id": "c2", "name": "g", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "f", "response": {"n": 1}}},
                {"functionResponse": {"id": "c2", "name": "g", "response": {"output": "two"}}},
                {"text": "hurry"},
            ],
        },
    ]
    assert losses == set()


def test_arguments_and_object_results_keep_their_bytes() -> None:
    turns = (
        ASK,
        assistant(ToolCall("c", "f", '{"big": 12345678901234567890123}')),
        user(ToolResult(call_id="c", parts=(Text('{"e":1E5}'),))),
    )
    made = GEMINI.encode_request(ChatRequest(turns=turns), "m", max_output_tokens=1)
    assert isinstance(made, Encoded)
    assert b'"args":{"big": 12345678901234567890123}' in made.body
    assert b'"response":{"e":1E5}' in made.body


@pytest.mark.parametrize("text", ["sunny", "[1,2]", "21", '{"cut":', "", '"quoted"'])
def test_results_that_are_no_object_are_wrapped(text: str) -> None:
    body, _ = encoded(ASK, assistant(ToolCall("c", "f", "{}")), user(ToolResult(call_id="c", parts=(Text(text),))))
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == {"output": text}


def test_a_failed_result_is_an_error() -> None:
    result = ToolResult(call_id="c", parts=(Text("boom"),), is_error=True)
    body, _ = encoded(ASK, assistant(ToolCall("c", "f", "{}")), user(result))
    assert body["contents"][2]["parts"][0]["functionResponse"]["response"] == {"error": "boom"}


def test_a_missing_result_is_made_up_as_an_error_and_told() -> None:
    body, losses = encoded(
        ASK,
        assistant(ToolCall("c1", "f", "{}"), ToolCall("c2", "g", "{}")),
        user(ToolResult(call_id="c1", parts=(Text("1"),))),
    )
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c1", "name": "f", "response": {"output": "1"}}},
        {"functionResponse": {"id": "c2", "name": "g", "response": {"error": "no result"}}},
    ]
    assert losses == {"tool_result.c2"}


def test_orphan_results_are_dropped_and_what_they_parted_is_merged() -> None:
    orphan = ToolResult(call_id="gone", parts=(Text("1"),))
    body, losses = encoded(ASK, assistant(Text("a")), user(orphan), assistant(Text("b")), ASK)
    assert [c["role"] for c in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][1]["parts"] == [{"text": "a"}, {"text": "b"}]
    assert losses == {"tool_result.gone"}


def test_the_count_of_results_equals_the_count_of_calls_even_when_ids_repeat() -> None:
    twice = ToolCall("c", "f", "{}")
    body, losses = encoded(
        ASK,
        assistant(twice, twice),
        user(ToolResult(call_id="c", parts=(Text("1"),)), ToolResult(call_id="c", parts=(Text("2"),))),
    )
    responses = [p["functionResponse"]["response"] for p in body["contents"][2]["parts"]]
    assert responses == [{"output": "1"}, {"output": "2"}]
    assert losses == set()


def test_pictures_of_results_move_behind_the_results() -> None:
    result = ToolResult(call_id="c", parts=(Text("see"), Image(data="AAAA", media_type="image/png")))
    body, losses = encoded(ASK, assistant(ToolCall("c", "f", "{}")), user(result))
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c", "name": "f", "response": {"output": "see"}}},
        {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
    ]
    assert losses == {"tool_result.image"}


def test_arguments_that_are_no_object_are_kept_under_raw() -> None:
    body, losses = encoded(ASK, assistant(ToolCall("c", "f", '{"a":')), user(ToolResult(call_id="c")))
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"_raw": '{"a":'}
    assert losses == {"functionCall.f.args"}


def test_each_step_has_a_signature_on_its_first_call_and_its_own_where_it_has_one() -> None:
    body, _ = encoded(
        ASK,
        assistant(ToolCall("1", "f", "{}", "b3du"), ToolCall("2", "f", "{}")),
        user(ToolResult(call_id="1"), ToolResult(call_id="2")),
        assistant(ToolCall("3", "f", "{}"), ToolCall("4", "f", "{}")),
        user(ToolResult(call_id="3"), ToolResult(call_id="4")),
    )
    signatures = [p.get("thoughtSignature") for c in body["contents"] for p in c["parts"] if "functionCall" in p]
    assert signatures == ["b3du", None, DUMMY, None]
    assert base64.b64decode(DUMMY) == b"skip_thought_signature_validator"


# --- tools ------------------------------------------------------------------------------------------------------
def test_tools_are_declared_with_real_json_schema_byte_for_byte() -> None:
    schema = msgspec.Raw(b'{"type":"object", "additionalProperties":false,"maximum":1e2}')
    tools = (Tool(name="f", description="d", schema=schema, strict=True), Tool(name="g.h:i-j"))
    made = GEMINI.encode_request(ChatRequest(turns=(ASK,), tools=tools), "m", max_output_tokens=1)
    assert isinstance(made, Encoded)
    assert b'"parametersJsonSchema":{"type":"object", "additionalProperties":false,"maximum":1e2}' in made.body
    assert json.loads(made.body)["tools"][0]["functionDeclarations"][1] == {"name": "g.h:i-j"}
    assert [loss.field for loss in made.losses] == ["tools.f.strict"]


@pytest.mark.parametrize("name", ["", "1st", "with space", "-dash", "a" * 129, "ümlaut", "a\n"])
def test_a_tool_name_that_gemini_refuses_is_refused_by_name(name: str) -> None:
    found = refused(ASK, tools=(Tool(name=name),))
    assert f"'{name}'" in found.message
    assert found.param == "tools"


def test_a_name_of_128_characters_fits() -> None:
    assert encoded(ASK, tools=(Tool(name="_" + "a" * 127),))[1] == set()


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        (ToolChoice(mode="auto"), {"mode": "AUTO"}),
        (ToolChoice(mode="none"), {"mode": "NONE"}),
        (ToolChoice(mode="required"), {"mode": "ANY"}),
        (ToolChoice(mode="tool", name="f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_the_tool_choice_becomes_a_calling_mode(choice: ToolChoice, config: dict[str, Any]) -> None:
    body, losses = encoded(ASK, tools=(Tool(name="f"),), tool_choice=choice)
    assert body["toolConfig"] == {"functionCallingConfig": config}
    assert losses == set()


def test_at_most_one_call_cannot_be_asked_for() -> None:
    assert encoded(ASK, tools=(Tool(name="f"),), tool_choice=ToolChoice(parallel=False))[1] == {"parallel_tool_calls"}


def test_a_forced_choice_without_tools_is_a_loss() -> None:
    body, losses = encoded(ASK, tool_choice=ToolChoice(mode="required"))
    assert "toolConfig" not in body
    assert losses == {"tool_choice"}


# --- settings ---------------------------------------------------------------------------------------------------
def test_settings_are_carried() -> None:
    sampling = Sampling(
        temperature=1.5, top_p=0.9, top_k=40, presence_penalty=0.1, frequency_penalty=-0.1, seed=2**31 - 1
    )
    body, losses = encoded(ASK, sampling=sampling, max_output_tokens=100, stop=("a", "b", "c", "d", "e"))
    assert body["generationConfig"] == {
        "maxOutputTokens": 100,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 40,
        "presencePenalty": 0.1,
        "frequencyPenalty": -0.1,
        "seed": 2147483647,
    }
    assert losses == set()


def test_a_sixth_stop_sequence_a_wide_seed_and_the_user_are_losses() -> None:
    body, losses = encoded(ASK, stop=("1", "2", "3", "4", "5", "6"), sampling=Sampling(seed=2**31), user="u")
    assert body["generationConfig"] == {"stopSequences": ["1", "2", "3", "4", "5"]}
    assert losses == {"stop", "seed", "user"}


def test_a_limit_that_the_caller_left_open_stays_open() -> None:
    assert "generationConfig" not in encoded(ASK)[0]


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gemini-2.5-flash", True),
        ("gemini-2.5-pro", True),
        ("gemini-3.1-pro-preview", True),
        ("gemini-3.1-flash-lite", True),
        ("gemini-3.5-flash", True),
        ("gemini-3.5-flash-lite", False),
        ("gemini-3.6-flash", False),
        ("models/gemini-3.7-flash", False),
        ("gemini-3.8-flash", False),
        ("gemini-4-argon", False),
        ("gemini-flash-latest", False),
    ],
)
def test_sampling_is_dropped_for_models_that_do_not_take_it(model: str, takes: bool) -> None:
    body, losses = encoded(ASK, model=model, sampling=Sampling(temperature=0.1, top_p=0.2, top_k=3))
    assert takes_sampling(model) == takes
    assert ("generationConfig" in body) == takes
    assert losses == (set() if takes else {"temperature", "top_p", "top_k"})


def test_several_choices_are_refused() -> None:
    assert refused(ASK, choices=2).param == "n"
