"""From the tree to the snapshot: candidates, health keys, identity."""

from __future__ import annotations

from pathlib import Path

from trunkline.app.compile import compile_snapshot, redirect_to_twins
from trunkline.config.load import load
from trunkline.config.tree import Tree
from trunkline.providers import PROVIDERS
from trunkline.types.fleet import Snapshot
from trunkline.types.wire import Origin

TEXT = """\
providers:
  openai: {api_key: sk-1}
  anthropic: {credentials: {main: {api_key: sk-2}, spare: {api_key: sk-3}}}
  vllm: {type: openai_compatible, base_url: "http://127.0.0.1:8000/v1"}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol, labels: {region: us}}
  claude: {provider: anthropic, model: claude-sonnet-5-5}
  claude-spare: {provider: anthropic, model: claude-sonnet-5-5, credential: spare, base_url: "https://eu.example:8443"}
  llama: {provider: vllm, model: llama, context: 8192, limits: {concurrency: 4}}
routes:
  assistant: {use: [claude, gpt], fallback: [llama, claude-spare], retry: {times: 3}}
"""


def tree_of(directory: Path, text: str = TEXT) -> Tree:
    path = directory / "t.yaml"
    path.write_text(text)
    tree = load(str(path), {})
    assert isinstance(tree, Tree), [str(problem) for problem in tree]
    return tree


def compiled(directory: Path, text: str = TEXT, number: int = 1) -> Snapshot:
    snapshot = compile_snapshot(tree_of(directory, text), PROVIDERS, number)
    assert isinstance(snapshot, Snapshot), [str(problem) for problem in snapshot]
    return snapshot


def test_each_credential_of_a_provider_is_one_candidate_in_order(tmp_path: Path) -> None:
    route = compiled(tmp_path).routes["assistant"]
    assert [(c.deployment.name, c.credential) for c in route.use] == [
        ("claude", "main"),
        ("claude", "spare"),
        ("gpt", "default"),
    ]


def test_a_deployment_that_names_a_credential_is_one_candidate(tmp_path: Path) -> None:
    route = compiled(tmp_path).routes["assistant"]
    assert [(c.deployment.name, c.credential) for c in route.fallback] == [
        ("llama", "default"),
        ("claude-spare", "spare"),
    ]


def test_health_keys_are_address_endpoint_and_secret(tmp_path: Path) -> None:
    spare = compiled(tmp_path).routes["assistant"].fallback[1]
    assert spare.origin == Origin("https", "eu.example", 8443)
    assert spare.address == "eu.example:8443"
    assert spare.endpoint == "anthropic/eu.example:8443/claude-sonnet-5-5"
    assert spare.secret == "anthropic/spare"


def test_a_deployment_takes_its_provider_s_address_unless_it_has_one(tmp_path: Path) -> None:
    deployments = compiled(tmp_path).deployments
    assert deployments["gpt"].base_url == "https://api.openai.com/v1"
    assert deployments["llama"].base_url == "http://127.0.0.1:8000/v1"
    assert deployments["claude-spare"].base_url == "https://eu.example:8443"


def test_a_deployment_knows_its_dialects_labels_and_limits(tmp_path: Path) -> None:
    deployments = compiled(tmp_path).deployments
    assert deployments["claude"].dialects == ("anthropic_messages",)
    assert deployments["gpt"].labels == {"provider": "openai", "vendor": "openai", "region": "us"}
    assert (deployments["llama"].context_tokens, deployments["llama"].limits.concurrency) == (8192, 4)


def test_a_server_without_a_key_gets_the_empty_credential(tmp_path: Path) -> None:
    assert compiled(tmp_path).deployments["llama"].provider.credentials == ("default",)


def test_the_digest_is_the_same_for_the_same_meaning(tmp_path: Path) -> None:
    first = compiled(tmp_path)
    remarked = compiled(tmp_path, "# a remark\n" + TEXT.replace("{region: us}", '{"region": "us"}'), number=7)
    assert (remarked.number, remarked.digest) == (7, first.digest)
    assert len(first.digest) == 64


def test_the_digest_tells_meanings_apart(tmp_path: Path) -> None:
    digests = {
        compiled(tmp_path, text).digest
        for text in (
            TEXT,
            TEXT.replace("times: 3", "times: 2"),
            TEXT.replace("[claude, gpt]", "[gpt, claude]"),
            TEXT.replace("gpt-6.1-sol", "gpt-6.1-mini"),
            TEXT + "ledger: {durability: strict}\n",
            TEXT + "drain: {limit: 1s}\n",
        )
    }
    assert len(digests) == 6


def test_the_digest_does_not_depend_on_secrets(tmp_path: Path) -> None:
    assert compiled(tmp_path).digest == compiled(tmp_path, TEXT.replace("sk-1", "sk-9")).digest


def test_a_snapshot_holds_no_secret(tmp_path: Path) -> None:
    shown = repr(compiled(tmp_path))
    assert not any(secret in shown for secret in ("sk-1", "sk-2", "sk-3"))


def test_with_the_twins_every_address_is_theirs(tmp_path: Path) -> None:
    bases = {"openai": "http://o:1/v1", "anthropic": "http://a:2", "openai_compatible": "http://o:1/v1"}
    text = TEXT.replace("vllm: {", 'vllm: {proxy: "http://proxy.example:1", ')
    snapshot = compile_snapshot(redirect_to_twins(tree_of(tmp_path, text), bases), PROVIDERS, 1)
    assert isinstance(snapshot, Snapshot)
    route = snapshot.routes["assistant"]
    assert [c.address for c in (*route.use, *route.fallback)] == ["a:2", "a:2", "o:1", "o:1", "a:2"]
    assert snapshot.deployments["llama"].provider.proxy is None


def test_ten_thousand_deployments_compile_in_seconds(tmp_path: Path) -> None:
    names = [f"d{n}" for n in range(10_000)]
    text = "providers: {openai: {api_key: x}}\ndeployments:\n"
    text += "".join(f"  {name}: {{provider: openai, model: m-{name}}}\n" for name in names)
    text += f"routes: {{all: {{use: [{', '.join(names)}]}}}}\n"
    assert len(compiled(tmp_path, text).routes["all"].use) == 10_000
