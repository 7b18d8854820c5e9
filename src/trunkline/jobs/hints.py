"""Where providers call back: an unguessable URL for each job. What arrives there is a hint to look, never a fact (J9)."""

from __future__ import annotations

import hashlib
import hmac
import re

from trunkline.jobs.contract import Ground

PATH = "/v1/callbacks/jobs/"
_TOKEN = re.compile(r"([0-9a-f]{32})-([0-9a-f]{40})")


def hint_url(ground: Ground, job_id: str) -> str:
    """ "" while nobody has said how this gateway is reached from outside."""
    public = ground.settings.public_url
    return f"{public}{PATH}{token_of(ground.pepper, job_id)}" if public else ""


def token_of(pepper: bytes, job_id: str) -> str:
    return f"{job_id}-{_tag(pepper, job_id)}"


def job_of(pepper: bytes, token: str) -> str | None:
    """The job that a token of ours names; None: not ours."""
    found = _TOKEN.fullmatch(token)
    if found is None or not hmac.compare_digest(found[2], _tag(pepper, found[1])):
        return None
    return found[1]


def _tag(pepper: bytes, job_id: str) -> str:
    return hmac.new(pepper, b"trunkline job hint\0" + job_id.encode(), hashlib.sha256).hexdigest()[:40]
