"""R7: a delay that a provider states is a lower bound for everybody: gone round, waited out, or told to the caller."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arrivals import Ask, Heard, arrive, fault, one, play, until, written
from gateway_rig import CLIENTS, Rig
from scenario import Size, Told, scenario
from trunkline.twins.ledger import Entry
from trunkline.twins.wire import fingerprint

CONFIG = """
providers:
  openai: {credentials: {a: {api_key: key-a}, b: {api_key: key-b}}}
  anthropic: {credentials: {a: {api_key: key-a}, b: {api_key: key-b}}}
  google: {credentials: {a: {api_key: key-a}, b: {api_key: key-b}}}
deployments:
  gpt: {provider: openai, model: gpt-6.1-sol, base_url: "{openai}"}
  claude: {provider: anthropic, model: claude-sonnet-5-5, base_url: "{anthropic}"}
  flash: {provider: google, model: gemini-3.8-flash, base_url: "{google}"}
routes:
  openai: {use: [gpt]}
  anthropic: {use: [claude]}
  gemini: {use: [flash]}
"""
A, B = fingerprint("key-a"), fingerprint("key-b")
ANSWER_MS = 200  # how long a healthy answer takes, so that several requests are under way when the first 429 comes


def slowed(*rules: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return (*rules, {"fault": f"latency:{ANSWER_MS}"})


def throttled(key: str, seconds: int, **more: Any) -> dict[str, Any]:
    return {"fault": f"throttle:{seconds}", "match": {"key": key}, **more}


def asked(rig: Rig, twin: Any, key: str) -> list[Entry]:
    """What reached the provider with this credential, oldest first."""
    return [entry for entry in rig.twins[twin].ledger.entries if entry.key == key]


@scenario("R7")
@pytest.mark.parametrize("twin", CLIENTS)
def test_ten_seconds_are_gone_round_and_nobody_touches_the_credential_before(
    tmp_path: Path, twin: str, size: Size, told: Told
) -> None:
    async def scene(rig: Rig) -> None:
        rate = size.of(200)
        fault(rig, twin, *slowed(throttled("key-a", 10, times=1)))
        heard = await arrive(rig, [Ask(twin, twin)] * (13 * rate), rate)
        records = await written(rig, heard, told)

        first, *later = asked(rig, twin, A)
        stated = first.at + ANSWER_MS / 1000  # when the 429 with its delay was given
        early = [entry for entry in later if stated < entry.at < stated + 10.0]
        again = [entry for entry in later if entry.at >= stated + 10.0]
        told(f"{twin}: requests on A within the 10 s", len(early), "0")
        told(f"{twin}: errors at callers", sum(not h.good for h in heard), "0")
        assert early == []
        assert all(h.good for h in heard)
        assert again and again[0].at < stated + 10.1, "A serves again as soon as its delay has passed"
        assert [a.class_ for a in records[heard[0].id].attempts] == ["F2", "ok"], "B at once, nothing waited out"
        assert heard[0].took < 2 * ANSWER_MS / 1000 + 0.05

    play(tmp_path, CONFIG, scene)


@scenario("R7")
@pytest.mark.parametrize("twin", CLIENTS)
def test_two_seconds_are_waited_out_on_the_same_credential(tmp_path: Path, twin: str, size: Size, told: Told) -> None:
    async def scene(rig: Rig) -> None:
        together = size.of(400)
        fault(rig, twin, *slowed(throttled("key-a", 2, times=together)))
        began = rig.twins[twin].now()  # type: ignore[index]
        heard = await arrive(rig, [Ask(twin, twin)] * together, 1e6)  # all at once, so that each gets the 429 itself
        await written(rig, heard, told)

        stated = began + ANSWER_MS / 1000
        tries = [entry.at - stated for entry in asked(rig, twin, A)[together:]]
        told(f"{twin}: second tries on A, s after the 429", f"{min(tries):.3f} … {max(tries):.3f}", "2 … 2.2")
        told(f"{twin}: requests on B", len(asked(rig, twin, B)), "0")
        assert len(tries) == together
        assert min(tries) >= 2.0 and max(tries) <= 2.2 + 0.05
        assert asked(rig, twin, B) == []
        assert all(h.good and h.answer.headers["x-trunkline-attempts"] == "2" for h in heard)

    play(tmp_path, CONFIG, scene)


@scenario("R7")
@pytest.mark.parametrize("second", [3, 10])
def test_whoever_waits_heeds_a_longer_delay_that_another_was_told_meanwhile(
    tmp_path: Path, second: int, size: Size, told: Told
) -> None:
    """Some wait 2 s; others, who had asked before they knew, are told 3 s, which all then wait, or 10 s: then all go to B."""

    async def scene(rig: Rig) -> None:
        many = size.of(200)
        began, since = rig.loop.time(), rig.twins["openai"].now()
        fault(rig, "openai", *slowed(throttled("key-a", 2)))
        some = rig.loop.create_task(arrive(rig, [Ask("openai")] * many, 1e6))
        await until(rig, began + 0.1)
        fault(rig, "openai", *slowed(throttled("key-a", second)))
        others = rig.loop.create_task(arrive(rig, [Ask("openai")] * many, 1e6))
        await until(rig, began + 0.15)
        fault(rig, "openai", *slowed())
        heard = [*await some, *await others]
        await written(rig, heard, told)

        passed = since + 0.1 + ANSWER_MS / 1000 + second  # when the longer delay is over
        tries = [entry.at - passed for entry in asked(rig, "openai", A)[2 * many :]]
        early = sum(at < 0 for at in tries)
        told(f"tries on A before the longer delay of {second} s was over", early, "0")
        assert early == 0
        assert len(tries) == (2 * many if second == 3 else 0)
        assert len(asked(rig, "openai", B)) == (0 if second == 3 else 2 * many)
        assert all(h.good for h in heard)

    play(tmp_path, CONFIG, scene)


@scenario("R7")
@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("twin", CLIENTS)
def test_with_all_throttled_the_caller_is_told_the_smallest_remaining_wait(
    tmp_path: Path, twin: str, client: str, size: Size, told: Told
) -> None:
    async def scene(rig: Rig) -> None:
        fault(rig, twin, throttled("key-a", 30, times=1), throttled("key-b", 20, times=1))
        began = rig.loop.time()

        async def after(seconds: float) -> Heard:
            await until(rig, began + seconds)
            return await one(rig, Ask(twin, client))

        # B's 20 s pass first: what is left of them, rounded up to the header's whole seconds
        waits = [(await after(at)).answer.headers.get("retry-after") for at in (0.0, 3.5, 7.25, 14.0)]
        assert waits == ["20", "17", "13", "6"]
        told(f"{twin} to {client}: waits told after 0, 3.5, 7.25, 14 of 20 s", " ".join(map(str, waits)), "20 17 13 6")
        assert len(asked(rig, twin, A)) == len(asked(rig, twin, B)) == 1, "no attempt while all are throttled"

        refusal = (await after(14.5)).answer
        words = {"openai": b"provider_rate_limited", "anthropic": b"rate_limit_error", "gemini": b"RESOURCE_EXHAUSTED"}
        assert refusal.status == 429 and words[client] in refusal.body and b"the provider's rate limit" in refusal.body
        assert "x-should-retry" not in refusal.headers

        short = await after(16.0)  # 4 s are left, which the gateway itself waits
        assert short.good and 4.0 <= short.took <= 4.0 * 1.1 + 0.05
        assert [len(asked(rig, twin, key)) for key in (A, B)] == [1, 2]

    play(tmp_path, CONFIG, scene)
