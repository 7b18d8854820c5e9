"""The typed tree: what the file says, with defaults filled in. Durations are seconds, sizes bytes."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from trunkline.config.problems import Place
from trunkline.types.fleet import Balance, HedgeRule, Limits, RetryRule, StreamRule, Timeouts, Tls


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
    capabilities: dict[str, bool] = {}
    price: dict[str, int] = {}
    timeouts: Timeouts | None = None


class LimitsTree(msgspec.Struct, frozen=True, kw_only=True):
    """`require`, `forbid` and `max_price` of a route, rule or policy. Prices in micro-dollars."""

    require: dict[str, tuple[str, ...]] = {}
    forbid: dict[str, tuple[str, ...]] = {}
    max_price: dict[str, int] = {}

    @property
    def binds(self) -> bool:
        return bool(self.require or self.forbid or self.max_price)


class SplitTree(msgspec.Struct, frozen=True, kw_only=True):
    by: Literal["user", "key", "session", "request"] = "user"
    arms: dict[str, tuple[float, tuple[str, ...]]] = {}


class RuleTree(msgspec.Struct, frozen=True, kw_only=True):
    """`route` is what holds when the rule matches: the route with what the rule says in its place."""

    when: str
    route: RouteTree
    limits: LimitsTree = LimitsTree()
    refuse: str = ""
    min_confidence: float | None = None


class PolicyTree(msgspec.Struct, frozen=True, kw_only=True):
    when: str = "true"
    limits: LimitsTree = LimitsTree()


class RouteTree(msgspec.Struct, frozen=True, kw_only=True):
    use: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    balance: Balance = "priority"
    retry: RetryRule = RetryRule()
    timeouts: Timeouts = Timeouts()
    stream: StreamRule = StreamRule()
    failover_on: frozenset[str] | None = None
    resubmit: int = 0
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    limits: LimitsTree = LimitsTree()
    on_unsupported: Literal["refuse", "drop", "pass"] | None = None
    sticky: Literal["auto", "session", "user", "off"] = "auto"
    hedge: HedgeRule | None = None
    split: SplitTree | None = None
    shadow: dict[str, Any] = {}
    rules: tuple[RuleTree, ...] = ()


class TaskTree(msgspec.Struct, frozen=True, kw_only=True):
    examples: tuple[str, ...]
    not_examples: tuple[str, ...] = ()
    description: str = ""
    min_confidence: float | None = None


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
    policies: dict[str, PolicyTree] = {}
    tasks: dict[str, TaskTree] = {}
    headers: tuple[str, ...] = ()
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
        policies={
            name: PolicyTree(when=p.get("when", "true"), limits=_limits(p)) for name, p in v.get("policies", {}).items()
        },
        tasks={name: _task(t) for name, t in v.get("tasks", {}).items()},
        headers=tuple(v.get("headers", ())),
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


def _task(t: dict[str, Any]) -> TaskTree:
    return TaskTree(
        examples=tuple(t["examples"]),
        not_examples=tuple(t.get("not_examples", ())),
        description=t.get("description", ""),
        min_confidence=t.get("min_confidence"),
    )


def _deployment(d: dict[str, Any]) -> DeploymentTree:
    fields = {k: d[k] for k in d if k not in ("limits", "timeouts")}
    timeouts = _timeouts(d["timeouts"]) if "timeouts" in d else None
    return DeploymentTree(**fields, limits=Limits(**d.get("limits", {})), timeouts=timeouts)


def _limits(r: dict[str, Any]) -> LimitsTree:
    return LimitsTree(
        require={name: tuple(values) for name, values in r.get("require", {}).items()},
        forbid={name: tuple(values) for name, values in r.get("forbid", {}).items()},
        max_price=r.get("max_price", {}),
    )


def _rule(r: dict[str, Any], rule: dict[str, Any]) -> RuleTree:
    """What the rule says goes before what the route says, key by key."""
    merged = {k: v for k, v in r.items() if k not in ("rules", "use", "otherwise", "require", "forbid", "max_price")}
    merged["use"] = rule.get("use", r.get("use", r.get("otherwise", ())))
    for key in ("fallback", "balance", "hedge", "sticky", "on_unsupported"):
        if key in rule:
            merged[key] = rule[key]
    if "fallback" not in rule:  # what the rule has chosen already is no fallback of it
        merged["fallback"] = [name for name in r.get("fallback", ()) if name not in merged["use"]]
    for key in ("retry", "timeouts", "stream"):
        if key in rule:
            merged[key] = {**r.get(key, {}), **rule[key]}
    return RuleTree(
        when=rule["when"],
        route=_route(merged),
        limits=_limits(rule),
        refuse=rule.get("refuse", ""),
        min_confidence=rule.get("min_confidence"),
    )


def _timeouts(t: dict[str, Any]) -> Timeouts:
    """`learned` lies between 2 s and the default."""
    learned = t.get("first_token") == "learned"
    said = {k: v for k, v in t.items() if not (learned and k == "first_token")}
    return Timeouts(**said, learned=learned, stated="first_token" in said)


def _hedge(h: dict[str, Any]) -> HedgeRule:
    after = h["after"]
    extra = h.get("max_extra", 0.02)
    if isinstance(after, str):
        return HedgeRule(percentile=int(after[1:]) / 100.0, max_extra=extra)
    return HedgeRule(after=after, max_extra=extra)


def _split(s: dict[str, Any]) -> SplitTree:
    arms = {name: (arm["percent"], tuple(arm["use"])) for name, arm in s["arms"].items()}
    return SplitTree(by=s.get("by", "user"), arms=arms)


def _route(r: dict[str, Any]) -> RouteTree:
    failover = r.get("failover", {}).get("on")
    failover = None if failover is None else ["F9" if word == "refusal" else word for word in failover]
    return RouteTree(
        use=tuple(r.get("use", r.get("otherwise", ()))),
        fallback=tuple(r.get("fallback", ())),
        balance=r.get("balance", "priority"),
        retry=_retry(r.get("retry", {})),
        timeouts=_timeouts(r.get("timeouts", {})),
        stream=_stream(r.get("stream", {})),
        failover_on=frozenset(failover) if failover is not None else None,
        resubmit=r.get("resubmit", 0),
        on_disconnect=r.get("on_disconnect", "cancel"),
        limits=_limits(r),
        on_unsupported=r.get("on_unsupported"),
        sticky=r.get("sticky", "auto"),
        hedge=_hedge(r["hedge"]) if "hedge" in r else None,
        split=_split(r["split"]) if "split" in r else None,
        shadow=r.get("shadow", {}),
        rules=tuple(_rule(r, rule) for rule in r.get("rules", ())),
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
    made: dict[str, Any] = {k: s[k] for k in ("on_break", "splice_to", "on_malformed", "keepalive_answer") if k in s}
    if isinstance(hold, dict):
        made["hold_tokens"] = hold.get("tokens")
        made["hold"] = hold["ms"] / 1000.0 if "ms" in hold else None
    after = s.get("keepalive_after")
    if after is not None:
        made["keepalive_after"] = None if after == "off" else after
    return StreamRule(**made)
