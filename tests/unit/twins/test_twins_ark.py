"""The ModelArk twin: what differs from OpenAI's, as wire-formats.md D says."""

from __future__ import annotations

from typing import Any

import pytest

from twins_stage import ask, body_of, events, perform


def error(call: Any) -> dict[str, Any]:
    found: dict[str, Any] = call.json["error"]
    return found


def test_every_unset_field_may_be_null() -> None:
    nulls = dict.fromkeys(("temperature", "top_p", "stop", "tools", "tool_choice", "thinking", "stream", "user"))
    assert ask("ark", body_of("ark", **nulls)).status == 200


def test_thinking_comes_as_reasoning_content_and_is_counted_inside_the_output() -> None:
    body = ask("ark", body_of("ark", thinking={"type": "enabled"})).json
    said = body["choices"][0]["message"]
    assert said["reasoning_content"] and said["content"]
    usage = body["usage"]
    assert 0 < usage["completion_tokens_details"]["reasoning_tokens"] < usage["completion_tokens"]


@pytest.mark.parametrize("fields", [{}, {"thinking": {"type": "disabled"}}, {"thinking": {"type": "auto"}}])
def test_without_thinking_there_is_no_reasoning(fields: dict[str, Any]) -> None:
    assert "reasoning_content" not in ask("ark", body_of("ark", **fields)).json["choices"][0]["message"]


def test_streamed_reasoning_precedes_the_text() -> None:
    found = events(ask("ark", body_of("ark", stream=True, thinking={"type": "enabled"})))
    kinds = ["reasoning" if chunk["choices"][0]["delta"].get("reasoning_content") else "text" for chunk in found[1:-1]]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"reasoning", "text"}


def test_inference_endpoints_are_models_too() -> None:
    assert ask("ark", body_of("ark", model="ep-20260101-abcde")).json["model"] == "ep-20260101-abcde"


def test_sampling_and_stop_are_accepted_by_every_model() -> None:
    body = body_of("ark", model="doubao-seed-2-1-pro-260915", temperature=0.3, stop=["x"], max_tokens=5)
    assert ask("ark", body).status == 200


@pytest.mark.parametrize(
    ("fields", "status", "code", "kind"),
    [
        ({"model": None}, 400, "MissingParameter", "BadRequest"),
        ({"messages": None}, 400, "MissingParameter", "BadRequest"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, 400, "InvalidParameter", "BadRequest"),
        ({"temperature": 5}, 400, "InvalidParameter", "BadRequest"),
        ({"thinking": {"type": "maybe"}}, 400, "InvalidParameter", "BadRequest"),
        ({"thinking": "yes"}, 400, "InvalidParameter", "BadRequest"),
        ({"model": "doubao-9"}, 404, "InvalidEndpointOrModel.NotFound", "NotFound"),
    ],
)
def test_errors_have_arks_shape_with_the_request_id_in_the_message(
    fields: dict[str, Any], status: int, code: str, kind: str
) -> None:
    call = ask("ark", {**body_of("ark"), **fields})
    assert call.status == status
    assert (error(call)["code"], error(call)["type"]) == (code, kind)
    assert f"Request id: {call.header('x-request-id')}" in error(call)["message"]


def test_a_bad_key_is_401() -> None:
    call = ask("ark", body_of("ark"), headers=[(b"authorization", b"Bearer bad")])
    assert (call.status, error(call)["code"]) == (401, "AuthenticationError")


def test_the_clients_request_id_is_echoed() -> None:
    headers = [(b"authorization", b"Bearer k"), (b"x-client-request-id", b"mine-1")]
    assert ask("ark", body_of("ark"), headers=headers).header("x-client-request-id") == "mine-1"


def test_a_refusal_is_a_content_filter_with_its_moderation_hit() -> None:
    call, _ = perform("ark", "refusal", stream=False)
    choice = call.json["choices"][0]
    assert (choice["finish_reason"], choice["moderation_hit_type"]) == ("content_filter", "severe_violation")


def test_the_model_list_and_unknown_paths() -> None:
    listed = ask("ark", None, path="/api/v3/models", method="GET").json["data"]
    assert "doubao-seed-2-1-pro-260915" in [one["id"] for one in listed]
    assert ask("ark", {}, path="/api/v3/nope").status == 404


@pytest.mark.parametrize("body", [b"{", b"[]", b""])
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    assert error(ask("ark", body))["code"] == "InvalidParameter"
