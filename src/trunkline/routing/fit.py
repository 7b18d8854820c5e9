"""Which candidates may and can serve a request: constraints and capabilities, before anybody looks at health."""

from __future__ import annotations

import msgspec

from trunkline.routing.prices import price_now
from trunkline.types.constraint import Constraint, violation
from trunkline.types.envelope import MEDIA_NEEDS, SOFT_NEEDS, needs_named
from trunkline.types.failure import Failure, FaultClass, Kind, refused
from trunkline.types.fleet import Candidate, Route
from trunkline.types.plan import Asked, Dropped

#: No tokenizer packs more bytes into a token on average: what is larger than a context by this measure is larger.
BYTES_PER_TOKEN = 12


class Fitting(msgspec.Struct, frozen=True, kw_only=True):
    """The candidates of a route that may and can serve, in the order written, and why the others were left out."""

    use: tuple[Candidate, ...]
    fallback: tuple[Candidate, ...]
    dropped: tuple[Dropped, ...] = ()


def fit(route: Route, asked: Asked, constraints: tuple[Constraint, ...]) -> Fitting:
    """`constraints` are all of them: the route's and whatever else applies."""
    dropped: list[Dropped] = []

    def left(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
        kept: list[Candidate] = []
        for candidate in candidates:
            out = unfit(route, candidate, asked, constraints)
            if out is None:
                kept.append(candidate)
            else:
                dropped.append(out)
        return candidates if len(kept) == len(candidates) else tuple(kept)

    use, fallback = left(route.use), left(route.fallback)
    return Fitting(use=use, fallback=fallback, dropped=tuple(dropped))


def unfit(route: Route, candidate: Candidate, asked: Asked, constraints: tuple[Constraint, ...]) -> Dropped | None:
    """Why this candidate may not or cannot serve the request; None: it may and can."""
    deployment = candidate.deployment
    for constraint in constraints:
        price = None
        if constraint.max_price is not None:
            found = price_now(deployment, asked.wall, asked.input_tokens)
            price = None if found is None else (found.input, found.output)
        broken = violation(constraint, deployment.labels, price)
        if broken is not None:
            return Dropped(candidate, broken.about, f"{broken.origin}: {broken.detail}")
    lacking = lacks(route, candidate, asked.needs)
    if lacking:
        return Dropped(candidate, "capability", f"{deployment.model} does not take {', '.join(needs_named(lacking))}")
    return _too_small(route, candidate, asked)


def lacks(route: Route, candidate: Candidate, needs: int) -> int:
    """The needs, as bits, for which this candidate is left out."""
    match route.on_unsupported:
        case "pass":
            return 0
        case "refuse":
            return needs & candidate.deployment.lacks
        case _:
            return needs & candidate.deployment.lacks & ~SOFT_NEEDS


def _too_small(route: Route, candidate: Candidate, asked: Asked) -> Dropped | None:
    context = candidate.deployment.context_tokens
    if context is None or asked.needs & MEDIA_NEEDS or route.on_unsupported == "pass":
        return None
    if asked.body_bytes <= context * BYTES_PER_TOKEN:
        return None
    return Dropped(candidate, "capability", f"{asked.body_bytes} bytes of text do not fit into {context} tokens")


def nobody(route: Route, fitting: Fitting) -> Failure:
    """Nobody is left by declaration (reliability.md 1, rule 9): capability is the caller's to mend and says what is missing;
    residency, price and access are refused."""
    reasons = {d.reason for d in fitting.dropped}
    if reasons == {"capability"}:
        said = "; ".join(sorted({d.detail for d in fitting.dropped})[:4])
        return Failure(
            kind=Kind.CAPABILITY,
            fault=FaultClass.CAPABILITY,
            source="gateway",
            message=f"no deployment of '{route.name}' can serve this request: {said}",
            code="unsupported_value",
        )
    if not fitting.dropped:
        return refused(Kind.FORBIDDEN, f"'{route.name}' has no deployment for this request", code="forbidden")
    said = "; ".join(sorted({d.detail for d in fitting.dropped if d.reason != "capability"})[:4])
    return refused(
        Kind.FORBIDDEN, f"no deployment of '{route.name}' is allowed for this request: {said}", code="forbidden"
    )
