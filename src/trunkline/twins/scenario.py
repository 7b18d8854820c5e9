"""Scenario files: what happens to which twin, and when.

A YAML list of steps. `at` is the time since the start; a step sets faults (`fault`, with the keys of the control
endpoint, or `faults`, a list), removes them (`clear: true`), sets a `pace`, or kills and revives the twin:

    - {at: 5s, twin: openai, fault: "status:503", share: 0.3, for: 10s}
    - {at: 20s, twin: anthropic, fault: blackhole}
    - {at: 30s, twin: anthropic, clear: true}
    - {at: 40s, twin: gemini, kill: true}
    - {at: 45s, twin: gemini, revive: true}
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from trunkline.twins.control import parse_pace
from trunkline.twins.perform import Pace
from trunkline.twins.rules import Rule, parse_duration, parse_rule
from trunkline.twins.twin import Twin
from trunkline.twins.wire import TWIN_NAMES, TwinName

_WORDS = ("fault", "faults", "clear", "pace", "kill", "revive")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step; `at` in seconds from the start."""

    at: float
    twin: TwinName
    do: Literal["faults", "pace", "kill", "revive"]
    rules: list[Rule] = []
    pace: Pace | None = None


def read_scenario(path: Path) -> list[Step]:
    """The steps of a file. Raises OSError, or ValueError that names file and step."""
    steps = parse_scenario(path.read_text(encoding="utf-8"))
    if isinstance(steps, str):
        raise ValueError(f"{path}: {steps}")
    return steps


def parse_scenario(text: str) -> list[Step] | str:
    """The steps in order of time, or what is wrong with the file."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return f"not YAML: {error}"
    if not isinstance(document, list):
        return "a scenario is a list of steps"
    steps: list[Step] = []
    for number, value in enumerate(document, 1):
        step = _parse_step(value)
        if isinstance(step, str):
            return f"step {number}: {step}"
        steps.append(step)
    return sorted(steps, key=lambda step: step.at)


def _parse_step(value: Any) -> Step | str:
    if not isinstance(value, dict):
        return "a step is an object with at, twin and what happens"
    at, twin = parse_duration(value.get("at")), value.get("twin")
    if at is None:
        return "`at` must be a duration such as 5s or 250ms"
    if twin not in TWIN_NAMES:
        return f"`twin` must be one of {', '.join(TWIN_NAMES)}"
    words = [word for word in _WORDS if word in value]
    if len(words) != 1:
        return f"says {' and '.join(words) or 'nothing'}; a step needs exactly one of {', '.join(_WORDS)}"
    rest = {key: one for key, one in value.items() if key not in ("at", "twin")}
    match words[0]:
        case "fault":
            return _fault_step(at, twin, [rest])
        case "faults":
            faults = rest["faults"]
            return _fault_step(at, twin, faults) if isinstance(faults, list) else "`faults` must be a list"
        case "pace":
            pace = parse_pace(rest["pace"])
            return pace if isinstance(pace, str) else Step(at=at, twin=twin, do="pace", pace=pace)
        case "clear":
            return Step(at=at, twin=twin, do="faults")
        case "kill":
            return Step(at=at, twin=twin, do="kill")
        case _:
            return Step(at=at, twin=twin, do="revive")


def _fault_step(at: float, twin: TwinName, values: list[Any]) -> Step | str:
    rules: list[Rule] = []
    for value in values:
        rule = parse_rule(value)
        if isinstance(rule, str):
            return rule
        rules.append(rule)
    return Step(at=at, twin=twin, do="faults", rules=rules)


async def play(steps: list[Step], twins: dict[TwinName, Twin]) -> None:
    """Runs the steps at their times; those of twins that do not run here are passed over."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    for step in steps:
        await asyncio.sleep(max(0.0, start + step.at - loop.time()))
        twin = twins.get(step.twin)
        if twin is None:
            continue
        match step.do:
            case "faults":
                twin.board.put(list(step.rules), loop.time())
            case "pace":
                twin.set_pace(step.pace)
            case "kill":
                await twin.kill()
            case "revive":
                await twin.revive()
