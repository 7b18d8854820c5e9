"""From a base URL (what the provider's official SDK takes) to an origin and a path prefix."""

from __future__ import annotations

from urllib.parse import urlsplit

from trunkline.types.wire import Headers, Origin

AGENT = (b"user-agent", b"trunkline")
PLAIN = (b"accept-encoding", b"identity")
JSON = (b"content-type", b"application/json")
SSE = (b"accept", b"text/event-stream")
ANY = (b"accept", b"application/json")


def origin_of(base_url: str) -> Origin:
    """Raises ValueError when the URL has no host or another scheme than http and https."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a base URL is written as https://host[:port][/path]")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Origin("https" if parts.scheme == "https" else "http", parts.hostname, port)


def path_of(base_url: str) -> str:
    return urlsplit(base_url).path.rstrip("/")


def headers_for(stream: bool) -> Headers:
    """What every provider is sent; the provider adds its authentication."""
    return [JSON, SSE if stream else ANY, PLAIN, AGENT]
