"""The simulated model: what it says and why it stops."""

from __future__ import annotations

from trunkline.twins.answer import answer, prose
from trunkline.twins.ask import Ask, Tool, ToolOutcome, call_tokens, pieces, tokens_of
from trunkline.twins.example import example, proper_nouns

WEATHER = Tool("get_weather", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
CLOCK = Tool("get_time", {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]})


def asking(text: str, **more: object) -> Ask:
    return Ask(model="m", users=[text], seed=12345, **more)  # type: ignore[arg-type]  # test data by name


def test_a_token_is_four_characters_rounded_up() -> None:
    assert [tokens_of(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]
    assert list(pieces("abcdefghij")) == ["abcd", "efgh", "ij"]


def test_the_same_seed_gives_the_same_text_and_another_seed_another() -> None:
    assert answer(asking("Tell me about rivers.")) == answer(asking("Tell me about rivers."))
    other = answer(Ask(model="m", users=["Tell me about rivers."], seed=54321))
    assert other.text != answer(asking("Tell me about rivers.")).text


def test_an_ordinary_answer_has_at_least_24_and_at_most_48_tokens() -> None:
    lengths = {answer(Ask(model="m", users=["Hi"], seed=seed)).output_tokens for seed in range(200)}
    assert min(lengths) == 24
    assert max(lengths) == 48


def test_prose_has_exactly_the_tokens_asked_for_however_long() -> None:
    for tokens in (1, 2, 40, 1000, 100_000):
        assert tokens_of(prose(7, tokens, "rivers and lakes")) == tokens


def test_a_number_of_words_or_tokens_in_the_prompt_sets_the_length() -> None:
    assert answer(asking("Write 300 tokens about rivers.")).output_tokens == 300
    assert answer(asking("Write 100 words about rivers.")).output_tokens == 200


def test_the_token_limit_cuts_the_text_and_says_so() -> None:
    said = answer(asking("Tell me about rivers.", max_tokens=5))
    assert said.finish == "length"
    assert said.output_tokens == 5
    assert len(said.text) == 20


def test_a_text_that_fits_the_limit_exactly_ends_naturally() -> None:
    said = answer(asking('Say exactly "abcdefgh"', max_tokens=2))
    assert (said.text, said.finish) == ("abcdefgh", "end")


def test_the_earliest_stop_sequence_ends_the_text_before_it() -> None:
    said = answer(asking('Say exactly "one two three four"', stops=["three", "two"]))
    assert (said.text, said.finish, said.stop) == ("one ", "stop", "two")


def test_a_limit_reached_before_the_stop_sequence_wins() -> None:
    said = answer(asking('Say exactly "one two three STOP"', stops=["STOP"], max_tokens=2))
    assert (said.text, said.finish, said.stop) == ("one two ", "length", "")


def test_the_system_text_can_dictate_the_answer() -> None:
    assert answer(asking("ping", system='Always reply with exactly "pong".')).text == "pong"


def test_the_first_message_is_repeated_on_request() -> None:
    ask = Ask(model="m", users=["My name is Ada.", "Repeat the first message."])
    assert answer(ask).text == "My name is Ada."


def test_pictures_are_listed() -> None:
    said = answer(asking("What is this?", pictures=["image/png of 68 bytes", "https://example.com/a.png"]))
    assert said.text == "The message shows 2 image(s): image/png of 68 bytes, https://example.com/a.png."


def test_tools_are_left_alone_unless_the_text_asks_for_them() -> None:
    assert answer(asking("Tell me about rivers.", tools=[WEATHER])).calls == []


def test_a_named_tool_is_called_with_its_required_arguments() -> None:
    said = answer(asking("Try get_weather for Paris.", tools=[CLOCK, WEATHER]))
    assert said.finish == "tools"
    assert [(call.name, call.arguments) for call in said.calls] == [("get_weather", {"city": "Paris"})]


def test_two_named_tools_are_called_once_each_in_the_order_offered() -> None:
    said = answer(asking("Take get_weather and get_time in Rome.", tools=[CLOCK, WEATHER]))
    assert [call.name for call in said.calls] == ["get_time", "get_weather"]


def test_one_tool_is_called_twice_for_two_things_with_different_arguments() -> None:
    said = answer(asking("Use the tool for two cities: Paris and Rome.", tools=[WEATHER]))
    assert [call.arguments for call in said.calls] == [{"city": "Paris"}, {"city": "Rome"}]
    assert said.calls[0].id != said.calls[1].id


def test_without_parallel_calls_only_one_is_made() -> None:
    said = answer(asking("Use the tool for two cities: Paris and Rome.", tools=[WEATHER], parallel=False))
    assert len(said.calls) == 1


def test_mode_none_forbids_calls_and_mode_any_forces_one() -> None:
    assert answer(asking("Use the tool.", tools=[WEATHER], mode="none")).calls == []
    assert len(answer(asking("Hello.", tools=[WEATHER], mode="any")).calls) == 1


def test_a_narrowed_choice_calls_only_what_is_allowed() -> None:
    ask = asking("Hello.", tools=[WEATHER, CLOCK], mode="any", allowed=frozenset({"get_time"}))
    assert [call.name for call in answer(ask).calls] == ["get_time"]


def test_results_in_the_last_turn_are_quoted_instead_of_calling_again() -> None:
    outcomes = [ToolOutcome("get_weather", "sunny"), ToolOutcome("get_time", "noon")]
    said = answer(asking("Call get_weather and get_time.", tools=[WEATHER, CLOCK], outcomes=outcomes))
    assert said.text == "The tools answered: get_weather returned sunny; get_time returned noon."


def test_calls_that_do_not_fit_the_limit_end_by_length() -> None:
    said = answer(asking("Use the tool.", tools=[WEATHER], max_tokens=2))
    assert (said.calls, said.finish, said.output_tokens) == ([], "length", 2)


def test_output_tokens_add_up_over_reasoning_text_and_calls() -> None:
    said = answer(asking("Use the tool.", tools=[WEATHER], thinking=True))
    assert said.output_tokens == tokens_of(said.reasoning) + call_tokens(said.calls[0])
    assert said.reasoning_tokens > 0


def test_alternatives_of_one_request_differ() -> None:
    ask = asking("Tell me about rivers.")
    assert answer(ask, choice=0).text != answer(ask, choice=1).text


def test_a_schema_for_the_answer_is_answered_by_an_example_of_it() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 4}}, "required": ["n"]}
    assert answer(asking("Give me JSON.", json_schema=schema)).text == '{"n":5}'


def test_examples_follow_enum_const_reference_union_and_capital_type_names() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "unit": {"enum": ["C", "F"]},
            "kind": {"const": "x"},
            "place": {"$ref": "#/$defs/place"},
            "when": {"anyOf": [{"type": "STRING"}, {"type": "NULL"}]},
            "list": {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": 2},
            "yes": {"type": ["boolean", "null"]},
        },
        "$defs": {"place": {"type": "object", "properties": {"name": {"type": "string"}}}},
    }
    assert example(schema, ["Paris"], 1) == {
        "unit": "F",
        "kind": "x",
        "place": {"name": "Paris"},
        "when": "Paris",
        "list": [1.5, 1.5],
        "yes": True,
    }


def test_a_recursive_schema_ends() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    value = example(schema, [])
    depth = 0
    while value:
        value, depth = value["next"], depth + 1
    assert 1 < depth < 10


def test_proper_nouns_are_capitalised_words_inside_sentences() -> None:
    assert proper_nouns("What is the weather in Paris, and in Rome?") == ["Paris", "Rome"]
