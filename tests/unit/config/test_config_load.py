"""What a valid file says: defaults, units, scalars, variables, fragments, and when it has changed."""

from __future__ import annotations

import os
from pathlib import Path

from trunkline.config.load import fingerprint, load
from trunkline.config.problems import Place
from trunkline.config.tree import Tree
from trunkline.types.fleet import RetryRule, StreamRule, Timeouts, Tls

GOLDEN = Path(__file__).parents[2] / "golden" / "config"
SMALLEST = """\
providers: {openai: {api_key: sk-1}}
deployments: {gpt: {provider: openai, model: gpt-6.1-sol}}
routes: {assistant: {use: [gpt]}}
"""


def full() -> Tree:
    tree = load(
        str(GOLDEN / "full.yaml"), {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a", "ARK_API_KEY": "sk-k"}
    )
    assert isinstance(tree, Tree)
    return tree


def said(directory: Path, text: str, environment: dict[str, str] | None = None, *, twins: bool = False) -> Tree:
    path = directory / "t.yaml"
    path.write_text(text)
    tree = load(str(path), environment or {}, twins=twins)
    assert isinstance(tree, Tree), [str(problem) for problem in tree]
    return tree


def problems(
    directory: Path, text: str, environment: dict[str, str] | None = None, *, twins: bool = False
) -> list[str]:
    path = directory / "t.yaml"
    path.write_text(text)
    tree = load(str(path), environment or {}, twins=twins)
    assert isinstance(tree, list)
    return [problem.message for problem in tree]


# --- values -----------------------------------------------------------------------------------------------------------
def test_listeners_and_processes_are_read() -> None:
    tree = full()
    assert (tree.listen, tree.console_listen, tree.metrics_listen) == (
        ("127.0.0.1", 8080),
        ("127.0.0.1", 8081),
        ("::1", 8082),
    )
    assert (tree.workers, tree.counters, tree.state_dir) == (2, "memory:", "./.trunkline")
    assert tree.store == "sqlite:///var/trunkline.db"


def test_durations_become_seconds_and_sizes_bytes() -> None:
    tree = full()
    assert (tree.drain_grace, tree.drain_limit, tree.keys_max_stale) == (0.0, 900.0, 604800.0)
    assert tree.durability == "strict"
    assert tree.limits == {
        "body": 67108864,
        "header_bytes": 16384,
        "header_count": 64,
        "inflight": 1073741824,
        "connections": 4096,
        "connections_per_address": 512,
        "header_timeout": 5.0,
        "idle_timeout": 60.0,
        "write_timeout": 30.0,
        "requests": 2048,
    }


def test_credentials_keep_their_order_and_the_short_form_is_called_default() -> None:
    providers = full().providers
    assert {name: c.api_key for name, c in providers["openai"].credentials.items()} == {"default": "sk-o"}
    assert [(name, c.api_key) for name, c in providers["anthropic"].credentials.items()] == [
        ("main", "sk-a"),
        ("spare", "file:/run/secrets/anthropic"),
    ]
    assert providers["google"].credentials["default"].api_key == "none"


def test_provider_options_are_kept_as_written_for_the_provider() -> None:
    assert full().providers["openai"].options == {"organization": "org-1"}
    assert full().providers["local"].type == "openai_compatible"
    assert full().providers["local"].tls == Tls(verify=False)
    assert full().providers["local"].proxy == "http://proxy.example:3128"


def test_a_word_that_yaml_1_1_takes_for_a_boolean_stays_a_word() -> None:
    assert full().deployments["claude"].labels == {"region": "us", "tier": "no"}


def test_a_deployment_is_read() -> None:
    gemini = full().deployments["gemini"]
    assert (gemini.provider, gemini.model, gemini.weight, gemini.context) == ("google", "gemini-3.8-flash", 3, 1048576)
    assert full().deployments["claude-eu"].credential == "spare"
    assert full().deployments["seed"].limits.concurrency == 64
    assert full().deployments["llama"].max_output_tokens == 4096


def test_a_route_reads_like_the_sentence_it_implements() -> None:
    route = full().routes["assistant"]
    assert (route.use, route.fallback, route.balance) == (("gpt", "claude"), ("gemini",), "weighted")
    assert route.retry == RetryRule(
        on=frozenset({"429", "503", "connect"}), times=3, backoff_base=0.25, backoff_cap=8.0, wait_for_retry_after=5.0
    )
    assert route.timeouts == Timeouts(connect=2.0, first_token=15.0, idle=20.0, answer=600.0, total=1200.0, stated=True)
    assert route.stream == StreamRule()


def test_streams_failover_and_disconnects_are_read() -> None:
    route = full().routes["careful"]
    assert route.stream == StreamRule(
        hold_tokens=30, hold=0.2, on_malformed="break", keepalive_after=None, keepalive_answer=True
    )
    assert route.retry.on == frozenset()
    assert route.failover_on == frozenset({"F1", "F6"})
    assert route.on_disconnect == "drain"
    assert full().routes["seed/fast"].stream.keepalive_after == 5.0


def test_defaults_are_those_of_the_design(tmp_path: Path) -> None:
    tree = said(tmp_path, SMALLEST)
    assert (tree.listen, tree.metrics_listen) == (("127.0.0.1", 8080), ("127.0.0.1", 8082))
    assert (tree.workers, tree.state_dir, tree.durability) == (1, "./.trunkline", "relaxed")
    assert (tree.drain_grace, tree.drain_limit, tree.keys_max_stale) == (10.0, 900.0, 86400.0)
    route = tree.routes["assistant"]
    assert route.retry.on == frozenset({"connect", "500", "502", "503", "504", "529"})
    assert (route.retry.times, route.retry.wait_for_retry_after) == (1, 5.0)
    assert route.timeouts == Timeouts(connect=2.0, first_token=15.0, idle=20.0, answer=600.0, total=1200.0)
    assert (route.stream.hold_tokens, route.stream.hold, route.stream.keepalive_after) == (None, None, 25.0)


def test_a_key_without_a_value_takes_its_default(tmp_path: Path) -> None:
    assert said(tmp_path, SMALLEST + "workers:\ndrain: ~\n").workers == 1


def test_an_anchor_may_be_used_twice(tmp_path: Path) -> None:
    tree = said(tmp_path, SMALLEST.replace("{use: [gpt]}", "&a {use: [gpt]}, second: *a"))
    assert tree.routes["assistant"] == tree.routes["second"]


def test_every_key_path_has_a_place() -> None:
    tree = full()
    path = str(GOLDEN / "full.yaml")
    assert tree.place("workers") == Place(path, 5, 10)
    assert tree.place("deployments.gpt.model") == Place(path, 24, 43)
    assert tree.place("routes.assistant.otherwise[1]") == Place(path, 33, 22)
    assert tree.place("routes.assistant.timeouts") == Place(path, 37, 5)


def test_a_path_that_is_not_written_stands_where_the_nearest_one_above_it_does() -> None:
    tree = full()
    assert tree.place("deployments.gpt.base_url") == tree.place("deployments.gpt")
    assert tree.place("routes.assistant.otherwise[7]") == tree.place("routes.assistant.otherwise")


# --- variables -----------------------------------------------------------------------------------------------------------
def test_variables_expand_inside_text_and_default_when_unset_or_empty(tmp_path: Path) -> None:
    text = SMALLEST.replace("sk-1", '"sk-${REGION}-${KEY:-none}${EMPTY:-}"')
    tree = said(tmp_path, text, {"REGION": "eu", "KEY": "", "EMPTY": ""})
    assert tree.providers["openai"].credentials["default"].api_key == "sk-eu-none"


def test_a_variable_may_stand_for_a_number_or_duration(tmp_path: Path) -> None:
    tree = said(tmp_path, SMALLEST + 'workers: "${N}"\ndrain: {limit: "${LIMIT}"}\n', {"N": "3", "LIMIT": "2m"})
    assert (tree.workers, tree.drain_limit) == (3, 120.0)


def test_what_a_variable_holds_is_not_expanded_again(tmp_path: Path) -> None:
    tree = said(tmp_path, SMALLEST.replace("sk-1", "'${A}'"), {"A": "${B}", "B": "no"})
    assert tree.providers["openai"].credentials["default"].api_key == "${B}"


def test_what_a_variable_holds_cannot_become_structure(tmp_path: Path) -> None:
    tree = said(tmp_path, SMALLEST.replace("sk-1", "'${A}'"), {"A": "x}, base_url: http://evil.example, y: {"})
    assert tree.providers["openai"].base_url == ""


def test_with_the_twins_unset_secrets_and_urls_are_filled_in(tmp_path: Path) -> None:
    text = SMALLEST.replace("api_key: sk-1", 'api_key: "${KEY}", base_url: "${URL}"')
    assert said(tmp_path, text, twins=True).providers["openai"].credentials["default"].api_key == "twin-key"


def test_with_the_twins_other_unset_variables_are_still_a_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, SMALLEST + 'state_dir: "${STATE}"\n', twins=True) == [
        "the variable STATE is not set or empty"
    ]


def test_a_credential_is_never_printed(tmp_path: Path) -> None:
    assert "sk-1" not in repr(said(tmp_path, SMALLEST))


# --- files --------------------------------------------------------------------------------------------------------------
def test_fragments_of_a_directory_add_up() -> None:
    tree = load(str(GOLDEN / "fragments"), {"OPENAI_API_KEY": "sk-1"})
    assert isinstance(tree, Tree)
    assert (tree.drain_grace, tree.drain_limit) == (0.0, 60.0)
    assert tree.routes["assistant"].use == ("gpt",)


def test_a_missing_file_and_an_empty_directory_are_problems(tmp_path: Path) -> None:
    missing, empty = load(str(tmp_path / "nowhere.yaml"), {}), load(str(tmp_path), {})
    assert isinstance(missing, list) and isinstance(empty, list)
    assert (missing[0].message, empty[0].message) == ("there is no such file", "the directory has no *.yaml file")


def test_an_empty_file_misses_its_sections(tmp_path: Path) -> None:
    assert problems(tmp_path, "# nothing\n") == [
        "'providers' is missing: Endpoint families.",
        "'deployments' is missing: Callable targets.",
        "'routes' is missing: What clients may ask for.",
    ]


def test_a_file_that_is_something_else_gives_a_bounded_number_of_problems(tmp_path: Path) -> None:
    assert len(problems(tmp_path, "".join(f"k{n}: 1\n" for n in range(5000)))) == 200


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"\xef\xbb\xbf" + SMALLEST.encode())
    assert isinstance(load(str(tmp_path / "t.yaml"), {}), Tree)


def test_the_fingerprint_changes_with_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(SMALLEST)
    before = fingerprint(str(path))
    os.utime(path, (1, 1))
    assert fingerprint(str(path)) == before
    path.write_text(SMALLEST + "workers: 2\n")
    assert fingerprint(str(path)) != before


def test_the_fingerprint_of_a_directory_sees_new_and_lost_fragments(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALLEST)
    first = fingerprint(str(tmp_path))
    (tmp_path / "b.yaml").write_text("workers: 2\n")
    second = fingerprint(str(tmp_path))
    (tmp_path / "b.yaml").unlink()
    assert first != second
    assert fingerprint(str(tmp_path)) == first
    assert fingerprint(str(tmp_path / "c.yaml")) == "missing"
