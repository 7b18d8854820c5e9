"""From the typed tree to a snapshot: every name resolved, every candidate made, or all problems at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from trunkline.config.problems import Problem, did_you_mean
from trunkline.config.tree import DeploymentTree, ProviderTree, RouteTree, Tree
from trunkline.providers.contract import Provider
from trunkline.types.fleet import Candidate, Deployment, ProviderSettings, Route, Snapshot

LOCAL = "default"  # name of the empty credential of a provider that needs none


def compile_snapshot(
    tree: Tree, providers: Mapping[str, Provider], number: int, file: str = "configuration"
) -> Snapshot | list[Problem]:
    problems: list[Problem] = []

    def problem(path: str, message: str, suggestion: str = "") -> None:
        problems.append(Problem(file=file, line=0, column=0, path=path, message=message, suggestion=suggestion))

    settings: dict[str, ProviderSettings] = {}
    for name, provider in tree.providers.items():
        kind = provider.type or name
        if kind not in providers:
            problem(f"providers.{name}.type", f"no provider is called '{kind}'", did_you_mean(kind, providers))
            continue
        settings[name] = _settings(name, kind, provider, providers[kind])
        if not provider.credentials and kind != "openai_compatible":
            problem(f"providers.{name}", "it has no credential", 'write api_key: "${…}" or credentials: {…}')
    deployments: dict[str, Deployment] = {}
    for name, tree_deployment in tree.deployments.items():
        provider_settings = settings.get(tree_deployment.provider)
        if provider_settings is None:
            if tree_deployment.provider not in tree.providers:
                hint = did_you_mean(tree_deployment.provider, tree.providers)
                problem(f"deployments.{name}.provider", f"no provider is called '{tree_deployment.provider}'", hint)
            continue
        made = _deployment(name, tree_deployment, provider_settings, providers[provider_settings.kind])
        wrong = _wrong(made, providers[provider_settings.kind])
        if wrong is not None:
            problem(f"deployments.{name}.{wrong[0]}", wrong[1])
            continue
        deployments[name] = made
    routes: dict[str, Route] = {}
    for name, route in tree.routes.items():
        for at, wanted in enumerate((*route.use, *route.fallback)):
            if wanted not in tree.deployments:
                where = (
                    f"routes.{name}.use[{at}]"
                    if at < len(route.use)
                    else f"routes.{name}.fallback[{at - len(route.use)}]"
                )
                problem(where, f"no deployment is called '{wanted}'", did_you_mean(wanted, tree.deployments))
        if not route.use:
            problem(f"routes.{name}", "it names no deployment", "write use: [name, …]")
        routes[name] = _route(name, route, deployments, providers)
    if problems:
        return problems
    digest = hashlib.sha256(
        msgspec.json.encode([routes, deployments, tree.durability], enc_hook=_plain, order="sorted")
    ).hexdigest()
    return Snapshot(number=number, digest=digest, routes=routes, deployments=deployments, durability=tree.durability)


def _plain(value: object) -> object:
    """Sets have no order; everything else in a snapshot is plain."""
    if isinstance(value, frozenset):
        return sorted(str(v) for v in value)
    raise TypeError(str(type(value)))


def _settings(name: str, kind: str, tree: ProviderTree, provider: Provider) -> ProviderSettings:
    return ProviderSettings(
        name=name,
        kind=kind,
        base_url=tree.base_url or provider.default_base_url,
        credentials=tuple(tree.credentials) or (LOCAL,),
        proxy=tree.proxy,
        tls=tree.tls,
    )


def _deployment(name: str, tree: DeploymentTree, settings: ProviderSettings, provider: Provider) -> Deployment:
    return Deployment(
        name=name,
        provider=settings,
        model=tree.model,
        base_url=tree.base_url or settings.base_url,
        credential=tree.credential,
        labels=tree.labels,
        weight=tree.weight,
        limits=tree.limits,
        dialects=provider.dialects,
        max_output_tokens=tree.max_output_tokens,
        context_tokens=tree.context,
    )


def _wrong(deployment: Deployment, provider: Provider) -> tuple[str, str] | None:
    if deployment.credential and deployment.credential not in deployment.provider.credentials:
        known = ", ".join(deployment.provider.credentials)
        return (
            "credential",
            f"provider '{deployment.provider.name}' has no credential '{deployment.credential}' ({known})",
        )
    if not deployment.base_url:
        return "base_url", "this kind of provider has no address of its own: base_url is needed"
    try:
        provider.origin(deployment)
    except ValueError as error:
        return "base_url", str(error)
    return None


def _route(name: str, tree: RouteTree, deployments: dict[str, Deployment], providers: Mapping[str, Provider]) -> Route:
    options = {} if tree.failover_on is None else {"failover_on": tree.failover_on}
    return Route(
        name=name,
        use=_candidates(tree.use, deployments, providers),
        fallback=_candidates(tree.fallback, deployments, providers),
        balance=tree.balance,
        retry=tree.retry,
        timeouts=tree.timeouts,
        stream=tree.stream,
        on_disconnect=tree.on_disconnect,
        **options,
    )


def _candidates(
    names: tuple[str, ...], deployments: dict[str, Deployment], providers: Mapping[str, Provider]
) -> tuple[Candidate, ...]:
    """One candidate per credential, in order, where the deployment fixes none."""
    made: list[Candidate] = []
    for name in names:
        deployment = deployments.get(name)
        if deployment is None:
            continue
        origin = providers[deployment.provider.kind].origin(deployment)
        address = f"{origin.host}:{origin.port}"
        for credential in (deployment.credential,) if deployment.credential else deployment.provider.credentials:
            made.append(
                Candidate(
                    deployment=deployment,
                    credential=credential,
                    origin=origin,
                    address=address,
                    endpoint=f"{deployment.provider.name}/{address}/{deployment.model}",
                    secret=f"{deployment.provider.name}/{credential}",
                )
            )
    return tuple(made)
