"""The fault vocabulary, the rules that scope it, paces and scenario files."""

from __future__ import annotations

import pytest

from trunkline.twins.control import parse_pace
from trunkline.twins.faults import Fault, combine, parse_fault
from trunkline.twins.perform import Pace
from trunkline.twins.rules import BLOCK, Board, Rule, parse_duration, parse_rule
from trunkline.twins.scenario import parse_scenario
from trunkline.twins.wire import Request, fingerprint
from twins_stage import rule

GOOD = [
    "refuse",
    "blackhole",
    "reset",
    "lost_answer",
    "tls",
    "latency:250",
    "first_token:1500.5",
    "stall:0",
    "cut:20",
    "eof:1",
    "malformed:3",
    "error_event:0",
    "no_terminator",
    "no_terminator:open",
    "slow:12.5",
    "heartbeat:10",
    "status:529",
    "status:503@0.3",
    "throttle",
    "throttle:0",
    "throttle:10",
    "quota",
    "bad_credential",
    "context_length",
    "refusal",
    "empty",
]

BAD = [
    "nonsense",
    "refuse:1",
    "lost_answer:1",
    "latency",
    "latency:fast",
    "latency:-1",
    "latency:nan",
    "stall:1.5",
    "cut",
    "cut:-1",
    "slow:0",
    "slow",
    "heartbeat:0",
    "status",
    "status:200",
    "status:700",
    "status:503@2",
    "status:503@x",
    "status:503@",
    "throttle:soon",
    "no_terminator:close",
    "quota:1",
    "no_terminator:",
    "empty:",
    "cut:",
    ": ",
    "Refuse",
]


def request(
    model: str = "gpt-4.1", key: str = "sk-1", path: str = "/v1/chat/completions", stream: bool = False
) -> Request:
    return Request(
        id="r",
        method="POST",
        path=path,
        query={},
        headers=[],
        body=b"",
        document=None,
        key=key,
        model=model,
        stream=stream,
    )


@pytest.mark.parametrize("text", GOOD)
def test_every_word_of_the_vocabulary_is_understood(text: str) -> None:
    fault = parse_fault(text)
    assert isinstance(fault, Fault)
    assert fault.text == text
    assert fault.word == text.partition(":")[0]


@pytest.mark.parametrize("text", BAD)
def test_unknown_words_and_wrong_parameters_are_refused_with_the_word_in_the_message(text: str) -> None:
    problem = parse_fault(text)
    assert isinstance(problem, str)
    assert text.strip().partition(":")[0] in problem


def test_a_delay_of_zero_is_told_from_none() -> None:
    without, zero = parse_fault("throttle"), parse_fault("throttle:0")
    assert isinstance(without, Fault) and isinstance(zero, Fault)
    assert (without.stated, zero.stated) == (False, True)


def test_several_faults_combine_and_the_first_of_two_that_exclude_each_other_holds() -> None:
    words = ["heartbeat:5", "first_token:60000", "latency:100", "latency:50", "cut:3", "stall:1", "status:500", "quota"]
    effects = combine([rule(word).fault for word in words])
    assert effects.words == words
    assert (effects.heartbeat, effects.first_token) == (5, 60)
    assert effects.latency == pytest.approx(0.15)
    assert (effects.breaks, effects.breaks_at) == ("cut", 3)
    assert effects.failure is not None and effects.failure.text == "status:500"


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("cut:3", "a fault is an object"),
        ({"share": 1}, "`fault` is missing"),
        ({"fault": "cut:3", "shear": 0.5}, "unknown key 'shear'"),
        ({"fault": "cut:3", "share": 1.5}, "`share`"),
        ({"fault": "cut:3", "share": True}, "`share`"),
        ({"fault": "cut:3", "times": 0}, "`times`"),
        ({"fault": "cut:3", "for": 5}, "`for`"),
        ({"fault": "cut:3", "match": {"modle": "x"}}, "unknown key 'modle'"),
        ({"fault": "cut:3", "match": {"model": 5}}, "`match`"),
        ({"fault": "cut:3", "match": []}, "`match`"),
        ({"fault": "refuse", "share": 0.5}, "refuse is done to the listener"),
        ({"fault": "tls", "match": {"model": "x"}}, "tls is done to the listener"),
    ],
)
def test_a_wrong_rule_is_refused_in_words(value: object, complaint: str) -> None:
    problem = parse_rule(value)
    assert isinstance(problem, str)
    assert complaint in problem


def test_a_share_is_exact_over_a_block_and_spread_within_it() -> None:
    one = rule("reset", share=0.3)
    struck = [one.draw(request()) for _ in range(2 * BLOCK)]
    assert sum(struck[:BLOCK]) == 300
    assert sum(struck[BLOCK:]) == 300
    assert struck[:BLOCK] != struck[BLOCK:]
    assert 20 < sum(struck[:100]) < 40


def test_the_same_requests_are_struck_in_every_run() -> None:
    first, second = rule("reset", share=0.1), rule("reset", share=0.1)
    assert [first.draw(request()) for _ in range(500)] == [second.draw(request()) for _ in range(500)]


def test_a_share_smaller_than_one_in_a_block_still_adds_up() -> None:
    one = rule("reset", share=0.0004)
    assert sum(one.draw(request()) for _ in range(10 * BLOCK)) == 4


def test_the_share_of_a_status_can_stand_in_the_word() -> None:
    assert rule("status:503@0.25").share == 0.25


def test_times_ends_a_rule() -> None:
    one = rule("reset", times=2)
    assert [one.draw(request()) for _ in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"model": "gpt-*"}, True),
        ({"model": "claude-*"}, False),
        ({"key": "sk-1"}, True),
        ({"key": fingerprint("sk-1")}, True),
        ({"key": "sk-2"}, False),
        ({"path": "/v1/chat/*"}, True),
        ({"stream": True}, False),
        ({"stream": False, "model": "gpt-4.1"}, True),
    ],
)
def test_a_match_narrows_by_model_key_path_and_mode(match: dict[str, object], fits: bool) -> None:
    assert rule("reset", match=match).draw(request()) is fits


def test_a_rule_with_a_duration_is_gone_after_it() -> None:
    board = Board()
    changes: list[str] = []
    board.on_change = lambda: changes.append(board.listener)
    board.put([rule("refuse", **{"for": "5s"})], 100.0)
    assert board.listener == "refuse"
    board.expire(104.9)
    assert board.listener == "refuse"
    board.expire(105.0)
    assert (board.listener, changes) == ("", ["refuse", ""])


def test_only_unconditional_connection_faults_are_done_to_the_listener() -> None:
    board = Board()
    board.put([rule("blackhole", share=0.5)], 0.0)
    assert board.listener == ""
    board.put([rule("reset")], 0.0)
    assert board.listener == ""
    board.put([rule("blackhole")], 0.0)
    assert board.listener == "blackhole"


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("5s", 5), ("1.5m", 90), ("1h", 3600), ("5", None), (5, None), ("", None)]
)
def test_durations_need_a_unit(text: object, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


def test_a_pace_is_read_and_checked() -> None:
    assert parse_pace({"tokens_per_second": 50, "tokens": 10}) == Pace(tokens_per_second=50, tokens=10)
    for wrong in ([], {"tokens_per_second": 0}, {"first_token_ms": -1}, {"speed": 1}, {"tokens": 1.5}):
        assert isinstance(parse_pace(wrong), str)


def test_a_scenario_is_read_in_order_of_time() -> None:
    steps = parse_scenario(
        """
        - {at: 9s, twin: anthropic, clear: true}
        - {at: 5s, twin: anthropic, fault: "status:529", share: 0.5, for: 2s}
        - {at: 6s, twin: gemini, faults: [{fault: "latency:10"}, {fault: reset, times: 1}]}
        - {at: 1m, twin: openai, kill: true}
        - {at: 500ms, twin: ark, pace: {tokens_per_second: 20}}
        """
    )
    assert not isinstance(steps, str), steps
    assert [(step.at, step.twin, step.do) for step in steps] == [
        (0.5, "ark", "pace"),
        (5, "anthropic", "faults"),
        (6, "gemini", "faults"),
        (9, "anthropic", "faults"),
        (60, "openai", "kill"),
    ]
    assert steps[1].rules[0].share == 0.5
    assert [one.fault.text for one in steps[2].rules] == ["latency:10", "reset"]
    assert steps[3].rules == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("at: 5s", "a list of steps"),
        ("- at: [", "not YAML"),
        ("- {at: 5, twin: openai, fault: reset}", "step 1: `at`"),
        ("- {at: 5s, twin: mistral, fault: reset}", "step 1: `twin`"),
        ("- {at: 5s, twin: openai}", "says nothing"),
        ("- {at: 5s, twin: openai, kill: true, fault: reset}", "fault and kill"),
        ("- {at: 5s, twin: openai, fault: explode}", "unknown fault 'explode'"),
        ("- {at: 5s, twin: openai, fault: reset, shear: 1}", "unknown key 'shear'"),
    ],
)
def test_a_wrong_scenario_names_the_step(text: str, complaint: str) -> None:
    problem = parse_scenario(text)
    assert isinstance(problem, str)
    assert complaint in problem


def test_rules_show_how_often_they_struck() -> None:
    one: Rule = rule("cut:3", match={"model": "gpt-*"})
    one.draw(request())
    one.draw(request(model="o3"))
    assert one.shown() == {
        "fault": "cut:3",
        "share": 1.0,
        "match": {"model": "gpt-*"},
        "times": None,
        "seen": 1,
        "struck": 1,
    }
