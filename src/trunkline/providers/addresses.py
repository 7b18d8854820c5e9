"""From a base URL (what the provider's official SDK takes) to an origin and a path prefix."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import urlsplit

from trunkline.types.wire import Headers, Origin

AGENT = (b"user-agent", b"trunkline")
PLAIN = (b"accept-encoding", b"identity")
JSON = (b"content-type", b"application/json")
SSE = (b"accept", b"text/event-stream")
ANY = (b"accept", b"application/json")

_WRITTEN = "a base URL is written as https://host[:port][/path]"
_HOST = re.compile(r"[A-Za-z0-9._-]+\Z|[0-9A-Fa-f:.]+\Z")
_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*\Z")


def origin_of(base_url: str, *added: str) -> Origin:
    """`added` are ends that the provider's code puts on the path itself: a base URL that has one already would be
    asked for it twice. Raises ValueError, with words for the user; they never repeat the URL."""
    if not base_url.isascii() or not base_url.isprintable() or " " in base_url:
        raise ValueError(_WRITTEN)
    try:
        parts = urlsplit(base_url)
    except ValueError:  # brackets that do not hold an address
        raise ValueError(_WRITTEN) from None
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{_WRITTEN}; a port is a number up to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not _HOST.match(parts.hostname) or port == 0:
        raise ValueError(_WRITTEN)
    if "@" in parts.netloc:
        raise ValueError("a base URL holds no credentials: write them as api_key")
    if parts.query or parts.fragment or "?" in base_url or "#" in base_url:
        raise ValueError("a base URL has no query and no fragment")
    path = parts.path.rstrip("/")
    if not _PATH.match(path):
        raise ValueError("the path of a base URL has characters that must be percent-encoded")
    for end in added:
        if path.endswith(end):
            raise ValueError(f"a base URL ends before {end}: that is added")
    if parts.scheme == "https":
        return Origin("https", parts.hostname, port or 443)
    return Origin("http", parts.hostname, port or 80)


def path_of(base_url: str) -> str:
    """Without the last slash."""
    return urlsplit(base_url).path.rstrip("/")


@lru_cache(32_768)
def target_of(base_url: str, path: str) -> bytes:
    """The request target behind a base URL."""
    return (path_of(base_url) + path).encode()


def headers_for(stream: bool) -> Headers:
    """What every provider is sent; the provider adds its authentication."""
    return [JSON, SSE if stream else ANY, PLAIN, AGENT]
