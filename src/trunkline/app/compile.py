"""From the typed tree to a snapshot: every name resolved, every candidate made, or all problems at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from trunkline.app.compile_rules import policies_of, route_of, tasks_of
from trunkline.app.tasking import TaskGuesser
from trunkline.catalogue.chat import ChatModel, find_chat
from trunkline.catalogue.models import find
from trunkline.config.problems import Place, Problem, did_you_mean, problem_at
from trunkline.config.tree import DeploymentTree, ProviderTree, Tree
from trunkline.providers.contract import Provider
from trunkline.routing.conditions import TASK_VARIABLES
from trunkline.routing.rulebook import Rulebook
from trunkline.transport.client import parse_proxy
from trunkline.transport.egress import Egress
from trunkline.types.envelope import NEED
from trunkline.types.fleet import Candidate, Deployment, Policy, ProviderSettings, Route, Snapshot

LOCAL = "default"  # name of the empty credential of a provider that needs none


def compile_snapshot(
    tree: Tree, providers: Mapping[str, Provider], number: int, file: str = "configuration"
) -> Snapshot | list[Problem]:
    """`file` names the whole where a problem stands nowhere in particular."""
    making = Making(tree, providers, file)
    making.listener()
    making.jobs()
    for name, provider in tree.providers.items():
        making.provider(name, provider)
    for name, deployment in tree.deployments.items():
        making.deployment(name, deployment)
    routes = {name: route_of(making, name, route) for name, route in tree.routes.items()}
    policies = policies_of(making)
    tasks = tasks_of(making)
    if making.problems:
        return sorted(making.problems, key=lambda p: (p.file, p.line, p.column))
    judge = Rulebook(routes, policies) if policies or any(route.rules for route in routes.values()) else None
    return Snapshot(
        number=number,
        digest=_digest(tree, routes, making.deployments, policies),
        routes=routes,
        deployments=making.deployments,
        providers=making.settings,
        durability=tree.durability,
        policies=policies,
        headers=tree.headers,
        judge=judge,
        tasks=tasks,
        guesser=TaskGuesser(tasks) if judge is not None and judge.names & TASK_VARIABLES else None,
    )


def redirect_to_twins(tree: Tree, bases: Mapping[str, str]) -> Tree:
    """All upstream traffic to the twins, whatever the file says. `bases`: kind of provider → base URL; a kind that is
    not there goes to the twin of `openai_compatible`."""
    providers = {
        name: msgspec.structs.replace(p, base_url=bases.get(p.type or name, bases["openai_compatible"]), proxy=None)
        for name, p in tree.providers.items()
    }
    deployments = {name: msgspec.structs.replace(d, base_url="") for name, d in tree.deployments.items()}
    return msgspec.structs.replace(tree, providers=providers, deployments=deployments)


_WEB = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[!-~]*)?")


class Making:
    """The parts made so far, and every problem met on the way."""

    def __init__(self, tree: Tree, providers: Mapping[str, Provider], file: str) -> None:
        self.tree = tree
        self.providers = providers
        self.file = file
        self.problems: list[Problem] = []
        self.settings: dict[str, ProviderSettings] = {}
        self.deployments: dict[str, Deployment] = {}

    def problem(self, path: str, message: str, suggestion: str = "") -> None:
        place = self.tree.place(path)
        self.problems.append(problem_at(place if place.file else Place(self.file), path, message, suggestion))

    # --- parts -------------------------------------------------------------------------------------------------------
    def listener(self) -> None:
        if self.tree.tls is not None:
            self._files("tls", {"cert": self.tree.tls.cert, "key": self.tree.tls.key})

    def jobs(self) -> None:
        """What `jobs:` and `egress:` say of addresses."""
        said = self.tree.jobs
        if said.get("copy_media") == "s3" and "s3" not in said:
            self.problem("jobs.copy_media", "there is no bucket for it", "write jobs.s3: {endpoint, bucket, …}")
        for path, url in (
            ("jobs.public_url", said.get("public_url")),
            ("jobs.webhook", said.get("webhook")),
            ("jobs.s3.endpoint", said.get("s3", {}).get("endpoint")),
        ):
            if url is not None and not _WEB.fullmatch(url):
                self.problem(path, "an address is written as https://host[:port][/path]")
        rate = self.tree.prices.get("cny_per_usd")
        if rate is not None and not float(rate):
            self.problem("prices.cny_per_usd", "a dollar is worth more than nothing")
        for at, entry in enumerate(self.tree.egress.get("allow", ())):
            try:
                Egress((entry,))
            except ValueError as error:
                self.problem(f"egress.allow[{at}]", str(error))
        if self.tree.egress.get("proxy") is not None:
            try:
                parse_proxy(self.tree.egress["proxy"])
            except ValueError as error:
                self.problem("egress.proxy", str(error))

    def provider(self, name: str, tree: ProviderTree) -> None:
        path = f"providers.{name}"
        kind = tree.type or name
        code = self.providers.get(kind)
        if code is None:
            if tree.type:
                self.problem(f"{path}.type", f"no kind of provider is called '{kind}'", self._kinds(kind))
            else:
                self.problem(
                    path, f"'{name}' is no kind of provider", f"write type: one of {', '.join(self.providers)}"
                )
            return
        if code.needs_key and not tree.credentials:
            self.problem(path, "it has no credential", 'write api_key: "${…}" or credentials: {…}')
        self._options(path, tree.options, code)
        self._files(f"{path}.tls", {"ca": tree.tls.ca_file, "cert": tree.tls.cert_file, "key": tree.tls.key_file})
        if tree.proxy is not None:
            try:
                parse_proxy(tree.proxy)
            except ValueError as error:
                self.problem(f"{path}.proxy", str(error))
        self.settings[name] = ProviderSettings(
            name=name,
            kind=kind,
            base_url=tree.base_url or code.default_base_url,
            credentials=tuple(tree.credentials) or (LOCAL,),
            proxy=tree.proxy,
            tls=tree.tls,
            options=dict(tree.options),
        )

    def deployment(self, name: str, tree: DeploymentTree) -> None:
        path = f"deployments.{name}"
        settings = self.settings.get(tree.provider)
        if settings is None:
            if tree.provider not in self.tree.providers:
                hint = did_you_mean(tree.provider, self.tree.providers)
                self.problem(f"{path}.provider", f"no provider is called '{tree.provider}'", hint)
            return
        code = self.providers[settings.kind]
        card = find_chat(tree.base_model or tree.model)
        vendor = card.vendor if card is not None else settings.kind
        made = Deployment(
            name=name,
            provider=settings,
            model=tree.model,
            base_url=tree.base_url or settings.base_url,
            credential=tree.credential,
            labels={"provider": settings.name, "vendor": vendor, **tree.labels},
            weight=tree.weight,
            limits=tree.limits,
            # A video model chats with nobody: it is left out of chat routes with that reason.
            dialects=() if find(tree.base_model or tree.model) is not None else code.dialects,
            max_output_tokens=tree.max_output_tokens,
            context_tokens=tree.context or (card.context if card is not None else None),
            lacks=_lacks(card, tree.capabilities),
            price=self._price(path, tree.price),
            timeouts=tree.timeouts,
            silent=card is not None and card.silent,
            base_model=tree.base_model,
        )
        if made.credential and made.credential not in settings.credentials:
            message = f"provider '{settings.name}' has no credential '{made.credential}'"
            self.problem(f"{path}.credential", message, did_you_mean(made.credential, settings.credentials))
        if not made.base_url:
            hint = f"write base_url under providers.{settings.name}"
            self.problem(path, f"'{settings.kind}' has no address of its own", hint)
            return
        try:
            code.origin(made)
        except ValueError as error:
            where = path if tree.base_url else f"providers.{settings.name}"
            known = {(p.path, p.message) for p in self.problems}
            if (f"{where}.base_url", str(error)) not in known:
                self.problem(f"{where}.base_url", str(error))
            return
        self.deployments[name] = made

    def candidates(self, names: tuple[str, ...]) -> tuple[Candidate, ...]:
        """One candidate per credential, in order, where the deployment fixes none."""
        made: list[Candidate] = []
        for name in names:
            deployment = self.deployments.get(name)
            if deployment is None:
                continue
            provider = deployment.provider
            origin = self.providers[provider.kind].origin(deployment)
            address = f"{origin.host}:{origin.port}"
            for credential in (deployment.credential,) if deployment.credential else provider.credentials:
                made.append(
                    Candidate(
                        deployment=deployment,
                        credential=credential,
                        origin=origin,
                        address=address,
                        endpoint=f"{provider.name}/{address}/{deployment.model}",
                        secret=f"{provider.name}/{credential}",
                    )
                )
        return tuple(made)

    def _price(self, path: str, said: Mapping[str, int]) -> tuple[int, int] | None:
        if not said:
            return None
        if "input" not in said or "output" not in said:
            self.problem(f"{path}.price", "a price has an input and an output", "write {input: 2, output: 10}")
            return None
        return said["input"], said["output"]

    # --- what only the provider's code or the file system knows ----------------------------------------------------------
    def _options(self, path: str, written: Mapping[str, str], code: Provider) -> None:
        for name, value in written.items():
            option = code.options.get(name)
            place = f"{path}.options.{name}"
            if option is None:
                hint = did_you_mean(name, code.options)
                self.problem(place, f"'{code.kind}' has no option '{name}'", hint)
            elif re.fullmatch(option.pattern, value) is None:
                self.problem(place, f"not a value for it: {option.about}")

    def _files(self, path: str, files: Mapping[str, str | None]) -> None:
        for key, file in files.items():
            if file is not None and not Path(file).is_file():
                self.problem(f"{path}.{key}", f"there is no such file: {file}")

    def _kinds(self, kind: str) -> str:
        return did_you_mean(kind, self.providers)


def _lacks(card: ChatModel | None, said: Mapping[str, bool]) -> int:
    """The catalogue's word, and the file's before it."""
    bits = card.lacking if card is not None else 0
    for name, takes in said.items():
        bits = bits & ~NEED[name] if takes else bits | NEED[name]
    return bits


def _digest(
    tree: Tree, routes: Mapping[str, Route], deployments: Mapping[str, Deployment], policies: tuple[Policy, ...]
) -> str:
    """Identity of the snapshot: a canonical form of everything that a worker acts on. Secrets are no part of it, and
    neither is where something stands in which file."""
    front: list[Any] = [tree.durability, tree.drain_grace, tree.drain_limit, tree.limits, tree.keys_max_stale]
    front += [policies, tree.headers, tree.tasks]
    front += [{k: v for k, v in tree.jobs.items() if k != "s3"}, tree.egress, tree.prices]
    canonical = msgspec.json.encode([routes, deployments, front], enc_hook=_plain, order="sorted")
    return hashlib.sha256(canonical).hexdigest()


def _plain(value: object) -> object:
    """Sets have no order; everything else in a snapshot is plain."""
    if isinstance(value, frozenset):
        return sorted(str(v) for v in value)
    raise TypeError(str(type(value)))
