"""Hedging pays for a slow tail with a bounded number of extra requests (reliability.md 3.12)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway_rig import Rig
from scenario import Size, Told, scenario
from trunkline.transport.virtual import run_virtual
from trunkline.twins.rules import parse_rule

CONFIG = """
providers: {openai: {api_key: k1}, anthropic: {api_key: k2}}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}"}
  claude: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}"}
routes:
  plain: {use: [gpt, claude]}
  hedged: {use: [gpt, claude], hedge: {after: p98, max_extra: 2%}}
"""
#: Most answers are quick, some slower, and 1.5 % take three seconds.
SPREAD = (("first_token:120", 0.3), ("first_token:180", 0.1), ("first_token:240", 0.04), ("first_token:3000", 0.015))
AT_ONCE = 10


async def times(rig: Rig, route: str, count: int) -> list[float]:
    """Seconds of each of `count` requests, sorted."""
    found: list[float] = []

    async def one() -> None:
        started = rig.loop.time()
        answer = await rig.ask("openai", route, stream=True)
        assert answer.status == 200 and answer.clean
        found.append(rig.loop.time() - started)

    for _ in range(count // AT_ONCE):
        await asyncio.gather(*(one() for _ in range(AT_ONCE)))
    return sorted(found)


def p99(of: list[float]) -> float:
    return of[int(len(of) * 0.99)]


@scenario("H1")
def test_the_p99_of_a_slow_tail_halves_for_two_percent_more_requests(tmp_path: Path, size: Size, told: Told) -> None:
    count = size.of(20_000)

    async def scene() -> None:
        rig = await Rig.start(tmp_path, CONFIG)
        try:
            rules = [parse_rule({"fault": fault, "share": share}) for fault, share in SPREAD]
            rig.twins["openai"].board.put(rules, rig.loop.time())  # type: ignore[arg-type]
            await times(rig, "hedged", 400)  # what is usual has to be known first, and hedges have to be earned
            plain = await times(rig, "plain", count)
            rig.records.clear()
            hedged = await times(rig, "hedged", count)
            while len(rig.records) < count:
                await asyncio.sleep(0.1)
            extra = sum(len(r.attempts) - 1 for r in rig.records)
            told("p99 without hedging, s", p99(plain), "")
            told("p99 with hedging, s", p99(hedged), "half of it at most")
            told("extra requests", f"{extra / count:.2%}", "2 % at most")
            assert p99(plain) >= 2.0 * p99(hedged), (p99(plain), p99(hedged))
            assert 0 < extra <= 0.02 * count + 1
            for record in rig.records:
                first, *more = record.attempts
                assert [a.reason for a in more] in ([], ["hedge"])
                if more:
                    assert {a.deployment for a in record.attempts} == {"gpt", "claude"}
                    assert all(a.usage for a in record.attempts), "both are on the bill"
                    loser = first if first.cancelled_by else more[0]
                    assert loser.cancelled_by == "hedge"
        finally:
            await rig.close()

    run_virtual(scene())
