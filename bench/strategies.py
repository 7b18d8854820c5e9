"""What `least_latency` and `least_cost` are worth against `weighted`, on one mix of requests, on the virtual clock.

    python bench/strategies.py [--requests 3000]

Three deployments of different models and prices answer at their own pace, and each in turn is five times slower for a
minute. The requests are the same for every strategy: sizes of the prompts in data/tasks, in bursts, streamed. Nothing here
depends on the machine: the same numbers come out everywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from gateway_rig import Rig  # noqa: E402 (the rig stands with the tests)
from trunkline.catalogue.chat import cost_nanos, find_chat, price_of  # noqa: E402
from trunkline.transport.virtual import run_virtual  # noqa: E402
from trunkline.twins.perform import Pace  # noqa: E402

MODELS = {"gpt": "gpt-6.1-sol", "claude": "claude-sonnet-5-5", "gemini": "gemini-3.8-flash"}
TWINS = {"gpt": "openai", "claude": "anthropic", "gemini": "gemini"}
CONFIG = """
providers: {openai: {api_key: k1}, anthropic: {api_key: k2}, google: {api_key: k3}}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}"}
  claude: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}"}
  gemini: {provider: google, model: gemini-3.8-flash, base_url: "{google}"}
routes:
  weighted: {use: [gpt, claude, gemini], balance: weighted}
  least_latency: {use: [gpt, claude, gemini], balance: least_latency}
  least_cost: {use: [gpt, claude, gemini], balance: least_cost}
"""
#: Milliseconds to the first token and tokens a second, when all is well.
USUAL = {"gpt": (600, 80.0), "claude": (800, 60.0), "gemini": (400, 120.0)}
SLOWER, MINUTE = 5.0, 60.0


def mix(count: int) -> list[tuple[str, float]]:
    """Prompts, and seconds until the next one."""
    prompts: list[str] = []
    for file in sorted((ROOT / "data" / "tasks").glob("en-*.jsonl")):
        prompts += [json.loads(line)["prompt"] for line in file.read_text("utf-8").rstrip("\n").split("\n")]
    dice = random.Random(20261124)
    return [(dice.choice(prompts), dice.expovariate(8.0)) for _ in range(count)]


async def weather(rig: Rig) -> None:
    """Each deployment in turn is slow for a minute, then all are well for one."""
    turn = 0
    while True:
        slow = [*MODELS, ""][turn % 4]
        for name, (first, rate) in USUAL.items():
            times = SLOWER if name == slow else 1.0
            rig.twins[TWINS[name]].pace = Pace(first_token_ms=first * times, tokens_per_second=rate / times, tokens=60)
        turn += 1
        await asyncio.sleep(MINUTE)


async def play(route: str, requests: list[tuple[str, float]], folder: Path) -> dict[str, float]:
    rig = await Rig.start(folder, CONFIG)
    sky = asyncio.ensure_future(weather(rig))
    found: list[float] = []

    async def one(prompt: str) -> None:
        started = rig.loop.time()
        answer = await rig.ask("openai", route, stream=True, text=prompt)
        assert answer.status == 200, answer
        found.append(rig.loop.time() - started)

    try:
        asks = []
        for prompt, gap in requests:
            asks.append(asyncio.ensure_future(one(prompt)))
            await asyncio.sleep(gap)
        await asyncio.gather(*asks)
        while len(rig.records) < len(requests):
            await asyncio.sleep(0.1)
        dollars = sum(cost(record) for record in rig.records)
    finally:
        sky.cancel()
        await rig.close()
    found.sort()
    return {
        "mean_s": statistics.mean(found),
        "p50_s": found[len(found) // 2],
        "p95_s": found[int(len(found) * 0.95)],
        "dollars": dollars,
    }


def cost(record: Any) -> float:
    """Of the attempt that served, at today's prices."""
    attempt = record.attempts[-1]
    usage = {
        name: count["tokens"] if isinstance(count, dict) else count.tokens for name, count in attempt.usage.items()
    }
    model = find_chat(MODELS[attempt.deployment])
    assert model is not None
    tokens = sum(n for name, n in usage.items() if name not in ("output", "reasoning"))
    price = price_of(model, date(2026, 11, 24), tokens)
    assert price is not None
    return cost_nanos(price, tokens, usage.get("output", 0)) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3_000)
    requests = mix(parser.parse_args().requests)
    result = {}
    for route in ("weighted", "least_latency", "least_cost"):
        with tempfile.TemporaryDirectory() as folder:
            result[route] = run_virtual(play(route, requests, Path(folder)))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
