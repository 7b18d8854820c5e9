"""The typed tree: what the file says, with defaults filled in. Durations are seconds, sizes bytes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from trunkline.config.problems import Place
from trunkline.types.fleet import Limits, RetryRule, StreamRule, Timeouts, Tls


class Credential(msgspec.Struct, frozen=True):
    """`api_key` as written after expansion: the secret itself, or `file:/path`. Never printed."""

    api_key: str

    def __repr__(self) -> str:
        return "Credential(***)"


class ProviderTree(msgspec.Struct, frozen=True, kw_only=True):
    """`options` are kept as written: the provider's own code knows them. `type` "" means the entry's name."""

    type: str = ""
    credentials: dict[str, Credential] = {}
    base_url: str = ""
    proxy: str | None = None
    tls: Tls = Tls()
    options: dict[str, str] = {}


class DeploymentTree(msgspec.Struct, frozen=True, kw_only=True):
    provider: str
    model: str
    base_url: str = ""
    credential: str = ""
    labels: dict[str, str] = {}
    weight: int = 1
    max_output_tokens: int | None = None
    context: int | None = None
    base_model: str = ""
    limits: Limits = Limits()


class RouteTree(msgspec.Struct, frozen=True, kw_only=True):
    use: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    balance: Literal["priority", "weighted", "round_robin"] = "priority"
    retry: RetryRule = RetryRule()
    timeouts: Timeouts = Timeouts()
    stream: StreamRule = StreamRule()
    failover_on: frozenset[str] | None = None
    resubmit: int = 0
    on_disconnect: Literal["cancel", "drain"] = "cancel"


class ListenerTls(msgspec.Struct, frozen=True):
    cert: str
    key: str


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """`places` says where each key path stands, for problems that are found later. `limits` has the front door's
    limits as written, in seconds, bytes and numbers; `jobs`, `egress` and `prices` are as written too."""

    listen: tuple[str, int] = ("127.0.0.1", 8080)
    console_listen: tuple[str, int] = ("127.0.0.1", 8081)
    metrics_listen: tuple[str, int] = ("127.0.0.1", 8082)
    workers: int = 1
    store: str = ""
    counters: str = "memory:"
    state_dir: str = "./.trunkline"
    tls: ListenerTls | None = None
    drain_grace: float = 10.0
    drain_limit: float = 900.0
    limits: dict[str, Any] = {}
    durability: Literal["relaxed", "strict"] = "relaxed"
    keys_max_stale: float = 86400.0
    jobs: dict[str, Any] = {}
    egress: dict[str, Any] = {}
    prices: dict[str, Any] = {}
    providers: dict[str, ProviderTree] = {}
    deployments: dict[str, DeploymentTree] = {}
    routes: dict[str, RouteTree] = {}
    places: dict[str, Place] = {}

    def place(self, path: str) -> Place:
        """Where a key path stands, or the nearest one above it that is written down."""
        while path and path not in self.places:
            path = path.rpartition("[" if path.endswith("]") else ".")[0]
        return self.places.get(path, Place(""))


def to_tree(v: dict[str, Any], places: dict[str, Place]) -> Tree:
    """From validated plain values; anything wrong here is a bug, not the user's mistake."""
    drain = v.get("drain", {})
    tls = v.get("tls")
    plain = ("listen", "console_listen", "metrics_listen", "workers", "store", "counters", "state_dir")
    made: dict[str, Any] = {k: v[k] for k in plain if k in v}
    return Tree(
        **made,
        tls=ListenerTls(tls["cert"], tls["key"]) if tls else None,
        drain_grace=drain.get("grace", 10.0),
        drain_limit=drain.get("limit", 900.0),
        limits=v.get("limits", {}),
        durability=v.get("ledger", {}).get("durability", "relaxed"),
        keys_max_stale=v.get("keys", {}).get("max_stale", 86400.0),
        jobs=v.get("jobs", {}),
        egress=v.get("egress", {}),
        prices=v.get("prices", {}),
        providers={name: _provider(p) for name, p in v["providers"].items()},
        deployments={name: _deployment(d) for name, d in v["deployments"].items()},
        routes={name: _route(r) for name, r in v["routes"].items()},
        places=places,
    )


def _provider(p: dict[str, Any]) -> ProviderTree:
    credentials = {name: Credential(c["api_key"]) for name, c in p.get("credentials", {}).items() if "api_key" in c}
    if "api_key" in p:
        credentials = {"default": Credential(p["api_key"]), **credentials}
    tls = p.get("tls", {})
    return ProviderTree(
        type=p.get("type", ""),
        credentials=credentials,
        base_url=p.get("base_url", ""),
        proxy=p.get("proxy"),
        tls=Tls(
            ca_file=tls.get("ca"), cert_file=tls.get("cert"), key_file=tls.get("key"), verify=tls.get("verify", True)
        ),
        options=p.get("options", {}),
    )


def _deployment(d: dict[str, Any]) -> DeploymentTree:
    fields = {k: d[k] for k in d if k != "limits"}
    return DeploymentTree(**fields, limits=Limits(**d.get("limits", {})))


def _route(r: dict[str, Any]) -> RouteTree:
    failover = r.get("failover", {}).get("on")
    return RouteTree(
        use=tuple(r.get("use", r.get("otherwise", ()))),
        fallback=tuple(r.get("fallback", ())),
        balance=r.get("balance", "priority"),
        retry=_retry(r.get("retry", {})),
        timeouts=Timeouts(**r.get("timeouts", {})),
        stream=_stream(r.get("stream", {})),
        failover_on=frozenset(failover) if failover is not None else None,
        resubmit=r.get("resubmit", 0),
        on_disconnect=r.get("on_disconnect", "cancel"),
    )


def _retry(r: dict[str, Any]) -> RetryRule:
    backoff = r.get("backoff", {})
    made: dict[str, Any] = {k: r[k] for k in ("times", "wait_for_retry_after") if k in r}
    if "on" in r:
        made["on"] = frozenset(r["on"])
    for name in ("base", "cap"):
        if name in backoff:
            made[f"backoff_{name}"] = backoff[name]
    return RetryRule(**made)


def _stream(s: dict[str, Any]) -> StreamRule:
    hold = s.get("hold")
    made: dict[str, Any] = {k: s[k] for k in ("on_break", "on_malformed", "keepalive_answer") if k in s}
    if isinstance(hold, dict):
        made["hold_tokens"] = hold.get("tokens")
        made["hold"] = hold["ms"] / 1000.0 if "ms" in hold else None
    after = s.get("keepalive_after")
    if after is not None:
        made["keepalive_after"] = None if after == "off" else after
    return StreamRule(**made)
