"""What an upstream answer amounts to: complete and usable, or a failure of a class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from trunkline.dialects.contract import Answer
from trunkline.types.canonical import ChatResponse
from trunkline.types.failure import Failure

if TYPE_CHECKING:
    from trunkline.engine.attempt import Attempt


def complete_answer(attempt: Attempt) -> tuple[bytes, Answer] | Failure:
    """Terminal check of a non-streamed answer; the bytes for the client are untouched in the same dialect."""
    x, leg = attempt.x, attempt.leg
    body = attempt.body[0] if len(attempt.body) == 1 else b"".join(attempt.body)
    answer = leg.upstream.check(body)
    if isinstance(answer, Failure):
        return answer
    if leg.same:
        return body, answer
    response: ChatResponse | Failure = leg.upstream.decode_response(body)
    if isinstance(response, Failure):
        return response
    encoded = x.chat.encode_response(response, created=int(x.wall))
    x.losses = leg.losses + response.losses + encoded.losses
    return encoded.body, answer


def failed_answer(attempt: Attempt) -> Failure:
    """An error status, or an error event inside a 200, as its class; the body travels along for the same dialect."""
    x, leg = attempt.x, attempt.leg
    provider = x.house.providers[attempt.candidate.deployment.provider.kind]
    now = x.house.wall()
    if attempt.relay is not None and attempt.relay.error is not None:
        return provider.classify(200, attempt.headers, attempt.relay.error, now=now)
    body = b"".join(attempt.body)
    facts = leg.upstream.read_error(attempt.status, body)
    failure = provider.classify(attempt.status, attempt.headers, facts, now=now)
    if leg.same and body:
        return msgspec.structs.replace(failure, body=body)
    return failure
