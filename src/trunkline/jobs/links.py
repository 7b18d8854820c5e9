"""URLs of our own for results: signed, expiring, good without a key for exactly one file of one job. Pure."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, urlencode


def sign_link(pepper: bytes, job_id: str, which: str, until: int) -> str:
    """The query of a URL that may be fetched until `until` (epoch seconds)."""
    query = {} if which == "video" else {"variant": which}
    return urlencode({**query, "expires": until, "signature": _tag(pepper, job_id, which, until)})


def check_link(pepper: bytes, job_id: str, which: str, query: bytes, now: float) -> str:
    """ "" when the query of a URL was signed here for this file and its time is not over, otherwise why not."""
    said = parse_qs(query.decode("latin-1"))
    until, signature = said.get("expires", [""])[0], said.get("signature", [""])[0]
    if not (until.isascii() and until.isdigit() and len(until) <= 12) or not signature.isascii():
        return "it is not complete"
    if not hmac.compare_digest(signature, _tag(pepper, job_id, which, int(until))):
        return "its signature is wrong"
    return "" if now < int(until) else "it has expired"


def _tag(pepper: bytes, job_id: str, which: str, until: int) -> str:
    text = f"trunkline result link\0{job_id}\0{which}\0{until}"
    return hmac.new(pepper, text.encode(), hashlib.sha256).hexdigest()[:48]
