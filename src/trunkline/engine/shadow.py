"""Shadow traffic: a copy of a request goes to another deployment too. Nobody waits for its answer, nothing of it reaches the
client, and it leaves a record of its own (surface `shadow`, metadata `shadow_of`)."""

from __future__ import annotations

from trunkline.engine.exchange import Exchange
from trunkline.engine.ids import new_id
from trunkline.routing.fit import unfit
from trunkline.transport.contract import Call, CallWatcher
from trunkline.types.fleet import Route, Shadow
from trunkline.types.wire import Headers

SURFACE = "shadow"


class Unheard:
    """A `Call` that nobody listens to. It has the request's bytes, and counts what it would have answered."""

    def __init__(self, call: Call, now: float) -> None:
        self.method, self.target, self.headers, self.body = call.method, call.target, call.headers, call.body
        self.peer = ""
        self.head_at = self.body_at = now
        self.watcher: CallWatcher | None = None
        self.bytes_out = 0
        self.blocked = False
        self.gone = False

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        self.bytes_out += len(body)

    def start(self, status: int, headers: Headers, length: int | None = None) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.bytes_out += len(data)

    def flush(self) -> None:
        pass

    def end(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def reset(self) -> None:
        pass


def shadow_of(x: Exchange) -> Exchange | None:
    """The copy of a planned exchange, ready for its own line; None where its route has no shadow, its share is not drawn, too
    many are under way, or a constraint forbids it."""
    route, house = x.route, x.house
    assert route is not None and x.plan is not None
    rule = route.shadow
    if rule is None or x.surface == SURFACE or not _wanted(x, rule):
        return None
    if unfit(route, rule.use, x.asked, x.plan.constraints) is not None:
        return None
    house.shadows += 1
    call = Unheard(x.call, house.loop.time())
    wall = house.wall()
    copy = Exchange(house, call, x.dialect, x.target, SURFACE, new_id(wall), wall, x.snapshot)
    copy.decision = copy.principal = x.principal
    copy.facts, copy.asked, copy.guess = x.facts, x.asked, x.guess
    kept = {name: value for name, value in x.labels.items() if name in ("feature", "user", "session", "require")}
    copy.labels = {**kept, "metadata.shadow_of": x.id}
    copy.light = True
    copy.shadow = Route(
        name=route.name, use=(rule.use,), timeouts=route.timeouts, constraints=x.plan.constraints, sticky="off",
        rule=route.rule, rule_text=route.rule_text,
    )  # fmt: skip
    return copy


def _wanted(x: Exchange, rule: Shadow) -> bool:
    if x.house.shadows >= rule.max_inflight:
        x.house.shadows_left_out += 1
        return False
    return x.house.rand() * 100.0 < rule.percent
