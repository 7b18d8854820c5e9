"""The control endpoint under `/_twin/` on every twin's port.

| request | does |
| --- | --- |
| `PUT /_twin/faults` | replaces the faults by one object or a list of them |
| `GET`, `DELETE /_twin/faults` | shows, removes them |
| `GET`, `DELETE /_twin/ledger` | every request seen (`?after=<serial>&limit=<n>`) and every video task; forgets them |
| `PUT`, `GET`, `DELETE /_twin/pace` | `tokens_per_second`, `first_token_ms`, `tokens` |
| `PUT`, `GET`, `DELETE /_twin/videos` | how videos are made: `video_pace.py` |
| `PUT`, `GET`, `DELETE /_twin/keys` | `{"revoked": ["…"]}`: these keys are refused |
| `GET /_twin/health` | name and port of every twin of the process |

A fault is `{"fault": "cut:3"}` and, if wanted, `share` (0 to 1), `match` (patterns for `model` and `path`, `key` or its
fingerprint, `stream`), `times`, `for` ("5s") and `twin`. `twin` (in a fault, or as
`?twin=`) names another twin of the same process: one that refuses connections can only be healed from outside, or by
`for`.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from trunkline.transport.contract import Call
from trunkline.twins.perform import Pace
from trunkline.twins.rules import Rule, parse_rule
from trunkline.twins.twin import CONTROL_BODY, Control, Twin
from trunkline.twins.video_pace import parse_video_pace
from trunkline.twins.wire import NOT_JSON, Request, read_request

_encode = msgspec.json.Encoder().encode


class _Keys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revoked: frozenset[str]


class Endpoint(Control):
    """Answers for all twins of one process, on their ports and, as an application of its own, on the control port."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.twins: dict[str, Twin] = {}
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def on_head(self, call: Call) -> int:
        return CONTROL_BODY

    def on_request(self, call: Call) -> None:
        self._answer(next(iter(self.twins)), call)

    def answer(self, twin: Twin, call: Call) -> None:
        self._answer(twin.name, call)

    def _answer(self, name: str, call: Call) -> None:
        request = read_request(call.method, call.target, call.headers, call.body, "")
        chosen = self.twins.get(request.query.get("twin", name))
        if chosen is None:
            _refuse(call, 404, f"no twin {request.query['twin']!r} here; there are {', '.join(self.twins)}")
            return
        match request.path:
            case "/_twin/faults":
                self._faults(chosen, request, call)
            case "/_twin/ledger":
                _ledger(chosen, request, call)
            case "/_twin/pace":
                _pace(chosen, request, call)
            case "/_twin/videos":
                _videos(chosen, request, call)
            case "/_twin/keys":
                _keys(chosen, request, call)
            case "/_twin/health":
                _json(call, {name: one.url for name, one in self.twins.items()})
            case _:
                _refuse(call, 404, "the control endpoint has videos, keys, faults, ledger, pace and health")

    def _faults(self, twin: Twin, request: Request, call: Call) -> None:
        match request.method:
            case "GET":
                _json(call, [rule.shown() for rule in twin.board.rules])
                return
            case "DELETE":
                changed = {twin.name: list[Rule]()}
            case "PUT":
                read = read_rules(request.document, twin.name, self.twins)
                if isinstance(read, str):
                    _refuse(call, 400, read)
                    return
                changed = read
            case _:
                _refuse(call, 405, "faults takes GET, PUT and DELETE")
                return
        for name, rules in changed.items():
            self.twins[name].board.put(rules, self._loop.time())
        task = self._loop.create_task(self._settle(list(changed), call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _settle(self, names: list[str], call: Call) -> None:
        """Answers once the listeners have followed, so that the next connection meets the fault."""
        for name in names:
            await self.twins[name].door.settled()
        if not call.gone:
            _json(call, {name: [rule.shown() for rule in self.twins[name].board.rules] for name in names})


def read_rules(document: Any, name: str, twins: dict[str, Twin]) -> dict[Any, list[Rule]] | str:
    """Rules per twin from one fault or a list of them, or what is wrong. An empty list clears `name`."""
    if document is None or document is NOT_JSON:
        return "the body must be JSON: a fault, or a list of faults"
    found: dict[Any, list[Rule]] = {} if document else {name: []}
    for value in document if isinstance(document, list) else [document]:
        rule = parse_rule(value)
        if isinstance(rule, str):
            return rule
        target = value.get("twin", name)
        if target not in twins:
            return f"no twin {target!r} here; there are {', '.join(twins)}"
        found.setdefault(target, []).append(rule)
    return found


def parse_pace(document: Any) -> Pace | str:
    """A pace, or what is wrong with it."""
    if not isinstance(document, dict):
        return "the body must be an object with tokens_per_second, first_token_ms or tokens"
    unknown = sorted(set(document) - {"tokens_per_second", "first_token_ms", "tokens"})
    if unknown:
        return f"unknown key {unknown[0]!r}; known are tokens_per_second, first_token_ms, tokens"
    try:
        pace = msgspec.convert(document, Pace)
    except msgspec.ValidationError as error:
        return str(error)
    if pace.tokens_per_second is not None and pace.tokens_per_second <= 0:
        return "tokens_per_second must be above 0"
    if pace.first_token_ms < 0 or (pace.tokens is not None and not 0 <= pace.tokens <= 50_000_000):
        return "first_token_ms and tokens must not be negative, tokens at most 50 million"
    return pace


def _pace(twin: Twin, request: Request, call: Call) -> None:
    match request.method:
        case "PUT":
            pace = parse_pace(request.document)
            if isinstance(pace, str):
                _refuse(call, 400, pace)
                return
            twin.set_pace(pace)
        case "DELETE":
            twin.set_pace(None)
        case "GET":
            pass
        case _:
            _refuse(call, 405, "pace takes GET, PUT and DELETE")
            return
    _json(call, twin.pace)


def _videos(twin: Twin, request: Request, call: Call) -> None:
    match request.method:
        case "PUT":
            pace = parse_video_pace(request.document)
            if isinstance(pace, str):
                _refuse(call, 400, pace)
                return
            twin.studio.set_pace(pace)
        case "DELETE":
            twin.studio.set_pace(None)
        case "GET":
            pass
        case _:
            _refuse(call, 405, "videos takes GET, PUT and DELETE")
            return
    shown = msgspec.to_builtins(twin.studio.pace)
    _json(call, {**shown, "url_valid_s": twin.studio.valid_s})


def _keys(twin: Twin, request: Request, call: Call) -> None:
    match request.method:
        case "PUT":
            try:
                twin.revoked = msgspec.convert(request.document, _Keys).revoked
            except msgspec.ValidationError as error:
                _refuse(call, 400, f'the body must be an object such as {{"revoked": ["a key"]}}: {error}')
                return
        case "DELETE":
            twin.revoked = frozenset()
        case "GET":
            pass
        case _:
            _refuse(call, 405, "keys takes GET, PUT and DELETE")
            return
    _json(call, {"revoked": sorted(twin.revoked)})


def _ledger(twin: Twin, request: Request, call: Call) -> None:
    after, limit = request.query.get("after", "0"), request.query.get("limit", "100000")
    if not after.isdigit() or not limit.isdigit():
        _refuse(call, 400, "after and limit must be whole numbers")
    elif request.method == "GET":
        twin.studio.advance()
        shown = twin.ledger.shown(after=int(after), limit=int(limit))
        _json(call, {"twin": twin.name, **shown})
    elif request.method == "DELETE":
        twin.ledger.clear()
        _json(call, {})
    else:
        _refuse(call, 405, "ledger takes GET and DELETE")


def _json(call: Call, value: Any) -> None:
    call.respond(200, [(b"content-type", b"application/json")], _encode(value))


def _refuse(call: Call, status: int, message: str) -> None:
    call.respond(status, [(b"content-type", b"application/json")], _encode({"error": message}))
