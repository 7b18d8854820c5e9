"""What two options together can get wrong. Single values are checked where they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trunkline.config.problems import Place, Problem, problem_at


def check(values: Mapping[str, Any], places: Mapping[str, Place]) -> list[Problem]:
    """`values` as read and merged; every name in it is one that `places` knows."""

    def at(path: str, message: str, suggestion: str = "") -> Problem:
        return problem_at(places[path], path, message, suggestion)

    found: list[Problem] = []
    for path, message, suggestion in (*_listeners(values), *_providers(values), *_routes(values)):
        found.append(at(path, message, suggestion))
    return found


Wrong = tuple[str, str, str]


def _listeners(values: Mapping[str, Any]) -> Iterator[Wrong]:
    defaults = {
        "listen": ("127.0.0.1", 8080),
        "console_listen": ("127.0.0.1", 8081),
        "metrics_listen": ("127.0.0.1", 8082),
    }
    seen: dict[tuple[str, int], str] = {}
    for name, default in defaults.items():
        address = tuple(values.get(name, default))
        first = seen.setdefault(address, name)
        if address[1] and first != name:
            # One of the two may stand only by default.
            yield (name if name in values else first, f"'{first}' and '{name}' are the same address", "")


def _providers(values: Mapping[str, Any]) -> Iterator[Wrong]:
    for name, provider in values["providers"].items():
        path = f"providers.{name}"
        if "api_key" in provider and "default" in provider.get("credentials", {}):
            yield (
                f"{path}.credentials.default",
                "'api_key' is short for a credential of this name",
                "write one of the two",
            )
        tls = provider.get("tls", {})
        if ("cert" in tls) != ("key" in tls):
            yield (f"{path}.tls", "a client certificate needs both 'cert' and 'key'", "")


def _routes(values: Mapping[str, Any]) -> Iterator[Wrong]:
    for name, route in values["routes"].items():
        path = f"routes.{name}"
        if "use" in route and "otherwise" in route:
            yield (f"{path}.use", "'use' is short for 'otherwise'", "write one of the two")
        chosen = route.get("use", route.get("otherwise"))
        if chosen is None and not route.get("rules"):
            yield (path, "it names no deployment", "write use: [name, …]")
        for at, rule in enumerate(route.get("rules", ())):
            yield from _rule(f"{path}.rules[{at}]", rule, chosen)
        arms = route.get("split", {}).get("arms", {})
        if sum(arm.get("percent", 0.0) for arm in arms.values()) > 1.0 + 1e-9:
            yield (f"{path}.split.arms", "the shares add up to more than 100%", "")
        for at, deployment in enumerate(route.get("fallback", ())):
            if deployment in (chosen or ()):
                yield (f"{path}.fallback[{at}]", f"'{deployment}' is one of the candidates already", "")
        backoff = route.get("retry", {}).get("backoff", {})
        if backoff.get("base", 0.25) > backoff.get("cap", 8.0):
            yield (f"{path}.retry.backoff", "'base' is longer than 'cap'", "")
        if route.get("stream", {}).get("hold") == {}:
            yield (f"{path}.stream.hold", "it says neither 'tokens' nor 'ms'", "write first_content")


def _rule(path: str, rule: Mapping[str, Any], chosen: Any) -> Iterator[Wrong]:
    if "refuse" in rule:
        more = sorted(rule.keys() - {"when", "refuse", "min_confidence"})
        if more:
            yield (f"{path}.{more[0]}", "a rule that refuses serves nobody", "leave it out")
    elif "use" not in rule and chosen is None:
        yield (path, "it names no deployment, and its route has none", "write use: [name, …]")
