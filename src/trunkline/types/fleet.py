"""Deployments, routes and the rules they carry, as the snapshot holds them: frozen, compiled, ready to use.

All durations are float seconds, all sizes integer bytes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from trunkline.types.constraint import Constraint
from trunkline.types.failure import Signal
from trunkline.types.wire import DialectName, Origin
from trunkline.types.words import OwnTask


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """TLS settings towards one provider; paths of PEM files, None for the system's."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True


class ProviderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One entry under `providers:`. `name` is the entry's name, `kind` names the code in `PROVIDERS`."""

    name: str
    kind: str
    base_url: str
    credentials: tuple[str, ...]
    proxy: str | None = None
    tls: Tls = Tls()
    options: dict[str, Any] = {}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Concurrency of one deployment (reliability.md 3.13)."""

    concurrency: int = 1024
    queue: int = 128
    queue_wait: float = 1.0


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """`timeouts:` of a route, rule or deployment; reliability.md 2.5. `learned`: `first_token` comes from what the deployment
    has shown for requests of this size, and the number is its upper bound. `stated`: somebody wrote `first_token` down."""

    connect: float = 2.0
    first_token: float = 15.0
    idle: float = 20.0
    answer: float = 600.0
    total: float = 1200.0
    learned: bool = False
    stated: bool = False


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One callable target. `credential` fixes one of the provider's credentials; "" means any, in order. `base_model` is
    the catalogue's name where `model` is an endpoint id of the provider's; "" means `model` itself. `labels` hold `provider`
    and `vendor` too. `lacks` are bits of `NEED`. `price` is (input, output) in micro-dollars per million tokens for a short
    request on the day the snapshot was made; None: not known. `timeouts` go before the route's. `silent`: the model thinks
    before it shows anything."""

    name: str
    provider: ProviderSettings
    model: str
    base_url: str
    credential: str = ""
    labels: dict[str, str] = {}
    weight: int = 1
    limits: Limits = Limits()
    dialects: tuple[DialectName, ...] = ()
    max_output_tokens: int | None = None
    context_tokens: int | None = None
    base_model: str = ""
    lacks: int = 0
    price: tuple[int, int] | None = None
    timeouts: Timeouts | None = None
    silent: bool = False


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment with one credential: what an attempt is made on.

    Health is kept by these three keys. `address` is host and port, `endpoint` adds provider entry and upstream
    model, `secret` is provider entry and credential name.
    """

    deployment: Deployment
    credential: str
    origin: Origin
    address: str
    endpoint: str
    secret: str


class RetryRule(msgspec.Struct, frozen=True, kw_only=True):
    """`retry:` of a route; meaning in reliability.md 1, rules 4 and 5."""

    on: frozenset[Signal] = frozenset({"connect", "500", "502", "503", "504", "529"})
    times: int = 1
    backoff_base: float = 0.25
    backoff_cap: float = 8.0
    wait_for_retry_after: float = 5.0


class StreamRule(msgspec.Struct, frozen=True, kw_only=True):
    """`stream:` of a route; reliability.md section 2. `hold_tokens`/`hold_ms` None mean `first_content`."""

    hold_tokens: int | None = None
    hold: float | None = None
    on_break: Literal["error", "splice"] = "error"
    splice_to: Literal["same_model", "any"] = "same_model"
    on_malformed: Literal["drop", "break"] = "drop"
    keepalive_after: float | None = 25.0
    keepalive_every: float = 10.0
    keepalive_answer: bool = False


class HedgeRule(msgspec.Struct, frozen=True, kw_only=True):
    """`hedge:` of a route; reliability.md 3.12. `percentile` of the deployment's time to first content after which a second
    attempt starts, or `after` seconds; `max_extra` bounds hedges as a share of requests."""

    percentile: float | None = None
    after: float | None = None
    max_extra: float = 0.02


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One arm of `split:`; `percent` of the requests, assigned by a stable hash, go to `use` first."""

    name: str
    percent: float
    use: tuple[Candidate, ...]


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """`split:` of a route: what is left over goes to `otherwise`. `by` is what an assignment sticks to."""

    by: Literal["user", "key", "session", "request"] = "user"
    arms: tuple[Share, ...] = ()


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """`shadow:` of a route: a share of its requests is sent to another deployment too; nobody waits for its answer."""

    use: Candidate
    percent: float
    max_inflight: int = 16


Balance = Literal["priority", "weighted", "round_robin", "least_busy", "least_latency", "least_cost"]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """From an alias to candidates. `use` first (by `balance`), then `fallback` in order. `resubmit` is how often a job
    that failed at its provider is made again, by the next candidate.

    `rules` are looked at in order; the route of the first that matches takes the place of this one (then `rule` is its number,
    counted from 1, and `rule_text` its condition). `constraints` are those of the route and, below it, of its rule.
    `on_unsupported` None: what a model lacks leaves it out, but parameters that only fine-tune pass as they are in the same
    dialect, and are dropped with a loss where the request is translated. `learns`: somebody looks at how fast the
    deployments are (a hedge, a learned timer, a strategy).
    """

    name: str
    use: tuple[Candidate, ...]
    fallback: tuple[Candidate, ...] = ()
    balance: Balance = "priority"
    retry: RetryRule = RetryRule()
    failover_on: frozenset[str] = frozenset({"F1", "F2", "F3", "F4", "F5", "F6", "F8", "F10"})
    timeouts: Timeouts = Timeouts()
    stream: StreamRule = StreamRule()
    on_disconnect: Literal["cancel", "drain"] = "cancel"
    resubmit: int = 0
    constraints: tuple[Constraint, ...] = ()
    on_unsupported: Literal["refuse", "drop", "pass"] | None = None
    hedge: HedgeRule | None = None
    split: Split | None = None
    shadow: Shadow | None = None
    sticky: Literal["auto", "session", "user", "off"] = "auto"
    rule: int = 0
    rule_text: str = ""
    rules: tuple[Rule, ...] = ()
    learns: bool = False

    def everyone(self) -> tuple[Candidate, ...]:
        """Whoever may be asked under this route, whichever rule, arm or shadow it is."""
        found = [*self.use, *self.fallback]
        for rule in self.rules:
            found += [*rule.route.use, *rule.route.fallback]
        if self.split is not None:
            found += [candidate for arm in self.split.arms for candidate in arm.use]
        if self.shadow is not None:
            found.append(self.shadow.use)
        return tuple(found)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `rules:`. `when` is its condition as written; `route` what holds when it matches; `refuse` is what the
    caller is told instead, if it only refuses. `min_confidence` replaces the labels' own threshold."""

    number: int
    when: str
    route: Route
    refuse: str = ""
    min_confidence: float | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `policies:`: a constraint on whatever its condition matches, whichever route is asked."""

    name: str
    when: str
    constraint: Constraint


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The compiled configuration in force. `digest` identifies it, `number` counts swaps of this process. `headers` are the
    request headers that conditions may look at; `judge` is a `types.facts.Judge`, None if nothing has conditions;
    `guesser` a `types.facts.Guesser`, None if no condition looks at what a request is about; `tasks` are
    the configuration's own labels."""

    number: int
    digest: str
    routes: dict[str, Route]
    deployments: dict[str, Deployment]
    providers: dict[str, ProviderSettings] = {}
    durability: Literal["strict", "relaxed"] = "relaxed"
    policies: tuple[Policy, ...] = ()
    headers: tuple[str, ...] = ()
    judge: Any = None
    guesser: Any = None
    tasks: tuple[OwnTask, ...] = ()
