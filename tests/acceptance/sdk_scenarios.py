"""What an official SDK must be able to do, against a twin directly or through the gateway.

    python tests/acceptance/sdk_scenarios.py --surface openai --base-url http://127.0.0.1:9101/v1 \
        --api-key sk-test --model gpt-4.1 --fault-url http://127.0.0.1:9101/_twin/faults

Each scenario runs with the sync and the async client, plain and streamed where that makes sense. It needs no pytest
and nothing but the SDK of its surface, so it runs under older SDK majors too. Exit 1 when a scenario fails.
The wording of the prompts steers the twins (see `trunkline.twins.answer`).
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sdk_surfaces import SURFACES, Said, Target, Wish

#: A transparent pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PICTURE_URL = "https://example.com/cat.png"

Ask = Callable[[Wish], Said]


# --- scenarios that must succeed: each gets a surface, its target, and a way to ask ---------------------------------


def plain(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", "Tell me about rivers.")]))
    assert len(said.text) > 80, said.text
    assert "rivers" in said.text
    assert said.finish == "end"
    assert said.prompt_tokens > 0 and said.output_tokens > 0
    assert said.total_tokens == said.prompt_tokens + said.output_tokens
    again = ask(Wish([("user", "Tell me about rivers.")]))
    assert again.text == said.text, "the same request must give the same text"


def exact_text(surface: Any, target: Target, ask: Ask) -> None:
    wanted = "naïve ‘quotes’, a tab\tand 漢字 – 🙂 \\ {'a': 1}\nnext line"
    said = ask(Wish([("user", f'Say exactly "{wanted}"')]))
    assert said.text == wanted, said.text


def system(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", "ping")], system='Always reply with exactly "pong from the system".'))
    assert said.text == "pong from the system", said.text


def multi_turn(surface: Any, target: Target, ask: Ask) -> None:
    turns = [
        ("user", "Remember the word heliotrope."),
        ("assistant", "I will."),
        ("user", "Repeat the first message."),
    ]
    said = ask(Wish(turns))
    assert said.text == "Remember the word heliotrope.", said.text


def image_base64(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", ["What is in this image?", PNG])]))
    assert f"image/png of {len(PNG)} bytes" in said.text, said.text


def image_url(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", ["What is in this image?", PICTURE_URL])]))
    assert PICTURE_URL in said.text, said.text


def two_tools(surface: Any, target: Target, ask: Ask) -> None:
    question = ("user", "Please call get_weather for the two cities of Paris and Rome.")
    said = ask(Wish([question], tools=True))
    assert said.finish == "tools", said.finish
    assert [(name, arguments) for _, name, arguments in said.calls] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Rome"}),
    ]
    ids = [call_id for call_id, _, _ in said.calls]
    assert len(set(ids)) == 2 or not any(ids), ids
    done = ask(Wish([question, *surface.results(said, ["sunny, 21 degrees", "rain, 17 degrees"])], tools=True))
    assert done.finish == "end"
    assert "sunny, 21 degrees" in done.text and "rain, 17 degrees" in done.text, done.text


def stop_sequence(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", 'Say exactly "alpha beta HALT gamma"')], stop="HALT"))
    assert said.text == "alpha beta ", repr(said.text)
    told = surface.finishes.get("stop_sequence") == "stop" and not target.translated
    assert said.finish == ("stop" if told else said.finish) and said.finish in ("stop", "end"), said.finish


def max_tokens(surface: Any, target: Target, ask: Ask) -> None:
    said = ask(Wish([("user", "Write 200 words about rivers.")], max_tokens=16))
    assert said.finish == "length", said.finish
    assert 0 < said.output_tokens <= 16
    assert said.text


SUCCESSES = (plain, exact_text, system, multi_turn, image_base64, image_url, two_tools, stop_sequence, max_tokens)


# --- scenarios that must fail with the SDK's own exception ----------------------------------------------------------

HELLO = [("user", "Hello there.")]


def refused(surface: Any, ask: Ask, wish: Wish) -> int:
    try:
        said = ask(wish)
    except Exception as error:
        return int(surface.status_of(error))
    raise AssertionError(f"no error, but {said.text!r}")


def error_400(surface: Any, target: Target, ask: Ask) -> None:
    assert refused(surface, ask, Wish([("wizard", "Hello there.")])) == 400


def error_401(surface: Any, target: Target, ask: Ask) -> None:
    status = refused(surface, ask, Wish(HELLO, api_key="bad-key"))
    assert status in ((401,) if target.gateway else surface.bad_key_statuses[:1]), status


def error_404(surface: Any, target: Target, ask: Ask) -> None:
    assert refused(surface, ask, Wish(HELLO, model="no-such-model")) == 404


FAILURES = (error_400, error_401, error_404)


def too_large(surface: Any, target: Target, ask: Ask) -> None:
    """The gateway refuses at the head, while the SDK is still sending."""
    assert refused(surface, ask, Wish([("user", "x" * target.body_limit)])) == 413


#: Faults of the twin, the statuses a client may see directly, and through a gateway that has spent its retries.
FAULTS: dict[str, tuple[str, set[int], set[int]]] = {
    "error_413": ("status:413", {413}, {413}),
    "error_429": ("throttle:60", {429}, {429}),
    "error_500": ("status:500", {500}, {502}),
    "error_503": ("status:503", {503}, {503}),
}

#: What a provider does to a stream whose head has left the gateway: streamed ways only.
BREAKS = {"broken_stream": "cut:3"}

#: Faults after which a gateway says `x-should-retry: false`: behind one, these scenarios keep the SDK's own retries.
SPENT = ("error_500", "error_503")


def put_faults(url: str, fault: str | None) -> None:
    """Sets a fault on a twin, or removes all of them."""
    method = "DELETE" if fault is None else "PUT"
    data = None if fault is None else json.dumps({"fault": fault}).encode()
    request = urllib.request.Request(url, data=data, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        answer.read()


@contextmanager
def fault_on(target: Target, fault: str) -> Iterator[None]:
    for url in target.fault_urls:
        put_faults(url, fault)
    try:
        yield
    finally:
        for url in target.fault_urls:
            put_faults(url, None)


# --- running --------------------------------------------------------------------------------------------------------


@dataclass
class Verdict:
    name: str
    ok: bool
    detail: str = ""


def ways(surface: Any) -> dict[str, Ask]:
    """Sync and async client, plain and streamed."""
    return {
        "sync": surface.plain,
        "async": lambda wish: asyncio.run(surface.plain_async(wish)),
        "sync stream": surface.stream,
        "async stream": lambda wish: asyncio.run(surface.stream_async(wish)),
    }


def run(surface_name: str, target: Target) -> Iterator[Verdict]:
    """Every scenario in every way; never raises."""
    surface = SURFACES[surface_name](target)
    for way, ask in ways(surface).items():
        for scenario in (*SUCCESSES, *FAILURES, *((too_large,) if target.body_limit else ())):
            yield judge(f"{scenario.__name__} {way}", scenario, surface, target, ask)
        if not target.fault_urls:
            continue
        for name, (fault, direct, through) in FAULTS.items():
            # A gateway remembers what a provider said: each fault strikes a deployment of its own.
            own = replace(target, sdk_retries=target.gateway and name in SPENT)
            if target.own_models:
                own.model = fault_model(target.model, name, way)
            asked = ways(SURFACES[surface_name](own))[way]
            with fault_on(target, fault):
                yield judge(f"{name} {way}", _expecting(through if target.gateway else direct), surface, own, asked)
        for name, fault in BREAKS.items() if target.gateway and way.endswith("stream") else ():
            own = replace(target, model=fault_model(target.model, name, way)) if target.own_models else target
            with fault_on(target, fault):
                yield judge(f"{name} {way}", broken_stream, surface, own, ask)


def fault_model(model: str, name: str, way: str) -> str:
    """The alias that a fault scenario asks for behind a gateway."""
    return f"{model}-{name}-{way}".replace(" ", "-")


def broken_stream(surface: Any, target: Target, ask: Ask) -> None:
    """The SDK must raise its own exception: a broken answer may not look like a short one."""
    try:
        said = ask(Wish(HELLO, model=target.model))
    except Exception as error:
        assert isinstance(error, surface.stream_error), repr(error)
        return
    raise AssertionError(f"no error, but {said.text!r}")


def _expecting(statuses: set[int]) -> Callable[[Any, Target, Ask], None]:
    def scenario(surface: Any, target: Target, ask: Ask) -> None:
        status = refused(surface, ask, Wish(HELLO))
        assert status in statuses, status

    return scenario


def judge(name: str, scenario: Callable[[Any, Target, Ask], None], surface: Any, target: Target, ask: Ask) -> Verdict:
    try:
        scenario(surface, target, ask)
    except Exception:
        return Verdict(name, False, traceback.format_exc(limit=-4))
    return Verdict(name, True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--surface", choices=sorted(SURFACES), required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--fault-url", action="append", default=[], help="control endpoint of an upstream twin")
    parser.add_argument("--gateway", action="store_true", help="a gateway stands between client and twin")
    parser.add_argument("--translated", action="store_true", help="the upstream speaks another dialect")
    parser.add_argument("--own-models", action="store_true", help="ask for <model>-<fault>-<way> in fault scenarios")
    parser.add_argument("--body-limit", type=int, default=0, help="largest request body that the gateway takes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    target = Target(
        options.base_url,
        options.api_key,
        options.model,
        options.fault_url,
        translated=options.translated,
        gateway=options.gateway or options.translated,
        own_models=options.own_models,
        body_limit=options.body_limit,
    )
    failed = 0
    for verdict in run(options.surface, target):
        failed += not verdict.ok
        if options.json:
            line = json.dumps({"scenario": verdict.name, "ok": verdict.ok, "detail": verdict.detail})
        else:
            line = f"{'ok  ' if verdict.ok else 'FAIL'} {verdict.name}" + (
                f"\n{verdict.detail}" if verdict.detail else ""
            )
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
